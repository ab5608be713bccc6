import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Store, StoreWriter } from '../../agent/src/ports/store.ts';
import { openSqlite, openStore } from '../../agent/src/stores/store.ts';
import { type Together, type Transact, together } from '../../agent/src/stores/together.ts';

const seen = (name: string) => async (tx: StoreWriter) => {
  await tx.putAgent({ name, version: '1.0.0', runners: [], seenAt: 1 });
  return name;
};
const failing = (name: string) => async (tx: StoreWriter) => {
  await seen(name)(tx);
  throw new HoldpointError('forbidden', `not ${name}`);
};
const outcome = (written: Promise<unknown>): Promise<unknown> =>
  written.catch((error: Error) => `refused: ${error.message}`);

describe('writes that share a transaction', () => {
  let opened: Awaited<ReturnType<typeof openSqlite>>;
  let begun: number;
  /** How often a transaction cannot begin, and how often its commit fails. */
  let closed: number;
  let lost: number;
  let writes: Together;

  const names = async (): Promise<string[]> =>
    (await opened.db.selectFrom('agents').select('name').orderBy('name').execute()).map(({ name }) => name);

  beforeEach(async () => {
    opened = await openSqlite(':memory:');
    [begun, closed, lost] = [0, 0, 0];
    const transact: Transact = (work) =>
      opened.db.connection().execute(async (connection) => {
        if (closed-- > 0) throw new Error('busy');
        begun++;
        await sql`begin immediate`.execute(connection);
        try {
          await work(connection);
          if (lost-- > 0) throw new Error('no commit');
          await sql`commit`.execute(connection);
        } catch (cause) {
          if (opened.database.inTransaction) await sql`rollback`.execute(connection);
          throw cause;
        }
      });
    writes = together(transact, () => opened.database.inTransaction);
  });
  afterEach(async () => {
    await writes.idle();
    await opened.db.destroy();
  });

  it('are those that were asked for at the same moment, in their order and each with its own answer', async () => {
    const order: string[] = [];
    const each = (name: string) => writes.write(seen(name)).then((answer) => order.push(answer));
    await Promise.all(['c', 'a', 'b'].map(each));
    expect({ order, begun, kept: await names() }).toEqual({ order: ['c', 'a', 'b'], begun: 1, kept: ['a', 'b', 'c'] });
  });

  it('see what was written before them', async () => {
    const look = () => writes.write(async (tx) => (await tx.agents()).map(({ name }) => name));
    const [before, , after] = await Promise.all([look(), writes.write(seen('a')), look()]);
    expect({ before, after, begun }).toEqual({ before: [], after: ['a'], begun: 1 });
  });

  it.each([0, 1, 2])('lose only the one that fails, at place %i', async (place) => {
    const works = ['a', 'b', 'c'].map((name, n) => (n === place ? failing(name) : seen(name)));
    const found = await Promise.all(works.map((work) => outcome(writes.write(work))));
    const kept = ['a', 'b', 'c'].filter((_, n) => n !== place);
    expect(found.map((each) => (String(each).startsWith('refused') ? 'refused' : each))).toEqual(
      ['a', 'b', 'c'].map((name, n) => (n === place ? 'refused' : name)),
    );
    expect(await names()).toEqual(kept);
  });

  it('are done one by one when what they share cannot be committed, and nobody was told before', async () => {
    lost = 1;
    const told: string[] = [];
    const tell = (name: string) => writes.write(seen(name)).then(() => told.push(`${name} in transaction ${begun}`));
    await Promise.all(['a', 'b'].map(tell));
    expect(told).toEqual(['a in transaction 2', 'b in transaction 3']);
  });

  it('are done one by one when the database gives all of them up, and only the one that has no room fails', async () => {
    const [{ page_count: pages }] = opened.database.pragma('page_count') as [{ page_count: number }];
    opened.database.pragma(`max_page_count = ${pages + 20}`);
    const large = { version: 'x'.repeat(400_000), runners: [], seenAt: 1 };
    const found = await Promise.all([
      outcome(writes.write(seen('a'))),
      outcome(writes.write((tx) => tx.putAgent({ name: 'b', ...large }))),
      outcome(writes.write(seen('c'))),
    ]);
    expect(found).toEqual(['a', 'refused: database or disk is full', 'c']);
    expect(begun).toBe(4);
    expect(await names()).toEqual(['a', 'c']);
  });

  it('are all told when none can begin, and the next one begins', async () => {
    // While the next turn is waited for, all that ask come to it.
    await writes.write(async () => {
      closed = 1;
    });
    expect(await Promise.all([outcome(writes.write(seen('b'))), outcome(writes.write(seen('c')))])).toEqual([
      'refused: busy',
      'refused: busy',
    ]);
    expect(await outcome(writes.write(seen('d')))).toBe('d');
    expect(await names()).toEqual(['d']);
  });

  it('are no more than one turn takes, and the others follow', async () => {
    const many = Array.from({ length: 200 }, (_, n) => `agent-${n}`);
    expect(await Promise.all(many.map((name) => writes.write(seen(name))))).toEqual(many);
    expect(begun).toBeGreaterThan(2);
    expect(begun).toBeLessThan(100);
  });
});

describe('a store whose writes share a transaction', () => {
  let store: Store;
  beforeEach(async () => {
    store = await openStore({ path: ':memory:' });
  });
  afterEach(() => store.close());

  const entry = (actor: string) => {
    const about = { hold: null, review: null, approval: null, digest: null, policy: null };
    return { at: 1, actor, address: null, event: 'hub_started', ...about, detail: {} };
  };

  it('T34 keeps one chain of the audit when a decision among others is taken back', async () => {
    const decisions = Array.from({ length: 9 }, (_, n) =>
      outcome(
        store.write(async (tx) => {
          await tx.audit(entry(`number ${n}`));
          if (n % 3 === 1) throw new HoldpointError('hold_conflict', 'others were first');
        }),
      ),
    );
    await Promise.all(decisions);
    const kept = (await store.auditRows({ sight: null }, { after: 0, limit: 100 })).map(({ actor }) => actor);
    expect(kept).toEqual([0, 2, 3, 5, 6, 8].map((n) => `number ${n}`));
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
  });

  it('writes no file beside itself to take a work back: there may be no other place that can be written to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-together-'));
    const file = await openStore({ path: join(folder, 'hub.db') });
    const fill = (letter: string) => async (tx: StoreWriter) => {
      for (let n = 0; n < 100; n++)
        await tx.putAgent({ name: `agent-${n}`, version: letter.repeat(3_000), runners: [], seenAt: 1 });
    };
    const opened = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          return [readlinkSync(`/proc/self/fd/${fd}`)];
        } catch {
          // The one that this look itself had open.
          return [];
        }
      });
    let seenOpen: string[] = [];
    await Promise.all([
      file.write(fill('a')),
      file.write(async (tx) => {
        await fill('b')(tx);
        seenOpen = opened();
      }),
    ]);
    await file.close();
    rmSync(folder, { recursive: true });
    expect(seenOpen.filter((path) => path.includes('hub.db'))).not.toEqual([]);
    expect(seenOpen.filter((path) => path.includes('etilqs'))).toEqual([]);
  });

  it('has written what it was asked for before it closes', async () => {
    const written = store.write(seen('a'));
    await store.close();
    expect(await written).toBe('a');
    store = await openStore({ path: ':memory:' });
  });
});
