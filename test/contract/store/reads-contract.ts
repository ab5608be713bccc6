import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { revoke } from '../../../agent/src/app/revoke.ts';
import { endsAt } from '../../../agent/src/domain/approval.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { hubWorld, type World } from '../../support/hub-world.ts';
import type { StoreUnderTest } from './store-contract.ts';

/** What is counted and marked for lists and figures, without reading what it is about. */
export function readsContract({ name, create }: StoreUnderTest): void {
  describe(`what ${name} counts and marks`, () => {
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

    it('counts open questions up to a bound, tells since when the oldest of them waits, and nothing of other people’s', async () => {
      await world.admit({ id: 1 });
      world.clock.advance(1_000);
      await world.admit({ id: 2, name: 'other', script: ['make other'] });
      const oldestAt = (await store.review(1))!.openedAt;
      const of = async (projects: readonly number[], most = 10) =>
        store.openQuestions({ projects, trigger: 999 }, most);
      expect(await store.openQuestions(null, 10)).toEqual({ open: 2, oldestAt });
      expect(await of([(await store.review(1))!.subject.projectId], 1)).toEqual({ open: 1, oldestAt });
      expect(await of([])).toEqual({ open: 0, oldestAt: null });
      await world.approve('maria', 1);
      expect(await store.openQuestions(null, 10)).toEqual({ open: 1, oldestAt: oldestAt + 1_000 });
    });

    it('marks what was approved for a Subject by another text after each change, and after the end of one', async () => {
      const marks: string[] = [];
      const mark = async (now = world.clock.now()) => {
        marks.push(await store.approvalsMark((await store.hold(1))!.subject, now));
      };
      await world.admit({ id: 1 });
      await mark();
      await world.approve('maria', 1);
      await mark();
      await world.admit({ id: 2, pipeline: 101 });
      await mark();
      const end = endsAt((await store.approval(1))!);
      await mark(end!);
      await revoke(world.context, world.caller('jonas'), 1, null);
      await mark();
      expect(new Set(marks).size).toBe(marks.length);
      await world.admit({ id: 3, name: 'other' });
      const before = marks.at(-1);
      await world.approve('maria', 3);
      await mark();
      expect(marks.at(-1)).toBe(before);
    });

    it('tells when which configurations of a Subject were approved, without those that were revoked', async () => {
      await world.admit({ id: 1 });
      await world.approve('maria', 1);
      const approval = (await store.approval(1))!;
      const { subject, createdAt, digest } = approval;
      expect(await store.givenTo(subject, 10)).toEqual([{ createdAt, digest }]);
      expect(await store.givenTo({ ...subject, job: 'another' }, 10)).toEqual([]);
      await revoke(world.context, world.caller('jonas'), 1, null);
      expect(await store.givenTo(subject, 10)).toEqual([]);
    });
  });
}
