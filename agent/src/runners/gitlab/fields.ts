import type { Shape } from '../../domain/strict-json.ts';

const object = (members: Record<string, Shape>): Shape => ({ object: new Map(Object.entries(members)) });
const list = (of: Shape): Shape => ({ list: of });
const words: Shape = list('string');
const reserved: Shape = { refused: 'the name is reserved for the canonical form' };

const variable = object({
  key: 'string',
  value: 'string',
  public: 'boolean',
  masked: 'boolean',
  file: 'boolean',
  raw: 'boolean',
  hmac: reserved,
  jwt: reserved,
});

/** Image and service are one type to the runner. */
const image = object({
  name: 'string',
  alias: 'string',
  command: words,
  entrypoint: words,
  ports: list(object({ number: 'integer', protocol: 'string', name: 'string' })),
  variables: list(variable),
  pull_policy: words,
  executor_opts: object({
    docker: object({ platform: 'string', user: 'scalar' }),
    kubernetes: object({ user: 'scalar' }),
  }),
});

const secret = object({
  vault: object({
    server: object({
      url: 'string',
      namespace: 'string',
      auth: object({ name: 'string', path: 'string', data: { map: 'any' } }),
    }),
    engine: object({ name: 'string', path: 'string' }),
    path: 'string',
    field: 'string',
  }),
  gcp_secret_manager: object({
    name: 'string',
    version: 'string',
    server: object({
      project_number: 'string',
      workload_identity_federation_pool_id: 'string',
      workload_identity_federation_provider_id: 'string',
      jwt: 'string',
    }),
  }),
  azure_key_vault: object({
    name: 'string',
    version: 'string',
    server: object({ client_id: 'string', tenant_id: 'string', jwt: 'string', url: 'string' }),
  }),
  aws_secrets_manager: object({
    secret_id: 'string',
    version_id: 'string',
    version_stage: 'string',
    field: 'string',
    region: 'string',
    role_arn: 'string',
    role_session_name: 'string',
    server: object({ region: 'string', jwt: 'string', role_arn: 'string', role_session_name: 'string' }),
  }),
  gitlab_secrets_manager: object({
    server: object({
      url: 'string',
      inline_auth: object({ path: 'string', jwt: 'string', role: 'string', auth_mount: 'string' }),
    }),
    engine: object({ name: 'string', path: 'string' }),
    path: 'string',
    field: 'string',
  }),
  file: 'boolean',
});

/** What gitlab-runner decodes of a job (its `spec.Job`), and the few fields that only GitLab names; all else is unknown and covered. */
export const PAYLOAD: Shape = object({
  form: reserved,
  covered_files: reserved,
  pinned_images: reserved,
  id: 'integer',
  token: 'string',
  allow_git_fetch: 'boolean',
  job_info: object({
    id: 'integer',
    name: 'string',
    stage: 'string',
    pipeline_id: 'integer',
    project_id: 'integer',
    project_name: 'string',
    project_full_path: 'string',
    namespace_id: 'integer',
    root_namespace_id: 'integer',
    organization_id: 'integer',
    instance_id: 'string',
    instance_uuid: 'string',
    user_id: 'integer',
    scoped_user_id: 'integer',
    time_in_queue_seconds: 'number',
    project_jobs_running_on_instance_runners_count: 'string',
    queue_size: 'integer',
    queue_depth: 'integer',
  }),
  git_info: object({
    repo_url: 'string',
    repo_object_format: 'string',
    ref: 'string',
    sha: 'string',
    before_sha: 'string',
    ref_type: 'string',
    refspecs: words,
    depth: 'integer',
    protected: 'boolean',
  }),
  runner_info: object({ timeout: 'integer', uuid: 'string', runner_session_url: 'string' }),
  inputs: list(object({ key: 'string', value: object({ type: 'string', content: 'any', sensitive: 'boolean' }) })),
  variables: list(variable),
  steps: list(object({ name: 'string', script: words, timeout: 'integer', when: 'string', allow_failure: 'boolean' })),
  image,
  services: list(image),
  artifacts: list(
    object({
      name: 'string',
      untracked: 'boolean',
      paths: words,
      exclude: words,
      when: 'string',
      artifact_type: 'string',
      artifact_format: 'string',
      expire_in: 'string',
    }),
  ),
  cache: list(
    object({
      key: 'string',
      untracked: 'boolean',
      policy: 'string',
      paths: words,
      when: 'string',
      fallback_keys: words,
      unprotect: 'boolean',
    }),
  ),
  credentials: list(object({ type: 'string', url: 'string', username: 'string', password: 'string' })),
  dependencies: list(
    object({
      id: 'integer',
      token: 'string',
      name: 'string',
      artifacts_file: object({ filename: 'string', size: 'integer' }),
    }),
  ),
  features: object({
    trace_sections: 'boolean',
    token_mask_prefixes: words,
    failure_reasons: words,
    tracing: object({
      trace_id: 'string',
      span_parent_id: 'string',
      otel_endpoints: list(
        object({
          url: 'string',
          auth: object({ type: 'string', http_bearer_gcp_oidc: object({ audience: 'string' }) }),
        }),
      ),
    }),
  }),
  secrets: { map: secret },
  hooks: list(object({ name: 'string', script: words })),
  run: 'json',
  policy_options: object({
    execution_policy_job: 'boolean',
    policy_name: 'string',
    policy_variables_override_allowed: 'boolean',
    policy_variables_override_exceptions: words,
  }),
  suspend_options: object({
    suspend_on_success: 'boolean',
    suspend_on_failure: 'boolean',
    environment_key: 'string',
    runtime_environment_key: 'string',
  }),
});

/** A leaf that is not part of the form. `[]` stands for every element of a list. */
export interface RemovedLeaf {
  readonly path: string;
  readonly reason: string;
  /** True where the value is a credential or of no use to anybody: the page says that it is there, not what it is. */
  readonly hidden?: boolean;
}

const identifies = 'identifies this run';
const queue = 'tells how busy the instance was';
const renamed = 'a name or number of the project’s surroundings: the project is covered by its id';
const commit = 'which commit is built; an approval is scoped by ref, and a commit is not its configuration';

/** Every leaf that the form leaves out, with the reason; whatever is not named here is covered. */
export const REMOVED: readonly RemovedLeaf[] = [
  { path: 'id', reason: identifies },
  { path: 'token', reason: 'the job’s own credential, new in every run', hidden: true },
  { path: 'runner_info.uuid', reason: 'which runner got the job; an approval is scoped by runner' },
  { path: 'runner_info.timeout', reason: 'lowered on late hand-over; the policy has limits for it' },
  { path: 'runner_info.runner_session_url', reason: 'where this runner could be reached' },
  { path: 'steps[].timeout', reason: 'the job’s timeout once more' },
  { path: 'git_info.ref', reason: 'an approval is scoped by the full ref instead' },
  { path: 'git_info.ref_type', reason: 'an approval is scoped by the full ref instead' },
  { path: 'git_info.protected', reason: 'an approval is scoped by it instead' },
  { path: 'git_info.sha', reason: commit },
  { path: 'git_info.before_sha', reason: commit },
  { path: 'git_info.refspecs', reason: 'what is fetched for this run: pipeline and ref' },
  { path: 'git_info.repo_object_format', reason: 'the hash that the repository uses' },
  { path: 'job_info.id', reason: identifies },
  { path: 'job_info.pipeline_id', reason: identifies },
  { path: 'job_info.user_id', reason: 'who triggered it: asked of GitLab, and judged by the policy' },
  { path: 'job_info.scoped_user_id', reason: 'who triggered it: asked of GitLab, and judged by the policy' },
  { path: 'job_info.time_in_queue_seconds', reason: queue },
  { path: 'job_info.project_jobs_running_on_instance_runners_count', reason: queue },
  { path: 'job_info.queue_size', reason: queue },
  { path: 'job_info.queue_depth', reason: queue },
  { path: 'job_info.project_name', reason: renamed },
  { path: 'job_info.project_full_path', reason: renamed },
  { path: 'job_info.namespace_id', reason: renamed },
  { path: 'job_info.root_namespace_id', reason: renamed },
  { path: 'job_info.organization_id', reason: renamed },
  { path: 'job_info.instance_id', reason: 'names the instance; an approval is scoped by its address' },
  { path: 'job_info.instance_uuid', reason: 'names the instance; an approval is scoped by its address' },
  { path: 'features.trace_sections', reason: 'how the log is folded' },
  { path: 'features.token_mask_prefixes', reason: 'what the log masks; changes when GitLab is upgraded' },
  { path: 'features.failure_reasons', reason: 'words that GitLab accepts; changes when GitLab is upgraded' },
  { path: 'features.tracing.trace_id', reason: identifies },
  { path: 'dependencies[].id', reason: 'the earlier job of this pipeline; its origin is scoped instead' },
  { path: 'dependencies[].token', reason: 'the job’s own credential, new in every run', hidden: true },
  { path: 'dependencies[].artifacts_file.filename', reason: 'the archive of this pipeline' },
  { path: 'dependencies[].artifacts_file.size', reason: 'the archive of this pipeline' },
];

/** Reason beside `credentials[].password` where it is the job's token; any other password is covered as an HMAC. */
export const REMOVED_PASSWORD: RemovedLeaf = {
  path: 'credentials[].password',
  reason: 'the job’s own credential, new in every run',
  hidden: true,
};
