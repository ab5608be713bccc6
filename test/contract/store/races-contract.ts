import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breathe } from '../../../agent/src/app/breathe.ts';
import { revoke } from '../../../agent/src/app/revoke.ts';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { HoldpointError } from '../../../agent/src/domain/errors.ts';
import { levelRule } from '../../../agent/src/domain/rule.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { hubWorld, PEOPLE, policyWith, type World } from '../../support/hub-world.ts';
import type { StoreUnderTest } from './store-contract.ts';

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof HoldpointError ? error.code : String(error)),
  );

/** What must come out when several hubs on one store do the same, or the opposite, at the same moment. */
export function racesContract({ name, create }: StoreUnderTest): void {
  describe(`several hubs at once on ${name}`, () => {
    let database: Awaited<ReturnType<StoreUnderTest['create']>>;
    let store: Store;
    let world: World;
    const opened: Store[] = [];
    const open = async (): Promise<Store> => {
      const another = await database.open();
      opened.push(another);
      return another;
    };
    beforeEach(async () => {
      database = await create();
      store = await open();
      world = await hubWorld({ store });
    });
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close();
      await database.remove();
    });

    it('twelve voters through two hubs at once: each vote counts once, the last of them writes the one approval', async () => {
      const voters = Array.from({ length: 12 }, (_, i) => ({ id: 100 + i, username: `voter-${i}` }));
      const [project, ...others] = PEOPLE.projects;
      world.people = {
        ...PEOPLE,
        users: [...PEOPLE.users, ...voters.map((each) => ({ ...each, name: each.username, blocked: false }))],
        projects: [
          { ...project!, members: [...project!.members, ...voters.map(({ id }) => ({ user: id, accessLevel: 40 }))] },
          ...others,
        ],
      };
      world.policy = policyWith({ rules: [levelRule('m', 40, 12)] }, 'twelve');
      const second = await hubWorld({ store: await open(), clock: world.clock });
      second.people = world.people;
      second.policy = world.policy;
      await world.admit({ id: 1 });
      // Who is told that others were first, and to try again, does so.
      const vote = async (hub: World, username: string): Promise<string> => {
        for (let tries = 1; ; tries++) {
          const said = await code(hub.approve(username, 1));
          if (said !== 'hold_conflict' || tries === 12) return said;
        }
      };
      const said = await Promise.all(voters.map(({ username }, i) => vote(i % 2 === 0 ? world : second, username)));
      expect(new Set(said)).toEqual(new Set(['ok']));
      expect(await world.state(1)).toBe('pending');
      expect((await store.approval(1))?.votes.map(({ person }) => person.id).sort()).toEqual(
        voters.map(({ id }) => id),
      );
      expect(await store.approval(2)).toBeNull();
      expect(await world.pushes()).toEqual(['release 1/1']);
      expect(await verifyAudit(store)).toMatchObject({ ok: true });
    });

    it('T29 revoke against release at once: what waits is released by an approval that stands, or not at all', async () => {
      const second = await hubWorld({ store: await open(), clock: world.clock });
      for (let round = 1; round <= 5; round++) {
        const script = [`make ${round}`];
        const mine: number[] = [];
        for (let n = 1; n <= 3; n++) {
          const job = { id: round * 10 + n, pipeline: 100 + n, script, name: `job ${round}` };
          mine.push((await world.admit(job)).hold!);
        }
        // The vote writes the approval and releases; a look for it and the revocation run beside it.
        const until = performance.now() + 10_000;
        const revoked = async (): Promise<string> => {
          for (;;) {
            const said = await code(revoke(second.context, second.caller('jonas'), round, null));
            if (said !== 'not_found' || performance.now() > until) return said;
            await breathe();
          }
        };
        expect(await Promise.all([code(world.approve('maria', mine[0]!)), revoked()])).toEqual(['ok', 'ok']);
        expect(await Promise.all(mine.map((id) => world.state(id)))).toEqual(mine.map(() => 'waiting_for_approval'));
        const last = await Promise.all(mine.map(async (id) => (await store.hold(id))?.approval ?? null));
        expect(last).toEqual(mine.map(() => null));
        const told = (await store.outbox('embedded', 0, 1_000)).filter(({ hold }) => mine.includes(hold));
        expect(new Set(told.map(({ type }) => type))).toEqual(new Set(['revoke']));
      }
      expect(await verifyAudit(store)).toMatchObject({ ok: true });
    });

    it('two hubs that are told of one hand-out at once count it once', async () => {
      await world.admit({ id: 1 });
      await world.approve('maria', 1);
      const second = await hubWorld({ store: await open(), clock: world.clock });
      const told = { hold: 1, jobId: 1, event: 'handed_out' } as const;
      await Promise.all([0, 1, 2, 3, 4, 5].map((n) => (n % 2 === 0 ? world : second).report('embedded', told)));
      expect(await world.state(1)).toBe('running');
      expect((await world.audit()).filter((event) => event === 'job_handed_out')).toHaveLength(1);
    });

    it('T12 an approval for five runs lets five go, through however many hubs at once', async () => {
      await world.admit({ id: 1 });
      await world.approve('maria', 1, { lifetime: 'uses:5' });
      const hubs = [world, await hubWorld({ store: await open(), clock: world.clock })];
      hubs.push(await hubWorld({ store: await open(), clock: world.clock }));
      const jobs = Array.from({ length: 18 }, (_, i) => i + 10);
      const verdicts = await Promise.all(jobs.map((id) => hubs[id % 3]!.admit({ id, pipeline: id + 100 })));
      // The job that it was given for has one of them.
      expect(verdicts.filter(({ outcome }) => outcome === 'pass')).toHaveLength(4);
      expect((await store.approval(1))?.timesUsed).toBe(5);
      expect(await verifyAudit(store)).toMatchObject({ ok: true });
    });

    it('is made once by many hubs that start at the same moment', async () => {
      const fresh = await create();
      const stores = await Promise.all(Array.from({ length: 5 }, () => fresh.open()));
      const worlds = await Promise.all(stores.map((each) => hubWorld({ store: each })));
      await Promise.all(worlds.map((each, n) => each.admit({ id: n + 1, pipeline: n + 1 })));
      expect(await verifyAudit(stores[0]!)).toMatchObject({ ok: true });
      expect(await stores[4]!.holds({ sight: null }, { after: 0, limit: 10 })).toHaveLength(5);
      for (const each of stores) await each.close();
      await fresh.remove();
    });
  });
}
