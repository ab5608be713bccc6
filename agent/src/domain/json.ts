/** A JSON value as read by the strict reader: plain data, objects without a prototype, never a function or undefined. */
export type Json = null | boolean | number | string | JsonList | JsonObject;
export type JsonList = readonly Json[];
/** An object without a prototype, so that `__proto__`, `constructor` and `toJSON` are ordinary keys (T45). */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** True for a JSON object, false for lists and null. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a JSON list. */
export function isJsonList(value: Json | undefined): value is JsonList {
  return Array.isArray(value);
}
