/** PostgreSQL with a standby, and its primary lost: what was acknowledged is kept, or it is said that it may not be. */
import { afterEach, describe, expect, it } from 'vitest';
import { lookForCut } from '../../../agent/src/app/checkpoint.ts';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { keepAudit } from '../../../agent/src/hub/audit-keeping.ts';
import { openPostgresStore } from '../../../agent/src/stores/postgres.ts';
import { startProxy } from '../../faults/proxy.ts';
import { auditKeeper } from '../../support/audit-keeper.ts';
import { eventually } from '../../support/hub-server.ts';
import { hubLog, hubWorld, MINUTE, type World } from '../../support/hub-world.ts';
import { runSql } from '../../support/postgres.ts';
import { type PostgresPair, startPostgresPair } from '../../support/postgres-pair.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A hub's world on a pair, behind one address that leads to the primary of the moment. */
async function worldOn(synchronous: boolean): Promise<{ pair: PostgresPair; world: World; lead(): Promise<void> }> {
  const pair = await startPostgresPair({ synchronous });
  ends.push(() => pair.remove());
  const wire = await startProxy({ target: pair.port() });
  ends.push(() => wire.close());
  const store = await openPostgresStore({ url: pair.url(wire.port), connections: 3 });
  ends.push(() => store.close());
  const lead = async (): Promise<void> => {
    wire.retarget(pair.port());
    wire.cut();
    const isWell = () =>
      store.probe().then(
        () => 'well',
        (error: { message: string }) => error.message,
      );
    await eventually(isWell, (said) => said === 'well', 15_000);
  };
  return { pair, world: await hubWorld({ store }), lead };
}

describe('a PostgreSQL that is lost', { timeout: 60_000 }, () => {
  it('loses nothing that was acknowledged while writes wait for a standby, which takes its place', async () => {
    const { pair, world, lead } = await worldOn(true);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    const head = await world.store.auditHead();
    const promote = pair.lose()!;
    await expect(world.admit({ id: 2, pipeline: 2 })).rejects.toMatchObject({ code: 'store_unavailable' });
    await promote();
    await lead();
    expect(await world.store.auditHead()).toEqual(head);
    expect((await world.admit({ id: 3, pipeline: 3 })).outcome).toBe('pass');
    expect(await verifyAudit(world.store)).toMatchObject({ ok: true });
    await pair.mirror();
    expect(pair.standbyPort()).not.toBeNull();
  });

  it('acknowledges no vote that stops waiting for its standby, though PostgreSQL calls that a success', async () => {
    const { pair, world } = await worldOn(true);
    await world.admit({ id: 1 });
    const back = pair.dropStandby()!;
    const vote = world.approve('maria', 1).then(
      () => 'taken',
      (error: { message: string }) => error.message,
    );
    const waiting = async () =>
      (await runSql(pair.url(), "select pid from pg_stat_activity where wait_event = 'SyncRep'"))[0]?.pid;
    const pid = await eventually(waiting, (found) => found !== undefined, 10_000);
    // As its own time limit does.
    await runSql(pair.url(), `select pg_cancel_backend(${pid})`);
    expect(await vote).toMatch(/cannot be used \(not replicated\): its synchronous standby is away/);
    await back();
    expect((await world.admit({ id: 2, pipeline: 2 })).outcome).toBe('pass');
  });

  it('T28 is noticed by a running hub where the standby was behind: what it has signed is gone, and says so once', async () => {
    const { pair, world, lead } = await worldOn(false);
    const keeper = auditKeeper();
    const log = hubLog();
    await world.admit({ id: 1 });
    const keeping = keepAudit(world.context, keeper, log);
    ends.push(() => keeping.close());
    await keeping.start();
    expect(keeping.intact()).toBe(true);
    const back = pair.dropStandby()!;
    await world.approve('maria', 1);
    const lost = await eventually(
      async () => {
        world.clock.advance(MINUTE);
        return (await world.store.auditHead()).seq;
      },
      (seq) => keeper.kept !== null && seq === JSON.parse(atob(JSON.parse(keeper.kept).payload)).seq,
    );
    const promote = pair.lose()!;
    await back();
    await promote();
    await lead();
    expect(await world.state(1)).toBe('waiting_for_approval');
    const rows = () => {
      world.clock.advance(MINUTE);
      return world.store.auditRows({ events: ['audit_cut'], sight: null }, { after: 0, limit: 9 });
    };
    expect(await eventually(rows, ({ length }) => length > 0)).toMatchObject([{ detail: { seq: lost } }]);
    await lookForCut(world.context, keeper);
    expect(await rows()).toHaveLength(1);
    expect(keeping.intact()).toBe(false);
    const said = log.lines.filter(({ message }) => /the store no longer has that row: it has gone back/.test(message));
    expect(said.map(({ level }) => level)).toEqual(['error']);
    // Nothing new was written over it: the chain that is left is whole.
    expect(await verifyAudit(world.store)).toMatchObject({ ok: true });
  });
});
