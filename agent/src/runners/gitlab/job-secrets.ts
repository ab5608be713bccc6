import { isJsonObject, type Json } from '../../domain/json.ts';
import type { Masks } from '../../domain/masking.ts';

/** A shorter text is a word that stands everywhere; GitLab masks none below 8. */
const MIN_CHARS = 4;
/** GitLab's own, which GitLab Runner always masks; GitLab names more with each job. */
const KNOWN_PREFIXES = ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glsoat-', 'glffct-', 'gloas-'];

const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const texts = (value: Json | undefined): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap((inner) => texts(inner as Json))
      : [];

/**
 * The secrets of a payload: the job's token, masked variables, passwords of registries, sensitive inputs, and what GitLab wants
 * masked by its beginning. GitLab Runner has masked them before it sends a log; this is for the day on which it has not.
 */
export function secretsOf(payload: Uint8Array): Masks {
  let read: Json;
  try {
    read = JSON.parse(Buffer.from(payload).toString()) as Json;
  } catch {
    return { values: [], prefixes: KNOWN_PREFIXES };
  }
  if (!isJsonObject(read)) return { values: [], prefixes: KNOWN_PREFIXES };
  const values = [
    ...texts(read.token),
    ...list(read.variables).flatMap((one) => (isJsonObject(one) && one.masked === true ? texts(one.value) : [])),
    ...list(read.credentials).flatMap((one) => (isJsonObject(one) ? texts(one.password) : [])),
    ...list(read.inputs).flatMap((one) =>
      isJsonObject(one) && isJsonObject(one.value) && one.value.sensitive === true ? texts(one.value.content) : [],
    ),
  ];
  const features = isJsonObject(read.features) ? read.features : {};
  const prefixes = [...KNOWN_PREFIXES, ...texts(features.token_mask_prefixes)];
  return {
    values: [...new Set(values.filter((value) => value.length >= MIN_CHARS))],
    prefixes: [...new Set(prefixes.filter((prefix) => prefix.length >= MIN_CHARS))],
  };
}
