import type { Json, JsonObject } from '../domain/json.ts';

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
