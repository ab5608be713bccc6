/**
 * Names of forms and queries that build lists and objects, as Rails reads them: `a[b]=1`, `a[]=1`, `a[][b]=1&a[][c]=2`
 * (a name that the last element has already begins the next one), `a[0][b]=1`. What cannot be read is refused, never guessed.
 */
import type { Json } from '../../domain/json.ts';

/** Deeper names mean nothing to this API. */
const MAX_DEPTH = 8;
/** A list of 100 rules with all their members has fewer. */
const MAX_PAIRS = 2_000;

/** Members by name; without a prototype, so that no name is anything special (T45). */
export interface Params {
  [name: string]: Json | Params | readonly (Json | Params)[] | undefined;
}
type Value = Params[string];

/** A form or query that has no single reading. */
export class UnreadableForm extends Error {}

/** An object without a prototype. */
export function emptyParams(): Params {
  return Object.create(null) as Params;
}

/** `a[b][][c]` as `a`, `b`, ``, `c`. */
function segmentsOf(name: string): readonly string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(name);
  if (match === null) throw new UnreadableForm('a name is not readable');
  const inner = [...match[2]!.matchAll(/\[([^[\]]*)\]/g)].map(([, segment]) => segment!);
  if (inner.length >= MAX_DEPTH) throw new UnreadableForm('a name is nested too deeply');
  return [match[1]!, ...inner];
}

const isList = (value: Value): value is (Json | Params)[] => Array.isArray(value);
const isParams = (value: Value): value is Params => typeof value === 'object' && value !== null && !isList(value);

function put(into: Params, segments: readonly string[], value: string): void {
  const [name, next, ...rest] = segments as [string, ...string[]];
  if (next === undefined) {
    // Rails would take the last of two; whoever looked at the first has then approved something else (T2).
    if (into[name] !== undefined) throw new UnreadableForm(`${name} stands twice`);
    into[name] = value;
    return;
  }
  if (next !== '') {
    const inner = into[name] ?? emptyParams();
    if (!isParams(inner)) throw new UnreadableForm(`${name} is an object and more`);
    into[name] = inner;
    put(inner, [next, ...rest], value);
    return;
  }
  const list = into[name] ?? [];
  if (!isList(list)) throw new UnreadableForm(`${name} is a list and more`);
  into[name] = list;
  if (rest.length === 0) {
    list.push(value);
    return;
  }
  const last = list.at(-1);
  const element = isParams(last) && !has(last, rest) ? last : emptyParams();
  if (element !== last) list.push(element);
  put(element, rest, value);
}

/** True when the element has this member already: the next element begins. */
function has(element: Params, [name, ...rest]: readonly string[]): boolean {
  const found = name === undefined ? undefined : element[name];
  if (found === undefined || name === undefined) return false;
  const [next] = rest;
  if (next === undefined) return true;
  return next !== '' && isParams(found) && has(found, rest);
}

/** Objects whose names are all numbers are lists in that order: `a[0][b]`, `a[1][b]`. */
function withLists(value: Value): Value {
  if (isList(value)) return value.map((element) => withLists(element) as Json | Params);
  if (!isParams(value)) return value;
  const names = Object.keys(value);
  if (names.length > 0 && names.every((name) => /^\d{1,4}$/.test(name))) {
    const ordered = names.sort((a, b) => Number(a) - Number(b));
    return ordered.map((name) => withLists(value[name]) as Json | Params);
  }
  const out = emptyParams();
  for (const name of names) out[name] = withLists(value[name]);
  return out;
}

/** What the pairs of a form build. Throws UnreadableForm. */
export function paramsOf(pairs: Iterable<readonly [string, string]>): Params {
  const out = emptyParams();
  let count = 0;
  for (const [name, value] of pairs) {
    count += 1;
    if (count > MAX_PAIRS) throw new UnreadableForm(`more than ${MAX_PAIRS} pairs`);
    put(out, segmentsOf(name), value);
  }
  for (const name of Object.keys(out)) out[name] = withLists(out[name]);
  return out;
}

/** What a query or a form body builds. Throws UnreadableForm. */
export function readForm(text: string): Params {
  return paramsOf(new URLSearchParams(text));
}
