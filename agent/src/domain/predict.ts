import type { DeclaredJob, DeclaredVariable } from './declared-job.ts';
import { emptyObject } from './empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonList, type JsonObject } from './json.ts';
import { cacheKey, canBe, plainText } from './predict-text.ts';
import { predictVariables, variablesIn } from './predict-variables.ts';
import { isSegments } from './segments.ts';
import type { Place } from './subject.ts';

/** What the YAML of a job lets expect of its Configuration. */
export interface Prediction {
  readonly configuration: JsonObject;
  /** What could not be known, in words: none of it counts as a difference. */
  readonly unknown: readonly string[];
}

/** What GitLab sends where the YAML says nothing. */
const DEFAULTS: Readonly<Record<string, Json>> = {
  untracked: false,
  unprotect: false,
  when: 'on_success',
  policy: 'pull-push',
  public: true,
  masked: false,
  file: false,
  raw: false,
};

/**
 * The Configuration that a job will have, made of one that was approved: whatever its YAML decides is replaced by what the
 * YAML says, all the rest stays. Two that differ only in what nobody can know before the run stay as they are.
 */
export function predictConfiguration(baseline: JsonObject, job: DeclaredJob, place: Place): Prediction {
  const unknown: string[] = [];
  const note = (words: string) => unknown.push(words);
  const out = emptyObject();
  for (const name of Object.keys(baseline)) out[name] = baseline[name]!;
  const put = (name: string, value: Json | undefined) => {
    if (value === undefined || isEmpty(value)) delete out[name];
    else out[name] = value;
  };
  const list = (name: string): JsonList => (isJsonList(baseline[name]) ? baseline[name] : []);

  if (job.script !== null) put('steps', predictSteps(list('steps'), job.script, job.afterScript));
  else note('its script is not in the YAML that was read');
  put('image', job.image === null ? undefined : merge(job.image, baseline.image));
  put('services', merge(job.services, list('services')));
  put('artifacts', merge(job.artifacts, list('artifacts')));
  put('cache', merge(job.cache, list('cache')));
  put('hooks', merge(job.hooks, list('hooks')));
  if (job.stage !== null && isJsonObject(baseline.job_info)) {
    put('job_info', merge(withMember(baseline.job_info, 'stage', job.stage), baseline.job_info));
  }
  const declared = [...job.variables, ...generatedVariables(job, variablesIn(baseline))];
  put('variables', predictVariables(variablesIn(baseline), declared, place, note));
  return { configuration: out, unknown };
}

/** Variables that GitLab makes of the YAML: the stage, and of the environment what is not its name, which is where an approval counts. */
function generatedVariables({ stage, environment }: DeclaredJob, covered: JsonList): readonly DeclaredVariable[] {
  const has = (key: string) => covered.some((entry) => isJsonObject(entry) && entry.key === key);
  const made: [key: string, value: string | null][] = [
    ['CI_JOB_STAGE', has('CI_JOB_STAGE') ? stage : null],
    ['CI_ENVIRONMENT_URL', environment?.url ?? null],
    [
      'CI_ENVIRONMENT_ACTION',
      environment !== null && has('CI_ENVIRONMENT_ACTION') ? (environment.action ?? 'start') : null,
    ],
  ];
  return made.flatMap(([key, value]) => (value === null ? [] : [{ key, value, raw: false }]));
}

function predictSteps(covered: JsonList, script: readonly string[], after: readonly string[]): JsonList {
  const lines = (wanted: readonly string[], step: JsonObject | undefined): JsonList => {
    const known = isJsonList(step?.script) ? step.script : [];
    return wanted.map((line) => known.find((each) => textIs(line, each)) ?? line);
  };
  const named = (name: string) => covered.find((step): step is JsonObject => isJsonObject(step) && step.name === name);
  const step = (name: string, wanted: readonly string[], when: string, allowFailure: boolean): JsonObject[] => {
    const found = named(name);
    if (wanted.length === 0) return [];
    const fresh = emptyObject();
    Object.assign(fresh, { name, when, allow_failure: allowFailure });
    return [withMember(found ?? fresh, 'script', lines(wanted, found))];
  };
  const others = covered.filter(
    (each) => !isJsonObject(each) || (each.name !== 'script' && each.name !== 'after_script'),
  );
  return [...step('script', script, 'on_success', false), ...others, ...step('after_script', after, 'always', true)];
}

/** A text of the YAML is what is covered; a secret that stands in it is written as its tag, and cannot be compared. */
function textIs(text: string, covered: Json): boolean {
  return typeof covered === 'string' ? text === covered : isSegments(covered) && canBe(plainText(text), covered);
}

/** What is declared, with everything as it is covered that the declaration leaves open. */
function merge(declared: Json, covered: Json | undefined, name = ''): Json {
  if (name === 'key' || name === 'fallback_keys') {
    if (name === 'key') return cacheKey(declared, covered);
    const [own, known] = [isJsonList(declared) ? declared : [declared], isJsonList(covered) ? covered : []];
    return own.map((each, i) => cacheKey(each, known[i]));
  }
  if (covered === undefined) return declared;
  if (typeof declared === 'string') return textIs(declared, covered) ? covered : declared;
  if (isJsonList(declared)) {
    return isJsonList(covered) ? declared.map((each, i) => merge(each, covered[i])) : declared;
  }
  if (!isJsonObject(declared) || !isJsonObject(covered)) return declared;
  const out = emptyObject();
  for (const member of new Set([...Object.keys(covered), ...Object.keys(declared)])) {
    const [said, is] = [declared[member], covered[member]];
    if (said !== undefined) out[member] = merge(said, is, isKeyOfCache(member, covered) ? member : '');
    else if (Object.hasOwn(DEFAULTS, member)) out[member] = DEFAULTS[member]!;
  }
  return out;
}

/** `key` of a cache, not of a variable. */
const isKeyOfCache = (member: string, of: JsonObject): boolean =>
  (member === 'key' || member === 'fallback_keys') && !Object.hasOwn(of, 'value');

function withMember(object: JsonObject, name: string, value: Json): JsonObject {
  const out = emptyObject();
  for (const each of Object.keys(object)) out[each] = object[each]!;
  out[name] = value;
  return out;
}

function isEmpty(value: Json): boolean {
  if (isJsonList(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}
