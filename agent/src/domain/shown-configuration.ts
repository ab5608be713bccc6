import { digestOf } from './digest.ts';
import { HIDDEN } from './hidden-values.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** The value as plain data without prototypes, as the strict reader makes it, so that `constructor` is an ordinary key (T45). */
function plain(value: unknown): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    const out: Record<string, Json> = Object.create(null);
    for (const [key, member] of Object.entries(value)) out[key] = plain(member);
    return out;
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return null;
}

/** A Configuration as it came in an answer of the hub; null when it is no object at all. */
export function configurationOf(value: unknown): JsonObject | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return plain(value) as JsonObject;
}

/** True when the hub has taken out what only approvers may see: such a Configuration cannot have its Digest (T32). */
export function hasHiddenValues(value: Json): boolean {
  if (isJsonList(value)) return value.some(hasHiddenValues);
  if (!isJsonObject(value)) return false;
  const keys = Object.keys(value);
  if (keys.length === 1 && value.hmac === HIDDEN) return true;
  return keys.some((key) => hasHiddenValues(value[key]!));
}

/** What an answer shows as a Configuration, held against the Digest that the answer names. */
export type Shown =
  | { readonly kind: 'checked'; readonly configuration: JsonObject }
  /** The hub hides values from this person: the digest cannot be computed from what is shown. */
  | { readonly kind: 'hidden'; readonly configuration: JsonObject }
  | { readonly kind: 'wrong' };

/** Computes the Digest of what is shown; only `checked` is what the Digest stands for (T13, T36). */
export function shownAs(value: unknown, digest: string): Shown {
  const configuration = configurationOf(value);
  if (configuration === null) return { kind: 'wrong' };
  if (digestOf(configuration) === digest) return { kind: 'checked', configuration };
  return hasHiddenValues(configuration) ? { kind: 'hidden', configuration } : { kind: 'wrong' };
}
