import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { CiApi } from '../../agent/src/ports/ci-api.ts';
import { createPeopleApi } from '../../agent/src/runners/gitlab/people-api.ts';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const payload = {
  job_info: { name: 'deploy', stage: 'deploy', project_id: 4242, project_full_path: 'acme/api' },
  runner_info: { timeout: 3600 },
  variables: [],
};
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => JSON.stringify(value),
    (error: unknown) => (error instanceof HoldpointError ? error.code : String(error)),
  );

describe("GitLab's interface for people", () => {
  let gitlab: FakeGitlab;
  let api: CiApi;
  let token: string;
  let job: number;
  const place = (more: object = {}) => ({
    projectId: 4242,
    pipelineId: gitlab.job(job).pipelineId,
    jobId: job,
    job: 'deploy',
    ...more,
  });
  beforeEach(async () => {
    gitlab = await startFakeGitlab();
    api = createPeopleApi({ url: gitlab.url });
    token = gitlab.personToken(zoe);
    job = gitlab.enqueue(payload);
  });
  afterEach(async () => {
    await api.close();
    await gitlab.close();
  });

  it('says whose a credential is, and that one is nobody’s', async () => {
    expect(await api.whoIs(token)).toEqual({ ok: true, value: { id: 9, username: 'zoe' } });
    expect(await api.whoIs('glpat-nobody')).toEqual({ ok: false, status: 401 });
  });

  it('finds the newest job of a name, with and without knowing its pipeline', async () => {
    const found = { ok: true, value: { found: 'job', job: { id: job, status: 'pending', started: false } } };
    expect(await api.look(token, place())).toEqual(found);
    expect(await api.look(token, place({ pipelineId: null }))).toEqual(found);
    gitlab.cancel(job);
    const again = gitlab.retry(job, zoe);
    expect(await api.look(token, place())).toMatchObject({ value: { job: { id: again, status: 'pending' } } });
  });

  it('reads page after page of a long pipeline', async () => {
    const page = (names: readonly string[], next: string) => ({
      how: 'status' as const,
      status: 200,
      headers: { 'Content-Type': 'application/json', 'X-Next-Page': next },
      body: JSON.stringify(
        names.map((name, index) => ({ id: index + 1, name, status: 'failed', pipeline: { id: 1 } })),
      ),
      times: 1,
    });
    const match = (_: string, path: string) => path.includes('/pipelines/');
    gitlab.fail({ match, ...page(['build', 'test'], '2') });
    gitlab.fail({ match, ...page(['lint', 'deploy'], '') });
    expect(await api.look(token, place())).toMatchObject({ value: { found: 'job', job: { id: 2, status: 'failed' } } });
    const pages = gitlab.log
      .filter(({ path }) => path.includes('/pipelines/'))
      .map(({ path }) => /page=(\d+)$/.exec(path)?.[1]);
    expect(pages).toEqual(['1', '2']);
  });

  it('tells a pipeline that is gone from a project that may not be seen', async () => {
    expect(await api.look(token, place({ pipelineId: 4 }))).toEqual({ ok: true, value: { found: 'gone' } });
    expect(await api.look(gitlab.personToken(zoe, { may: [] }), place({ pipelineId: 4 }))).toEqual({
      ok: false,
      status: 404,
    });
  });

  it('T14 retries once: what is not over, or was retried already, is refused', async () => {
    expect(await api.retry(token, 4242, job)).toEqual({ ok: false, status: 403 });
    gitlab.cancel(job);
    const answer = await api.retry(token, 4242, job);
    expect(answer).toEqual({ ok: true, value: gitlab.job(job).retriedAs });
    expect(await api.retry(token, 4242, job)).toEqual({ ok: false, status: 403 });
  });

  it('sets a commit status, and takes it as set when it stands already', async () => {
    const status = {
      projectId: 4242,
      sha: 'a'.repeat(40),
      pipelineId: 1,
      name: 'holdpoint/deploy',
      state: 'pending',
      description: 'waits for approval',
      url: 'https://hub.example.com/holds/1',
    } as const;
    expect(await api.setStatus(token, status)).toEqual({ ok: true, value: null });
    expect(await api.setStatus(token, status)).toEqual({ ok: true, value: null });
    expect(gitlab.statuses).toHaveLength(1);
    const without = gitlab.personToken(zoe, { may: ['read'] });
    expect(await api.setStatus(without, status)).toEqual({ ok: false, status: 403 });
  });

  for (const [what, rule] of [
    ['a 500', { how: 'status', status: 500 }],
    ['a 429', { how: 'status', status: 429 }],
    ['a connection that is cut', { how: 'reset' }],
    ['bytes that are no HTTP', { how: 'garbage' }],
    ['half an answer', { how: 'cut-json' }],
    ['an answer that is no JSON', { how: 'status', status: 200, body: '<html>' }],
    ['an endless answer', { how: 'huge', bytes: 32 * 1024 * 1024 }],
  ] as const) {
    it(`takes ${what} for a GitLab that is to be asked again, never for a refusal or an answer`, async () => {
      gitlab.fail({ match: () => true, ...rule });
      expect(await code(api.whoIs(token))).toBe('ci_unreachable');
      expect(await code(api.look(token, place()))).toBe('ci_unreachable');
    });
  }

  it('T24 follows no redirect with a credential, and quotes none in an error', async () => {
    gitlab.fail({
      match: () => true,
      how: 'redirect',
      status: 307,
      headers: { Location: `${gitlab.objectStorageUrl}/x` },
    });
    expect(await api.whoIs(token)).toEqual({ ok: false, status: 307 });
    const away = createPeopleApi({ url: 'http://127.0.0.1:1' });
    const error = await away.whoIs(token).catch((reason: Error) => reason);
    await away.close();
    expect(error).toBeInstanceOf(HoldpointError);
    expect(`${(error as Error).message} ${(error as Error).stack}`).not.toContain(token);
  });
});
