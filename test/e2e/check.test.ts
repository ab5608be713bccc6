import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CheckView } from '../../agent/src/wire/check.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { asJob, pipelineOf } from '../support/fake-gitlab/ci-yaml.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const FIXTURE = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
/** The fake takes a job's environment from its fixture. */
const WITHOUT_ENVIRONMENT = (() => {
  const payload = JSON.parse(FIXTURE) as { variables: { key: string }[] };
  return { ...payload, variables: payload.variables.filter(({ key }) => !key.startsWith('CI_ENVIRONMENT_')) };
})();
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

const YAML = `stages: [build, deploy]
variables:
  IMAGE: "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHA"
  CHANNEL: stable
default:
  image: node:24
  before_script: [echo prepared]
.cached:
  cache: { key: npm, paths: [.npm/], fallback_keys: [npm-main] }
build:
  stage: build
  extends: .cached
  tags: [prod]
  script: [npm ci, 'docker build -t "$IMAGE" .']
  services:
    - { name: docker:27-dind, alias: docker, command: ["--tls=false"], variables: { DOCKER_TLS_CERTDIR: "" } }
  artifacts: { paths: [dist/], expire_in: 1 week, reports: { junit: report.xml } }
  variables: { TAG: "$CHANNEL-$CI_COMMIT_REF_SLUG", KUBE: "https://$CI_SERVER_HOST/$KUBE_TOKEN" }
deploy:
  stage: deploy
  tags: [prod]
  environment: { name: production, url: "https://pay.example.com" }
  image: { name: registry.example.com/ops/deployer:4, entrypoint: [/bin/sh, -c], docker: { user: "1000:1000" } }
  script:
    - kubectl set image deployment/api api="$IMAGE"
    - kubectl rollout status deployment/api
  after_script: [echo done]
lint:
  stage: build
  script: npm run lint
`;

let scene: Scene;
let folder: string;
beforeEach(async () => {
  scene = await openScene();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-check-'));
  scene.runner();
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await scene.close();
});

/** Runs a pipeline of this YAML on the protected runner: which jobs it parks, with the places that differ. */
async function run(yaml: string, only: readonly string[] = ['build', 'deploy', 'lint']) {
  const held: Record<string, readonly string[]> = {};
  const jobs = new Map<string, number>();
  for (const each of pipelineOf(yaml).jobs.filter(({ name }) => only.includes(name))) {
    const { environment } = each.job;
    const job = scene.gitlab.enqueue(environment === undefined ? WITHOUT_ENVIRONMENT : FIXTURE, {
      runner: scene.protectedToken,
      user: zoe,
      mutate: asJob(each),
      ...(environment !== undefined && {
        environment: { name: environment.name, slug: environment.name, tier: 'production' },
      }),
    });
    jobs.set(each.name, job);
  }
  for (const [name, job] of jobs) {
    const ended = () => scene.gitlab.job(job).status === 'success';
    const hold = await Promise.race([
      scene
        .hold(job, 'waiting_for_approval', 20_000)
        .catch((error: unknown) => (ended() ? null : Promise.reject(error))),
      scene.gitlab.until(`job ${name} ${job} to end`, ended, 30_000).then(
        () => null,
        () => new Promise<never>(() => {}),
      ),
    ]);
    if (hold !== null) held[name] = hold.diff.changes.map(({ path }) => path).sort();
  }
  return { held, jobs };
}

async function approveAll(yaml: string, only?: readonly string[]): Promise<void> {
  const { jobs } = await run(yaml, only);
  for (const job of jobs.values()) await scene.approve(job);
  for (const job of jobs.values())
    await scene.gitlab.until(`job ${job} to end`, () => scene.gitlab.job(job).status === 'success');
}

async function check(yaml: string, ...more: string[]): Promise<CliRun> {
  writeFileSync(join(folder, '.gitlab-ci.yml'), yaml);
  const { token } = await scene.as('zoe', ['check']);
  const gitlab = scene.gitlab.personToken(zoe, { may: ['read', 'retry'] });
  return runCli(['check', '--project', 'acme/payments/api', '--gitlab-url', scene.gitlab.url, ...more], {
    cwd: folder,
    env: { HOLDPOINT_TOKEN: token, HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_GITLAB_TOKEN: gitlab },
  });
}

/** What check expects to wait, with the places that differ. */
async function predicted(yaml: string): Promise<Record<string, readonly string[]>> {
  const { out, err } = await check(yaml, '--json');
  expect(err).toBe('');
  const { items } = JSON.parse(out) as CheckView;
  return Object.fromEntries(
    items
      .filter(({ expect: what }) => what === 'waits')
      .map(({ job, changes }) => [job, changes.map(({ path }) => path).sort()]),
  );
}

/** What a developer may change, by what it is. */
const PROGRAMS: Record<string, string> = {
  nothing: YAML,
  'a script line': YAML.replace('rollout status deployment/api', 'rollout status deployment/api --timeout=60s'),
  'a line more': YAML.replace('[npm ci,', '[npm ci, npm audit,'),
  'a line that stands before all': YAML.replace('[echo prepared]', '[echo prepared, echo again]'),
  'no after_script': YAML.replace('  after_script: [echo done]\n', ''),
  'an image': YAML.replace('node:24', 'node:25'),
  'an entrypoint': YAML.replace('[/bin/sh, -c]', '[/bin/bash, -c]'),
  'a service and its variable': YAML.replace('docker:27-dind', 'docker:28-dind').replace(
    'CERTDIR: ""',
    'CERTDIR: /certs',
  ),
  'no service at all': YAML.replace(/ {2}services:\n.*\n/, ''),
};
const DATA: Record<string, string> = {
  'paths and time of artifacts': YAML.replace('[dist/]', '[dist/, log/]').replace('1 week', '2 weeks'),
  'a report': YAML.replace('report.xml', 'other.xml'),
  'a path of the cache': YAML.replace('.npm/', '.cache/'),
  'the key of the cache': YAML.replace('key: npm,', 'key: yarn,'),
  'a variable that another is made of': YAML.replace('CHANNEL: stable', 'CHANNEL: beta'),
  'a variable with the commit in it': YAML.replace(
    '$CI_REGISTRY_IMAGE:$CI_COMMIT_SHA',
    '$CI_REGISTRY_IMAGE:x$CI_COMMIT_SHA',
  ),
  'a new variable, and one that goes': YAML.replace(
    'variables: { TAG',
    'variables: { NODE_OPTIONS: --inspect, TAG',
  ).replace('  CHANNEL: stable\n', ''),
  'a variable that is not expanded': YAML.replace('CHANNEL: stable', 'CHANNEL: { value: stable, expand: false }'),
  'the address of the environment': YAML.replace('https://pay.example.com', 'https://pay.example.org'),
  'a stage': YAML.replace('lint:\n  stage: build', 'lint:\n  stage: deploy'),
  'all of it inherited in another way': YAML.replace('default:\n  image: node:24\n', 'image: node:24\ndefault:\n'),
};

describe('holdpoint check, before anything is pushed', () => {
  it.each([
    ['script, image and services', PROGRAMS],
    ['artifacts, cache, variables and the rest', DATA],
  ])(
    'predicts the very jobs that the gate then parks, with the same places: %s',
    async (_, variants) => {
      await approveAll(YAML);
      for (const [what, yaml] of Object.entries(variants)) {
        const expected = await predicted(yaml);
        const { held } = await run(yaml);
        expect({ what, waits: expected }).toEqual({ what, waits: held });
      }
    },
    120_000,
  );

  it('says what would wait, why, who can approve it and what it is not, and exits with 1', async () => {
    await approveAll(YAML, ['build', 'deploy']);
    const changed = YAML.replace('rollout status deployment/api', 'rollout status deployment/api | tee log');
    const { out, exit } = await check(changed);
    expect(exit).toBe(1);
    expect(out).toContain('acme/payments/api, refs/heads/main (protected)');
    expect(out).toContain('build: passes');
    expect(out).toContain('deploy (environment production): WAITS');
    expect(out).toContain('+ kubectl rollout status deployment/api | tee log');
    expect(out).toMatch(/who can approve: .*jonas, maria/);
    expect(out).toContain('lint: not known');
    expect(out).toContain('1 of 3 jobs would wait; of 1 nothing is known');
    expect(out).toContain('A prediction from the YAML');
    expect((await check(changed, '--exit-zero')).exit).toBe(0);
    expect((await check(YAML)).exit).toBe(0);
  });

  it('counts a new job that a protected runner would take as one that waits, when it is told the tags', async () => {
    await approveAll(YAML, ['build']);
    const told = JSON.parse((await check(YAML, '--json', '--runner-tags', 'prod,docker')).out) as CheckView;
    expect(told.items.map(({ job, expect: what }) => [job, what])).toEqual([
      ['build', 'passes'],
      ['deploy', 'waits'],
      ['lint', 'unseen'],
    ]);
  });

  it('is true of a merged YAML without asking GitLab', async () => {
    await approveAll(YAML, ['build']);
    const { merged } = pipelineOf(YAML.replace('npm ci', 'npm install'));
    writeFileSync(join(folder, 'merged.yml'), JSON.stringify(merged));
    const { token } = await scene.as('zoe', ['check']);
    const { out, exit } = await runCli(['check', '--project', '4242', '--merged-yaml', 'merged.yml', '--json'], {
      cwd: folder,
      env: { HOLDPOINT_TOKEN: token, HOLDPOINT_HUB_URL: scene.agent.hubUrl },
    });
    const { items } = JSON.parse(out) as CheckView;
    expect(exit).toBe(1);
    expect(items.find(({ job }) => job === 'build')?.changes.map(({ after }) => after)).toEqual(['npm install']);
  });

  it('T32 shows nothing of hidden values, and nothing of a project to who may not see it', async () => {
    await approveAll(YAML, ['build']);
    const { out } = await check(YAML.replace('KUBE: "https', 'KUBE: "http'), '--json');
    expect(out).not.toContain('s3cr3t-kube-token-value');
    expect(out).not.toMatch(/hmac:[0-9a-f]{6}/);
    expect(JSON.parse(out).items[0].changes[0].path).toBe('variables.KUBE.value');
    const { token } = await scene.as('rob', ['check']);
    const { exit, err } = await runCli(['check', '--project', 'acme/web', '--merged-yaml', '.gitlab-ci.yml'], {
      cwd: folder,
      env: { HOLDPOINT_TOKEN: token, HOLDPOINT_HUB_URL: scene.agent.hubUrl },
    });
    expect({ exit, err }).toMatchObject({ exit: 3, err: expect.stringContaining('there is no project acme/web') });
  });

  it('T24 has a token for pipelines that does nothing else and is no alarm there', async () => {
    const zoes = await scene.as('zoe', ['check']);
    for (const path of ['holds', 'me', 'tokens', 'approvals'])
      expect((await zoes.get<{ code: string }>(path)).body).toMatchObject({ code: 'forbidden' });
    expect((await zoes.post('tokens', { scopes: ['check'] })).status).toBe(403);
    writeFileSync(join(folder, '.gitlab-ci.yml'), YAML);
    const env = {
      CI_JOB_ID: '1',
      GITLAB_CI: 'true',
      CI_PROJECT_PATH: 'acme/payments/api',
      CI_SERVER_URL: scene.gitlab.url,
      CI_MERGE_REQUEST_TARGET_BRANCH_NAME: 'main',
      HOLDPOINT_TOKEN: zoes.token,
      HOLDPOINT_HUB_URL: scene.agent.hubUrl,
      HOLDPOINT_GITLAB_TOKEN: scene.gitlab.personToken(zoe, { may: ['read', 'retry'] }),
    };
    expect((await runCli(['check'], { cwd: folder, env })).exit).toBe(0);
    const admin = await scene.as('maria', ['read', 'admin']);
    const audit = await admin.get<{ items: { event: string }[] }>('audit?limit=100');
    expect(audit.body.items.map(({ event }) => event)).not.toContain('token_flagged');
  });

  it('tells a file that GitLab does not take, a token that will not do, and a GitLab that is away', async () => {
    expect(await check('stages: [a]\n')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('at least one visible job'),
    });
    writeFileSync(join(folder, '.gitlab-ci.yml'), YAML);
    const ask = (env: Record<string, string>, url = scene.gitlab.url) =>
      runCli(['check', '--project', '4242', '--gitlab-url', url], { cwd: folder, env });
    expect(await ask({})).toMatchObject({ exit: 2, err: expect.stringContaining('CI_JOB_TOKEN does not do') });
    const weak = scene.gitlab.personToken(zoe, { may: ['read'] });
    expect(await ask({ HOLDPOINT_GITLAB_TOKEN: weak })).toMatchObject({
      exit: 5,
      err: expect.stringContaining('scope api'),
    });
    const away = await ask({ HOLDPOINT_GITLAB_TOKEN: weak }, 'http://127.0.0.1:1');
    expect(away).toMatchObject({ exit: 1, err: expect.stringContaining('ECONNREFUSED') });
    expect(away.err).not.toContain(weak);
  });
});
