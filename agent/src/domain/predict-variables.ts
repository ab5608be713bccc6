import { caseFold } from './case-fold.ts';
import type { DeclaredVariable } from './declared-job.ts';
import { emptyObject } from './empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonList, type JsonObject } from './json.ts';
import {
  canBe,
  type Expanded,
  expand,
  expandedOf,
  formOf,
  isKnown,
  plainText,
  type Resolve,
  referencesOf,
} from './predict-text.ts';
import type { Place } from './subject.ts';

/** Values that the form names instead of writing them: they never make two runs differ. */
const OF_THE_RUN: ReadonlySet<string> = new Set([
  'CI_JOB_URL',
  'CI_PIPELINE_URL',
  'CI_COMMIT_SHA',
  'CI_COMMIT_SHORT_SHA',
  'CI_PIPELINE_CREATED_AT',
  'CI_JOB_STARTED_AT',
  'CI_COMMIT_TIMESTAMP',
  'CI_JOB_TOKEN',
  'CI_JOB_ID',
  'CI_PIPELINE_ID',
  'CI_COMMIT_TAG',
]);

/** Values that GitLab makes for each run and that the form cannot name: a variable with one in it is another each time. */
const EACH_TIME_ANOTHER: ReadonlySet<string> = new Set([
  'CI_PIPELINE_IID',
  'CI_COMMIT_BEFORE_SHA',
  'CI_COMMIT_TITLE',
  'CI_COMMIT_MESSAGE',
  'CI_COMMIT_DESCRIPTION',
  'CI_COMMIT_AUTHOR',
  'GITLAB_USER_ID',
  'GITLAB_USER_LOGIN',
  'GITLAB_USER_NAME',
  'GITLAB_USER_EMAIL',
]);

/** Variables that GitLab itself sends; any other public one is of the YAML. */
const PREDEFINED =
  /^(CI|GITLAB_CI|GITLAB_FEATURES|TRIGGER_PAYLOAD|GITLAB_USER_\w+|CHAT_\w+|CI_(API|BUILD|COMMIT|CONFIG|DEFAULT_BRANCH|DEPENDENCY_PROXY|DEPLOY|ENVIRONMENT|EXTERNAL_PULL_REQUEST|GITLAB_FIPS|HAS_OPEN|JOB|KUBERNETES|MERGE_REQUEST|NODE|OPEN_MERGE_REQUESTS|PAGES|PIPELINE|PROJECT|REGISTRY|RELEASE|REPOSITORY|RUNNER|SERVER|TEMPLATE|TRIGGER|UPSTREAM)\w*)$/;

/** The same slug that GitLab makes of a ref. */
function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** What GitLab says of the ref in variables that no form has. */
function ofRef(name: string, { ref }: Place): Expanded | null {
  const short = /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1];
  if (short === undefined) return null;
  if (name === 'CI_COMMIT_REF_NAME') return plainText(short);
  if (name === 'CI_COMMIT_REF_SLUG') return plainText(slugOf(short));
  return name === 'CI_COMMIT_BRANCH' && ref.startsWith('refs/heads/') ? plainText(short) : null;
}

/** The variables of a Configuration as its YAML will make them, beside what came from elsewhere. */
export function predictVariables(
  covered: JsonList,
  declared: readonly DeclaredVariable[],
  place: Place,
  unknown: (words: string) => void,
): JsonList {
  const entries = covered.filter(isJsonObject);
  const byKey = new Map<string, JsonObject[]>();
  for (const entry of entries) {
    const key = String(entry.key);
    byKey.set(key, [...(byKey.get(key) ?? []), entry]);
  }
  const own = new Map(declared.map((variable) => [variable.key, variable]));
  const fromOutside = (key: string): boolean => (byKey.get(key) ?? []).some((entry) => entry.public !== true);
  const resolving = new Set<string>();
  const resolve: Resolve = (name) => {
    const variable = own.get(name);
    if (variable !== undefined && !fromOutside(name)) {
      // What names one that is not expanded is not expanded there either.
      if (variable.raw) return 'unset';
      if (resolving.has(name)) return null;
      resolving.add(name);
      try {
        return expand(variable.value, resolve);
      } finally {
        resolving.delete(name);
      }
    }
    if (OF_THE_RUN.has(name)) return [{ var: name }];
    const [entry, ...more] = byKey.get(name) ?? [];
    // The YAML had it, and has it no more.
    if (entry !== undefined && !PREDEFINED.test(name) && !fromOutside(name)) return 'unset';
    const known = entry !== undefined && more.length === 0 && entry.public === true && PREDEFINED.test(name);
    return known && entry.value !== undefined ? expandedOf(entry.value) : ofRef(name, place);
  };

  const out: JsonObject[] = [];
  const done = new Set<string>();
  for (const entry of entries) {
    const key = String(entry.key);
    const variable = own.get(key);
    if (variable === undefined) {
      if (entry.public === true && !PREDEFINED.test(key)) continue;
      out.push(entry);
      continue;
    }
    if (fromOutside(key) || entry.value === undefined) {
      if (!done.has(key)) unknown(`the value of ${key} comes from outside the YAML too: which one counts is not known`);
      done.add(key);
      out.push(entry);
      continue;
    }
    if (done.has(key)) continue;
    done.add(key);
    out.push(predicted(variable, entry, resolve, unknown));
  }
  for (const variable of declared) {
    if (!done.has(variable.key)) out.push(predicted(variable, null, resolve, unknown));
    done.add(variable.key);
  }
  const folded = (entry: JsonObject): string => caseFold(String(entry.key));
  return out.sort((a, b) => (folded(a) < folded(b) ? -1 : folded(a) > folded(b) ? 1 : 0));
}

function predicted(
  variable: DeclaredVariable,
  covered: JsonObject | null,
  resolve: Resolve,
  unknown: (words: string) => void,
): JsonObject {
  const { key, raw } = variable;
  const text = raw ? plainText(variable.value) : expand(variable.value, resolve);
  const moving = raw ? [] : referencesOf(variable.value).filter((name) => EACH_TIME_ANOTHER.has(name));
  if (moving.length > 0) unknown(`${key} has ${moving.join(', ')} in it, which is another in each run`);
  else if (!isKnown(text)) unknown(`${key} has something in it that is known in the run only`);
  const out = emptyObject();
  for (const name of Object.keys(covered ?? {})) out[name] = covered![name]!;
  const kept = covered?.value !== undefined && canBe(text, covered.value);
  // What is not known is shown as it is written.
  out.value = kept ? covered.value! : isKnown(text) ? formOf(text) : variable.value;
  out.key = key;
  out.raw = raw;
  for (const flag of ['masked', 'file']) out[flag] ??= false;
  out.public ??= true;
  return out;
}

/** The name of a job's environment on a ref; null where it is known in the run only. */
export function environmentName(text: string, declared: readonly DeclaredVariable[], ref: string): string | null {
  const place = { ref, refProtected: true, environment: null };
  const own = new Map(declared.map((variable) => [variable.key, variable]));
  const resolve =
    (depth: number): Resolve =>
    (name) => {
      const variable = own.get(name);
      // GitLab itself gives up on variables that name each other in a circle.
      if (variable !== undefined) return depth > 10 ? null : expand(variable.value, resolve(depth + 1));
      return ofRef(name, place);
    };
  const expanded = expand(text, resolve(0));
  const form = isKnown(expanded) ? formOf(expanded) : null;
  return typeof form === 'string' ? form : null;
}

/** The list of variables of a Configuration. */
export function variablesIn(configuration: JsonObject): JsonList {
  const value: Json | undefined = configuration.variables;
  return isJsonList(value) ? value : [];
}
