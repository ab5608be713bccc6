import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Json } from '../../../agent/src/domain/json.ts';
import { type Reading, type ReadOptions, readPayload } from '../../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../../agent/src/runners/gitlab/id-tokens.ts';

const FIXTURES = new URL('../../fixtures/gitlab/', import.meta.url);

/** Text of a file in test/fixtures/gitlab. */
export function fixtureText(name: string): string {
  return readFileSync(new URL(name, FIXTURES), 'utf8');
}

export interface TestVariable {
  key: string;
  value: string | null;
  public?: boolean | null;
  masked?: boolean | null;
  file?: boolean | null;
  raw?: boolean | null;
  [other: string]: unknown;
}
// biome-ignore lint/suspicious/noExplicitAny: a test edits a payload in ways that no type foresees
type Loose = Record<string, any>;
/** A payload as a test edits it. */
export interface TestPayload extends Loose {
  id: number;
  token: string;
  variables: TestVariable[];
}

/** A fixture as data to edit. */
export function fixture(name = 'deploy-production.run1.json'): TestPayload {
  return JSON.parse(fixtureText(name)) as TestPayload;
}

export const VARIABLE_KEY = new Uint8Array(32).fill(7);

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const TEST_KEY = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'RS256', use: 'sig' };
const FIXTURE_KEYS = (JSON.parse(fixtureText('jwks.json')) as { keys: object[] }).keys;
/** The key set of the fixtures, and a key that tests sign with. */
export const JWKS = { keys: [...FIXTURE_KEYS, TEST_KEY] };

const b64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT signed with the test key. */
export function idToken(claims: object, header: object = {}): string {
  const body = `${b64({ alg: 'RS256', kid: 'test', typ: 'JWT', ...header })}.${b64(claims)}`;
  return `${body}.${sign('sha256', Buffer.from(body), pair.privateKey).toString('base64url')}`;
}

export const OPTIONS: ReadOptions = {
  instance: 'https://gitlab.example.com',
  runner: 'protected-1',
  variableKey: VARIABLE_KEY,
  verifyIdToken: jwksVerifier(JWKS),
};

/** Reads a payload, given as data or as text. */
export function read(payload: TestPayload | string, options: Partial<ReadOptions> = {}): Reading {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return readPayload(new TextEncoder().encode(text), { ...OPTIONS, ...options });
}

/** Reads a payload that must have a digest. */
export function readOk(
  payload: TestPayload | string,
  options: Partial<ReadOptions> = {},
): Extract<Reading, { ok: true }> {
  const reading = read(payload, options);
  if (!reading.ok) throw new Error(`refused: ${reading.code} ${reading.path}: ${reading.reason}`);
  return reading;
}

/** Sets a variable, flags public and unmasked unless said otherwise. */
export function setVariable(
  payload: TestPayload,
  key: string,
  value: string | null,
  flags: Partial<TestVariable> = {},
): void {
  const at = payload.variables.findIndex((variable) => variable.key === key);
  const variable = { key, value, public: true, masked: false, ...flags };
  if (at === -1) payload.variables.push(variable);
  else payload.variables[at] = { ...payload.variables[at], ...variable };
}

export function addVariable(
  payload: TestPayload,
  key: string,
  value: string | null,
  flags: Partial<TestVariable> = {},
): void {
  payload.variables.push({ key, value, public: true, masked: false, ...flags });
}

export function removeVariable(payload: TestPayload, key: string): void {
  payload.variables = payload.variables.filter((variable) => variable.key !== key);
}

/** The entry of a variable in a form. */
export function entryOf(
  configuration: { readonly [key: string]: Json },
  key: string,
): { readonly [key: string]: Json } | undefined {
  return (configuration.variables as readonly { readonly [key: string]: Json }[] | undefined)?.find(
    (entry) => entry.key === key,
  );
}

/** The next run of the same job: other ids, token, commit, times, user and runner, in every place where GitLab writes them. */
export function nextRun(payload: TestPayload, seed = 1): TestPayload {
  const sha = (n: number) => (n * 7919).toString(16).padStart(8, 'a').repeat(5).slice(0, 40);
  const git = payload.git_info as Loose;
  const info = payload.job_info as Loose;
  const user = payload.variables.find((variable) => variable.key === 'GITLAB_USER_LOGIN')?.value;
  let text = JSON.stringify(payload);
  const swap = (from: unknown, to: unknown) => {
    text = text.replaceAll(String(from), String(to));
  };
  swap(payload.token, `glcbt-64_next${String(seed).padStart(16, '0')}`);
  swap(payload.id, 900_000_000 + seed);
  swap(info.pipeline_id, 7_000_000 + seed);
  swap(git.sha, sha(seed + 1));
  swap(git.sha.slice(0, 8), sha(seed + 1).slice(0, 8));
  swap(git.before_sha, sha(seed + 2));
  const next = JSON.parse(text) as TestPayload;
  (next.job_info as Loose).user_id = 40 + seed;
  (next.job_info as Loose).time_in_queue_seconds = seed + 0.5;
  const set = (key: string, value: string) => {
    if (next.variables.some((variable) => variable.key === key)) setVariable(next, key, value, flagsOf(next, key));
  };
  set('GITLAB_USER_ID', String(40 + seed));
  if (user !== undefined) {
    set('GITLAB_USER_LOGIN', `user-${seed}`);
    set('GITLAB_USER_NAME', `User ${seed}`);
    set('GITLAB_USER_EMAIL', `user-${seed}@example.com`);
  }
  set('CI_JOB_STARTED_AT', `2027-01-${String((seed % 27) + 1).padStart(2, '0')}T01:02:03Z`);
  set('CI_JOB_STARTED_AT_SLUG', `2027-01-${String((seed % 27) + 1).padStart(2, '0')}t01-02-03z`);
  set('CI_PIPELINE_CREATED_AT', '2027-01-01T00:00:00Z');
  set('CI_COMMIT_TIMESTAMP', '2027-01-01T00:00:00+02:00');
  set('CI_PIPELINE_IID', String(3000 + seed));
  set('CI_RUNNER_ID', String(50 + seed));
  set('CI_RUNNER_DESCRIPTION', `runner ${seed}`);
  set('CI_COMMIT_TITLE', `Change number ${seed}`);
  set('CI_COMMIT_MESSAGE', `Change number ${seed}\n\nwith reasons`);
  return next;
}

function flagsOf(payload: TestPayload, key: string): Partial<TestVariable> {
  const { public: isPublic, masked } = payload.variables.find((variable) => variable.key === key)!;
  return { public: isPublic ?? false, masked: masked ?? false };
}

/** Makes a merge request's pipeline of a branch's: what GitLab sends then. */
export function asMergeRequest(payload: TestPayload, iid = 12, source = 'feature/login'): TestPayload {
  const git = payload.git_info as Loose;
  git.ref = `refs/merge-requests/${iid}/head`;
  git.protected = false;
  git.refspecs = [
    `+refs/pipelines/${payload.job_info.pipeline_id}:refs/pipelines/${payload.job_info.pipeline_id}`,
    `+refs/merge-requests/${iid}/head:refs/remotes/merge-requests/${iid}/head`,
  ];
  removeVariable(payload, 'CI_COMMIT_BRANCH');
  setVariable(payload, 'CI_PIPELINE_SOURCE', 'merge_request_event');
  setVariable(payload, 'CI_COMMIT_REF_NAME', source);
  setVariable(payload, 'CI_COMMIT_REF_SLUG', source.replaceAll('/', '-'));
  setVariable(payload, 'CI_COMMIT_REF_PROTECTED', 'false');
  removeVariable(payload, 'CI_CONFIG_REF_URI');
  const project = payload.variables.find((variable) => variable.key === 'CI_PROJECT_PATH')?.value ?? 'acme/web';
  for (const [key, value] of Object.entries({
    CI_MERGE_REQUEST_ID: String(70_000 + iid),
    CI_MERGE_REQUEST_IID: String(iid),
    CI_MERGE_REQUEST_REF_PATH: `refs/merge-requests/${iid}/head`,
    CI_MERGE_REQUEST_PROJECT_ID: '4242',
    CI_MERGE_REQUEST_PROJECT_PATH: project,
    CI_MERGE_REQUEST_PROJECT_URL: `https://gitlab.example.com/${project}`,
    CI_MERGE_REQUEST_TITLE: `Draft number ${iid}`,
    CI_MERGE_REQUEST_DESCRIPTION: `Closes #${iid}`,
    CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED: 'false',
    CI_MERGE_REQUEST_LABELS: `label-${iid}`,
    CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: source,
    CI_MERGE_REQUEST_SOURCE_BRANCH_SHA: '',
    CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED: 'false',
    CI_MERGE_REQUEST_SOURCE_PROJECT_ID: '4242',
    CI_MERGE_REQUEST_SOURCE_PROJECT_PATH: project,
    CI_MERGE_REQUEST_SOURCE_PROJECT_URL: `https://gitlab.example.com/${project}`,
    CI_MERGE_REQUEST_TARGET_BRANCH_NAME: 'main',
    CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED: 'true',
    CI_MERGE_REQUEST_TARGET_BRANCH_SHA: '',
    CI_MERGE_REQUEST_EVENT_TYPE: 'detached',
    CI_MERGE_REQUEST_APPROVED: 'true',
    CI_MERGE_REQUEST_DIFF_ID: String(iid * 3),
    CI_MERGE_REQUEST_DIFF_BASE_SHA: 'ab'.repeat(20),
    CI_OPEN_MERGE_REQUESTS: `${project}!${iid}`,
  })) {
    setVariable(payload, key, value);
  }
  return payload;
}

/** What stands at a path of a form; throws where there is nothing on the way. */
export function dig(value: Json, ...path: readonly (string | number)[]): Json {
  let at = value;
  for (const part of path) at = (at as { readonly [key: string]: Json })[part]!;
  return at;
}
