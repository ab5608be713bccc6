import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import type { Hint, Hints } from '../../../agent/src/ports/hints.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { migrate, SCHEMA_VERSION, SCHEMAS } from '../../../agent/src/stores/migrate.ts';
import { openPostgresAsItIs, openPostgresStore } from '../../../agent/src/stores/postgres.ts';
import { openPostgresHints } from '../../../agent/src/stores/postgres-hints.ts';

import { eventually } from '../../support/hub-server.ts';
import { hubLog, hubWorld } from '../../support/hub-world.ts';
import { postgresPlanning } from '../../support/planning.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { turnableClock } from '../../support/turnable-clock.ts';
import { agentsContract } from './agents-contract.ts';
import { plansContract } from './plans-contract.ts';
import { racesContract } from './races-contract.ts';
import { readsContract } from './reads-contract.ts';
import { retentionContract } from './retention-contract.ts';
import { type StoreUnderTest, storeContract } from './store-contract.ts';
import { upgradeContract } from './upgrade-contract.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres({ durable: true });
});
afterAll(() => server.remove());

const under: StoreUnderTest = {
  name: 'PostgreSQL',
  async create() {
    const { url, drop } = await server.database();
    return { open: () => openPostgresStore({ url, connections: 3 }), remove: drop };
  },
};
storeContract(under);
readsContract(under);
retentionContract(under);
racesContract(under);
agentsContract(under);
plansContract('PostgreSQL', async () => {
  const { url, drop } = await server.database();
  const planning = await postgresPlanning(url);
  return { ...planning, remove: async () => void (await Promise.all([planning.remove(), drop()])) };
});
upgradeContract('PostgreSQL', async () => {
  const { url, drop } = await server.database();
  return {
    open: () => openPostgresStore({ url, connections: 3 }),
    run: async (text) => void (await server.run(url, text)),
    remove: drop,
  };
});

describe('a store in PostgreSQL', () => {
  let url: string;
  let drop: () => Promise<void>;
  const stores: Store[] = [];
  beforeEach(async () => {
    ({ url, drop } = await server.database());
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await drop();
  });
  const open = async (): Promise<Store> => {
    const store = await openPostgresStore({ url, connections: 3 });
    stores.push(store);
    return store;
  };
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => ({ code: 'none', message: '' }),
      (error: { code: string; message: string }) => ({ code: error.code, message: error.message }),
    );

  it('keeps its times, ids and texts in columns that compare as SQLite does', async () => {
    await open();
    const columns = await server.run(
      url,
      `select table_name, column_name, data_type, collation_name from information_schema.columns
       where table_schema = 'public' and table_name <> 'schema_version' and not (data_type = 'bigint' or (data_type = 'text' and collation_name = 'C'))`,
    );
    expect(columns).toEqual([]);
  });

  it('T34 rows of the audit cannot be changed or removed while its triggers stand, and a change is found', async () => {
    const store = await open();
    const world = await hubWorld({ store });
    for (let id = 1; id <= 3; id++) await world.admit({ id, pipeline: id });
    await expect(server.run(url, "update audit set actor = 'x'")).rejects.toThrow(/append-only/);
    await expect(server.run(url, 'delete from audit')).rejects.toThrow(/append-only/);
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
    await server.run(url, "set session_replication_role = replica; update audit set actor = 'x' where seq = 2");
    expect(await verifyAudit(store)).toMatchObject({ ok: false, fault: 'changed', seq: 2 });
  });

  it('refuses a schema that is newer than this program, in words', async () => {
    await open();
    await server.run(url, 'insert into schema_version values (999)');
    expect(await failure(open())).toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('schema 999'),
    });
  });

  it('is upgraded under hubs that run: the newer one migrates, the older goes on, and does not start again', async () => {
    // A program of the version before is one that knows the schema of then.
    const before = SCHEMAS.at(-2)!;
    const older = async () => {
      const { db } = openPostgresAsItIs({ url });
      try {
        await db.transaction().execute((tx) => migrate(tx, 'postgres', 'the store', before));
      } finally {
        await db.destroy();
      }
    };
    await older();
    const versions = async () => (await server.run(url, 'select max(version) as version from schema_version'))[0];
    expect(await versions()).toEqual({ version: before });
    // Two that start at once migrate once, and what was there is there.
    const [first, second] = await Promise.all([open(), open()]);
    expect(await versions()).toEqual({ version: SCHEMA_VERSION });
    const said = await failure(older());
    expect([said.code, said.message]).toEqual([
      'store_unavailable',
      expect.stringContaining(
        `has schema ${SCHEMA_VERSION}, this program knows up to ${before}: start the newer program`,
      ),
    ]);
    // One that runs while a still newer one migrates decides as before, in one chain with it; it only does not start again.
    const running = await hubWorld({ store: first });
    await running.admit({ id: 1 });
    const other = await hubWorld({ store: second, clock: running.clock });
    await other.admit({ id: 3, pipeline: 3, name: 'other' });
    await server.run(url, 'insert into schema_version values (999); alter table holds add column of_tomorrow text');
    expect((await other.approve('maria', 1)).state).toBe('pending');
    expect((await running.admit({ id: 2, pipeline: 2 })).outcome).toBe('pass');
    await server.run(url, 'alter table holds add column of_the_day_after text');
    expect((await running.admit({ id: 4, pipeline: 4 })).outcome).toBe('pass');
    expect(await verifyAudit(first)).toMatchObject({ ok: true });
    expect((await failure(open())).message).toContain('has schema 999');
  });

  it('has nothing compiled for questions as short as its own, whatever else the address asks of sessions', async () => {
    for (const [more, geqo] of [
      ['', 'on'],
      ['?options=-c%20geqo%3Doff', 'off'],
    ] as const) {
      const { db } = openPostgresAsItIs({ url: `${url}${more}` });
      try {
        const asked = sql<object>`select current_setting('jit') as jit, current_setting('geqo') as geqo`;
        expect((await asked.execute(db)).rows).toEqual([{ jit: 'off', geqo }]);
      } finally {
        await db.destroy();
      }
    }
  });

  it('is asked little while everybody else who writes waits: each way there and back counts', async () => {
    const store = await open();
    const world = await hubWorld({ store });
    const { query } = pg.Client.prototype;
    const asked: string[] = [];
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      asked.push((args[0] as { text: string }).text);
      return Reflect.apply(query, this, args) as never;
    });
    /** Statements from the begin of its write to the commit. */
    let ahead = 0;
    const inWrite = async (work: () => Promise<unknown>): Promise<number> => {
      asked.length = 0;
      await work();
      ahead = asked.findIndex((text) => text.startsWith('begin'));
      expect(asked.filter((text) => text === 'commit')).toHaveLength(1);
      return asked.indexOf('commit') + 1 - ahead;
    };
    try {
      const held = await inWrite(() => world.admit({ id: 1 }));
      const voted = await inWrite(() => world.approve('maria', 1, { lifetime: 'standing' }));
      // The Hold with its attempts, for the test and for the vote, groups that rules name, its Review, its votes: whoever sees the
      // project is not looked for elsewhere.
      expect(ahead).toBe(7);
      const passed = await inWrite(() => world.admit({ id: 2, pipeline: 2 }));
      // Whoever needs one more has to have a reason for it.
      expect([held, voted, passed]).toEqual([20, 27, 18]);
      // Where the same job waits with many other configurations, they are compared without a question for each (T30).
      for (let id = 11; id <= 30; id++) await world.admit({ id, pipeline: id, script: [`echo ${id}`] });
      const among = await inWrite(() => world.approve('maria', 3));
      expect(among).toBeLessThan(voted + 8);
      // Nor is there one for each that was approved when the next comes.
      for (let id = 4; id <= 9; id++) await world.approve('maria', id);
      const unlike = await inWrite(() => world.admit({ id: 31, pipeline: 31, script: ['echo 31'] }));
      expect(unlike).toBeLessThan(held + 5);
    } finally {
      spy.mockRestore();
    }
  });

  it('says where it cannot be reached, without the password', async () => {
    const wrong = new URL(url);
    wrong.password = 'hunter2-secret';
    wrong.port = '1';
    const said = await failure(openPostgresStore({ url: wrong.href }));
    expect(said.code).toBe('store_unavailable');
    expect(said.message).toContain('127.0.0.1:1');
    expect(said.message).not.toContain('hunter2');
    expect((await failure(openPostgresStore({ url: 'no address hunter2' }))).message).not.toContain('hunter2');
  });

  it('one hub at a time is at work of a name, and one that dies lets go of it', async () => {
    const [a, b] = [await open(), await open()];
    let end: (() => void) | null = null;
    const first = a.alone('x', () => new Promise<void>((resolve) => (end = resolve)));
    await eventually(
      () => end !== null,
      (begun) => begun,
    );
    expect(await b.alone('x', async () => 'b')).toBeNull();
    await server.run(url, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted");
    await eventually(
      () => b.alone('x', async () => 'b'),
      (said) => said === 'b',
    );
    end!();
    await first;
  });

  it('works of several names do not wait for each other’s connections, however few there are', async () => {
    const store = await openPostgresStore({ url, connections: 1 });
    try {
      let begun = 0;
      const names = ['time', 'retention', 'watching', 'detached'];
      const all = names.map((name) =>
        store.alone(name, async () => {
          begun += 1;
          await eventually(
            () => begun === names.length,
            (together) => together,
          );
          return (await store.agents()).length;
        }),
      );
      expect(await Promise.all(all)).toEqual([0, 0, 0, 0]);
    } finally {
      await store.close();
    }
  });

  it('goes on by itself when the server comes back, and keeps all that it acknowledged', async () => {
    const store = await open();
    const world = await hubWorld({ store });
    await world.admit({ id: 1 });
    await server.halt('immediate');
    expect((await failure(world.admit({ id: 2, pipeline: 2, name: 'b' }))).code).toBe('store_unavailable');
    expect((await failure(store.hold(1))).code).toBe('store_unavailable');
    await server.start();
    expect(await world.state(1)).toBe('waiting_for_approval');
    await world.admit({ id: 2, pipeline: 2, name: 'b' });
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
  });

  it('a hub that stands still in the middle of a write holds the others up for seconds, not for ever', async () => {
    const [still, other] = [await open(), await open()];
    let goOn: (() => void) | null = null;
    const stuck = failure(
      still.write(async (tx) => {
        await tx.auditHead();
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        await tx.auditHead();
      }),
    );
    const world = await hubWorld({ store: other });
    await eventually(
      () => goOn !== null,
      (inside) => inside,
    );
    const waited = await failure(world.admit({ id: 1 }));
    if (waited.code !== 'none') await world.admit({ id: 1 });
    expect(await world.state(1)).toBe('waiting_for_approval');
    goOn!();
    expect((await stuck).code).toBe('store_unavailable');
  }, 30_000);
});

describe('hints between hubs', () => {
  let url: string;
  let drop: () => Promise<void>;
  const open: Hints[] = [];
  beforeEach(async () => {
    ({ url, drop } = await server.database());
  });
  afterEach(async () => {
    for (const hints of open.splice(0)) await hints.close();
    await drop();
  });
  function hub() {
    const heard: (Hint | 'missed')[] = [];
    const clock = turnableClock();
    const hints = openPostgresHints({ url, clock, log: hubLog() });
    hints.listen((hint) => heard.push(hint));
    open.push(hints);
    const ready = () =>
      eventually(
        () => heard,
        (list) => list.includes('missed'),
      );
    return { hints, heard, ready, clock };
  }

  it('are heard by every other hub and not by who gave them, and what others say there is let be', async () => {
    const [a, b, c] = [hub(), hub(), hub()];
    await Promise.all([a.ready(), b.ready(), c.ready()]);
    await server.run(url, "select pg_notify('holdpoint', 'hello'), pg_notify('holdpoint', '{\"from\":1,\"wake\":2}')");
    a.hints.publish({ wake: 'agent-1' });
    a.hints.publish({ changed: { type: 'hold', id: 7, state: 'pending', projectId: 4242 } });
    for (const other of [b, c]) {
      await eventually(
        () => other.heard.length,
        (count) => count === 3,
      );
      expect(other.heard.slice(1)).toEqual([
        { wake: 'agent-1' },
        { changed: { type: 'hold', id: 7, state: 'pending', projectId: 4242 } },
      ]);
    }
    expect(a.heard).toEqual(['missed']);
  });

  it('overtake what is longer than a hint, which arrives whole all the same, and in its order', async () => {
    const [a, b] = [hub(), hub()];
    await Promise.all([a.ready(), b.ready()]);
    const arrived: string[] = [];
    b.hints.listen((hint) => void arrived.push(JSON.stringify(hint)));
    b.hints.receive((bytes) => void arrived.push(`${bytes.length} bytes of ${bytes[0]}`));
    const spy = vi.spyOn(pg.Client.prototype, 'query');
    a.hints.send(new Uint8Array(2_000_000).fill(1));
    a.hints.send(new Uint8Array(300).fill(2));
    a.hints.publish({ wake: 'agent-1' });
    a.hints.publish({ wake: 'agent-2' });
    await eventually(
      () => arrived,
      (all) => all.length === 4,
    );
    const hints = ['{"wake":"agent-1"}', '{"wake":"agent-2"}'];
    expect(arrived).toEqual([...hints, '2000000 bytes of 1', '300 bytes of 2']);
    // The hints in one statement, sixteen parts of what is longer in each of the others.
    const told = spy.mock.calls.filter(([asked]) => (asked as { name?: string }).name === 'tell').length;
    spy.mockRestore();
    expect(told).toBe(1 + Math.ceil(352 / 16));
  });

  it('say that some may have been missed once the server is back', async () => {
    const a = hub();
    await a.ready();
    await server.halt('fast');
    a.hints.publish({ wake: 'nobody hears' });
    await server.start();
    await eventually(
      () => a.heard,
      (list) => list.length === 2,
      10_000,
    );
    expect(a.heard).toEqual(['missed', 'missed']);
  });
});
