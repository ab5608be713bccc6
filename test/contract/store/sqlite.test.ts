import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { openStore, snapshot } from '../../../agent/src/stores/store.ts';
import { hubWorld } from '../../support/hub-world.ts';
import { sqlitePlanning } from '../../support/planning.ts';
import { rawDatabase } from '../../support/raw-database.ts';
import { agentsContract } from './agents-contract.ts';
import { plansContract } from './plans-contract.ts';
import { racesContract } from './races-contract.ts';
import { readsContract } from './reads-contract.ts';
import { retentionContract } from './retention-contract.ts';
import { type StoreUnderTest, storeContract } from './store-contract.ts';
import { upgradeContract } from './upgrade-contract.ts';

const under: StoreUnderTest = {
  name: 'SQLite',
  async create() {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
    return {
      open: () => openStore({ path: join(folder, 'hub.db') }),
      remove: async () => rmSync(folder, { recursive: true }),
    };
  },
};
storeContract(under);
readsContract(under);
retentionContract(under);
racesContract(under);
agentsContract(under);
plansContract('SQLite', sqlitePlanning);
upgradeContract('SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
  const path = join(folder, 'hub.db');
  return {
    open: () => openStore({ path }),
    async run(text) {
      const raw = rawDatabase(path);
      raw.exec(text);
      raw.close();
    },
    remove: async () => rmSync(folder, { recursive: true }),
  };
});

describe('Holds that wait for one answer', () => {
  it('T30 are found by it, not among all that wait: SQLite plans without knowing how many rows there are', async () => {
    const planning = await sqlitePlanning();
    const { reader } = planning;
    for (const ask of [() => reader.waitingOn(7), () => reader.waitingOnAny([7, 8], 100)]) {
      await ask();
      expect([...(await planning.plans()).values()].join('\n')).toContain('USING INDEX holds_of_review (review=?)');
    }
    await planning.remove();
  });
});

describe('approvals of many years', () => {
  it('T30 are looked through step by step, from either end, each once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
    const path = join(folder, 'hub.db');
    const world = await hubWorld({ store: await openStore({ path }) });
    for (let id = 1; id <= 5; id++) {
      await world.admit({ id, pipeline: id, name: id === 3 ? 'other' : `deploy-${id}` });
      await world.approve('maria', id);
    }
    await world.context.store.close();
    const raw = rawDatabase(path);
    // Far apart: no step has two of them, and many have none.
    raw.exec('pragma foreign_keys = off; update approvals set id = id * 1000000');
    raw.close();
    const store = await openStore({ path });
    const found = async (page: { after: number; limit: number; newest?: boolean }) =>
      (await store.approvals({ text: 'DEPLOY', sight: null }, page)).map(({ id }) => id / 1_000_000);
    expect(await found({ after: 0, limit: 10 })).toEqual([1, 2, 4, 5]);
    expect(await found({ after: 0, limit: 2 })).toEqual([1, 2]);
    expect(await found({ after: 2_000_000, limit: 2 })).toEqual([4, 5]);
    expect(await found({ after: 0, limit: 3, newest: true })).toEqual([5, 4, 2]);
    expect(await found({ after: 4_000_000, limit: 3, newest: true })).toEqual([2, 1]);
    expect(await found({ after: 9_000_000, limit: 3 })).toEqual([]);
    await store.close();
    rmSync(folder, { recursive: true });
  });
});

describe('a SQLite file that was tampered with', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
    path = join(folder, 'hub.db');
    const store = await openStore({ path });
    const world = await hubWorld({ store });
    for (let id = 1; id <= 4; id++) await world.admit({ id, pipeline: id });
    await world.approve('maria', 1);
    await store.close();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Verifies after the statements were run by somebody with the file and without scruples. */
  async function verifiedAfter(...statements: string[]) {
    const raw = rawDatabase(path);
    raw.exec('drop trigger if exists audit_no_update; drop trigger if exists audit_no_delete;');
    for (const statement of statements) raw.exec(statement);
    raw.close();
    const store = await openStore({ path });
    const report = await verifyAudit(store);
    await store.close();
    return report;
  }

  it('verifies when nothing was done to it', async () => {
    expect(await verifiedAfter()).toMatchObject({ ok: true });
  });

  it('T34 a changed audit row is found', async () => {
    expect(await verifiedAfter("update audit set actor = 'user:22 jonas' where seq = 3")).toMatchObject({
      ok: false,
      fault: 'changed',
      seq: 3,
    });
    expect(await verifiedAfter("update audit set detail = '{}' where seq = 2")).toMatchObject({
      ok: false,
      fault: 'changed',
      seq: 2,
    });
  });

  it('T34 a removed audit row is found, the last one too', async () => {
    expect(await verifiedAfter('delete from audit where seq = 3')).toMatchObject({
      ok: false,
      fault: 'removed',
      seq: 3,
    });
  });

  it('T34 a chain that was cut short is found by its stored head', async () => {
    expect(await verifiedAfter('delete from audit where seq = (select max(seq) from audit)')).toMatchObject({
      ok: false,
      fault: 'truncated',
    });
  });

  it('T34 an inserted audit row is found', async () => {
    const copy = `insert into audit (seq, at, actor, address, event, hold, review, approval, digest, policy, detail, prev, hash) select (select max(seq) from audit) + 1, at, actor, address, event, hold, review, approval, digest, policy, detail, prev || 'x', hash || 'x' from audit where seq = 1`;
    expect(await verifiedAfter(copy)).toMatchObject({ ok: false, fault: 'changed' });
  });

  it('T34 audit rows cannot be changed or removed while the triggers stand', () => {
    const raw = rawDatabase(path);
    expect(() => raw.exec("update audit set actor = 'x'")).toThrow(/append-only/);
    expect(() => raw.exec('delete from audit')).toThrow(/append-only/);
    raw.close();
  });

  it('refuses a schema that is newer than this program, in words', async () => {
    const raw = rawDatabase(path);
    raw.exec('insert into schema_version values (999)');
    raw.close();
    await expect(openStore({ path })).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('schema 999'),
    });
  });

  it('is written by a probe, which changes nothing', async () => {
    const { statSync } = await import('node:fs');
    const opened = await openStore({ path });
    const before = {
      head: await opened.auditHead(),
      wal: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    };
    await opened.probe();
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(before.wal);
    expect(await opened.auditHead()).toEqual(before.head);
    await opened.close();
    await expect(opened.probe()).rejects.toThrow();
  });

  it('refuses what is no database, in words, without touching it', async () => {
    const { writeFileSync, readFileSync } = await import('node:fs');
    const other = join(folder, 'notes.txt');
    writeFileSync(other, 'these are my notes, and they are longer than a header of a database '.repeat(20));
    await expect(openStore({ path: other })).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(readFileSync(other, 'utf8')).toContain('these are my notes');
    await expect(openStore({ path: join(folder, 'no', 'such', 'folder.db') })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  });

  it('is readable by its owner alone, and writes through to the disk', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const raw = rawDatabase(path);
    expect(raw.value('pragma journal_mode')).toBe('wal');
    raw.close();
  });
});

describe('a SQLite file from before space was given back', () => {
  it('gives it back from the day that it was copied', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
    const [path, copy] = [join(folder, 'hub.db'), join(folder, 'copy.db')];
    await (await openStore({ path })).close();
    const raw = rawDatabase(path);
    raw.exec('pragma journal_mode = DELETE; pragma auto_vacuum = NONE; vacuum');
    expect(raw.value('pragma auto_vacuum')).toBe(0);
    raw.close();
    await snapshot(path, copy);
    const copied = rawDatabase(copy);
    expect(copied.value('pragma auto_vacuum')).toBe(2);
    copied.close();
    rmSync(folder, { recursive: true });
  });
});
