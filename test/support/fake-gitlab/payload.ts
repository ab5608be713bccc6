import { resignIdToken, type Signer } from './tokens.ts';
import type { FakeUser } from './types.ts';

/** What is new in this run, put in place of the fixture's own values wherever GitLab writes them. */
export interface RunValues {
  readonly id: number;
  readonly token: string;
  readonly pipeline: {
    readonly id: number;
    readonly iid: number;
    readonly sha: string;
    readonly beforeSha: string;
    readonly source: string;
    readonly createdAt: number;
  };
  readonly user: FakeUser;
  readonly userChanged: boolean;
  readonly runner: { readonly id: number; readonly name: string };
  /** Only where it is not the fixture's own. */
  readonly environment: { readonly name: string; readonly slug: string; readonly tier: string } | null;
  readonly timeoutS: number;
  readonly queuedS: number;
  readonly dependencies: Readonly<Record<string, number>>;
  readonly now: number;
}

interface Variable {
  key: string;
  value: string | null;
}
// biome-ignore lint/suspicious/noExplicitAny: a fixture is any payload GitLab can send, read here without judging it
type Payload = Record<string, any>;

/** GitLab's times: seconds, UTC, `Z`. */
export function stamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

const alone = (text: string) =>
  new RegExp(`(?<![0-9A-Za-z])${text.replace(/[^0-9A-Za-z]/g, '\\$&')}(?![0-9A-Za-z])`, 'g');

/** A function that puts this run's values into a text that GitLab expands (variables, URLs, secrets). */
function substitution(payload: Payload, run: RunValues): (text: string) => string {
  const rules: [RegExp, string][] = [];
  const rule = (from: unknown, to: string, bounded: boolean) => {
    const text = from === null || from === undefined ? '' : String(from);
    if (text !== '') rules.push([bounded ? alone(text) : new RegExp(text.replace(/[^0-9A-Za-z]/g, '\\$&'), 'g'), to]);
  };
  const git = payload.git_info ?? {};
  rule(payload.token, run.token, false);
  rule(git.sha, run.pipeline.sha, false);
  if (!/^0*$/.test(String(git.before_sha ?? ''))) rule(git.before_sha, run.pipeline.beforeSha, false);
  rule(String(git.sha ?? '').slice(0, 8), run.pipeline.sha.slice(0, 8), true);
  // Ids of fewer than 6 digits are words like any other: replacing them would touch what the author wrote.
  if (String(payload.id).length >= 6) rule(payload.id, String(run.id), true);
  const pipelineId = payload.job_info?.pipeline_id ?? variable(payload, 'CI_PIPELINE_ID');
  if (String(pipelineId ?? '').length >= 6) rule(pipelineId, String(run.pipeline.id), true);
  return (text) => rules.reduce((done, [from, to]) => done.replace(from, () => to), text);
}

function variable(payload: Payload, key: string): string | null {
  const list: Variable[] = Array.isArray(payload.variables) ? payload.variables : [];
  return list.findLast((one) => one.key === key)?.value ?? null;
}

/** The variables that GitLab writes for a run, by key; what is absent here keeps the fixture's text. */
function ownVariables(run: RunValues): Record<string, string> {
  const started = stamp(run.now);
  const values: Record<string, string> = {
    CI_JOB_ID: String(run.id),
    CI_PIPELINE_ID: String(run.pipeline.id),
    CI_PIPELINE_IID: String(run.pipeline.iid),
    CI_PIPELINE_SOURCE: run.pipeline.source,
    CI_PIPELINE_CREATED_AT: stamp(run.pipeline.createdAt),
    CI_JOB_STARTED_AT: started,
    CI_JOB_STARTED_AT_SLUG: started.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
    CI_COMMIT_TIMESTAMP: `${stamp(run.pipeline.createdAt - 60_000).slice(0, 19)}+00:00`,
    CI_RUNNER_ID: String(run.runner.id),
    CI_RUNNER_DESCRIPTION: run.runner.name,
  };
  if (run.userChanged) {
    values.GITLAB_USER_ID = String(run.user.id);
    values.GITLAB_USER_LOGIN = run.user.username;
    values.GITLAB_USER_NAME = run.user.name;
    values.GITLAB_USER_EMAIL = `${run.user.username}@example.com`;
  }
  return values;
}

function eachString(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((one) => eachString(one, change));
  if (typeof value === 'object' && value !== null) {
    // In place: a copy made by assignment would lose a member called `__proto__` (T45).
    for (const key of Object.keys(value)) {
      const member = (value as Payload)[key];
      Object.defineProperty(value, key, {
        value: eachString(member, change),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
  }
  return value;
}

/**
 * The payload of a fixture as GitLab would render it for another run of the same configuration:
 * ids, token, commit, times, user and id tokens are this run's, everything an author wrote stays.
 */
export function renderPayload(text: string, run: RunValues, signer: Signer): Payload {
  const payload = JSON.parse(text) as Payload;
  const swap = substitution(payload, run);
  const own = ownVariables(run);
  const environment: Record<string, string> =
    run.environment === null
      ? {}
      : {
          CI_ENVIRONMENT_NAME: run.environment.name,
          CI_ENVIRONMENT_SLUG: run.environment.slug,
          CI_ENVIRONMENT_TIER: run.environment.tier,
        };
  const claims = {
    job_id: String(run.id),
    pipeline_id: String(run.pipeline.id),
    sha: run.pipeline.sha,
    user_id: String(run.user.id),
    user_login: run.user.username,
    user_email: `${run.user.username}@example.com`,
    pipeline_source: run.pipeline.source,
  };
  const renew = (value: string) => resignIdToken(signer, value, claims, run.now) ?? swap(value);
  const counts = new Map<string, number>();
  const variables: Variable[] = Array.isArray(payload.variables) ? payload.variables : [];
  for (const one of variables) counts.set(one.key, (counts.get(one.key) ?? 0) + 1);
  for (const one of variables) {
    const value = environment[one.key] ?? (counts.get(one.key) === 1 ? own[one.key] : undefined);
    // A name of GitLab's that comes twice was also written by somebody else: only what is expanded changes there.
    if (value !== undefined) one.value = value;
    else if (typeof one.value === 'string') one.value = renew(one.value);
  }
  payload.id = run.id;
  payload.token = run.token;
  const info = payload.job_info;
  if (typeof info === 'object' && info !== null) {
    info.id = run.id;
    if ('pipeline_id' in info) info.pipeline_id = run.pipeline.id;
    if ('user_id' in info) info.user_id = run.user.id;
    if ('time_in_queue_seconds' in info) info.time_in_queue_seconds = run.queuedS;
  }
  if (typeof payload.git_info === 'object' && payload.git_info !== null) eachString(payload.git_info, swap);
  if (payload.runner_info !== undefined) payload.runner_info.timeout = run.timeoutS;
  for (const step of payload.steps ?? []) step.timeout = run.timeoutS;
  for (const credential of payload.credentials ?? []) eachString(credential, swap);
  if (payload.secrets !== undefined) eachString(payload.secrets, renew);
  for (const dependency of payload.dependencies ?? []) {
    dependency.id = run.dependencies[dependency.name] ?? dependency.id;
    dependency.token = run.token;
  }
  return payload;
}
