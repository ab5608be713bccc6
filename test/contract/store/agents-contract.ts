import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../agent/src/ports/store.ts';
import { arrived, hubWorld, START, type World } from '../../support/hub-world.ts';
import type { StoreUnderTest } from './store-contract.ts';

/** What a store keeps of agents: who they are, what they are owed, and the numbers that it gives them. */
export function agentsContract({ name, create }: StoreUnderTest): void {
  describe(`agents on ${name}`, () => {
    let database: Awaited<ReturnType<StoreUnderTest['create']>>;
    let store: Store;
    let world: World;
    beforeEach(async () => {
      database = await create();
      store = await database.open();
      world = await hubWorld({ store });
    });
    afterEach(async () => {
      await store.close();
      await database.remove();
    });

    it('gives each agent its pushes in ascending order, keeps the newest per job, and never gives a number twice', async () => {
      const push = (type: 'release' | 'revoke', hold: number) =>
        store.write((tx) => tx.push('embedded', { type, hold, jobId: hold, digest: 'd', reason: null, note: null }));
      await world.admit({ id: 1, pipeline: 1 });
      await world.admit({ id: 2, pipeline: 2 });
      await push('release', 1);
      await push('release', 2);
      await push('revoke', 1);
      expect((await store.outbox('embedded', 0, 10)).map((p) => [p.seq, p.type, p.hold])).toEqual([
        [2, 'release', 2],
        [3, 'revoke', 1],
      ]);
      await store.write((tx) => tx.acknowledgeOne('embedded', 2));
      expect((await store.outbox('embedded', 0, 10)).map((p) => p.seq)).toEqual([3]);
      await store.write((tx) => tx.acknowledge('embedded', 3));
      await push('release', 1);
      expect((await store.outbox('embedded', 0, 10)).map((p) => p.seq)).toEqual([4]);
      expect(await store.outbox('other', 0, 10)).toEqual([]);
    });

    it('T32 tells of many agents at once whose jobs each has brought, and of those projects where anything is in force', async () => {
      const { now } = world.clock;
      await world.admit({ id: 1, pipeline: 1 });
      await world.admit({ id: 2, pipeline: 2, agent: 'other', project: 43, name: 'elsewhere' });
      await world.admit({ id: 3, pipeline: 3, agent: 'other' });
      await arrived(world, 'embedded');
      await arrived(world, 'other');
      const found = await store.projectsOfAgents(['embedded', 'other', 'nobody']);
      expect([...found].sort()).toEqual([
        ['embedded', [4242]],
        ['other', [43, 4242]],
      ]);
      expect([...(await store.projectsOfAgents([]))]).toEqual([]);
      expect([...(await store.decidedProjects([43, 4242], now()))]).toEqual([]);
      await world.approve('maria', 1);
      expect([...(await store.decidedProjects([43, 4242], now()))]).toEqual([4242]);
      expect([...(await store.decidedProjects([43], now()))]).toEqual([]);
      const { digest, review } = (await store.hold(2))!;
      await store.write((tx) =>
        tx.insertDenial({
          subject: { instance: 'https://gitlab.example.com', projectId: 43, job: 'elsewhere' },
          digest,
          review: review!,
          by: 'maria',
          reason: 'no',
          at: now(),
          until: now() + 1_000,
        }),
      );
      expect([...(await store.decidedProjects([4242, 43], now()))].sort((a, b) => a - b)).toEqual([43, 4242]);
      expect([...(await store.decidedProjects([43, 4242], now() + 1_000))]).toEqual([4242]);
    });

    it('T29 an agent that has acted on more than was ever given raises the numbers, so that nothing new looks old to it', async () => {
      await world.admit({ id: 1 });
      await store.write((tx) => tx.putAgent({ name: 'embedded', version: '1', runners: [], seenAt: START }));
      await store.write((tx) => tx.acknowledge('embedded', 50));
      await world.approve('maria', 1);
      expect((await store.outbox('embedded', 50, 10)).map((p) => p.seq)).toEqual([51]);
    });

    it('T29 notes many agents that are linked again in one write, each as it would be alone', async () => {
      for (const id of [1, 2]) await world.admit({ id, pipeline: id });
      const push = (agent: string, hold: number) =>
        store.write((tx) =>
          tx.push(agent, { type: 'release', hold, jobId: hold, digest: 'd', reason: null, note: null }),
        );
      expect([await push("o'd", 1), await push("o'd", 2), await push('embedded', 1)]).toEqual([1, 2, 1]);
      const runners = [{ name: 'build', protected: true }];
      const arrived = (name: string, cursor: number, version = '1') => ({ name, version, runners, cursor });
      const come = (at: number, agents: readonly ReturnType<typeof arrived>[]) =>
        store.write((tx) => tx.putArrived(agents, at));
      // One that has acted on some, one that was never there, one that knows more than was ever said.
      expect(await come(START, [arrived("o'd", 1), arrived('new', 0), arrived('embedded', 9)])).toEqual(['embedded']);
      const seqs = async (agent: string) => (await store.outbox(agent, 0, 10)).map(({ seq }) => seq);
      expect([await seqs("o'd"), await seqs('embedded')]).toEqual([[2], []]);
      expect([await push("o'd", 1), await push('embedded', 2)]).toEqual([3, 10]);
      // The same again, and one with another version; nobody at all.
      expect(await come(START + 5, [arrived("o'd", 3), arrived('new', 0, '2')])).toEqual([]);
      expect(await come(START + 9, [])).toEqual([]);
      expect(await seqs("o'd")).toEqual([]);
      const known = (await store.agents()).map(({ name, version, seenAt }) => [name, version, seenAt]);
      expect(known).toEqual([
        ['embedded', '1', START],
        ['new', '2', START + 5],
        ["o'd", '1', START + 5],
      ]);
    });

    it('T29 numbers snapshots of many agents in one write, each above all that it was given and above what it has', async () => {
      const enrol = (agent: string, n: number) =>
        store.write((tx) =>
          tx.putEnrolled({
            name: agent,
            publicKey: new Uint8Array(32).fill(n),
            enrolledAt: START,
            enrolledBy: 'maria',
            revokedAt: agent === 'c' ? START : null,
            revokedBy: null,
          }),
        );
      for (const [n, agent] of ['a', 'b', 'c', "o'd"].entries()) await enrol(agent, n);
      const next = (asked: Record<string, number>) =>
        store.write((tx) => tx.nextSnapshots(Object.entries(asked).map(([agent, has]) => ({ agent, has }))));
      expect(await next({ a: 0, b: 7, "o'd": 0 })).toEqual([1, 8, 1]);
      expect(await next({ "o'd": 1, b: 8, a: 40, stranger: 3 })).toEqual([2, 9, 41, 4]);
      // Who says to have less than was given gets no number twice.
      expect(await next({ a: 0, b: 0, c: 0 })).toEqual([42, 10, 1]);
      expect(await next({})).toEqual([]);
    });

    it('T27 tells of many agents at once who they are, and of none that never enrolled', async () => {
      const key = new Uint8Array(32).fill(5);
      for (const name of ['a', 'b'])
        await store.write((tx) =>
          tx.putEnrolled({
            name,
            publicKey: key,
            enrolledAt: START,
            enrolledBy: 'maria',
            revokedAt: name === 'b' ? START : null,
            revokedBy: null,
          }),
        );
      await store.write((tx) => tx.putAgent({ name: 'embedded', version: '1', runners: [], seenAt: START }));
      const found = await store.enrolledAmong(['b', 'embedded', 'a', 'stranger']);
      expect(found.map(({ name, revokedAt }) => [name, revokedAt]).sort()).toEqual([
        ['a', null],
        ['b', START],
      ]);
      expect(found.map(({ publicKey }) => [...publicKey])).toEqual([[...key], [...key]]);
      expect(await store.enrolledAmong([])).toEqual([]);
    });
  });
}
