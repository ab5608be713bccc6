/**
 * snake_case on the wire and in SQL, camelCase in TypeScript: the one place where they meet.
 * Members named here are opaque: their value is somebody else's JSON and is passed on as the same reference.
 */
const OPAQUE = new Set(['configuration', 'baseline']);

type CamelKey<S> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<CamelKey<B> & string>}` : S;
type SnakeKey<S> = S extends `${infer C}${infer R}`
  ? C extends Lowercase<C>
    ? `${C}${SnakeKey<R>}`
    : `_${Lowercase<C>}${SnakeKey<R>}`
  : S;
type Opaque = 'configuration' | 'baseline';

/** A wire type with its keys in camelCase. */
export type Camel<T> = T extends readonly (infer U)[]
  ? readonly Camel<U>[]
  : T extends object
    ? { readonly [K in keyof T as CamelKey<K> & PropertyKey]: K extends Opaque ? T[K] : Camel<T[K]> }
    : T;
/** A TypeScript type with its keys in snake_case. */
export type Snake<T> = T extends readonly (infer U)[]
  ? Snake<U>[]
  : T extends object
    ? { [K in keyof T as SnakeKey<K> & PropertyKey]: K extends Opaque ? T[K] : Snake<T[K]> }
    : T;

function rename(value: unknown, key: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((element) => rename(element, key));
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name];
    out[key(name)] = OPAQUE.has(name) ? member : rename(member, key);
  }
  return out;
}

/** The same value with every key in camelCase; opaque members are kept as they are. */
export function toCamel<T>(value: T): Camel<T> {
  return rename(value, (name) => name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())) as Camel<T>;
}

/** The same value with every key in snake_case; opaque members are kept as they are. */
export function toSnake<T>(value: T): Snake<T> {
  return rename(value, (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)) as Snake<T>;
}
