import { canonicalJson } from './canonical-json.ts';
import { emptyObject } from './empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonList } from './json.ts';

/** Stands for something that is not known before the run. */
const HOLE = Symbol('hole');
/** A text as it will be: pieces of text, names of values of the run, and what nobody knows yet. */
export type Expanded = readonly (string | { readonly var: string } | typeof HOLE)[];
/** What a variable's name stands for; null: not known; `unset`: there is no such variable, and the text stays as it is. */
export type Resolve = (name: string) => Expanded | 'unset' | null;

/** A text without anything to expand. */
export const plainText = (text: string): Expanded => [text];

const REFERENCE = /\$\$|%%|\$\{(\w+)\}|\$(\w+)|%(\w+)%/g;

/** Names that a text refers to, as the CI server expands them. */
export function referencesOf(text: string): readonly string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, a, b, c]) => a ?? b ?? c ?? []);
}

/** The text with everything expanded that `resolve` knows. */
export function expand(text: string, resolve: Resolve): Expanded {
  const out: Expanded[number][] = [];
  let at = 0;
  for (const match of text.matchAll(REFERENCE)) {
    const name = match[1] ?? match[2] ?? match[3];
    if (name === undefined) continue;
    const known = resolve(name);
    out.push(text.slice(at, match.index), ...(known === 'unset' ? [match[0]] : (known ?? [HOLE])));
    at = match.index + match[0].length;
  }
  return joined([...out, text.slice(at)]);
}

/** Texts side by side are one. */
function joined(pieces: Expanded): Expanded {
  const out: Expanded[number][] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (piece === '') continue;
    if (typeof piece === 'string' && typeof last === 'string') out[out.length - 1] = last + piece;
    else out.push(piece);
  }
  return out;
}

/** True when all of it is known. */
export function isKnown(text: Expanded): boolean {
  return !text.includes(HOLE);
}

/** How the form writes a text that is known: a string, or a list of segments. */
export function formOf(text: Expanded): Json {
  const pieces = text.filter((piece): piece is string | { readonly var: string } => piece !== HOLE);
  if (pieces.length === 0) return '';
  const [only] = pieces;
  return pieces.length === 1 && typeof only === 'string'
    ? only
    : pieces.map((piece) => (typeof piece === 'string' ? piece : segment(piece.var)));
}

function segment(name: string): Json {
  const out = emptyObject();
  out.var = name;
  return out;
}

/** A covered value as pieces; of a secret within nothing is known. */
export function expandedOf(covered: Json): Expanded {
  const pieces = isJsonList(covered) ? covered : [covered];
  return joined(
    pieces.map((piece) => {
      if (typeof piece === 'string') return piece;
      return isJsonObject(piece) && typeof piece.var === 'string' ? { var: piece.var } : HOLE;
    }),
  );
}

/** True when both can be one text: what is not known on either side may be anything. */
export function canBe(text: Expanded, covered: Json): boolean {
  const other = expandedOf(covered);
  if (isKnown(text) && isKnown(other)) return canonicalJson(formOf(text)) === canonicalJson(formOf(other));
  return isKnown(other) ? fits(text, other) : isKnown(text) ? fits(other, text) : fits(text, withoutHoles(other));
}

const withoutHoles = (text: Expanded): Expanded => text.map((piece) => (piece === HOLE ? '' : piece));

/** One text with values of the run named, so that pieces can be looked for in it. */
const flat = (text: Expanded): string =>
  text.map((piece) => (typeof piece === 'string' ? piece : piece === HOLE ? '' : `\u0000${piece.var}\u0000`)).join('');

/** True when the known text has the pieces of the other one in their order, its first and last at the ends. */
function fits(pattern: Expanded, known: Expanded): boolean {
  const text = flat(known);
  const groups: string[] = [''];
  for (const piece of pattern) {
    if (piece === HOLE) groups.push('');
    else groups[groups.length - 1] += flat([piece]);
  }
  const [first = '', ...rest] = groups;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const each of rest) {
    const found = text.indexOf(each, at);
    if (found === -1) return false;
    at = found + each.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** What the CI server adds to the key of a cache: a number that moves when caches are cleared, and whose cache it is. */
const KEY_ENDING = /(?:-\d+)?(?:-(?:non_)?protected)?$/;

/** A cache's key as it will be: the covered one where only what the CI server adds differs, else the declared one with that ending. */
export function cacheKey(declared: Json, covered: Json | undefined): Json {
  if (covered === undefined) return declared;
  const [before, after] = [pieces(declared), pieces(covered)];
  const last = after.at(-1);
  const ending = typeof last === 'string' ? (KEY_ENDING.exec(last)?.[0] ?? '') : '';
  const same = (list: JsonList): boolean => canonicalJson(list) === canonicalJson(before);
  // The ending may be part of what was written: the shortest that fits is what the CI server has added.
  for (const cut of endingsOf(ending)) if (same(withoutEnding(after, cut))) return covered;
  const [only] = before;
  return before.length === 1 && typeof only === 'string' ? only + ending : [...before, ...(ending ? [ending] : [])];
}

const pieces = (value: Json): JsonList => (isJsonList(value) ? value : [value]);

function endingsOf(ending: string): readonly string[] {
  const word = /-(?:non_)?protected$/.exec(ending)?.[0] ?? '';
  return [...new Set(['', word, ending])];
}

function withoutEnding(list: JsonList, ending: string): JsonList {
  const last = list.at(-1);
  if (typeof last !== 'string' || ending === '') return list;
  const rest = last.slice(0, last.length - ending.length);
  return rest === '' && list.length > 1 ? list.slice(0, -1) : [...list.slice(0, -1), rest];
}
