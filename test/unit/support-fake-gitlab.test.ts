import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, type FakeGitlabOptions, startFakeGitlab } from '../support/fake-gitlab.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/gitlab/${name}.json`, import.meta.url), 'utf8');
const MINUTE = 60_000;

const open: FakeGitlab[] = [];
async function gitlab(options: FakeGitlabOptions = {}): Promise<FakeGitlab> {
  const one = await startFakeGitlab(options);
  open.push(one);
  return one;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const api = (fake: FakeGitlab, path: string) => `${fake.url}/api/v4/${path}`;
const call = (fake: FakeGitlab, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(api(fake, path), {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    redirect: 'manual',
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
const poll = (fake: FakeGitlab, token: string, more: object = {}) =>
  call(fake, 'POST', 'jobs/request', {
    token,
    system_id: 's_1',
    info: { features: { cancel_gracefully: true } },
    ...more,
  });
const put = (fake: FakeGitlab, id: number, token: string, body: object) =>
  call(fake, 'PUT', `jobs/${id}`, { token, ...body });
const patch = (fake: FakeGitlab, id: number, token: string, range: string | null, body: string) =>
  fetch(api(fake, `jobs/${id}/trace?debug_trace=false`), {
    method: 'PATCH',
    headers: {
      'JOB-TOKEN': token,
      'Content-Type': 'text/plain',
      ...(range === null ? {} : { 'Content-Range': range }),
    },
    body,
  });

async function running(fake: FakeGitlab, name = 'deploy-production.run1'): Promise<{ id: number; token: string }> {
  const id = fake.enqueue(fixture(name));
  const answer = await poll(fake, fake.runnerToken());
  expect(answer.status).toBe(201);
  await answer.body?.cancel();
  return { id, token: fake.job(id).token };
}

describe('the fake GitLab hands out jobs', () => {
  it('as running before the answer is written', async () => {
    const fake = await gitlab();
    const id = fake.enqueue(fixture('deploy-production.run1'));
    fake.fail({ match: (_, path) => path === '/api/v4/jobs/request', how: 'close-after-assign', times: 1 });
    await expect(poll(fake, fake.runnerToken())).rejects.toThrow();
    expect(fake.job(id)).toMatchObject({ status: 'running', handOuts: 1 });
    expect((await poll(fake, fake.runnerToken())).status).toBe(204);
  });

  it('with 204 and the queue value, cut short while the value is the same', async () => {
    const fake = await gitlab();
    const token = fake.runnerToken();
    const none = await poll(fake, token);
    const value = none.headers.get('x-gitlab-last-update');
    expect([none.status, value]).toEqual([204, expect.stringMatching(/^[0-9a-f]{32}$/)]);
    const again = await poll(fake, token, { last_update: value });
    expect([again.status, again.headers.get('x-gitlab-last-update')]).toEqual([204, value]);
    fake.enqueue(fixture('build-image.run1'));
    const job = await poll(fake, token, { last_update: value });
    expect([job.status, job.headers.get('x-gitlab-last-update')]).toEqual([201, null]);
  });

  it('does not look at the queue when the value is the same, although a job waits', async () => {
    const fake = await gitlab();
    const token = fake.runnerToken();
    fake.enqueue(fixture('build-image.run1'));
    const value = (await poll(fake, fake.runnerToken('other'))).status;
    expect(value).toBe(201);
    const id = fake.enqueue(fixture('build-image.run1'), { runner: 'glrt-somebody-else' });
    const last = (await poll(fake, token)).headers.get('x-gitlab-last-update');
    expect((await poll(fake, token, { last_update: last })).status).toBe(204);
    expect(fake.job(id).status).toBe('pending');
  });

  it('only to the runner it is meant for', async () => {
    const fake = await gitlab();
    const mine = fake.runnerToken('mine');
    fake.enqueue(fixture('build-image.run1'), { runner: mine });
    expect((await poll(fake, fake.runnerToken('other'))).status).toBe(204);
    expect((await poll(fake, mine)).status).toBe(201);
  });

  it('keeps an empty poll as Workhorse does and answers 204 when something changed', async () => {
    const fake = await gitlab({ longPollMs: 60_000 });
    const token = fake.runnerToken();
    const value = (await poll(fake, token)).headers.get('x-gitlab-last-update');
    const held = poll(fake, token, { last_update: value });
    await fake.until('the held poll to arrive', () => fake.log.length === 2);
    fake.enqueue(fixture('build-image.run1'));
    const answer = await held;
    expect([answer.status, answer.headers.get('gitlab-ci-builds-polling')]).toEqual([204, 'yes']);
    expect((await poll(fake, token, { last_update: value })).status).toBe(201);
  });

  it('refuses bad tokens with 403, big bodies with 413, too many polls with 429, and none to a paused runner', async () => {
    const fake = await gitlab({ jobsRequestPerMinute: 4 });
    const token = fake.runnerToken();
    expect((await poll(fake, 'glrt-wrong')).status).toBe(403);
    expect((await poll(fake, token, { filler: 'x'.repeat(33_000) })).status).toBe(413);
    fake.enqueue(fixture('build-image.run1'));
    fake.pauseRunner(token, true);
    const paused = await poll(fake, token);
    expect([paused.status, paused.headers.has('x-gitlab-last-update')]).toEqual([204, true]);
    fake.pauseRunner(token, false);
    expect((await poll(fake, token)).status).toBe(201);
    await poll(fake, token);
    await poll(fake, token);
    const limited = await poll(fake, token);
    expect([limited.status, limited.headers.has('retry-after')]).toEqual([429, true]);
    fake.clock.advance(61_000);
    expect((await poll(fake, token)).status).toBe(204);
  });
});

describe('the fake GitLab knows runners', () => {
  it('verifies, resets and deletes them, refuses registration for good, and has no job router', async () => {
    const fake = await gitlab();
    const token = fake.runnerToken();
    expect((await call(fake, 'POST', 'runners', { token: 'registration' })).status).toBe(410);
    const verified = await call(fake, 'POST', 'runners/verify', { token });
    expect([verified.status, await verified.json()]).toEqual([200, expect.objectContaining({ token })]);
    fake.enqueue(fixture('build-image.run1'), { runner: token });
    const reset = await call(fake, 'POST', 'runners/reset_authentication_token', { token });
    const renewed = ((await reset.json()) as { token: string }).token;
    expect((await poll(fake, renewed)).status).toBe(201);
    expect([reset.status, renewed === token]).toEqual([201, false]);
    expect((await call(fake, 'POST', 'runners/verify', { token })).status).toBe(403);
    expect((await fetch(api(fake, 'runners/router/discovery'), { headers: { 'RUNNER-TOKEN': renewed } })).status).toBe(
      501,
    );
    expect((await call(fake, 'DELETE', 'runners', { token: renewed })).status).toBe(204);
    expect((await poll(fake, renewed)).status).toBe(403);
  });
});

describe('the fake GitLab takes updates', () => {
  it('of every state, with Job-Status, and 400 for an unknown one', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    const beat = await put(fake, id, token, { state: 'running' });
    expect([beat.status, beat.headers.get('job-status')]).toEqual([200, 'running']);
    expect((await put(fake, id, token, { state: 'pending' })).status).toBe(400);
    const end = await put(fake, id, token, { state: 'failed', failure_reason: 'no_matching_runner', exit_code: 3 });
    expect([end.status, end.headers.get('job-status')]).toEqual([200, 'failed']);
    expect(fake.job(id)).toMatchObject({ status: 'failed', failureReason: 'no_matching_runner', exitCode: 3 });
    const late = await put(fake, id, token, { state: 'running' });
    expect([late.status, late.headers.get('job-status')]).toEqual([403, 'failed']);
    expect(await late.text()).toContain('Job is not processing on runner');
  });

  it('calls an unknown reason unknown_failure and refuses unknown jobs and foreign tokens with 403', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    expect((await put(fake, id + 1, token, { state: 'running' })).status).toBe(403);
    expect((await put(fake, id, 'glcbt-other', { state: 'running' })).status).toBe(403);
    await put(fake, id, token, { state: 'failed', failure_reason: 'held_for_ever' });
    expect(fake.job(id).failureReason).toBe('unknown_failure');
  });

  it('writes updated_at at most every 15 minutes', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    const first = fake.job(id).updatedAt;
    fake.clock.advance(14 * MINUTE);
    await put(fake, id, token, { state: 'running' });
    expect(fake.job(id).updatedAt).toBe(first);
    fake.clock.advance(2 * MINUTE);
    await put(fake, id, token, { state: 'running' });
    expect(fake.job(id).updatedAt).toBeGreaterThan(first);
  });

  it('answers 202 with an interval while chunks of the log are not persisted', async () => {
    const fake = await gitlab({ unpersistedChunks: 1, unpersistedIntervalS: 7 });
    const { id, token } = await running(fake);
    const final = { state: 'success', output: { checksum: 'crc32:00000000', bytesize: 0 } };
    const first = await put(fake, id, token, final);
    expect([first.status, first.headers.get('x-gitlab-trace-update-interval')]).toEqual([202, '7']);
    expect(fake.job(id).status).toBe('running');
    expect((await put(fake, id, token, final)).status).toBe(200);
    expect(fake.job(id)).toMatchObject({ status: 'success', checksum: { crc32: 'crc32:00000000', bytesize: 0 } });
  });
});

describe('the fake GitLab keeps a log', () => {
  it('that grows only at its end: 202 with Range, 416 with where it stands, 400 without Content-Range', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    const first = await patch(fake, id, token, '0-4', 'hello');
    expect([first.status, first.headers.get('range'), first.headers.get('job-status')]).toEqual([
      202,
      '0-5',
      'running',
    ]);
    expect(first.headers.get('x-gitlab-trace-update-interval')).toBe('3');
    const twice = await patch(fake, id, token, '0-4', 'hello');
    expect([twice.status, twice.headers.get('range')]).toEqual([416, '0-5']);
    expect((await patch(fake, id, token, null, 'x')).status).toBe(400);
    expect((await patch(fake, id, token, '5-10', ' world')).headers.get('range')).toBe('0-11');
    expect(fake.job(id).trace).toBe('hello world');
  });

  it('of limited size: what is over it fails the job', async () => {
    const fake = await gitlab({ maxTraceBytes: 8 });
    const { id, token } = await running(fake);
    expect((await patch(fake, id, token, '0-8', '123456789')).status).toBe(403);
    expect(fake.job(id)).toMatchObject({ status: 'failed', failureReason: 'trace_size_exceeded' });
  });
});

describe('the fake GitLab reaps by its clock', () => {
  it('a running job without updates after 30 minutes', async () => {
    const fake = await gitlab();
    const { id } = await running(fake);
    fake.clock.advance(30 * MINUTE - 5_000);
    expect(fake.job(id).status).toBe('running');
    fake.clock.advance(6_000);
    expect(fake.job(id)).toMatchObject({ status: 'failed', failureReason: 'no_updates_running' });
  });

  it('a running job 15 minutes over its timeout, heartbeats or not, and its token dies 5 minutes after the timeout', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    for (let minutes = 0; minutes < 60; minutes += 10) {
      fake.clock.advance(10 * MINUTE);
      expect((await put(fake, id, token, { state: 'running' })).status).toBe(200);
    }
    fake.clock.advance(6 * MINUTE);
    const late = await put(fake, id, token, { state: 'running' });
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining('Job token has expired')]);
    expect(fake.job(id).failureReason).toBe('job_token_expired');
    const other = await running(fake);
    fake.clock.advance(20 * MINUTE);
    await patch(fake, other.id, other.token, '0-0', 'x');
    fake.clock.advance(25 * MINUTE);
    await patch(fake, other.id, other.token, '1-1', 'x');
    fake.clock.advance(30 * MINUTE);
    expect(fake.job(other.id).failureReason).toBe('server_timeout_running');
  });

  it('a pending job after 24 hours and a canceling one after 30 minutes', async () => {
    const fake = await gitlab();
    const { id } = await running(fake);
    fake.cancel(id);
    const waiting = fake.enqueue(fixture('build-image.run1'));
    fake.clock.advance(31 * MINUTE);
    expect(fake.job(id)).toMatchObject({ status: 'canceled', failureReason: 'no_updates_canceling' });
    fake.clock.advance(24 * 60 * MINUTE);
    expect(fake.job(waiting)).toMatchObject({ status: 'failed', failureReason: 'stuck_pending_with_matching_runners' });
  });
});

describe('the fake GitLab is used by people', () => {
  it('who cancel: canceling if the runner can, ended by its last update; else canceled at once', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    fake.cancel(id);
    expect((await put(fake, id, token, { state: 'running' })).headers.get('job-status')).toBe('canceling');
    await put(fake, id, token, { state: 'failed', failure_reason: 'script_failure' });
    expect(fake.job(id).status).toBe('canceled');
    const other = await running(fake);
    fake.cancel(other.id, { graceful: false });
    const told = await patch(fake, other.id, other.token, '0-0', 'x');
    expect([told.status, told.headers.get('job-status')]).toEqual([403, 'canceled']);
  });

  it('who retry, play and erase, and read jobs and pipelines', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    const own = await fetch(api(fake, 'job'), { headers: { 'JOB-TOKEN': token } });
    expect(await own.json()).toMatchObject({
      id,
      status: 'running',
      user: { username: 'zoe' },
      pipeline: { project_id: 4242 },
    });
    await put(fake, id, token, { state: 'failed' });
    expect((await fetch(api(fake, 'job'), { headers: { 'JOB-TOKEN': token } })).status).toBe(401);
    const again = fake.retry(id, { id: 12, username: 'alice', name: 'Alice Okafor' });
    expect(again).not.toBe(id);
    const headers = { 'PRIVATE-TOKEN': fake.apiToken };
    const seen = await fetch(api(fake, `projects/4242/jobs/${again}`), { headers });
    expect(await seen.json()).toMatchObject({
      id: again,
      status: 'pending',
      name: 'deploy:production',
      user: { id: 12 },
    });
    expect((await fetch(api(fake, `projects/4242/jobs/${again}`))).status).toBe(401);
    const pipeline = fake.job(id).pipelineId;
    const jobs = await fetch(api(fake, `projects/acme%2Fpayments%2Fapi/pipelines/${pipeline}/jobs`), { headers });
    expect(((await jobs.json()) as { id: number }[]).map((one) => one.id)).toContain(again);
    expect(await (await fetch(api(fake, `projects/4242/pipelines/${pipeline}`), { headers })).json()).toMatchObject({
      id: pipeline,
    });
    const manual = fake.enqueue(fixture('release.run1'), { manual: true });
    expect(fake.job(manual).status).toBe('manual');
    fake.play(manual);
    expect(fake.job(manual).status).toBe('pending');
    fake.erase(id);
    expect((await put(fake, id, token, { state: 'running' })).status).toBe(403);
  });

  it('tells a job its environment, user and roles by its token', async () => {
    const fake = await gitlab();
    const { id, token } = await running(fake);
    const answer = await fetch(api(fake, 'job/allowed_agents'), { headers: { 'JOB-TOKEN': token } });
    expect(await answer.json()).toMatchObject({
      job: { id },
      pipeline: { id: fake.job(id).pipelineId },
      project: { id: 4242, groups: [{ id: 77 }, { id: 5 }] },
      user: { id: 9, username: 'zoe', roles_in_project: expect.arrayContaining(['developer']) },
      environment: { slug: 'production', tier: 'production' },
    });
    expect((await fetch(api(fake, 'job/allowed_agents'), { headers: { 'JOB-TOKEN': 'glcbt-x' } })).status).toBe(401);
  });
});
