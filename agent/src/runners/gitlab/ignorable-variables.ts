/** In which kinds of pipeline GitLab sends a variable; `not_tag`: in those of branches and merge requests. */
export type When = 'any' | 'branch' | 'tag' | 'mr' | 'schedule' | 'trigger' | 'not_tag';

/**
 * A variable that GitLab itself sends and that differs between runs of one configuration.
 * `derived`: equal to a field of the payload or built from some. `shaped`: a closed pattern without any character that a
 * shell treats specially. `text`: words that whoever pushes controls on every run anyway (T9).
 */
export interface IgnorableVariable {
  readonly name: string;
  readonly class: 'derived' | 'shaped' | 'text';
  readonly when: When;
  /** Of a `shaped` one: the whole value must match; linear in its length. */
  readonly pattern?: string;
  /** Of a `derived` one: what the value must be, in words. */
  readonly rule?: string;
  /** The form says that the name is there, without its value. */
  readonly presence?: true;
  /** A person chooses the value: it is covered where the runner itself would expand the name. */
  readonly chosen?: true;
}

/** Values of these are the job's token (not public, masked). */
export const TOKEN_VARIABLES: ReadonlySet<string> = new Set([
  'CI_JOB_TOKEN',
  'CI_REGISTRY_PASSWORD',
  'CI_DEPENDENCY_PROXY_PASSWORD',
]);

/** Every variable that may be ignored; a name that is not here never is. Names that change how a runner behaves never stand here. */
// biome-ignore format: a row a name
export const IGNORABLE_VARIABLES: readonly IgnorableVariable[] = [
  { name: 'CI_COMMIT_AUTHOR', class: 'text', when: 'any', chosen: true },
  { name: 'CI_COMMIT_BEFORE_SHA', class: 'derived', when: 'any', rule: 'git_info.before_sha' },
  { name: 'CI_COMMIT_BRANCH', class: 'derived', when: 'branch', rule: 'git_info.ref', chosen: true },
  { name: 'CI_COMMIT_DESCRIPTION', class: 'text', when: 'any', chosen: true },
  { name: 'CI_COMMIT_MESSAGE', class: 'text', when: 'any', chosen: true },
  { name: 'CI_COMMIT_MESSAGE_IS_TRUNCATED', class: 'shaped', when: 'any', pattern: 'true|false' },
  { name: 'CI_COMMIT_REF_NAME', class: 'derived', when: 'any', rule: 'git_info.ref, but text in merge request pipelines', chosen: true },
  { name: 'CI_COMMIT_REF_PROTECTED', class: 'derived', when: 'any', rule: 'String(git_info.protected === true)' },
  { name: 'CI_COMMIT_REF_SLUG', class: 'derived', when: 'any', rule: 'slug of CI_COMMIT_REF_NAME', chosen: true },
  { name: 'CI_COMMIT_SHA', class: 'derived', when: 'any', rule: 'git_info.sha' },
  { name: 'CI_COMMIT_SHORT_SHA', class: 'derived', when: 'any', rule: 'first 8 of git_info.sha' },
  { name: 'CI_COMMIT_TAG', class: 'derived', when: 'tag', rule: 'git_info.ref', presence: true, chosen: true },
  { name: 'CI_COMMIT_TAG_MESSAGE', class: 'text', when: 'tag', chosen: true },
  { name: 'CI_COMMIT_TIMESTAMP', class: 'shaped', when: 'any', pattern: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)' },
  { name: 'CI_COMMIT_TITLE', class: 'text', when: 'any', chosen: true },
  { name: 'CI_COMMIT_USER_LOGIN', class: 'shaped', when: 'any', pattern: '[A-Za-z0-9_.-]*', chosen: true },
  { name: 'CI_CONFIG_REF_URI', class: 'derived', when: 'any', rule: 'CI_SERVER_FQDN/CI_PROJECT_PATH//CI_CONFIG_PATH@refs/{heads,tags,merge-requests}/… (18.11+)', chosen: true },
  { name: 'CI_DEPENDENCY_PROXY_PASSWORD', class: 'derived', when: 'any', rule: 'token; public false, masked true' },
  { name: 'CI_DEPLOY_FREEZE', class: 'shaped', when: 'any', pattern: 'true', presence: true },
  { name: 'CI_GITLAB_FIPS_MODE', class: 'shaped', when: 'any', pattern: 'true', presence: true },
  { name: 'CI_HAS_OPEN_REQUIREMENTS', class: 'shaped', when: 'any', pattern: 'true' },
  { name: 'CI_JOB_ID', class: 'derived', when: 'any', rule: 'id' },
  { name: 'CI_JOB_MANUAL', class: 'shaped', when: 'any', pattern: 'true', presence: true },
  { name: 'CI_JOB_STARTED_AT', class: 'shaped', when: 'any', pattern: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)' },
  { name: 'CI_JOB_STARTED_AT_SLUG', class: 'derived', when: 'any', rule: 'slug of CI_JOB_STARTED_AT' },
  { name: 'CI_JOB_TOKEN', class: 'derived', when: 'any', rule: 'token; public false, masked true' },
  { name: 'CI_JOB_URL', class: 'derived', when: 'any', rule: 'CI_PROJECT_URL + /-/jobs/ + id' },
  { name: 'CI_KUBERNETES_ACTIVE', class: 'shaped', when: 'any', pattern: 'true', presence: true },
  { name: 'CI_MERGE_REQUEST_APPROVED', class: 'shaped', when: 'mr', pattern: 'true|false', presence: true },
  { name: 'CI_MERGE_REQUEST_ASSIGNEES', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_DESCRIPTION', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED', class: 'shaped', when: 'mr', pattern: 'true|false' },
  { name: 'CI_MERGE_REQUEST_DIFF_BASE_SHA', class: 'shaped', when: 'mr', pattern: '([0-9a-f]{40}|[0-9a-f]{64})?' },
  { name: 'CI_MERGE_REQUEST_DIFF_ID', class: 'shaped', when: 'mr', pattern: '[0-9]+' },
  { name: 'CI_MERGE_REQUEST_DRAFT', class: 'shaped', when: 'mr', pattern: 'true|false', presence: true },
  { name: 'CI_MERGE_REQUEST_EVENT_TYPE', class: 'shaped', when: 'mr', pattern: 'detached|merged_result|merge_train' },
  { name: 'CI_MERGE_REQUEST_ID', class: 'shaped', when: 'mr', pattern: '[0-9]+' },
  { name: 'CI_MERGE_REQUEST_IID', class: 'shaped', when: 'mr', pattern: '[0-9]+' },
  { name: 'CI_MERGE_REQUEST_LABELS', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_MILESTONE', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_PROJECT_ID', class: 'shaped', when: 'mr', pattern: '[0-9]+' },
  { name: 'CI_MERGE_REQUEST_PROJECT_PATH', class: 'shaped', when: 'mr', pattern: '(https?://[A-Za-z0-9.-]+(:\\d+)?/)?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*' },
  { name: 'CI_MERGE_REQUEST_PROJECT_URL', class: 'shaped', when: 'mr', pattern: '(https?://[A-Za-z0-9.-]+(:\\d+)?/)?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*' },
  { name: 'CI_MERGE_REQUEST_REF_PATH', class: 'shaped', when: 'mr', pattern: 'refs/merge-requests/\\d+/(head|merge|train)' },
  { name: 'CI_MERGE_REQUEST_SOURCE_BRANCH_NAME', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED', class: 'shaped', when: 'mr', pattern: 'true|false' },
  { name: 'CI_MERGE_REQUEST_SOURCE_BRANCH_SHA', class: 'shaped', when: 'mr', pattern: '([0-9a-f]{40}|[0-9a-f]{64})?' },
  { name: 'CI_MERGE_REQUEST_SOURCE_PROJECT_ID', class: 'shaped', when: 'mr', pattern: '[0-9]+' },
  { name: 'CI_MERGE_REQUEST_SOURCE_PROJECT_PATH', class: 'shaped', when: 'mr', pattern: '(https?://[A-Za-z0-9.-]+(:\\d+)?/)?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*', chosen: true },
  { name: 'CI_MERGE_REQUEST_SOURCE_PROJECT_URL', class: 'shaped', when: 'mr', pattern: '(https?://[A-Za-z0-9.-]+(:\\d+)?/)?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*', chosen: true },
  { name: 'CI_MERGE_REQUEST_SQUASH_ON_MERGE', class: 'shaped', when: 'mr', pattern: 'true|false' },
  { name: 'CI_MERGE_REQUEST_TARGET_BRANCH_NAME', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED', class: 'shaped', when: 'mr', pattern: 'true|false' },
  { name: 'CI_MERGE_REQUEST_TARGET_BRANCH_SHA', class: 'shaped', when: 'mr', pattern: '([0-9a-f]{40}|[0-9a-f]{64})?' },
  { name: 'CI_MERGE_REQUEST_TITLE', class: 'text', when: 'mr', chosen: true },
  { name: 'CI_OPEN_MERGE_REQUESTS', class: 'shaped', when: 'not_tag', pattern: '[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*!\\d+(,[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*!\\d+)*', chosen: true },
  { name: 'CI_PIPELINE_CREATED_AT', class: 'shaped', when: 'any', pattern: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)' },
  { name: 'CI_PIPELINE_ID', class: 'derived', when: 'any', rule: 'job_info.pipeline_id, else the number in refspecs refs/pipelines/N' },
  { name: 'CI_PIPELINE_IID', class: 'shaped', when: 'any', pattern: '[1-9][0-9]*' },
  { name: 'CI_PIPELINE_NAME', class: 'text', when: 'any', chosen: true },
  { name: 'CI_PIPELINE_SCHEDULE_DESCRIPTION', class: 'text', when: 'schedule', chosen: true },
  { name: 'CI_PIPELINE_SOURCE', class: 'shaped', when: 'any', pattern: 'push|web|trigger|schedule|api|external|pipeline|chat|webide|merge_request_event|external_pull_request_event|parent_pipeline|ondemand_dast_scan|ondemand_dast_validation|security_orchestration_policy|container_registry_push|duo_workflow|pipeline_execution_policy_schedule|unknown' },
  { name: 'CI_PIPELINE_TRIGGERED', class: 'shaped', when: 'trigger', pattern: 'true', presence: true },
  { name: 'CI_PIPELINE_URL', class: 'derived', when: 'any', rule: 'CI_PROJECT_URL + /-/pipelines/ + pipeline id' },
  { name: 'CI_PROJECT_DESCRIPTION', class: 'text', when: 'any', chosen: true },
  { name: 'CI_PROJECT_REPOSITORY_LANGUAGES', class: 'text', when: 'any', chosen: true },
  { name: 'CI_PROJECT_TITLE', class: 'text', when: 'any', chosen: true },
  { name: 'CI_PROJECT_TOPICS', class: 'text', when: 'any', chosen: true },
  { name: 'CI_PROJECT_VISIBILITY', class: 'shaped', when: 'any', pattern: 'private|internal|public' },
  { name: 'CI_REGISTRY_PASSWORD', class: 'derived', when: 'any', rule: 'token; public false, masked true' },
  { name: 'CI_RELEASE_DESCRIPTION', class: 'text', when: 'tag', chosen: true },
  { name: 'CI_REPOSITORY_URL', class: 'derived', when: 'any', rule: 'git_info.repo_url; public false' },
  { name: 'CI_RUNNER_DESCRIPTION', class: 'text', when: 'any', chosen: true },
  { name: 'CI_RUNNER_ID', class: 'shaped', when: 'any', pattern: '[1-9][0-9]*' },
  { name: 'CI_RUNNER_TAGS', class: 'shaped', when: 'any', pattern: '\\[("[A-Za-z0-9 _.:/@=+-]*"(, ?"[A-Za-z0-9 _.:/@=+-]*")*)?\\]' },
  { name: 'CI_SERVER_REVISION', class: 'shaped', when: 'any', pattern: '[0-9A-Za-z.+_-]+' },
  { name: 'CI_SERVER_VERSION', class: 'shaped', when: 'any', pattern: '[0-9A-Za-z.+_-]+' },
  { name: 'CI_SERVER_VERSION_MAJOR', class: 'derived', when: 'any', rule: 'part of CI_SERVER_VERSION' },
  { name: 'CI_SERVER_VERSION_MINOR', class: 'derived', when: 'any', rule: 'part of CI_SERVER_VERSION' },
  { name: 'CI_SERVER_VERSION_PATCH', class: 'derived', when: 'any', rule: 'part of CI_SERVER_VERSION' },
  { name: 'CI_TRIGGER_SHORT_TOKEN', class: 'shaped', when: 'trigger', pattern: '[0-9a-f]{4,}' },
  { name: 'CI_UPSTREAM_JOB_ID', class: 'shaped', when: 'trigger', pattern: '[0-9]+' },
  { name: 'CI_UPSTREAM_PIPELINE_ID', class: 'shaped', when: 'trigger', pattern: '[0-9]+' },
  { name: 'CI_UPSTREAM_PROJECT_ID', class: 'shaped', when: 'trigger', pattern: '[0-9]+' },
  { name: 'GITLAB_FEATURES', class: 'shaped', when: 'any', pattern: '[a-z0-9_,]*' },
  { name: 'GITLAB_USER_EMAIL', class: 'shaped', when: 'any', pattern: '[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+', chosen: true },
  { name: 'GITLAB_USER_ID', class: 'derived', when: 'any', rule: 'job_info.user_id when present, else digits' },
  { name: 'GITLAB_USER_LOGIN', class: 'shaped', when: 'any', pattern: '[A-Za-z0-9_.-]+', chosen: true },
  { name: 'GITLAB_USER_NAME', class: 'text', when: 'any', chosen: true },
];
