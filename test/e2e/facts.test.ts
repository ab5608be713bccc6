import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail, HoldView, Problem } from '../../agent/src/wire/api.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

type Payload = {
  variables: { key: string; value: string; public: boolean; masked: boolean }[];
  dependencies: { id: number }[];
  steps: { script: string[] }[];
};
const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const maria = { id: 21, username: 'maria', name: 'Maria Silva' };
const typed = (key: string, value: string) => ({ key, value, public: false, masked: false });

let scene: Scene;
afterEach(async () => scene.close());

/** Enqueues a job for the protected runner, triggered by Zoë. */
function run(name: string, change: (payload: Payload) => void = () => {}, options: object = {}): number {
  return scene.gitlab.enqueue(fixture(name), {
    runner: scene.protectedToken,
    user: zoe,
    ...options,
    mutate: (payload: Record<string, unknown>) => {
      (payload as Payload).steps[0]!.script = ['echo it runs'];
      change(payload as Payload);
    },
  });
}
const deploy = (change?: (payload: Payload) => void, options?: object) =>
  run('deploy-production.run1', change, options);
/** The same with another author of its commit, as GitLab has it. */
function writtenBy(author: string): string {
  const payload = JSON.parse(fixture('build-image.run1')) as Payload;
  for (const variable of payload.variables) if (variable.key === 'CI_COMMIT_AUTHOR') variable.value = author;
  return JSON.stringify(payload);
}
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
async function approve(who: string, hold: HoldDetail, more: object = {}) {
  const answer = await (await scene.as(who)).post<HoldView & Problem>(`holds/${hold.id}/approve`, {
    digest: hold.digest,
    ...more,
  });
  return { status: answer.status, code: answer.body.code ?? null, detail: answer.body.detail ?? '' };
}

describe('who triggered a job and where it goes, as GitLab says', () => {
  it('T17 names whom GitLab names, whatever was typed under the names of variables, and that person cannot approve', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy(
      ({ variables }) => {
        variables.push(typed('GITLAB_USER_ID', '9'), typed('GITLAB_USER_LOGIN', 'zoe'));
        variables.push(typed('CI_PIPELINE_SOURCE', 'schedule'));
      },
      { user: maria, source: 'web' },
    );
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.trigger).toMatchObject({ id: 21, username: 'maria', verified: 'gitlab' });
    expect(hold.facts.pipeline).toMatchObject({ source: 'web', verified: true });
    expect(hold.facts.roles).toContain('developer');
    expect(await approve('maria', hold)).toMatchObject({ status: 403, code: 'self_approval' });
  });

  it('T17 asks for one more person where only a variable says who triggered it', async () => {
    scene = await openScene();
    scene.runner();
    const asked = ['/api/v4/job', '/api/v4/job/allowed_agents'];
    scene.gitlab.fail({ match: (_, path) => asked.includes(path), how: 'status', status: 500 });
    const payload = JSON.parse(fixture('build-image.run1'));
    delete payload.job_info.user_id;
    const job = scene.gitlab.enqueue(payload, { runner: scene.protectedToken, user: zoe });
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.trigger.verified).toBe('unverified');
    expect(hold.facts.pipeline.verified).toBe(false);
    expect(hold.unknown).toEqual(['who triggered the job']);
    expect(hold.rules.map((rule) => rule.need)).toEqual([2]);
    expect(await approve('maria', hold)).toMatchObject({ status: 200 });
    expect((await scene.hold(job, 'waiting_for_approval')).rules[0]?.have).toBe(1);
    expect(await approve('jonas', hold)).toMatchObject({ status: 200 });
    await ended(job, 'success');
  });

  it('T17 T50 fails a job whose variables name another environment than GitLab deploys to, or two', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const other = deploy(({ variables }) => {
      for (const one of variables) {
        if (one.key === 'CI_ENVIRONMENT_NAME') one.value = 'staging';
        if (one.key === 'CI_ENVIRONMENT_SLUG') one.value = 'production';
      }
    });
    await ended(other, 'failed');
    expect(scene.gitlab.job(other).trace).toContain('name the environment staging, GitLab deploys it to production');
    const two = deploy(({ variables }) => void variables.push(typed('CI_ENVIRONMENT_NAME', 'staging')));
    await ended(two, 'failed');
    expect(scene.gitlab.job(two).trace).toContain('CI_ENVIRONMENT_NAME');
    expect(runner.started).toEqual([]);
  });

  it('T18 does not let author or committer of the commit approve, and excludes nobody for later jobs', async () => {
    scene = await openScene();
    scene.runner();
    const first = scene.gitlab.enqueue(writtenBy('Maria Silva <maria@home.example>'), {
      runner: scene.protectedToken,
      user: zoe,
    });
    const hold = await scene.hold(first, 'waiting_for_approval');
    expect(hold.facts.commit.people).toContainEqual({
      role: 'author',
      id: 21,
      name: 'Maria Silva',
      email: 'maria@home.example',
    });
    expect(hold.rules[0]?.eligible.map((person) => person.username)).toEqual(['jonas']);
    const later = scene.gitlab.enqueue(writtenBy('Jonas Berg <jonas@home.example>'), {
      runner: scene.protectedToken,
      user: zoe,
    });
    await scene.hold(later, 'waiting_for_approval');
    expect(await approve('maria', hold)).toMatchObject({ status: 403, code: 'self_approval' });
    expect((await approve('maria', hold)).detail).toContain('author or committer');
    expect(await approve('jonas', hold)).toMatchObject({ status: 200 });
    await ended(first, 'success');
    await ended(later, 'success');
  });

  it('T18 asks with a token of the operator who wrote the other commits of the push, where there is one', async () => {
    scene = await openScene({ readToken: true });
    scene.runner();
    const commits = [{ name: 'M. S.', email: 'maria@laptop.example' }];
    const job = run('build-image.run1', undefined, { commits });
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.facts.commit.people?.map((one) => one.id)).toContain(21);
    expect(await approve('maria', hold)).toMatchObject({ status: 403, code: 'self_approval' });
    const asked = scene.gitlab.log.find((one) => one.path.includes('/repository/compare'));
    expect(asked?.path).toMatch(/compare\?from=[0-9a-f]{40}&to=[0-9a-f]{40}$/);
    expect(asked?.headers['private-token']).toMatch(/^glpat-/);
    expect(asked?.headers['job-token']).toBeUndefined();
  });

  it('T11 takes protected tags for one class of refs, and a branch for no tag', async () => {
    scene = await openScene();
    scene.runner();
    const first = run('release.run1');
    const hold = await scene.hold(first, 'waiting_for_approval');
    expect(hold.scope.words[0]).toBe('every protected tag');
    await scene.approve(first);
    await ended(first, 'success');
    await ended(run('release.run2'), 'success');
    const branch = run('release.run1', (payload) => {
      Object.assign((payload as unknown as { git_info: object }).git_info, { ref_type: 'branch' });
    });
    await scene.gitlab.until('a hold', () => scene.gitlab.job(branch).status === 'running');
    expect((await scene.hold(branch, 'waiting_for_approval')).ref).toMatch(/^refs\/heads\//);
  });
});

describe('where the artifacts come from that a job takes in', () => {
  it('T48 says so, and lets an approval not pass a job whose artifacts come from elsewhere', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const first = deploy();
    const hold = await scene.hold(first, 'waiting_for_approval');
    expect(hold.inputs).toMatchObject({
      class: 'same_pipeline',
      dependencies: [{ same_pipeline: true, admitted: false }],
    });
    expect(hold.scope.usual).toBe('ref=exact inputs=same_pipeline');
    await scene.approve(first);
    await ended(first, 'success');

    const swapped = deploy(({ dependencies }) => {
      dependencies[0]!.id = first;
    });
    const held = await scene.hold(swapped, 'waiting_for_approval');
    expect(held.digest).toBe(hold.digest);
    expect(held.inputs).toMatchObject({ class: 'any', dependencies: [{ job_id: first, same_pipeline: false }] });
    const narrow = await approve('jonas', held);
    expect(narrow).toMatchObject({ status: 409, code: 'scope_too_narrow' });
    expect(narrow.detail).toContain('--scope inputs=any');
    expect(runner.started.map((started) => started.jobId)).toEqual([first]);
    expect(await approve('jonas', held, { scope: 'inputs=any' })).toMatchObject({ status: 200 });
    await ended(swapped, 'success');
    await ended(
      deploy(({ dependencies }) => (dependencies[0]!.id = first)),
      'success',
    );
  });

  it('T48 treats what GitLab cannot be asked as coming from anywhere, and says so to whoever approves it', async () => {
    scene = await openScene({ gitlab: { jobTokensReadJobs: false } });
    scene.runner();
    const job = deploy();
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.inputs).toMatchObject({ class: 'any', dependencies: [{ same_pipeline: null }] });
    expect(hold.scope.usual).toBe('ref=exact inputs=any');
    expect(await approve('maria', hold, { scope: 'inputs=same_pipeline' })).toMatchObject({
      status: 409,
      code: 'scope_too_narrow',
    });
    expect(await approve('maria', hold)).toMatchObject({ status: 200 });
    await ended(job, 'success');
  });

  it('T48 does not pass what it cannot ask about with an approval for jobs of the same pipeline', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const first = deploy();
    await scene.approve(first);
    await ended(first, 'success');
    scene.gitlab.fail({ match: (_method, path) => path.endsWith('/jobs'), how: 'status', status: 500 });
    await scene.hold(deploy(), 'waiting_for_approval');
    expect(runner.started.map((started) => started.jobId)).toEqual([first]);
  });

  it('T48 asks with a token of the operator where a job may not ask itself', async () => {
    scene = await openScene({ gitlab: { jobTokensReadJobs: false }, readToken: true });
    scene.runner();
    const hold = await scene.hold(deploy(), 'waiting_for_approval');
    expect(hold.inputs.class).toBe('same_pipeline');
  });

  it('T48 asks of a deployment whose builds are gated that they always are', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const pipeline = 1_800_001;
    const build = run('build-image.run1', undefined, { pipeline });
    await scene.approve(build);
    await ended(build, 'success');
    const job = deploy(undefined, { pipeline });
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.inputs).toMatchObject({ class: 'admitted', dependencies: [{ job_id: build, admitted: true }] });
    expect(hold.scope.usual).toBe('ref=exact inputs=admitted');
    await scene.approve(job);
    await ended(job, 'success');

    const open = deploy(undefined, { pipeline: 1_800_002 });
    const held = await scene.hold(open, 'waiting_for_approval');
    expect(held.digest).toBe(hold.digest);
    expect(held.inputs.class).toBe('same_pipeline');
    expect(runner.started.map((started) => started.jobId)).toEqual([build, job]);
  });

  it('T10 T51 widens the ref no further than the policy allows', async () => {
    scene = await openScene();
    scene.runner();
    const hold = await scene.hold(deploy(), 'waiting_for_approval');
    for (const scope of ['ref=any', 'ref=protected', 'ref=refs/heads/*']) {
      expect(await approve('maria', hold, { scope })).toMatchObject({ status: 422, code: 'scope_not_allowed' });
    }
    expect(await approve('maria', hold, { scope: 'ref=main' })).toMatchObject({ status: 400, code: 'bad_input' });
    expect(await approve('maria', hold, { scope: 'runners=another' })).toMatchObject({ code: 'scope_too_narrow' });
    expect((await scene.hold(hold.job_id, 'waiting_for_approval')).votes).toEqual([]);
  });
});
