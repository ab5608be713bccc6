import { canonicalJson } from '../../domain/canonical-json.ts';
import { caseFold } from '../../domain/case-fold.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import type { Tagger } from './hmac.ts';
import type { Ignorable } from './ignored.ts';
import { elements, type PayloadFields } from './payload.ts';
import { asForm, type Budget, createMatcher, type KnownValue, type Matcher, segment } from './unexpansion.ts';
import { hasCodePoints, type Variable, type VariableGroup } from './variables.ts';

/** Shorter numbers stand in too many texts by chance. */
const MIN_ID_DIGITS = 6;
/** A shorter masked value is none to GitLab; a shorter token is none at all. */
const MIN_SECRET_CODE_POINTS = 8;
/** A shorter non-public value is taken as a word, not as a piece of one. */
const UNBOUNDED_CODE_POINTS = 16;
/** Names that segments give to what is not the variable's own value, but known from elsewhere in the payload. */
const GENERATED: ReadonlySet<string> = new Set(
  `CI_JOB_URL CI_PIPELINE_URL CI_COMMIT_SHA CI_COMMIT_SHORT_SHA CI_PIPELINE_CREATED_AT CI_JOB_STARTED_AT CI_COMMIT_TIMESTAMP
  CI_JOB_TOKEN CI_JOB_ID CI_PIPELINE_ID CI_COMMIT_TAG CI_COMMIT_REF_SLUG CI_COMMIT_REF_NAME CI_MERGE_REQUEST_IID
  CI_ENVIRONMENT_SLUG`.split(/\s+/),
);
const TAG = /^v?\d+\.\d+[0-9A-Za-z.+_-]*$/;
const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** How the texts of one payload are taken apart, by where they stand. */
export interface KnownValues {
  /** In the value of a non-public or masked variable: what GitLab generated for this run, and nothing else. */
  readonly generated: Matcher;
  /** In values of public variables and in `secrets`: also the values of non-public and masked variables. */
  readonly everything: Matcher;
  /** In all other texts: the job token and masked values, as HMACs. */
  readonly elsewhere: Matcher;
  /** In the claims of an id token: what GitLab generated, and masked values as HMACs. */
  readonly claims: Matcher;
  /** {@link everything} and more values, which win ties against variables. */
  with(more: readonly KnownValue[]): Matcher;
  /** The segment that stands for a secret: HMAC of what its own entry would otherwise hold. */
  tag(name: string, value: string): JsonObject;
  /** The same of a value that is no text, or that would stand in the form as it is but for secrets in it. */
  hashed(name: string, value: Json): JsonObject;
}

/** What GitLab generated for this run, in the order in which ties are decided. */
function generatedValues(fields: PayloadFields, ignorable: Ignorable): KnownValue[] {
  const values: KnownValue[] = [];
  const add = (name: string, value: string | null, more?: { bounded?: boolean; asTag?: boolean }) => {
    if (value === null || value === '') return;
    values.push({
      name,
      value,
      bounded: more?.bounded ?? true,
      ...(more?.asTag === true ? { asTag: true } : {}),
      segment: () => segment('var', name),
    });
  };
  const digits = (id: number | null) => (id !== null && String(id).length >= MIN_ID_DIGITS ? String(id) : null);
  const isSha = SHA.test(fields.sha);
  add('CI_JOB_URL', ignorable.value('CI_JOB_URL'));
  add('CI_PIPELINE_URL', ignorable.value('CI_PIPELINE_URL'));
  add('CI_COMMIT_SHA', isSha ? fields.sha : null);
  add('CI_COMMIT_SHORT_SHA', isSha ? fields.sha.slice(0, 8) : null);
  add('CI_PIPELINE_CREATED_AT', ignorable.value('CI_PIPELINE_CREATED_AT'));
  add('CI_JOB_STARTED_AT', ignorable.value('CI_JOB_STARTED_AT'));
  add('CI_COMMIT_TIMESTAMP', ignorable.value('CI_COMMIT_TIMESTAMP'));
  if (hasCodePoints(fields.token, MIN_SECRET_CODE_POINTS)) add('CI_JOB_TOKEN', fields.token, { bounded: false });
  add('CI_JOB_ID', digits(fields.id));
  add('CI_PIPELINE_ID', digits(fields.pipelineId));
  if (fields.refType === 'tag' && TAG.test(fields.ref)) add('CI_COMMIT_TAG', fields.ref, { asTag: true });
  return values;
}

const byKey = (a: Variable, b: Variable) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** Prepares the matchers of one payload. */
export function createKnownValues(
  payload: JsonObject,
  fields: PayloadFields,
  groups: ReadonlyMap<string, VariableGroup>,
  ignorable: Ignorable,
  tagger: Tagger,
  budget: Budget,
): KnownValues {
  const ofRun = generatedValues(fields, ignorable);
  const generated = createMatcher(ofRun, budget);
  const tag = (name: string, value: string): JsonObject =>
    segment('hmac', tagger(name, canonicalJson(asForm(value, generated))));

  const masked: Variable[] = [];
  const hidden: Variable[] = [];
  for (const group of groups.values()) {
    for (const variable of group.entries) {
      if (!hasCodePoints(variable.value, MIN_SECRET_CODE_POINTS)) continue;
      if (variable.masked) masked.push(variable);
      else if (!variable.public) hidden.push(variable);
    }
  }
  masked.sort(byKey);
  hidden.sort(byKey);

  const oneValue = new Map<VariableGroup, boolean>();
  const hasOneValue = (group: VariableGroup): boolean => {
    let one = oneValue.get(group);
    if (one === undefined) {
      one = group.entries.every((other) => other.value === group.entries[0].value);
      oneValue.set(group, one);
    }
    return one;
  };
  /**
   * A key with two values cannot say which, and one that is called like a generated value could be taken for that: then it is
   * the HMAC of the value that was found.
   */
  const named = (variable: Variable): KnownValue => {
    const one = !GENERATED.has(variable.key) && hasOneValue(groups.get(caseFold(variable.key))!);
    return {
      name: variable.key,
      value: variable.value,
      bounded: !variable.masked && !hasCodePoints(variable.value, UNBOUNDED_CODE_POINTS),
      segment: () => (one ? segment('var', variable.key) : tag(variable.key, variable.value)),
    };
  };

  const secrets: KnownValue[] = [];
  const addSecret = (name: string, value: string) => {
    if (!hasCodePoints(value, MIN_SECRET_CODE_POINTS)) return;
    secrets.push({ name, value, bounded: false, segment: () => tag(name, value) });
  };
  // A password is no variable and has no name that could stand for it: it is an HMAC everywhere.
  for (const credential of elements(payload, 'credentials')) {
    if (isJsonObject(credential) && typeof credential.password === 'string' && credential.password !== fields.token) {
      addSecret(credentialName(credential.url), credential.password);
    }
  }

  const ofVariables = [...masked.map(named), ...secrets, ...hidden.map(named)];
  addSecret('CI_JOB_TOKEN', fields.token);
  for (const variable of masked) addSecret(variable.key, variable.value);

  const elsewhere = createMatcher(secrets, budget);
  const withoutSecrets = (value: Json): Json => {
    if (typeof value === 'string') return asForm(value, elsewhere);
    if (typeof value !== 'object' || value === null) return value;
    if (isJsonList(value)) return value.map(withoutSecrets);
    const out = emptyObject();
    for (const name of Object.keys(value)) out[name] = withoutSecrets(value[name]!);
    return out;
  };
  return {
    generated,
    everything: createMatcher([...ofRun, ...ofVariables], budget),
    elsewhere,
    claims: createMatcher([...ofRun, ...secrets], budget),
    with: (more) => createMatcher([...ofRun, ...more, ...ofVariables], budget),
    tag,
    hashed: (name, value) => segment('hmac', tagger(name, canonicalJson(withoutSecrets(value)))),
  };
}

/** The name under which a credential's password is hashed. */
export function credentialName(url: Json | undefined): string {
  return `credentials.${typeof url === 'string' ? url : ''}`;
}
