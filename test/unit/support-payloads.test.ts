import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type EnqueueOptions, type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';

const FIXTURES = [
  'build-image.run1',
  'deploy-production.run1',
  'deploy-production.changed-script',
  'release.run1',
  'test-unit.run1',
];
const fixture = (name: string) => readFileSync(new URL(`../fixtures/gitlab/${name}.json`, import.meta.url), 'utf8');

const open: FakeGitlab[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

interface Payload {
  id: number;
  token: string;
  job_info: Record<string, unknown>;
  git_info: { sha: string; repo_url: string; refspecs: string[] };
  variables: { key: string; value: string | null }[];
  steps: { script: string[] }[];
  dependencies: { id: number; token: string; name: string }[];
  secrets: { SIGNING_KEY: { vault: { server: { auth: { data: { jwt: string } } } } } };
}
async function handedOut(
  name: string,
  options: EnqueueOptions = {},
): Promise<{ fake: FakeGitlab; id: number; text: string; payload: Payload }> {
  const fake = await startFakeGitlab();
  open.push(fake);
  const id = fake.enqueue(fixture(name), options);
  const answer = await fetch(`${fake.url}/api/v4/jobs/request`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ token: fake.runnerToken('prod-deployer-02'), info: {} }),
  });
  const text = await answer.text();
  const json = options.render === undefined ? text : '{}';
  return { fake, id, text, payload: JSON.parse(json) };
}
const variableOf = (payload: Payload, key: string) => payload.variables.findLast((one) => one.key === key)?.value;
const claimsOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());

describe('a fixture put into the queue of the fake GitLab', () => {
  it.each(FIXTURES)('%s keeps nothing of its old run, and everything its author wrote', async (name) => {
    const { text, payload } = await handedOut(name);
    const old = JSON.parse(fixture(name)) as Payload;
    for (const gone of [old.token, String(old.id), String(old.job_info.pipeline_id), old.git_info.sha]) {
      expect(text).not.toContain(gone);
    }
    expect(payload.steps.map((step) => step.script)).toEqual(old.steps.map((step) => step.script));
    expect(payload.variables.map((one) => one.key)).toEqual(old.variables.map((one) => one.key));
    expect(Object.keys(payload)).toEqual(Object.keys(old));
  });

  it('has this run in every place: id, token, commit, URLs, times, runner', async () => {
    const { fake, id, payload } = await handedOut('deploy-production.run1');
    const job = fake.job(id);
    const sha = payload.git_info.sha;
    expect(payload).toMatchObject({ id, token: job.token, job_info: { id, pipeline_id: job.pipelineId } });
    expect(payload.git_info.repo_url).toBe(
      `https://gitlab-ci-token:${job.token}@gitlab.example.com/acme/payments/api.git`,
    );
    expect(payload.git_info.refspecs[0]).toBe(`+refs/pipelines/${job.pipelineId}:refs/pipelines/${job.pipelineId}`);
    expect(variableOf(payload, 'CI_JOB_URL')).toBe(`https://gitlab.example.com/acme/payments/api/-/jobs/${id}`);
    expect(variableOf(payload, 'IMAGE')).toBe(`registry.example.com/acme/payments/api:${sha}`);
    expect(variableOf(payload, 'CI_COMMIT_SHORT_SHA')).toBe(sha.slice(0, 8));
    expect(variableOf(payload, 'CI_REGISTRY_PASSWORD')).toBe(job.token);
    expect(variableOf(payload, 'CI_RUNNER_DESCRIPTION')).toBe('prod-deployer-02');
    const started = variableOf(payload, 'CI_JOB_STARTED_AT') ?? '';
    expect(Math.abs(Date.parse(started) - fake.clock.now())).toBeLessThan(60_000);
    expect(variableOf(payload, 'CI_JOB_STARTED_AT_SLUG')).toBe(started.toLowerCase().replaceAll(':', '-'));
    expect(payload.dependencies[0]).toMatchObject({ name: 'build:image', token: job.token });
    expect(fake.job(payload.dependencies[0]?.id ?? 0)).toMatchObject({ status: 'success', pipelineId: job.pipelineId });
  });

  it('runs in the name of the user, source and environment that are given', async () => {
    const { payload } = await handedOut('deploy-production.run1', {
      user: { id: 12, username: 'alice', name: 'Alice Okafor' },
      source: 'web',
      environment: { name: 'staging', slug: 'staging', tier: 'staging' },
    });
    const of = (key: string) => variableOf(payload, key);
    expect([of('GITLAB_USER_ID'), of('GITLAB_USER_LOGIN'), of('GITLAB_USER_EMAIL')]).toEqual([
      '12',
      'alice',
      'alice@example.com',
    ]);
    expect([of('CI_PIPELINE_SOURCE'), of('CI_ENVIRONMENT_NAME'), of('CI_ENVIRONMENT_TIER')]).toEqual([
      'web',
      'staging',
      'staging',
    ]);
    expect(payload.job_info.user_id).toBe(12);
  });

  it('has id tokens of this job, signed with the key that the key set has', async () => {
    const { fake, id, payload } = await handedOut('release.run1');
    const jwts = [
      ...payload.variables.map((one) => one.value ?? '').filter((value) => value.startsWith('eyJ')),
      payload.secrets.SIGNING_KEY.vault.server.auth.data.jwt,
    ];
    expect(jwts).toHaveLength(3);
    const keys = (await (await fetch(`${fake.url}/oauth/discovery/keys`)).json()) as {
      keys: ({ kid: string } & object)[];
    };
    for (const jwt of jwts) {
      const [head = '', body = '', signature = ''] = jwt.split('.');
      const kid = JSON.parse(Buffer.from(head, 'base64url').toString()).kid;
      const key = keys.keys.find((one) => one.kid === kid);
      expect(key).toBeDefined();
      const publicKey = createPublicKey({ key: key as object, format: 'jwk' } as Parameters<typeof createPublicKey>[0]);
      expect(verify('RSA-SHA256', Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
        true,
      );
      expect(claimsOf(jwt)).toMatchObject({
        job_id: String(id),
        project_id: '4242',
        sub: 'project_path:acme/payments/api:ref_type:tag:ref:v2.4.0',
      });
    }
    expect(jwts.map((jwt) => claimsOf(jwt).aud)).toEqual([
      'https://vault.example.com',
      'sigstore',
      'https://vault.example.com',
    ]);
  });

  it('can be changed at hand-out, and its bytes written by hand', async () => {
    const changed = await handedOut('build-image.run1', {
      mutate: (payload) => {
        payload.steps = [];
      },
    });
    expect(changed.payload.steps).toEqual([]);
    const raw = await handedOut('build-image.run1', {
      render: ({ id, token }) => `{"id":${id},"token":"${token}","token":"twice"} x`,
    });
    expect(raw.text).toBe(`{"id":${raw.id},"token":"${raw.fake.job(raw.id).token}","token":"twice"} x`);
  });
});
