import stringify from 'fast-json-stable-stringify';
import type { Json } from './json.ts';

/**
 * The RFC 8785 (JCS) text of a JSON value: members sorted by UTF-16 code units, ECMAScript's number form, no white space.
 * Values come from the strict reader or are built like its own: lone surrogates and non-finite numbers cannot be in them.
 */
export function canonicalJson(value: Json): string {
  return stringify(value);
}
