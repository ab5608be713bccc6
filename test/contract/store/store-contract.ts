import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakGlass } from '../../../agent/src/app/break-glass.ts';
import { revoke } from '../../../agent/src/app/revoke.ts';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { HoldpointError } from '../../../agent/src/domain/errors.ts';
import { transition } from '../../../agent/src/domain/hold.ts';
import { levelRule } from '../../../agent/src/domain/rule.ts';
import { UNUSED } from '../../../agent/src/domain/token.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { eventually } from '../../support/hub-server.ts';
import { DAY, factsFor, HOUR, hubWorld, policyWith, START, type World } from '../../support/hub-world.ts';

/** One database as the contract needs it: opened again it has what was written before. */
export interface StoreUnderTest {
  readonly name: string;
  /** A fresh database; `again` opens the same one once more, as another process would. */
  create(): Promise<{ open(): Promise<Store>; remove(): Promise<void> }>;
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof HoldpointError ? error.code : String(error)),
  );

/** What every store must do, whatever the database: the same body for each. */
export function storeContract({ name, create }: StoreUnderTest): void {
  describe(`the store on ${name}`, () => {
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

    it('keeps everything over a restart: holds, votes, approvals, denials, outbox, tokens, the chain', async () => {
      world.policy = policyWith({ rules: [levelRule('m', 40, 2)] }, 'two');
      await world.admit({ id: 1, pipeline: 1 });
      await world.approve('maria', 1, { comment: 'looks good' });
      await world.admit({ id: 2, pipeline: 2, name: 'other' });
      await world.reject('maria', 2, { remember: true });
      await store.close();
      const again = await hubWorld({ store: await open(), clock: world.clock });
      again.policy = world.policy;
      expect((await again.store.votes(1)).map((v) => [v.person.username, v.comment])).toEqual([
        ['maria', 'looks good'],
      ]);
      expect((await again.admit({ id: 3, pipeline: 3, name: 'other' })).outcome).toBe('refuse');
      expect((await again.approve('jonas', 1)).state).toBe('pending');
      expect(await again.pushes()).toEqual(['reject 2/2', 'release 1/1']);
      expect((await verifyAudit(again.store)).ok).toBe(true);
      expect(await again.store.facts(1, 1)).toEqual(factsFor({ id: 1, pipeline: 1 }));
    });

    it('has one at work of a name at a time, and lets the next begin after it, whatever came of it', async () => {
      const other = await open();
      let end: (() => void) | null = null;
      const first = store.alone('x', () => new Promise<string>((resolve) => (end = () => resolve('first'))));
      await eventually(
        () => end !== null,
        (begun) => begun,
      );
      expect(await store.alone('x', async () => 'second')).toBeNull();
      expect(await other.alone('y', async () => 'of another name')).toBe('of another name');
      end!();
      expect(await first).toBe('first');
      expect(
        await code(
          store.alone('x', async () => {
            throw new Error('power cut');
          }),
        ),
      ).toContain('power cut');
      expect(await store.alone('x', async () => 'third')).toBe('third');
    });

    it('writes all of a transaction or nothing of it', async () => {
      await world.admit({ id: 1 });
      const before = await store.auditHead();
      const failing = store.write(async (tx) => {
        const hold = await tx.hold(1);
        await tx.updateHold(transition(hold!, { type: 'cancel', reason: 'x' }, START));
        await tx.audit({
          at: START,
          actor: 'system',
          address: null,
          event: 'x',
          hold: 1,
          review: null,
          approval: null,
          digest: null,
          policy: null,
          detail: {},
        });
        throw new Error('power cut');
      });
      await expect(failing).rejects.toThrow('power cut');
      expect(await world.state(1)).toBe('waiting_for_approval');
      expect(await store.auditHead()).toEqual(before);
    });

    it('has in a transaction what it has given the audit there, chained, with the project that it is about', async () => {
      await world.admit({ id: 1 });
      const { seq: before } = await store.auditHead();
      const none = {
        at: START,
        actor: 'user:7 zoe',
        address: null,
        review: null,
        approval: null,
        digest: null,
        policy: null,
      };
      const seen = await store.write(async (tx) => {
        await Promise.all([
          tx.audit({ ...none, event: 'x', hold: 1, detail: {} }),
          tx.audit({ ...none, event: 'y', hold: null, detail: { project_id: 77 } }),
        ]);
        const rows = await tx.auditRows({ events: ['x', 'y'], sight: null }, { after: 0, limit: 9 });
        for (let n = 0; n < 150; n++) await tx.audit({ ...none, event: 'z', hold: 1, detail: { n } });
        return { rows, head: await tx.auditHead() };
      });
      expect(seen.rows.map(({ seq, event }) => [seq, event])).toEqual([
        [before + 1, 'x'],
        [before + 2, 'y'],
      ]);
      expect(seen.head).toEqual(await store.auditHead());
      expect(await verifyAudit(store)).toMatchObject({ ok: true, head: { seq: before + 152 } });
      const found = async (filter: object) =>
        (await store.auditRows({ sight: null, ...filter }, { after: before, limit: 999 })).length;
      const { projectId } = (await store.hold(1))!.subject;
      expect(await found({ project: projectId })).toBe(151);
      expect(await found({ project: 77 })).toBe(1);
      expect(await found({ person: 7 })).toBe(152);
    });

    it('is asked about many Holds of one job in one question each', async () => {
      for (let id = 1; id <= 4; id++) await world.admit({ id, pipeline: id, script: [`echo ${id % 3}`] });
      const holds = await store.holdsWithIds([1, 2, 3, 4]);
      const reviews = [...new Set(holds.map(({ review }) => review!))].sort((a, b) => a - b);
      expect(reviews).toEqual([1, 2, 3]);
      const ids = async (some: readonly number[], limit: number | null) =>
        (await store.waitingOnAny(some, limit)).map(({ id, attempts }) => [id, attempts.length]);
      expect(await ids([1, 3], null)).toEqual([
        [4, 1],
        [3, 1],
        [1, 1],
      ]);
      expect(await ids([1, 2, 3], 2)).toEqual([
        [4, 1],
        [3, 1],
      ]);
      expect(await ids([], null)).toEqual([]);
      const facts = await store.newestFacts([2, 3, 999]);
      expect([...facts.keys()].sort()).toEqual([2, 3]);
      expect(facts.get(3)).toEqual({ jobId: 3, facts: await store.facts(3, 3) });
      expect(await store.versionsOf(1, 3)).toEqual({ hold: 1, review: 1 });
      expect(await store.versionsOf(99, 99)).toEqual({ hold: null, review: null });
      const digests = [...new Set(holds.map(({ digest }) => digest)), `sha256:${'d'.repeat(64)}`];
      const { subject } = holds[0]!;
      const denial = { subject, review: 1, by: 'maria', reason: 'x', at: START };
      await store.write(async (tx) => {
        for (const [n, digest] of digests.slice(0, 3).entries())
          await tx.insertDenial({ ...denial, digest, until: START + (n === 1 ? 0 : DAY) });
        const lifted = (await tx.denial(subject, digests[2]!, START))!;
        await tx.liftDenial(lifted.id, { at: START, by: 'maria', reason: 'y' });
      });
      expect([...(await store.deniedAmong(subject, digests, START + 1))]).toEqual([digests[0]]);
      expect((await store.deniedAmong({ ...subject, job: 'other' }, digests, START + 1)).size).toBe(0);
    });

    it('refuses a write on a version that is not the stored one', async () => {
      await world.admit({ id: 1 });
      const hold = (await store.hold(1))!;
      const canceled = transition(hold, { type: 'cancel', reason: 'x' }, START);
      await store.write((tx) => tx.updateHold(canceled));
      expect(await code(store.write((tx) => tx.updateHold(canceled)))).toBe('hold_conflict');
      const review = (await store.review(1))!;
      expect(await code(store.write((tx) => tx.updateReview({ ...review, version: review.version + 2 })))).toBe(
        'hold_conflict',
      );
    });

    it('has no two open holds of one job and digest, no two live jobs, no job in two holds, no two open reviews', async () => {
      await world.admit({ id: 1 });
      const hold = (await store.hold(1))!;
      const attempt = hold.attempts[0]!;
      const insert = (change: object) =>
        store.write((tx) => tx.insertHold({ ...hold, ...change }, factsFor({ id: 2 })));
      expect(await code(insert({ attempts: [{ ...attempt, jobId: 2 }] }))).toBe('hold_conflict');
      expect(await code(insert({ pipelineId: 101 }))).toBe('hold_conflict');
      const two = { ...hold, version: hold.version + 1, attempts: [attempt, { ...attempt, jobId: 2 }] };
      expect(await code(store.write((tx) => tx.updateHold(two, factsFor({ id: 2 }))))).toBe('hold_conflict');
      const review = (await store.review(1))!;
      expect(await code(store.write((tx) => tx.insertReview(review)))).toBe('hold_conflict');
    });

    it('T16 has no pending hold without an approval and no approval without a vote', async () => {
      await world.admit({ id: 1 });
      const hold = (await store.hold(1))!;
      expect(await code(store.write((tx) => tx.updateHold({ ...hold, version: 2, state: 'pending' })))).toBe(
        'internal',
      );
      const { subject, digest, place, projectPath } = hold;
      const bare = {
        version: 1,
        review: 1,
        subject,
        projectPath,
        digest,
        place,
        scope: { ref: { kind: 'exact' as const }, inputs: 'same_pipeline' as const, runners: null },
        lifetime: { kind: 'standing' as const },
        hold: null,
        votes: [],
        policy: 'p',
        createdAt: START,
        lastUsedAt: null,
        timesUsed: 0,
        revoked: null,
      };
      expect(await code(store.write((tx) => tx.insertApproval(bare)))).toBe('internal');
    });

    it('T22 keeps one vote per person and review', async () => {
      world.policy = policyWith({ rules: [levelRule('m', 40, 2)] }, 'two');
      await world.admit({ id: 1 });
      await world.approve('maria', 1, { comment: 'first' });
      await world.approve('maria', 1, { comment: 'second' });
      expect((await store.votes(1)).map((vote) => vote.comment)).toEqual(['second']);
      expect(await world.state(1)).toBe('waiting_for_approval');
    });

    it('two approvers at once: both votes count, one approval is written', async () => {
      world.policy = policyWith({ rules: [levelRule('m', 40, 2)] }, 'two');
      await world.admit({ id: 1 });
      const second = await hubWorld({ store: await open(), clock: world.clock });
      second.policy = world.policy;
      const outcomes = await Promise.all([code(world.approve('maria', 1)), code(second.approve('jonas', 1))]);
      expect(outcomes).toEqual(['ok', 'ok']);
      expect(await world.state(1)).toBe('pending');
      expect((await store.approval(1))?.votes.map((v) => v.person.username).sort()).toEqual(['jonas', 'maria']);
      expect(await store.approval(2)).toBeNull();
    });

    it('approve against reject at once: one wins, the other is told, the hold is in the winner state', async () => {
      await world.admit({ id: 1 });
      const second = await hubWorld({ store: await open(), clock: world.clock });
      const outcomes = await Promise.all([code(world.approve('maria', 1)), code(second.reject('jonas', 1))]);
      expect([...outcomes].sort()).toEqual(['ok', 'wrong_state']);
      expect(await world.state(1)).toBe(outcomes[0] === 'ok' ? 'pending' : 'rejected');
    });

    it('T29 revoke against admit at once: the job never passes with an approval that is revoked', async () => {
      await world.admit({ id: 1 });
      await world.approve('maria', 1);
      const second = await hubWorld({ store: await open(), clock: world.clock });
      const [, verdict] = await Promise.all([
        revoke(world.context, world.caller('jonas'), 1, null),
        second.admit({ id: 2, pipeline: 101 }),
      ]);
      const hold = await store.hold(verdict.hold!);
      expect([hold?.state, hold?.approval]).toEqual(['waiting_for_approval', null]);
      expect(await world.state(1)).toBe('waiting_for_approval');
    });

    it('T29 revoke against hand-out at once: it either runs, marked, or waits', async () => {
      await world.admit({ id: 1 });
      await world.approve('maria', 1);
      const second = await hubWorld({ store: await open(), clock: world.clock });
      await Promise.all([
        revoke(world.context, world.caller('jonas'), 1, null),
        second.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' }),
      ]);
      expect(await world.state(1)).toBe('running');
      expect((await world.audit()).filter((event) => event === 'approval_revoked')).toHaveLength(1);
    });

    it('many jobs of one review at once make one review and no hold twice', async () => {
      const second = await hubWorld({ store: await open(), clock: world.clock });
      const jobs = Array.from({ length: 12 }, (_, i) => ({ id: i + 1, pipeline: 100 + (i % 6) }));
      await Promise.all(jobs.map((job, i) => (i % 2 === 0 ? world : second).admit(job)));
      const holds = await store.holds({ sight: null }, { after: 0, limit: 100 });
      expect(holds).toHaveLength(6);
      expect(new Set(holds.map((hold) => hold.review))).toEqual(new Set([1]));
      expect((await verifyAudit(store)).ok).toBe(true);
    });

    it('keeps what was run without its approval, writes it on its version alone, and closes none by who did it', async () => {
      await world.admit({ id: 1 });
      const rules = [levelRule('on call', 40, 1)];
      world.policy = policyWith({ breakGlass: { ...world.policy.base.breakGlass, rules } }, 'glass');
      const { digest } = (await store.hold(1))!;
      await breakGlass(world.context, world.caller('maria'), { hold: 1, digest, reason: 'down' });
      await store.close();
      const again = await open();
      const [glass] = await again.breakGlassOf(1);
      expect(glass).toMatchObject({
        id: 1,
        hold: 1,
        approval: 1,
        reason: 'down',
        person: { username: 'maria' },
        closed: null,
      });
      const list = (filter: object) => again.breakGlasses({ projects: null, ...filter }, { after: 0, limit: 10 });
      expect([await list({ open: true }), await list({ projects: [4242] })].map(({ length }) => length)).toEqual([
        1, 1,
      ]);
      expect(await list({ projects: [1] })).toEqual([]);
      expect(await list({ dueBefore: glass!.reviewBy - 1 })).toEqual([]);
      expect(await list({ dueBefore: glass!.reviewBy })).toHaveLength(1);
      expect(await again.approvalsOf(glass!.subject, digest, 10)).toEqual([]);
      expect(await code(again.write((tx) => tx.updateBreakGlass({ ...glass!, version: 3 })))).toBe('hold_conflict');
      const closed = { at: START, by: glass!.person, finding: 'justified', comment: 'mine' } as const;
      await expect(again.write((tx) => tx.updateBreakGlass({ ...glass!, version: 2, closed }))).rejects.toThrow();
      const other = { ...closed, by: { id: 22, username: 'jonas', name: 'Jonas' } };
      await again.write((tx) => tx.updateBreakGlass({ ...glass!, version: 2, closed: other }));
      expect((await again.breakGlass(1))?.closed).toEqual(other);
      expect(await list({ open: true })).toEqual([]);
    });

    it('notes a report once', async () => {
      await world.admit({ id: 1 });
      const report = { hold: 1, jobId: 1, event: 'parked', at: '2026-11-22T08:00:00.000Z' };
      expect(await store.write((tx) => tx.noteReport(report))).toBe(true);
      expect(await store.write((tx) => tx.noteReport(report))).toBe(false);
    });

    it('lists by state, project, job, ref and sight, page by page', async () => {
      for (let id = 1; id <= 5; id++)
        await world.admit({
          id,
          pipeline: id,
          ref: id % 2 === 0 ? 'refs/heads/even' : 'refs/heads/odd',
          by: id === 1 ? 'gus' : 'zoe',
        });
      const ids = async (filter: object, page = { after: 0, limit: 100 }) =>
        (await store.holds({ sight: null, ...filter }, page)).map((h) => h.id);
      expect(await ids({})).toEqual([1, 2, 3, 4, 5]);
      expect(await ids({}, { after: 2, limit: 2 })).toEqual([3, 4]);
      expect(await ids({ ref: 'refs/heads/even' })).toEqual([2, 4]);
      expect(await ids({ states: ['pending'] })).toEqual([]);
      expect(await ids({ project: 4242, job: 'build' })).toHaveLength(5);
      expect(await ids({ project: 'acme/web' })).toEqual([]);
      expect(await ids({ sight: { projects: [], trigger: 41 } })).toEqual([1]);
      expect(await ids({ sight: { projects: [4242], trigger: 50 } })).toHaveLength(5);
    });

    it('reads many configurations at once, each as it is stored, without those that are too long', async () => {
      await world.admit({ id: 1, pipeline: 1 });
      await world.admit({ id: 2, pipeline: 2, script: ['x'.repeat(5_000)] });
      const [one, two] = [(await store.hold(1))!.digest, (await store.hold(2))!.digest];
      const found = await store.configurationsOf([one, two, 'sha256:none'], 4_000);
      expect([...found]).toEqual([[one, await store.configuration(one)]]);
      expect([...(await store.configurationsOf([one, two], 40_000)).keys()].sort()).toEqual([one, two].sort());
      expect(await store.configurationsOf([], 4_000)).toEqual(new Map());
    });

    it('shows denials and approvals only while they count', async () => {
      await world.admit({ id: 1 });
      await world.reject('maria', 1, { remember: true });
      const hold = (await store.hold(1))!;
      expect(await store.denial(hold.subject, hold.digest, START + DAY - 1)).toMatchObject({
        by: 'maria',
        reason: 'no',
      });
      expect(await store.denial(hold.subject, hold.digest, START + DAY)).toBeNull();
      expect(await store.denial({ ...hold.subject, job: 'x' }, hold.digest, START)).toBeNull();
    });

    it('knows detached holds in the order of their pipelines, overtaken ones, and what the CI server was not told', async () => {
      for (const [id, pipeline] of [
        [1, 30],
        [2, 10],
        [3, 20],
      ] as const) {
        await world.admit({ id, pipeline });
        await world.report('embedded', { hold: id, jobId: id, event: 'parked' });
      }
      expect(await store.detachedHolds('waiting_for_approval', 10)).toEqual([]);
      for (const id of [1, 2]) await world.report('embedded', { hold: id, jobId: id, event: 'detached' });
      const waiting = await store.detachedHolds('waiting_for_approval', 10);
      expect(waiting.map((hold) => hold.pipelineId)).toEqual([10, 30]);
      expect((await store.untoldHolds(10)).map((hold) => hold.id)).toEqual([1, 2]);
      await store.write((tx) => tx.putCiStatus(1, 'pending', START));
      expect((await store.untoldHolds(10)).map((hold) => hold.id)).toEqual([2]);

      expect(await store.overtaken((await store.hold(2))!)).toBe(false);
      await world.approve('maria', 3);
      await world.report('embedded', { hold: 3, jobId: 3, event: 'handed_out' });
      expect(await store.overtaken((await store.hold(2))!)).toBe(true);
      expect(await store.overtaken((await store.hold(1))!)).toBe(false);
      expect((await store.detachedHolds('pending', 10)).map((hold) => hold.id)).toEqual([2, 1]);
    });

    it('keeps retries, the same one replaced, and tells bots from people by them', async () => {
      await world.admit({ id: 1 });
      const retry = { hold: 1, jobId: 1, newJobId: null, credential: 'bot', user: 77, at: START } as const;
      await store.write((tx) => tx.putRetry(retry));
      await store.write((tx) => tx.putRetry({ ...retry, newJobId: 2 }));
      await store.write((tx) => tx.putRetry({ ...retry, jobId: 2, credential: 'trigger', user: 9, at: START + 1 }));
      expect((await store.retriesOf(1)).map((one) => [one.jobId, one.newJobId])).toEqual([
        [1, 2],
        [2, null],
      ]);
      expect([await store.isRetryBot(77), await store.isRetryBot(9)]).toEqual([true, false]);
      expect((await store.holdsOfPipeline('https://gitlab.example.com', 4242, 100)).map((hold) => hold.id)).toEqual([
        1,
      ]);
    });

    it('T49 takes U+0000 inside a configuration as it is, and refuses it in a name, a ref or a comment, in words', async () => {
      await world.admit({ id: 1, script: ['printf "\0"'] });
      expect(await store.configuration((await store.hold(1))!.digest)).toContain('printf \\"\\u0000\\"');
      const refused = async (promise: Promise<unknown>) => expect(await code(promise)).toBe('bad_input');
      await refused(world.admit({ id: 2, pipeline: 2, name: 'bui\0ld' }));
      await refused(world.admit({ id: 3, pipeline: 3, ref: 'refs/heads/ma\0in' }));
      await refused(world.approve('maria', 1, { comment: 'fine\0' }));
      expect([await world.state(1), await store.votes(1)]).toEqual(['waiting_for_approval', []]);
      expect(await store.holdOfJob('https://gitlab.example.com', 4242, 2)).toBeNull();
      expect((await verifyAudit(store)).ok).toBe(true);
    });

    it('T30 finds names, refs and environments that are far longer than GitLab has them, and refuses what no index can hold', async () => {
      const long = (seed: string, length: number): string =>
        Array.from({ length: 40 }, (_, n) => createHash('sha256').update(`${seed} ${n}`).digest('hex'))
          .join('')
          .slice(0, length);
      const job = {
        name: long('job', 780),
        ref: `refs/heads/${long('ref', 780)}`,
        environment: long('environment', 780),
      };
      await world.admit({ id: 1, pipeline: 1, ...job });
      await world.admit({ id: 2, pipeline: 2, ...job, name: `${job.name.slice(0, -1)}x` });
      const [one, two] = [(await store.hold(1))!, (await store.hold(2))!];
      expect(one.review).not.toBe(two.review);
      await world.approve('maria', 1);
      expect([await world.state(1), await world.state(2)]).toEqual(['pending', 'waiting_for_approval']);
      expect(await store.approvalsOf(one.subject, one.digest, 10)).toHaveLength(1);
      for (const much of [{ name: long('job', 2_400) }, { ref: `refs/heads/${'ü'.repeat(1_200)}` }])
        expect(await code(world.admit({ id: 3, pipeline: 3, ...much }))).toBe('bad_input');
    });

    it('keeps tokens by hash, once', async () => {
      const token = {
        hash: 'f'.repeat(64),
        prefix: 'hp_',
        name: null,
        owner: { id: 9, username: 'zoe' },
        scopes: ['read'] as const,
        makers: [],
        createdAt: START,
        expiresAt: START + HOUR,
        ...UNUSED,
      };
      const made = await store.write((tx) => tx.insertToken(token));
      expect(await store.tokenOfHash(token.hash)).toEqual(made);
      expect(await code(store.write((tx) => tx.insertToken(token)))).toBe('hold_conflict');
    });
  });
}
