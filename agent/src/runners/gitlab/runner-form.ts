import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import type { Shape } from '../../domain/strict-json.ts';
import { PAYLOAD } from './fields.ts';

/** Fields that the runner keeps as pointers: an absent one is not the same as false. */
const POINTERS: ReadonlySet<string> = new Set([
  'git_info.protected',
  'job_info.scoped_user_id',
  'policy_options.policy_variables_override_allowed',
  'secrets.*.file',
]);

const top = (PAYLOAD as { readonly object: ReadonlyMap<string, Shape> }).object;

/** JOB_RESPONSE_FILE as the strict reader takes it: `run` is JSON of its own there, and inputs have lost their shape. */
export const JOB_RESPONSE: Shape = { object: new Map([...top, ['run', 'any'], ['inputs', 'any']]) };

/** What Go's decoder cannot tell from absent. */
function isZero(value: Json): boolean {
  if (value === null || value === '' || value === false || value === 0) return true;
  return isJsonList(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}

/** Without what is nothing to the runner, at any depth: for what has no known shape. */
function bare(value: Json): Json {
  if (isJsonList(value)) return value.map(bare);
  if (!isJsonObject(value)) return value;
  const out = emptyObject();
  for (const name of Object.keys(value)) {
    const inner = bare(value[name]!);
    if (!isZero(inner)) out[name] = inner;
  }
  return out;
}

/** An element of a list that is null is the type's zero to the runner, and stays in its place. */
function element(value: Json, shape: Shape, path: string): Json {
  const form = value === null ? undefined : written(value, shape, path);
  if (form !== undefined) return form;
  return typeof shape === 'string' ? (shape === 'any' ? null : zeroOf(shape)) : emptyObject();
}

function zeroOf(shape: string): Json {
  if (shape === 'boolean') return false;
  return shape === 'integer' || shape === 'number' ? 0 : '';
}

function written(value: Json, shape: Shape, path: string): Json | undefined {
  if (value === null) return undefined;
  if (shape === 'any' || shape === 'json') {
    const form = bare(value);
    return isZero(form) ? undefined : form;
  }
  // A number is text to the runner where both are allowed.
  if (shape === 'scalar') return String(value) === '' ? undefined : String(value);
  if (typeof shape === 'string') return isZero(value) && !POINTERS.has(path) ? undefined : value;
  if ('refused' in shape) return undefined;
  const out = emptyObject();
  if ('list' in shape) {
    if (!isJsonList(value) || value.length === 0) return undefined;
    return value.map((each) => element(each, shape.list, `${path}[]`));
  }
  if (!isJsonObject(value)) return undefined;
  if ('map' in shape) {
    // Which names a map has means something, whatever stands there.
    for (const name of Object.keys(value))
      out[name] = shape.map === 'any' ? value[name]! : element(value[name]!, shape.map, `${path}.*`);
    return Object.keys(out).length === 0 ? undefined : out;
  }
  for (const name of Object.keys(value)) {
    const form = written(value[name]!, shape.object.get(name) ?? 'any', path === '' ? name : `${path}.${name}`);
    if (form !== undefined) out[name] = form;
  }
  return path !== '' && Object.keys(out).length === 0 ? undefined : out;
}

/**
 * A payload, or JOB_RESPONSE_FILE, as far as gitlab-runner can tell one from another: it decodes into Go's types and encodes
 * again, so absent, null and zero are one. What it does not know is kept, and compared where both have it.
 */
export function runnerForm(document: JsonObject): JsonObject {
  return (written(document, JOB_RESPONSE, '') ?? emptyObject()) as JsonObject;
}
