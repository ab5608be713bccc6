import { isJsonList, isJsonObject, type Json } from '../../domain/json.ts';
import { type Segment, segment } from './unexpansion.ts';

/** A cache key taken apart: `base`, the server's `-<n>`, and the ending that decides whose cache is used. */
interface CacheKey {
  readonly base: string;
  readonly index: string | null;
  readonly ending: string;
}

const ENDING = /-(?:non_)?protected$/;
const INDEX = /-(\d+)$/;
const FILES = /(^|-)[0-9a-f]{40}$/;

function takeApart(key: string): CacheKey {
  const ending = ENDING.exec(key)?.[0] ?? '';
  const rest = key.slice(0, key.length - ending.length);
  const index = INDEX.exec(rest)?.[1] ?? null;
  return { base: index === null ? rest : rest.slice(0, rest.length - index.length - 1), index, ending };
}

/**
 * True when `cache[].key` and `fallback_keys` together are at least two and all carry the same `-<n>`: then it is the
 * server's, which moves when somebody clears the caches. A lone key's number may as well be the author's.
 */
export function carryServerIndex(caches: readonly Json[]): boolean {
  const indices: (string | null)[] = [];
  for (const cache of caches) {
    if (!isJsonObject(cache)) continue;
    const fallbacks = cache.fallback_keys;
    for (const key of [cache.key, ...(isJsonList(fallbacks) ? fallbacks : [])]) {
      if (typeof key === 'string') indices.push(takeApart(key).index);
    }
  }
  return indices.length >= 2 && indices[0] !== null && indices.every((index) => index === indices[0]);
}

/** The segments of a cache key; `key: files` (a 40-hex before number or ending) is `{"files": true}`. */
export function cacheKeySegments(key: string, withoutIndex: boolean): readonly Segment[] {
  const { base, index, ending } = takeApart(key);
  const tail = `${index === null || withoutIndex ? '' : `-${index}`}${ending}`;
  if (!FILES.test(base)) return [base + tail];
  const head = base.slice(0, -40);
  return [...(head === '' ? [] : [head]), segment('files', true), ...(tail === '' ? [] : [tail])];
}
