import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditPaths, auditRoot } from '../../../agent/src/app/audit-tree.ts';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { hashBytes, hashText, leafOf } from '../../../agent/src/domain/audit-head.ts';
import { EMPTY_TREE, grow, rootOf, rootOfPath } from '../../../agent/src/domain/merkle.ts';
import type { AuditFilter, Store } from '../../../agent/src/ports/store.ts';
import { auditQueries } from '../../../agent/src/stores/audit-reads.ts';
import { inDialect } from '../../../agent/src/stores/dialect.ts';
import { statements as first } from '../../../agent/src/stores/migrations/0001-first.ts';
import { statements as second } from '../../../agent/src/stores/migrations/0002-retries.ts';
import { statements as third } from '../../../agent/src/stores/migrations/0003-scopes.ts';
import { openStore } from '../../../agent/src/stores/store.ts';
import { START } from '../../support/hub-world.ts';
import { queryWriter, rawDatabase } from '../../support/raw-database.ts';

let folder: string;
let path: string;
const stores: Store[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-audit-store-'));
  path = join(folder, 'hub.db');
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});
async function open(): Promise<Store> {
  const store = await openStore({ path });
  stores.push(store);
  return store;
}
const entry = (more: object = {}) => ({
  at: START,
  actor: 'system',
  address: null,
  event: 'x',
  hold: null,
  review: null,
  approval: null,
  digest: null,
  policy: null,
  detail: {},
  ...more,
});
const text = (value: unknown): string =>
  value === null || typeof value !== 'object'
    ? JSON.stringify(value)
    : `{${Object.keys(value)
        .sort()
        .map((key) => `${JSON.stringify(key)}:${text((value as Record<string, unknown>)[key])}`)
        .join()}}`;
const sha256 = (of: string) => `sha256:${createHash('sha256').update(of).digest('hex')}`;

/** A store as the version before wrote it: schema 3, a chain of rows that know neither client nor deployment. */
function oldStore(count: number): string[] {
  const raw = rawDatabase(path);
  raw.exec('pragma foreign_keys = off; create table schema_version (version integer primary key)');
  for (const [i, statements] of [first, second, third].entries()) {
    for (const statement of statements) {
      const text = inDialect(statement, 'sqlite');
      if (text !== null) raw.exec(text);
    }
    raw.exec(`insert into schema_version values (${i + 1})`);
  }
  raw.exec(`insert into holds (id, version, state, instance, project_id, project_path, job, digest, ref, ref_protected,
    pipeline_key, trigger_verified, review, opened_at, expires_at, inputs) values
    (1, 1, 'waiting_for_approval', 'i', 4242, 'acme/api', 'build', 'sha256:${'a'.repeat(64)}', 'refs/heads/main', 1,
     'job:1', 'gitlab', 1, 0, 1, 'any')`);
  let prev = sha256('holdpoint.audit/v1');
  const hashes: string[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const actor = seq % 2 === 0 ? 'user:12 alice' : 'agent:embedded';
    const detail = seq % 3 === 0 ? { owner: 21, project_id: 7 } : { comment: 'ö' };
    const hold = seq % 3 === 0 ? null : 1;
    const row = {
      seq,
      at: new Date(START).toISOString(),
      actor,
      address: null,
      event: 'old',
      hold,
      review: null,
      approval: null,
      digest: null,
      policy: null,
      detail,
      prev,
    };
    const hash = sha256(text(row));
    raw.exec(`insert into audit (seq, at, actor, event, hold, detail, prev, hash)
      values (${seq}, ${START}, '${actor}', 'old', ${hold}, '${JSON.stringify(detail)}', '${prev}', '${hash}')`);
    prev = hash;
    hashes.push(hash);
  }
  raw.exec(`insert into audit_head values (1, ${count}, '${prev}')`);
  raw.close();
  return hashes;
}

describe('an audit that the version before has written', () => {
  it('T34 verifies as it is, with the same hashes, and goes on', async () => {
    const hashes = oldStore(7);
    const store = await open();
    expect(await verifyAudit(store)).toMatchObject({ ok: true, head: { seq: 7, hash: hashes[6] } });
    await store.write((tx) => tx.audit(entry({ client: 'curl/8', deployment: 3 })));
    expect(await verifyAudit(store)).toMatchObject({ ok: true, head: { seq: 8 } });
    const rows = await store.auditRows({ sight: null }, { after: 0, limit: 10 });
    expect(rows.slice(0, 7).map((row) => row.hash)).toEqual(hashes);
    expect(rows[7]).toMatchObject({ client: 'curl/8', deployment: 3 });
  });

  it('is found by project and person as if this version had written it', async () => {
    oldStore(7);
    const store = await open();
    const found = async (filter: object) =>
      (await store.auditRows({ ...filter, sight: null }, { after: 0, limit: 10 })).map((row) => row.seq);
    expect(await found({ project: 4242 })).toEqual([1, 2, 4, 5, 7]);
    expect(await found({ project: 7 })).toEqual([3, 6]);
    expect(await found({ person: 12 })).toEqual([2, 4, 6]);
    expect(await found({ person: 21 })).toEqual([3, 6]);
  });

  it('T34 keeps its rows from being changed after the step to this schema', async () => {
    oldStore(3);
    await open();
    const raw = rawDatabase(path);
    expect(() => raw.exec("update audit set actor = 'x'")).toThrow(/append-only/);
    expect(() => raw.exec('delete from audit')).toThrow(/append-only/);
    raw.exec(`insert into audit_checkpoints values (1, 1, 'k', '{}')`);
    expect(() => raw.exec('delete from audit_checkpoints')).toThrow(/append-only/);
    raw.close();
  });
});

describe('a row with a client and a deployment', () => {
  it.each([{ client: 'x' }, { client: null }, { deployment: 4 }, { deployment: null }])(
    'T34 does not verify when they were changed to %o behind its back',
    async (change) => {
      const store = await open();
      await store.write((tx) => tx.audit(entry({ client: 'curl/8', deployment: 3 })));
      const [row] = await store.auditRows({ sight: null }, { after: 0, limit: 1 });
      const bent = {
        ...store,
        auditRows: async (_: unknown, page: { after: number }) => (page.after === 0 ? [{ ...row!, ...change }] : []),
      };
      expect(await verifyAudit(bent)).toMatchObject({ ok: false, fault: 'changed', seq: 1 });
    },
  );
});

describe('the hash tree in the store', () => {
  it('has the root of all rows and a proof for each, before and after it is kept, at any size', async () => {
    const store = await open();
    let tree = EMPTY_TREE;
    for (const size of [1, 255, 256, 257, 700, 1_100]) {
      await store.write(async (tx) => {
        while (tree.size < size) tree = grow(tree, leafOf(await tx.audit(entry())));
      });
      const root = hashText(rootOf(tree));
      expect(await auditRoot(store, size), `${size} rows`).toBe(root);
      expect(await auditRoot(store, size), `${size} rows again`).toBe(root);
      const rows = await store.auditRows({ sight: null }, { after: 0, limit: 2_000 });
      const seqs = [1, Math.ceil(size / 2), size];
      for (const [i, path] of (await auditPaths(store, seqs, size)).entries()) {
        const proof = path.map((hash) => hashBytes(hash)!);
        const seq = seqs[i]!;
        expect(hashText(rootOfPath(seq - 1, size, leafOf(rows[seq - 1]!), proof)!)).toBe(root);
      }
    }
    expect(await store.treeHash(8, 0)).not.toBeNull();
    expect(await store.treeHash(10, 0)).not.toBeNull();
    expect(await store.treeHash(7, 0)).toBeNull();
  });
});

describe('looking for rows', () => {
  const SIGHT = { projects: [1, 2], trigger: 9 };
  /** What is asked → an index that each of its queries must go over; null: the rows in their own order. */
  const QUESTIONS: readonly (readonly [string, AuditFilter, RegExp])[] = [
    ['everything', { sight: null }, /SEARCH audit USING INTEGER PRIMARY KEY/],
    ['a hold', { hold: 1, sight: null }, /USING (COVERING )?INDEX audit_of_hold/],
    ['a review', { review: 1, sight: null }, /INDEX audit_of_review/],
    ['an approval', { approval: 1, sight: null }, /INDEX audit_of_approval/],
    ['a deployment', { deployment: 1, sight: null }, /INDEX audit_of_deployment/],
    ['a project', { project: 1, sight: null }, /INDEX audit_of_project/],
    ['a person', { person: 1, sight: null }, /SEARCH audit_people USING PRIMARY KEY/],
    ['events', { events: ['a', 'b'], sight: null }, /INDEX audit_of_event/],
    ['a time', { since: 1, until: 2, sight: null }, /INDEX audit_of_time/],
    ['a time from on', { since: 1, sight: null }, /INDEX audit_of_time/],
    ['what one may see', { sight: SIGHT }, /INDEX audit_of_(project|hold)|USING INTEGER PRIMARY KEY \(rowid[=>]/],
    ['events of what one may see', { events: ['a'], sight: SIGHT }, /INDEX audit_of_(project|hold|event)/],
    ['a hold that one may see', { hold: 1, sight: SIGHT }, /INDEX audit_of_hold/],
  ];
  it.each(QUESTIONS)('T30 asks for %s over an index, and sorts no rows', async (_, filter, wanted) => {
    await open();
    const raw = rawDatabase(path);
    const db = queryWriter();
    for (const newest of [false, true]) {
      for (const query of auditQueries(db, filter, { after: 1_000, limit: 50, newest })) {
        const plan = raw.plan(query.sql, query.parameters);
        const audit = plan.filter((step) => /^(SEARCH|SCAN) audit/.test(step));
        expect(
          plan.some((step) => wanted.test(step)),
          plan.join('\n'),
        ).toBe(true);
        expect(
          audit.filter((step) => step.startsWith('SCAN')),
          plan.join('\n'),
        ).toEqual([]);
      }
    }
    raw.close();
  });

  it('gives rows of many projects one by one or together alike', async () => {
    const store = await open();
    await store.write(async (tx) => {
      for (let i = 1; i <= 200; i++) await tx.audit(entry({ detail: { project_id: i % 100 } }));
    });
    const few = Array.from({ length: 60 }, (_, i) => i);
    const look = async (projects: number[], newest: boolean) =>
      (await store.auditRows({ sight: { projects, trigger: 1 } }, { after: 0, limit: 30, newest })).map(
        (row) => row.seq,
      );
    for (const newest of [false, true]) {
      const many = [...few, ...Array.from({ length: 30 }, (_, i) => 1_000 + i)];
      expect(await look(few, newest)).toEqual(await look(many, newest));
      expect(await look(few, newest)).toHaveLength(30);
    }
  });
});
