import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import {
  alice,
  approveHold,
  DAY,
  type DetachedScene,
  HOUR,
  MINUTE,
  maria,
  openDetachedScene,
  zoe,
} from '../support/detached-scene.ts';
import { BOT } from '../support/scene.ts';

const ALL = ['read', 'retry', 'status'] as const;
let scene: DetachedScene;
afterEach(async () => scene.close());

const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
const retries = () => scene.gitlab.log.filter(({ method, path }) => method === 'POST' && path.endsWith('/retry'));

describe('a job that waits longer than GitLab waits', () => {
  it('T31 is approved after two weeks: failed with a note after the live stage, retried by the bot, and it runs', async () => {
    scene = await openDetachedScene({ bot: ALL, live: '1h' });
    const runner = scene.runner();
    const job = scene.push('deploy-production');
    await scene.hold(job, 'waiting_for_approval');
    await scene.live(job, 40 * MINUTE);
    expect(scene.gitlab.job(job).status).toBe('running');
    await scene.live(job, 20 * MINUTE);
    const hold = await scene.detached(job);
    const failed = scene.gitlab.job(job);
    expect(failed.failureReason).toBe('no_matching_runner');
    expect(failed.trace).toContain(`Hold ${hold.id} goes on waiting for approval`);
    expect(hold.state).toBe('waiting_for_approval');
    expect(hold.retry).toMatchObject({ by: 'nobody_yet' });
    await scene.gitlab.until('a pending commit status', () => scene.gitlab.statuses.at(-1)?.state === 'pending');
    expect(scene.gitlab.statuses.at(-1)).toMatchObject({ name: 'holdpoint/deploy:production', by: BOT.username });

    scene.turn(14 * DAY);
    const fresh = scene.runner({ systemId: 'after-two-weeks' });
    await approveHold(scene, hold);
    const again = await scene.retryOf(job);
    await ended(again, 'success');
    const done = await scene.hold(again, 'success');
    expect(done.id).toBe(hold.id);
    expect(done.trigger.id).toBe(zoe.id);
    expect([...runner.started, ...fresh.started].map((started) => started.jobId)).toEqual([again]);
    expect(done.attempts.map((attempt) => attempt.job_id)).toEqual([job, again]);
    expect(done.history.map((row) => row.event)).toContain('job_retried');
    await scene.gitlab.until('a success status', () => scene.gitlab.statuses.at(-1)?.state === 'success');
  });

  it('T51 T52 frees five pushes that wait for one digest with one approval, in the order of their pipelines', async () => {
    scene = await openDetachedScene({ bot: ALL });
    const runner = scene.runner();
    const jobs = [1, 2, 3, 4, 5].map(() => scene.push('test-unit'));
    const holds: HoldDetail[] = [];
    for (const job of jobs) holds.push(await scene.detached(job));
    expect(new Set(holds.map((hold) => hold.review)).size).toBe(1);
    expect(retries()).toEqual([]);
    await approveHold(scene, holds[2]!);
    const again: number[] = [];
    for (const job of jobs) again.push(await scene.retryOf(job));
    expect(again).toEqual([...again].sort((a, b) => a - b));
    for (const job of again) await scene.hold(job, 'success');
    expect(runner.started.map((started) => started.jobId)).toEqual(again);
    expect(retries()).toHaveLength(5);
    for (const hold of await scene.holds()) expect([hold.state, hold.trigger.id]).toEqual(['success', zoe.id]);
  });

  it('retries only the newest of several that wait for one environment, the others end as superseded', async () => {
    scene = await openDetachedScene({ bot: ALL });
    scene.runner();
    const jobs = [1, 2, 3].map(() => scene.push('deploy-production'));
    const holds: HoldDetail[] = [];
    for (const job of jobs) holds.push(await scene.detached(job));
    await approveHold(scene, holds[0]!);
    const newest = await scene.retryOf(jobs[2]!);
    await scene.hold(newest, 'success');
    const states = (await scene.holds()).map(({ state, reason }) => [state, reason]);
    expect(states).toEqual([
      ['canceled', 'superseded'],
      ['canceled', 'superseded'],
      ['success', null],
    ]);
    expect(retries()).toHaveLength(1);
  });

  it('runs every one of them where the policy says so', async () => {
    scene = await openDetachedScene({
      bot: ALL,
      files: { 'policy.yaml': 'superseded: run\ntokens: { idle: 30d }\n' },
    });
    scene.runner();
    const jobs = [scene.push('deploy-production'), scene.push('deploy-production')];
    const holds: HoldDetail[] = [];
    for (const job of jobs) holds.push(await scene.detached(job));
    await approveHold(scene, holds[1]!);
    for (const job of jobs) await scene.hold(await scene.retryOf(job), 'success');
    expect(retries()).toHaveLength(2);
  });

  it('T12 does not run an old push after a newer one of the same ref has run, however long nobody could retry it', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const [old, newer] = [scene.push('test-unit'), scene.push('test-unit')];
    const holds = [await scene.detached(old), await scene.detached(newer)];
    await approveHold(scene, holds[1]!);
    const again = scene.gitlab.retry(newer, zoe);
    await ended(again, 'success');
    await scene.hold(again, 'success');
    // Only now the trigger of the old one lends what it takes.
    const lent = await (await scene.as('zoe', ['read'])).put('me/gitlab-credential', {
      token: scene.gitlab.personToken(zoe),
    });
    expect(lent).toMatchObject({ status: 200, body: { lent: true } });
    expect(await scene.hold(old, 'canceled')).toMatchObject({ id: holds[0]!.id, reason: 'superseded' });
    expect(retries()).toEqual([]);
  });

  for (const [what, spoil] of [
    ['its reaper without updates', (job: number) => breakHeartbeats(job)],
    ['a token that has expired', (job: number) => refuseToken(job)],
    ['its time-out, while the agent was down', (_job: number) => scene.restart(() => scene.turn(3 * HOUR))],
  ] as const) {
    it(`T31 goes on waiting when GitLab ends the parked job by ${what}, and is retried after approval`, async () => {
      scene = await openDetachedScene({ bot: ALL, live: '1h' });
      const job = scene.push('deploy-production');
      const before = scene.runner();
      await scene.hold(job, 'waiting_for_approval');
      await before.stop();
      await spoil(job);
      const hold = await scene.detached(job);
      expect(hold.state).toBe('waiting_for_approval');
      scene.runner();
      await approveHold(scene, hold);
      const again = await scene.retryOf(job);
      await ended(again, 'success');
      expect((await scene.hold(again, 'success')).id).toBe(hold.id);
    });
  }

  it('ends with its job when that is canceled in GitLab, queued again or not', async () => {
    scene = await openDetachedScene({ bot: ALL });
    const runner = scene.runner();
    const [approved, waiting] = [scene.push('test-unit'), scene.push('deploy-production')];
    const holds = [await scene.detached(approved), await scene.detached(waiting)];
    await runner.stop();
    await approveHold(scene, holds[0]!);
    scene.gitlab.cancel(await scene.retryOf(approved));
    scene.gitlab.cancel(scene.gitlab.retry(waiting, alice));
    for (const [index, job] of [approved, waiting].entries()) {
      const hold = await scene.eventually(
        `the hold of job ${job} to be canceled`,
        async () => (await scene.holds()).find(({ id, state }) => id === holds[index]?.id && state === 'canceled'),
        () => scene.turn(MINUTE),
      );
      expect(hold.reason).toMatch(/^job \d+ was canceled in GitLab$/);
    }
  });

  it('ends when its pipeline is gone, and not when the project merely cannot be seen', async () => {
    scene = await openDetachedScene({ bot: ALL });
    scene.runner();
    const job = scene.push('test-unit');
    const hold = await scene.detached(job);
    const hidden = scene.gitlab.fail({ match: (_, path) => path.includes('/projects/'), how: 'status', status: 404 });
    await approveHold(scene, hold);
    await scene.eventually('a refusal', async () => {
      const now = await (await scene.as('zoe')).get<HoldDetail>(`holds/${hold.id}`);
      return now.body.retry?.by === 'trigger' && now.body.state === 'pending';
    });
    hidden();
    scene.gitlab.deletePipeline(scene.gitlab.job(job).pipelineId);
    await scene.eventually(
      'the hold to end',
      async () => (await scene.holds()).find(({ state, reason }) => state === 'canceled' && reason?.includes('gone')),
      () => scene.turn(HOUR),
    );
  });

  it('T52 keeps its trigger when somebody else retries it, who wins nothing by it', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const job = scene.push('test-unit', { user: maria });
    const hold = await scene.detached(job);
    const again = scene.gitlab.retry(job, alice);
    const joined = await scene.detached(again);
    expect(joined).toMatchObject({ id: hold.id, review: hold.review, trigger: { id: maria.id } });
    const own = await (await scene.as('maria')).post<{ code: string }>(`holds/${hold.id}/approve`, {
      digest: hold.digest,
    });
    expect([own.status, own.body.code]).toEqual([403, 'self_approval']);
    await approveHold(scene, joined);
    const third = scene.gitlab.retry(again, alice);
    await ended(third, 'success');
  });

  it('T18 T52 asks about later jobs of a pipeline that the bot has woken in the name of whoever triggered it', async () => {
    scene = await openDetachedScene({ bot: ALL });
    scene.runner();
    const job = scene.push('build-image', { user: maria });
    const hold = await scene.detached(job);
    await approveHold(scene, hold);
    await ended(await scene.retryOf(job), 'success');
    const later = scene.push('deploy-production', { user: BOT, pipeline: scene.gitlab.job(job).pipelineId });
    const asked = await scene.detached(later);
    expect(asked.trigger.id).toBe(maria.id);
    const own = await (await scene.as('maria')).post<{ code: string }>(`holds/${asked.id}/approve`, {
      digest: asked.digest,
    });
    expect([own.status, own.body.code]).toEqual([403, 'self_approval']);
  });

  it('is retried though its log was erased; a project that moved makes another configuration, which is asked about', async () => {
    scene = await openDetachedScene({ bot: ALL });
    scene.runner();
    let path = 'acme/payments/api';
    const moving = (payload: Record<string, unknown>) => {
      const moved = JSON.parse(JSON.stringify(payload).replaceAll('acme/payments/api', path)) as object;
      Object.assign(payload, moved);
    };
    const erased = scene.push('test-unit');
    const first = await scene.detached(erased);
    scene.gitlab.erase(erased);
    await approveHold(scene, first);
    await ended(await scene.retryOf(erased), 'success');

    const moved = scene.push('deploy-production', { mutate: moving });
    const hold = await scene.detached(moved);
    path = 'acme/platform/api';
    await approveHold(scene, hold);
    const again = await scene.retryOf(moved);
    const asked = await scene.detached(again);
    expect([asked.id === hold.id, asked.digest === hold.digest, asked.state]).toEqual([
      false,
      false,
      'waiting_for_approval',
    ]);
    expect(await scene.hold(moved, 'canceled')).toMatchObject({ id: hold.id, reason: 'superseded' });
  });

  it('T14 waits for a GitLab that is away for a day, over a restart, and retries once', async () => {
    scene = await openDetachedScene({ bot: ALL });
    const runner = scene.runner();
    const job = scene.push('test-unit');
    const hold = await scene.detached(job);
    await runner.stop();
    const back = scene.gitlab.fail({ match: () => true, how: 'reset' });
    await approveHold(scene, hold);
    const calls = () => scene.gitlab.log.length;
    for (let hour = 0; hour < 24; hour++) {
      const before = calls();
      await scene.gitlab.until('another try', () => {
        scene.turn(HOUR);
        return calls() > before;
      });
      if (hour === 12) await scene.restart();
    }
    back();
    const again = await scene.eventually(
      'the retry',
      async () => scene.gitlab.job(job).retriedAs,
      () => scene.turn(MINUTE),
    );
    // A day that passes within a second has cut the link as well.
    await scene.linked();
    scene.runner();
    await ended(again, 'success');
    expect((await scene.hold(again, 'success')).id).toBe(hold.id);
    expect(retries().filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it('T14 makes no second job when GitLab did the retry and its answer was lost', async () => {
    scene = await openDetachedScene({ bot: ALL });
    const runner = scene.runner();
    const job = scene.push('test-unit');
    const hold = await scene.detached(job);
    await runner.stop();
    const lost = (_: string, path: string) => path.endsWith('/retry');
    scene.gitlab.fail({ match: lost, how: 'close-after-assign', times: 1 });
    await approveHold(scene, hold);
    const again = await scene.retryOf(job);
    const queued = await scene.eventually('the lost retry to be found', async () => {
      const now = (await (await scene.as('zoe')).get<HoldDetail>(`holds/${hold.id}`)).body;
      scene.turn(5_000);
      return now.retry?.job_id === again && now;
    });
    expect(queued.retry?.words).toContain(`retried as job ${again}`);
    scene.runner();
    await ended(again, 'success');
    expect(retries()).toHaveLength(1);
    expect(scene.gitlab.jobs().filter(({ name }) => name === scene.gitlab.job(job).name)).toHaveLength(2);
  });

  it('T44 joins what GitLab itself retries: one hold, one question, no retry of ours before the approval, no loop', async () => {
    scene = await openDetachedScene({ bot: ALL });
    scene.runner();
    const jobs = [scene.push('test-unit')];
    for (let round = 0; round < 2; round++) {
      await scene.detached(jobs.at(-1)!);
      jobs.push(scene.gitlab.retry(jobs.at(-1)!, zoe));
    }
    const hold = await scene.detached(jobs.at(-1)!);
    scene.turn(2 * HOUR);
    expect((await scene.holds()).map(({ id, review }) => [id, review])).toEqual([[hold.id, hold.review]]);
    expect(hold.attempts.map((attempt) => attempt.job_id)).toEqual(jobs);
    expect(retries()).toEqual([]);
    expect(scene.gitlab.jobs()).toHaveLength(3);
    await approveHold(scene, hold);
    await ended(await scene.retryOf(jobs.at(-1)!), 'success');
    expect(retries()).toHaveLength(1);
  });

  it('T15 refuses the retry of a job that was rejected for good while it was detached', async () => {
    scene = await openDetachedScene({ bot: ALL });
    const runner = scene.runner();
    const job = scene.push('test-unit');
    const hold = await scene.detached(job);
    await scene.gitlab.until('a pending status', () => scene.gitlab.statuses.at(-1)?.state === 'pending');
    const rejected = await (await scene.as('jonas')).post(`holds/${hold.id}/reject`, {
      digest: hold.digest,
      comment: 'never this',
      remember: true,
    });
    expect(rejected.status).toBe(200);
    const again = scene.gitlab.retry(job, zoe);
    await ended(again, 'failed');
    expect(scene.gitlab.job(again).trace).toContain('never this');
    expect([runner.started, retries()]).toEqual([[], []]);
    await scene.gitlab.until('a failed status', () => scene.gitlab.statuses.at(-1)?.state === 'failed');
  });
});

/** Heartbeats do not get through until GitLab has reaped the job. */
async function breakHeartbeats(job: number): Promise<void> {
  const heal = scene.gitlab.fail({
    match: (method, path) => method === 'PUT' && path === `/api/v4/jobs/${job}`,
    how: 'status',
    status: 500,
  });
  scene.turn(31 * MINUTE);
  await ended(job, 'failed');
  heal();
  scene.turn(2 * MINUTE);
}

/** GitLab says of the job's token that it is over, and has dropped the job. */
async function refuseToken(job: number): Promise<void> {
  scene.gitlab.clock.advance(70 * MINUTE);
  await scene.gitlab.until('a heartbeat with a dead token', () => {
    scene.turn(MINUTE);
    return scene.gitlab.job(job).status !== 'running';
  });
}
