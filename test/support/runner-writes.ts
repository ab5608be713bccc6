/**
 * What gitlab-runner writes into JOB_RESPONSE_FILE: the payload decoded into its Go types and encoded again. Made from the
 * runner's own `common/spec` as a table of zero values, apart from the program's table of fields, so that each tests the other.
 */
type Any = Record<string, unknown>;
/** A document that a test takes apart and changes. */
// biome-ignore lint/suspicious/noExplicitAny: it has no shape on purpose
export type Loose = any;

/** A pointer: null where the payload has nothing; `omitempty`: then left out. */
class Pointer {
  readonly to: unknown;
  readonly omit: boolean;
  constructor(to: unknown, omit: boolean) {
    this.to = to;
    this.omit = omit;
  }
}
const pointer = (to: unknown, omit = false) => new Pointer(to, omit);
/** A member that is left out where it is empty. */
class Omit {
  readonly of: unknown;
  constructor(of: unknown) {
    this.of = of;
  }
}
const omit = (of: unknown) => new Omit(of);
const ANY = Symbol('any');
const TEXT_OR_NUMBER = Symbol('text or number');
const map = (of: unknown) => new Map([['*', of]]);

const variable = { key: '', value: '', public: false, file: false, masked: false, raw: false };
const image = {
  name: '',
  alias: omit(''),
  command: omit(['']),
  entrypoint: omit(['']),
  ports: omit([{ number: omit(0), protocol: omit(''), name: omit('') }]),
  variables: omit([variable]),
  pull_policy: omit(['']),
  executor_opts: {
    docker: { platform: '', user: TEXT_OR_NUMBER },
    kubernetes: { user: TEXT_OR_NUMBER },
  },
};
const secret = {
  vault: pointer(
    {
      server: { url: '', auth: { name: '', path: '', data: map(ANY) }, namespace: '' },
      engine: { name: '', path: '' },
      path: '',
      field: '',
    },
    true,
  ),
  gcp_secret_manager: pointer(
    {
      name: '',
      version: '',
      server: {
        project_number: '',
        workload_identity_federation_pool_id: '',
        workload_identity_federation_provider_id: '',
        jwt: '',
      },
    },
    true,
  ),
  azure_key_vault: pointer(
    { name: '', version: omit(''), server: { client_id: '', tenant_id: '', jwt: '', url: '' } },
    true,
  ),
  aws_secrets_manager: pointer(
    {
      secret_id: '',
      version_id: omit(''),
      version_stage: omit(''),
      field: omit(''),
      region: omit(''),
      role_arn: omit(''),
      role_session_name: omit(''),
      server: { region: '', jwt: omit(''), role_arn: omit(''), role_session_name: omit('') },
    },
    true,
  ),
  gitlab_secrets_manager: pointer(
    {
      server: { url: '', inline_auth: { path: '', jwt: '', role: '', auth_mount: '' } },
      engine: { name: '', path: '' },
      path: '',
      field: '',
    },
    true,
  ),
  file: pointer(false, true),
};

const JOB = {
  id: 0,
  token: '',
  allow_git_fetch: false,
  job_info: {
    name: '',
    stage: '',
    pipeline_id: 0,
    project_id: 0,
    project_name: '',
    project_full_path: '',
    namespace_id: 0,
    root_namespace_id: 0,
    organization_id: 0,
    instance_id: '',
    instance_uuid: '',
    user_id: 0,
    scoped_user_id: pointer(0, true),
    time_in_queue_seconds: 0,
    project_jobs_running_on_instance_runners_count: '',
    queue_size: 0,
    queue_depth: 0,
  },
  git_info: {
    repo_url: '',
    repo_object_format: '',
    ref: '',
    sha: '',
    before_sha: '',
    ref_type: '',
    refspecs: [''],
    depth: 0,
    protected: pointer(false),
  },
  runner_info: { timeout: 0 },
  variables: [variable],
  steps: [{ name: '', script: [''], timeout: 0, when: '', allow_failure: false }],
  image,
  services: [image],
  artifacts: [
    {
      name: '',
      untracked: false,
      paths: [''],
      exclude: [''],
      when: '',
      artifact_type: '',
      artifact_format: '',
      expire_in: '',
    },
  ],
  cache: [{ key: '', untracked: false, policy: '', paths: [''], when: '', fallback_keys: [''] }],
  credentials: [{ type: '', url: '', username: '', password: '' }],
  dependencies: [{ id: 0, token: '', name: '', artifacts_file: { filename: '', size: 0 } }],
  features: {
    trace_sections: false,
    token_mask_prefixes: [''],
    failure_reasons: [''],
    tracing: pointer({
      trace_id: '',
      span_parent_id: '',
      otel_endpoints: [{ url: '', auth: pointer({ type: '', http_bearer_gcp_oidc: pointer({ audience: '' }) }) }],
    }),
  },
  secrets: omit(map(secret)),
  hooks: omit([{ name: '', script: [''] }]),
  policy_options: {
    execution_policy_job: false,
    policy_name: '',
    policy_variables_override_allowed: pointer(false, true),
    policy_variables_override_exceptions: omit(['']),
  },
  suspend_options: { suspend_on_success: omit(false), suspend_on_failure: omit(false), environment_key: omit('') },
};

const isEmpty = (value: unknown) =>
  value === null ||
  value === '' ||
  value === 0 ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

function encode(type: unknown, given: unknown): unknown {
  if (type === ANY) return given ?? null;
  if (type === TEXT_OR_NUMBER) return given == null ? '' : String(given);
  if (type instanceof Pointer) return given == null ? null : encode(type.to, given);
  if (type instanceof Omit) return encode(type.of, given);
  if (Array.isArray(type)) return given == null ? null : (given as unknown[]).map((each) => encode(type[0], each));
  if (type instanceof Map) {
    if (given == null) return null;
    return Object.fromEntries(Object.entries(given as Any).map(([name, each]) => [name, encode(type.get('*'), each)]));
  }
  if (typeof type !== 'object') return given ?? type;
  const out: Any = {};
  for (const [name, member] of Object.entries(type as Any)) {
    const value = encode(member, (given as Any | null | undefined)?.[name]);
    const leaves =
      (member instanceof Omit && isEmpty(value)) || (member instanceof Pointer && member.omit && value === null);
    if (!leaves) out[name] = value;
  }
  return out;
}

/** Go's encoder writes these escaped. */
const goText = (value: unknown): string =>
  `${JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;

/** The object that is written for a payload; tests change it before it becomes text. */
export function jobResponse(payload: string | Uint8Array): Any {
  const job = JSON.parse(typeof payload === 'string' ? payload : new TextDecoder().decode(payload)) as Any;
  const written = encode(JOB, job) as Any;
  // Inputs have no member that Go's encoder sees.
  return { ...written, inputs: {}, ...(typeof job.run === 'string' ? { run: JSON.parse(job.run) } : {}) };
}

/** The bytes of JOB_RESPONSE_FILE for a payload that went to the runner. */
export function runnerWrites(payload: string | Uint8Array): Buffer {
  return Buffer.from(goText(jobResponse(payload)));
}

/** The bytes of a changed one. */
export const writtenAs = (job: unknown): Buffer => Buffer.from(goText(job));
