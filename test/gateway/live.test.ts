import { describe, expect, it } from 'vitest';
import { fixture, send, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const MINUTE = 60_000;

const puts = (one: GateScene, id: number) =>
  one.fake.log
    .filter((each) => each.method === 'PUT' && each.path === `/api/v4/jobs/${id}`)
    .map((each) => JSON.parse(each.body) as { state: string; failure_reason?: string });
const told = (one: GateScene, id: number) =>
  one.gate.gatekeeper.reports.filter((each) => each.jobId === id).map((each) => each.event);

/** Both clocks go on by so much, in steps that let heartbeats happen. */
async function pass(one: GateScene, id: number, minutes: number): Promise<void> {
  for (let left = minutes; left > 0 && one.fake.job(id).status === 'running'; left -= 1) {
    const before = puts(one, id).length;
    one.fake.clock.advance(MINUTE);
    one.gate.clock.skip(MINUTE);
    await until(
      'a heartbeat',
      () => puts(one, id).length > before || (one.gate.agent.counts().failing ?? 0) > 0,
      () => one.gate.agent.counts(),
    );
  }
}

describe('a parked job', () => {
  it('is kept alive at GitLab, over the time after which it ends jobs without updates', async () => {
    const one = await scene();
    const id = await one.park();
    await pass(one, id, 40);
    expect(one.fake.job(id).status).toBe('running');
    expect(puts(one, id).every((put) => put.state === 'running')).toBe(true);
  });

  it('is told why it was failed although its log could not be written for a while', async () => {
    const one = await scene();
    const id = await one.park();
    await until(
      'the first note',
      () => one.fake.job(id).trace.includes('waits for approval'),
      () => one.fake.job(id).trace,
    );
    const mend = one.fake.fail({ match: (_m, path) => path.endsWith('/trace'), how: 'status', status: 502 });
    await one.gate.gatekeeper.push('reject', id);
    const tries = () =>
      one.gate.log.lines.filter((line) => line.message.startsWith('a note could not be written')).length;
    for (let n = 1; n <= 5; n++) {
      await until(`try ${n}`, () => tries() >= n, tries);
      expect(one.fake.job(id).status).toBe('running');
      one.gate.clock.skip(30_000);
    }
    mend();
    await until(
      'the job to fail',
      () => {
        one.gate.clock.skip(30_000);
        return one.fake.job(id).status === 'failed';
      },
      () => one.fake.job(id).trace,
    );
    expect(one.fake.job(id).trace).toContain('was rejected');
  });

  it('T40: lives by its heartbeats, and its time ends when it is over, although somebody puts the clock of the host back', async () => {
    const one = await scene();
    const id = await one.park();
    await pass(one, id, 2);
    one.gate.clock.set(-180 * MINUTE);
    await pass(one, id, 49);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(told(one, id)).toContain('detached');
    expect(one.gate.log.lines.filter((line) => line.message.startsWith('the clock was put back'))).toHaveLength(1);
  });

  it('T31: has its timeout lowered by the time it was parked, and nothing else changed', async () => {
    const one = await scene();
    const id = await one.park();
    await pass(one, id, 20);
    await one.gate.gatekeeper.release(id);
    const reply = await one.poll();
    const given = JSON.parse(reply.body.toString());
    const original = JSON.parse(one.fake.job(id).payload!);
    expect(original.runner_info.timeout).toBe(3600);
    expect(given.runner_info.timeout).toBeGreaterThan(2380);
    expect(given.runner_info.timeout).toBeLessThanOrEqual(2400);
    expect({ ...given, runner_info: null }).toEqual({ ...original, runner_info: null });
  });

  it('T44: is failed at the end of its live stage with a reason that GitLab does not retry, and a note how to go on', async () => {
    const one = await scene();
    const id = await one.park();
    await pass(one, id, 51);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(one.fake.job(id).failureReason).toBe('no_matching_runner');
    expect(one.fake.job(id).trace).toMatch(
      /Hold 1 goes on waiting for approval\. Once it is approved, this job is run again/,
    );
    await until('the report', () => told(one, id).includes('detached'));
    expect(told(one, id)).toEqual(['parked', 'detached']);
    expect(one.gate.gatekeeper.holdOf(id).state).toBe('waiting_for_approval');
    await until('the lot to be empty', () => Object.keys(one.gate.agent.counts()).length === 0, one.gate.agent.counts);
    // Released meanwhile or not: that job is not handed out any more, the retried one joins by its own verdict.
    await one.gate.gatekeeper.release(id);
    const again = one.fake.retry(id);
    const { digest } = one.gate.gatekeeper.holdOf(id);
    one.gate.gatekeeper.approved.add(digest);
    const reply = await one.poll();
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, again]);
  });

  it('is detached at once where no live stage is wanted', async () => {
    const one = await scene({ limits: { liveMs: 0 } });
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    expect((await one.poll()).status).toBe(204);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    await until('the report', () => told(one, id).includes('detached'));
  });

  it.each([
    ['canceled', false],
    ['canceling', true],
  ])('is given up when GitLab says %s', async (_status, graceful) => {
    const one = await scene();
    const id = await one.park();
    one.fake.cancel(id, { graceful });
    one.gate.clock.skip(MINUTE);
    await until(
      'the report',
      () => told(one, id).includes('canceled'),
      () => told(one, id),
    );
    await until('the lot to be empty', () => Object.keys(one.gate.agent.counts()).length === 0, one.gate.agent.counts);
    expect(one.fake.job(id).status).toBe('canceled');
  });

  it('is forgotten when GitLab takes nothing for it any more, and its Hold is told', async () => {
    const one = await scene();
    const id = await one.park();
    one.fake.erase(id);
    one.gate.clock.skip(MINUTE);
    await until(
      'the report',
      () => told(one, id).includes('detached'),
      () => told(one, id),
    );
    expect((await one.poll()).status).toBe(204);
  });

  it('lives through a GitLab that fails for a while', async () => {
    const one = await scene();
    const id = await one.park();
    const stop = one.fake.fail({ match: (method) => method === 'PUT', how: 'status', status: 502 });
    one.gate.clock.skip(MINUTE);
    await until('a failed heartbeat', () => one.gate.log.lines.some((line) => line.message === 'a heartbeat failed'));
    stop();
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(201);
  });

  it.each([
    ['reject', 'rejected'],
    ['expire', 'expired'],
    ['cancel', 'canceled'],
  ] as const)('is failed with a note when the hub says %s', async (type, state) => {
    const one = await scene();
    const id = await one.park();
    one.gate.gatekeeper.holdOf(id).state = state;
    await one.gate.gatekeeper.push(type, id, { note: `because of ${type}` });
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(one.fake.job(id).trace).toContain(`because of ${type}`);
    expect((await one.poll()).status).toBe(204);
  });

  it('T29: goes back to waiting when it is revoked before somebody fetched it', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    await one.gate.gatekeeper.push('revoke', id);
    expect((await one.poll()).status).toBe(204);
    expect(one.fake.job(id).status).toBe('running');
  });

  it('T30: over the limit the oldest of the person with most leaves, and nobody else', async () => {
    const one = await scene({ limits: { maxHolds: 3 } });
    const flooder = { id: 66, username: 'flooder', name: 'F' };
    const other = { id: 67, username: 'other', name: 'O' };
    const ids: number[] = [];
    for (const user of [other, flooder, flooder, flooder]) {
      ids.push(one.fake.enqueue(fixture('test-unit.run1'), { user }));
      await one.poll();
      await until('its hold', () => one.gate.gatekeeper.admitted.length === ids.length);
    }
    await until(
      'the second to be failed',
      () => one.fake.job(ids[1]!).status === 'failed',
      () => ids.map((id) => one.fake.job(id).status),
    );
    expect(ids.map((id) => one.fake.job(id).status)).toEqual(['running', 'failed', 'running', 'running']);
    await until('the report', () => told(one, ids[1]!).includes('detached'));
  });

  it('T25: is not to be spoken for by anybody: its token is refused here while it waits', async () => {
    const one = await scene();
    const id = await one.park();
    expect((await one.put(id, { state: 'success' })).status).toBe(403);
    expect(one.fake.job(id).status).toBe('running');
  });
});

describe('a job that was handed out', () => {
  it('T40: is failed when no runner shows in time', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    one.gate.clock.skip(91_000);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    await until('the report', () => told(one, id).includes('unconfirmed'));
    expect(told(one, id)).toEqual(['handed_out', 'unconfirmed']);
    expect((await one.put(id, { state: 'running' })).status).toBe(403);
  });

  it('ends as GitLab says, which a job cannot say of itself', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    await one.put(id, { state: 'running' });
    // GitLab refuses the update, so the job has not ended, whatever was put.
    const stop = one.fake.fail({
      match: (method, path) => method === 'PUT' && path.endsWith(`/${id}`),
      how: 'status',
      status: 500,
      times: 1,
    });
    expect((await one.put(id, { state: 'success' })).status).toBe(500);
    stop();
    expect(told(one, id)).not.toContain('ended');
    expect((await one.put(id, { state: 'failed', failure_reason: 'script_failure' })).status).toBe(200);
    await until(
      'the report',
      () => told(one, id).includes('ended'),
      () => told(one, id),
    );
    const report = one.gate.gatekeeper.reports.find((each) => each.jobId === id && each.event === 'ended');
    expect(report?.detail.status).toBe('failed');
    await until(
      'the lot to be without it',
      () => one.gate.agent.counts().confirmed === undefined,
      one.gate.agent.counts,
    );
  });

  it('is noticed to have ended when its runner vanished, and is not kept alive by the look', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    await one.put(id, { state: 'running' });
    await until('confirmed', () => told(one, id).includes('confirmed'));
    const updates = puts(one, id).length;
    for (let minute = 0; minute < 3; minute++) {
      const looks = (): number =>
        one.fake.log.filter(
          (each) => each.path === '/api/v4/job' && each.headers['job-token'] === one.fake.job(id).token,
        ).length;
      const before = looks();
      one.gate.clock.skip(MINUTE);
      await until('a look', () => looks() > before);
    }
    expect(puts(one, id)).toHaveLength(updates);
    one.fake.clock.advance(3 * 3600_000);
    await until(
      'the reaper',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    one.gate.clock.skip(MINUTE);
    await until(
      'the report',
      () => told(one, id).includes('ended'),
      () => told(one, id),
    );
  });

  it('is not failed when the runner shows by a patch of the log alone', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    await send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, {
      headers: { 'job-token': one.fake.job(id).token, 'content-range': '0-1', 'content-type': 'text/plain' },
      body: 'ok',
    });
    await until('confirmed', () => told(one, id).includes('confirmed'));
    one.gate.clock.skip(91_000);
    expect(one.fake.job(id).status).toBe('running');
  });

  it('is not confirmed by whoever has another token', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    const reply = await send(one.gate.port, 'PUT', `/api/v4/jobs/${id}`, {
      headers: { 'content-type': 'application/json', 'job-token': 'glcbt-other' },
      body: JSON.stringify({ token: 'glcbt-other', state: 'running' }),
    });
    expect(reply.status).toBe(403);
    expect(told(one, id)).not.toContain('confirmed');
  });
});

describe('a payload that is refused', () => {
  it('T53: by case-folded twins is failed with path and reason, told to the hub, and never handed out', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'), {
      render: ({ text }) => `${text.slice(0, -1)},"\u017fteps":[]}`,
    });
    expect((await one.poll()).status).toBe(204);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(one.fake.job(id).trace).toContain('was refused');
    await until('the report', () => told(one, id).includes('refused'));
    expect(one.gate.gatekeeper.reports.find((each) => each.event === 'refused')).toMatchObject({
      hold: null,
      jobId: id,
    });
    expect((await one.poll()).status).toBe(204);
  });

  it('T17: by an environment that GitLab does not deploy to is failed', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('deploy-production.run1'), {
      mutate: (payload) => {
        const variables = payload.variables as { key: string; value: string }[];
        for (const each of variables) if (each.key === 'CI_ENVIRONMENT_SLUG') each.value = 'staging';
      },
    });
    expect((await one.poll()).status).toBe(204);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(one.fake.job(id).trace).toContain("give the environment's slug as staging, GitLab as production");
  });
});
