import { canonicalJson } from '../../domain/canonical-json.ts';
import { digestOfText } from '../../domain/digest.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { KNOWN_FIELDS } from '../../domain/known-fields.ts';
import { pathText, readStrictJson } from '../../domain/strict-json.ts';
import type { HandedOver, JobReader, SeenJob } from '../../ports/receipt-keep.ts';
import { PAYLOAD, REMOVED } from './fields.ts';
import { AWS_SESSION_CHARS, AWS_SESSION_NAME, type Expansion, expansionOf, isText } from './runner-expansion.ts';
import { JOB_RESPONSE, runnerForm } from './runner-form.ts';

/** So many places are named; whoever mends it starts with the first. */
const MAX_NAMED = 5;

/** Which run and which commit it is: these must be there, though no approval covers them. */
const IDENTITY = /^(id$|token$|git_info\.|runner_info\.timeout$|steps\[\]\.timeout$|dependencies\[\])/;

/**
 * Fields that a runner may not know, and then loses when it writes JOB_RESPONSE_FILE: it cannot act on them either. Those of
 * which no approval depends, and three that only newer runners read. Where the file has one, it must be the same.
 */
export const MAY_BE_LOST: ReadonlySet<string> = new Set([
  ...REMOVED.map(({ path }) => path).filter((path) => !IDENTITY.test(path)),
  'cache[].unprotect',
  'suspend_options.runtime_environment_key',
  'features.tracing.span_parent_id',
]);

/** Texts in which gitlab-runner has replaced variables before it writes the file. */
const VARIABLES_REPLACED = /^(image\.(name|alias)|services\[\]\.(name|alias)|secrets\..+)$/;
/** Texts in which it has replaced `${{ job.inputs.… }}`. */
const INPUTS_REPLACED =
  /^(steps\[\]\.script\[\]|(image|services\[\])\.(name|command\[\]|entrypoint\[\]|pull_policy\[\]|executor_opts\..+)|artifacts\[\]\.(name|paths\[\]|exclude\[\]|when|expire_in)|cache\[\]\.(key|policy|paths\[\]|when|fallback_keys\[\]))$/;

const known: ReadonlySet<string> = new Set(
  KNOWN_FIELDS.flatMap((path) => {
    const parts = path.split('.');
    return parts.map((_, index) =>
      parts
        .slice(0, index + 1)
        .join('.')
        .replace(/\[\]$/, ''),
    );
  }),
);

class Comparison {
  readonly found: string[] = [];
  private readonly expansion: Expansion;

  constructor(expected: JsonObject) {
    this.expansion = expansionOf(expected);
  }

  private differs(path: readonly (string | number)[]): void {
    this.found.push(pathText(path));
  }

  /** `rule`: the path as the tables have it, `[]` for each index and `*` for a name of a map. */
  values(expected: Json | undefined, seen: Json | undefined, path: readonly (string | number)[], rule: string): void {
    if (expected === undefined && seen === undefined) return;
    if (seen === undefined) this.missing(expected!, path, rule);
    else if (isJsonObject(expected) && isJsonObject(seen)) this.objects(expected, seen, path, rule);
    else if (isJsonList(expected) && isJsonList(seen)) this.lists(expected, seen, path, rule);
    else if (expected === undefined) this.added(seen, path, rule);
    else if (isText(expected) && isText(seen) && this.texts(expected, seen, rule)) return;
    else if (canonicalJson(expected) !== canonicalJson(seen)) this.differs(path);
  }

  private objects(expected: JsonObject, seen: JsonObject, path: readonly (string | number)[], rule: string): void {
    for (const name of new Set([...Object.keys(expected), ...Object.keys(seen)])) {
      const part = rule === 'secrets' ? '*' : name;
      this.values(expected[name], seen[name], [...path, name], rule === '' ? part : `${rule}.${part}`);
    }
  }

  private lists(
    expected: readonly Json[],
    seen: readonly Json[],
    path: readonly (string | number)[],
    rule: string,
  ): void {
    if (expected.length !== seen.length) this.differs(path);
    else for (const [index, each] of expected.entries()) this.values(each, seen[index], [...path, index], `${rule}[]`);
  }

  private missing(expected: Json, path: readonly (string | number)[], rule: string): void {
    // What this program does not know, the runner need not know either; all that is known is below it.
    if (MAY_BE_LOST.has(rule) || (!known.has(rule.replace(/\[\]$/, '')) && !rule.startsWith('secrets'))) return;
    if (isJsonObject(expected) && Object.keys(expected).length > 0) {
      for (const name of Object.keys(expected))
        this.values(expected[name], undefined, [...path, name], `${rule}.${name}`);
      return;
    }
    this.differs(path);
  }

  private added(seen: Json, path: readonly (string | number)[], rule: string): void {
    // The runner gives a session of AWS a name of its own making where the job has none.
    const isSessionName = /^secrets\.\*\.aws_secrets_manager\.server\.role_session_name$/.test(rule);
    if (isSessionName && isText(seen) && this.sessionName(seen)) return;
    this.differs(path);
  }

  private sessionName(seen: string): boolean {
    return (
      this.expansion.matches(AWS_SESSION_NAME, seen) ||
      this.expansion.expanded(AWS_SESSION_NAME)?.slice(0, AWS_SESSION_CHARS) === seen
    );
  }

  private texts(expected: string, seen: string, rule: string): boolean {
    if (expected === seen) return true;
    const candidates = [expected];
    if (INPUTS_REPLACED.test(rule)) {
      const interpolated = this.expansion.interpolated(expected);
      if (interpolated !== null) candidates.push(interpolated);
    }
    if (candidates.includes(seen)) return true;
    return VARIABLES_REPLACED.test(rule) && candidates.some((text) => this.expansion.matches(text, seen));
  }
}

/** A job with `run:` is given another script by the runner, and its steps once more as a variable: both are its own words. */
function withoutShim(expected: JsonObject, seen: JsonObject): JsonObject | null {
  if (expected.run === undefined) return seen;
  const steps = canonicalJson(seen.steps ?? []);
  const shim = [{ name: 'script', script: ['step-runner ci'], timeout: 3600, when: 'on_success' }];
  if (steps === canonicalJson([{ name: 'run' }])) return { ...seen, steps: expected.steps ?? null };
  if (steps !== canonicalJson(shim)) return seen;
  const variables = isJsonList(seen.variables) ? seen.variables : [];
  const last = variables.at(-1);
  if (!isJsonObject(last) || last.key !== 'STEPS' || last.raw !== true || !isText(last.value)) return null;
  const said = readStrictJson(new TextEncoder().encode(`{"run":${last.value}}`), JOB_RESPONSE);
  if (!said.ok || canonicalJson(runnerForm(said.value)) !== canonicalJson({ run: seen.run ?? null })) return null;
  return { ...seen, steps: expected.steps ?? null, variables: variables.slice(0, -1) };
}

/** A job's payload as it is handed over, for the receipt; null when it cannot be read. */
export function handedOver(payload: Uint8Array): HandedOver | null {
  const read = readStrictJson(payload, PAYLOAD);
  if (!read.ok || !Number.isSafeInteger(read.value.id)) return null;
  const timeout = isJsonObject(read.value.runner_info) ? read.value.runner_info.timeout : null;
  const job = runnerForm(read.value);
  return {
    jobId: Number(read.value.id),
    timeoutS: typeof timeout === 'number' ? timeout : 0,
    job,
    sha256: digestOfText(canonicalJson(job)),
  };
}

/** JOB_RESPONSE_FILE as the executor sent it, or the reason why it cannot be read. */
export function seenJob(file: Uint8Array): SeenJob {
  const read = readStrictJson(file, JOB_RESPONSE);
  if (!read.ok) return { ok: false, reason: `${read.path}: ${read.reason}` };
  if (!Number.isSafeInteger(read.value.id)) return { ok: false, reason: 'id: a job has one' };
  const job = runnerForm(read.value);
  return { ok: true, jobId: Number(read.value.id), job, sha256: digestOfText(canonicalJson(job)) };
}

/** Places where the job that the runner has is not the one that was handed over; empty when it is. */
export function differences(expected: JsonObject, seen: JsonObject): readonly string[] {
  const own = withoutShim(expected, seen);
  if (own === null) return ['variables'];
  const comparison = new Comparison(expected);
  // The runner keeps inputs where its encoder does not see them: what they are worth stands in the texts.
  const inputs = isJsonList(own.inputs) ? own.inputs : expected.inputs;
  const at = (object: JsonObject, name: string) => object[name] ?? undefined;
  for (const name of new Set([...Object.keys(expected), ...Object.keys(own)]))
    comparison.values(at(expected, name), name === 'inputs' ? inputs : at(own, name), [name], name);
  const { found } = comparison;
  return found.length <= MAX_NAMED ? found : [...found.slice(0, MAX_NAMED), `and ${found.length - MAX_NAMED} more`];
}

/** GitLab's jobs, for the desk that keeps their receipts. */
export const jobReader: JobReader = { handedOver, seen: seenJob, differences };
