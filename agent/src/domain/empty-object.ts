import type { Json } from './json.ts';

/**
 * A new object without a prototype, to be filled: `__proto__` and `toJSON` are ordinary keys of it (T45).
 * Not `Object.create(null)`: engines keep those as hash tables, which are several times slower to write and to list.
 */
export function emptyObject(): Record<string, Json> {
  return Object.setPrototypeOf({}, null) as Record<string, Json>;
}
