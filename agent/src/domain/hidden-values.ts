import type { Change } from './configuration-diff.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** What stands for the HMAC of a value where whoever looks may not vote: that it changed is shown, its tag is not (T32). */
export const HIDDEN = 'hidden';
/** The same within a text. */
export const HIDDEN_TAG = `hmac:${HIDDEN}`;

/** The Configuration with every HMAC replaced: it no longer has the Digest, and nobody can compare values with it. */
export function hideTags(configuration: JsonObject): JsonObject {
  return hide(configuration) as JsonObject;
}

function hide(value: Json): Json {
  if (isJsonList(value)) return value.map(hide);
  if (!isJsonObject(value)) return value;
  const keys = Object.keys(value);
  const out: Record<string, Json> = Object.create(null);
  for (const key of keys) out[key] = key === 'hmac' && keys.length === 1 ? HIDDEN : hide(value[key]!);
  return out;
}

const TAG = /hmac:[0-9a-f]+…?/gu;

/** The change with the tags of values replaced; `changed` and the path stay. */
export function hideTagsOfChange(change: Change): Change {
  const text = (of: string | null): string | null => of?.replace(TAG, HIDDEN_TAG) ?? null;
  return {
    ...change,
    before: text(change.before),
    after: text(change.after),
    words: change.words.replace(TAG, HIDDEN_TAG),
  };
}
