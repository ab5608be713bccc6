import { emptyObject } from '../../domain/empty-object.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { PayloadRefusal } from './refusal.ts';

/** One piece of a template: text, or an object with exactly one of the members var, hmac, jwt, files. */
export type Segment = string | JsonObject;

/** A value of this run that is written as its name wherever it stands. */
export interface KnownValue {
  readonly name: string;
  readonly value: string;
  /** The characters beside an occurrence must not be [0-9A-Za-z]: a number is not a part of a longer one. */
  readonly bounded: boolean;
  /** Only as the whole text, or after `:` or `/`: a tag is too short to be looked for everywhere. */
  readonly asTag?: boolean;
  /** What stands for it; called for occurrences only. */
  readonly segment: () => JsonObject;
}

/** A text taken apart: the segments, and the values that were found. */
export interface Found {
  readonly segments: readonly Segment[];
  readonly values: readonly KnownValue[];
}

/** Takes a text apart at the known values in it; null when there is none. */
export type Matcher = (text: string) => Found | null;

/** Characters that one reading may compare in vain: a payload made of near misses must not stop the gate (T30). */
export const MAX_COMPARED_CHARACTERS = 200_000_000;

/** Characters that names and HMACs may take up: more than the largest form, which they would otherwise be built for in vain. */
export const MAX_WRITTEN_CHARACTERS = 8 * 1024 * 1024;

/** What is left of {@link MAX_COMPARED_CHARACTERS} and {@link MAX_WRITTEN_CHARACTERS}; one object a reading. */
export interface Budget {
  left: number;
  room: number;
}

/** The whole budget of one reading. */
export function wholeBudget(): Budget {
  return { left: MAX_COMPARED_CHARACTERS, room: MAX_WRITTEN_CHARACTERS };
}

/** A look at a value costs time even if its first character already differs. */
const CHARACTERS_OF_A_LOOK = 16;
/** `{"hmac":"…"},` and `{"var":""},` in characters. */
const WRITTEN_AS_HMAC = 76;
const WRITTEN_AS_NAME = 11;

const BUCKETS = 1024;

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

function fits(known: KnownValue, text: string, at: number): boolean {
  const end = at + known.value.length;
  if (known.bounded) {
    // charCodeAt is NaN outside the text, which is no letter.
    if (isAlphanumeric(text.charCodeAt(at - 1)) || isAlphanumeric(text.charCodeAt(end))) return false;
  }
  if (known.asTag === true) {
    const before = text[at - 1];
    return before === ':' || before === '/' || (at === 0 && end === text.length);
  }
  return true;
}

/**
 * At each place from left to right the longest value, ties in the order given. The segments filled with the values are the
 * text again, which is asserted: a template that does not give back what will run would pin something else (T3).
 */
export function createMatcher(values: readonly KnownValue[], budget: Budget): Matcher {
  let matcher: Matcher | null = null;
  return (text) => {
    matcher ??= prepareMatcher(values, budget);
    return matcher(text);
  };
}

function prepareMatcher(values: readonly KnownValue[], budget: Budget): Matcher {
  const used = values.filter((known) => known.value !== '');
  if (used.length === 0) return () => null;
  // Not Math.min(...lengths): a hundred thousand arguments do not fit on the stack.
  const shortest = used.reduce((least, known) => Math.min(least, known.value.length), Number.POSITIVE_INFINITY);
  const width = Math.min(3, shortest);
  const hash = (text: string, at: number): number => {
    let h = 0;
    for (let i = 0; i < width; i++) h = (h * 31 + text.charCodeAt(at + i)) & (BUCKETS - 1);
    return h;
  };
  const buckets: KnownValue[][] = [];
  for (const known of used) {
    const bucket = hash(known.value, 0);
    buckets[bucket] ??= [];
    buckets[bucket].push(known);
  }
  // Stable: equal lengths keep the order given.
  for (const bucket of buckets) bucket?.sort((a, b) => b.value.length - a.value.length);

  const at = (text: string, place: number): KnownValue | null => {
    const bucket = buckets[hash(text, place)];
    if (bucket === undefined) return null;
    for (const known of bucket) {
      const { length } = known.value;
      budget.left -= CHARACTERS_OF_A_LOOK;
      if (budget.left < 0) {
        throw new PayloadRefusal('payload_refused', 'variables', 'too many values to look for in too much text');
      }
      // A certificate of a megabyte and a line of dashes are no near miss: first and last character, and the length, say so.
      if (
        place + length > text.length ||
        text.charCodeAt(place) !== known.value.charCodeAt(0) ||
        text.charCodeAt(place + length - 1) !== known.value.charCodeAt(length - 1)
      )
        continue;
      budget.left -= length;
      if (text.startsWith(known.value, place) && fits(known, text, place)) return known;
    }
    return null;
  };

  return (text) => {
    const last = text.length - shortest;
    let segments: Segment[] | null = null;
    const values: KnownValue[] = [];
    let rest = 0;
    for (let place = 0; place <= last; place++) {
      const known = at(text, place);
      if (known === null) continue;
      segments ??= [];
      if (place > rest) segments.push(text.slice(rest, place));
      const made = known.segment();
      budget.room -= known.name.length + (made.var === undefined ? WRITTEN_AS_HMAC : WRITTEN_AS_NAME);
      if (budget.room < 0) {
        throw new PayloadRefusal('payload_refused', 'variables', 'the names of too many values would take up its form');
      }
      segments.push(made);
      values.push(known);
      place += known.value.length - 1;
      rest = place + 1;
    }
    if (segments === null) return null;
    if (rest < text.length) segments.push(text.slice(rest));
    let next = 0;
    const filled = segments.map((piece) => (typeof piece === 'string' ? piece : values[next++]!.value)).join('');
    if (filled !== text)
      throw new PayloadRefusal('payload_refused', 'variables', 'a template does not give its value back');
    return { segments, values };
  };
}

/** The text as it stands in the form: as it is, or as the list of its segments. */
export function asForm(text: string, matcher: Matcher): Json {
  return matcher(text)?.segments ?? text;
}

/** An object with one member and no prototype: a segment. */
export function segment(name: 'var' | 'hmac' | 'jwt' | 'files', value: Json): JsonObject {
  const made = emptyObject();
  made[name] = value;
  return made;
}
