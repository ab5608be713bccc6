import { caseFold } from './case-fold.ts';
import { below, cut, isLeaf, MAX_PATH_CHARACTERS } from './configuration-leaves.ts';
import { COVERED_FILES } from './covered-files.ts';
import { isJsonList, isJsonObject, type Json, type JsonList, type JsonObject } from './json.ts';
import { type DiffBudget, diffLines, wholeDiffBudget } from './line-diff.ts';
import { PINNED_IMAGES } from './pinned-images.ts';
import { readable } from './segments.ts';
import { ValueNumbers } from './value-numbers.ts';

export const SECTIONS = [
  'script',
  'files',
  'image',
  'services',
  'variables',
  'artifacts',
  'cache',
  'secrets',
  'rest',
] as const;
export type Section = (typeof SECTIONS)[number];

/** One difference between two Configurations, as data and in words. */
export interface Change {
  readonly section: Section;
  /** Where, e.g. `steps[0].script[2]`, `variables.IMAGE.value`, `image.name`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Text before and after, null where there is none; HMACs as tags `hmac:1f0c…`, segments as `registry/app:${CI_COMMIT_SHA}`. */
  readonly before: string | null;
  readonly after: string | null;
  /** One plain sentence. */
  readonly words: string;
}

/** A {@link Change} with the values themselves: a text that says `hmac:1f0c…` and a tag look alike only as text (T33). */
export interface ValueChange extends Change {
  readonly was: Json | undefined;
  readonly is: Json | undefined;
  /** Of an element that is gone from a list: the list, and the element that stands in its place now (its length: none does). */
  readonly stood: { readonly list: string; readonly before: number } | null;
}

const SECTION_OF: ReadonlyMap<string, Section> = new Map<string, Section>([
  ['steps', 'script'],
  ['hooks', 'script'],
  ['run', 'script'],
  ['covered_files', 'files'],
  ['image', 'image'],
  ['pinned_images', 'image'],
  ['services', 'services'],
  ['variables', 'variables'],
  ['artifacts', 'artifacts'],
  ['cache', 'cache'],
  ['secrets', 'secrets'],
]);

const EMPTY: JsonObject = Object.create(null);

/** Own members only: a baseline from the store has a prototype, and that a `constructor` (T45). */
function memberOf(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function namesOf(...objects: readonly JsonObject[]): readonly string[] {
  return [...new Set(objects.flatMap((object) => Object.keys(object)))].sort();
}

/** Collects the changes of one section. */
class Differ {
  readonly changes: ValueChange[] = [];
  private readonly section: Section;
  private readonly numbers: ValueNumbers;
  private readonly budget: DiffBudget;
  private stood: ValueChange['stood'] = null;

  constructor(section: Section, numbers: ValueNumbers, budget: DiffBudget) {
    this.section = section;
    this.numbers = numbers;
    this.budget = budget;
  }

  private same(a: Json | undefined, b: Json | undefined): boolean {
    return a === b || (a !== undefined && b !== undefined && this.numbers.of(a) === this.numbers.of(b));
  }

  push(path: string, before: Json | undefined, after: Json | undefined, subject: string): void {
    const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
    const [was, is] = [before === undefined ? null : readable(before), after === undefined ? null : readable(after)];
    // A text that says `${NAME}` and this run's value of that name look alike (T33).
    const alike =
      kind === 'changed' && was === is ? ': both read alike, but one is text and the other a value of the run' : '';
    this.changes.push({
      section: this.section,
      path: cut(path, MAX_PATH_CHARACTERS),
      kind,
      before: was,
      after: is,
      words: `${cut(subject, MAX_PATH_CHARACTERS)} ${kind}${alike}`,
      was: before,
      is: after,
      stood: kind === 'removed' ? this.stood : null,
    });
  }

  value(path: string, before: Json | undefined, after: Json | undefined): void {
    if (this.same(before, after)) return;
    if (before === undefined || after === undefined) {
      this.whole(path, before, after);
    } else if (isLeaf(before) || isLeaf(after)) {
      if (isLeaf(before) && isLeaf(after)) this.push(path, before, after, path);
      else {
        this.whole(path, before, undefined);
        this.whole(path, undefined, after);
      }
    } else if (isJsonList(before) && isJsonList(after)) this.list(path, before, after);
    else if (isJsonObject(before) && isJsonObject(after)) {
      for (const name of namesOf(before, after))
        this.value(below(path, name), memberOf(before, name), memberOf(after, name));
    } else {
      this.whole(path, before, undefined);
      this.whole(path, undefined, after);
    }
  }

  /** A difference that no other rule tells, whole. */
  rest(path: string, before: Json | undefined, after: Json | undefined): void {
    if (!this.same(before, after)) this.push(path, before, after, path);
  }

  /** Every leaf of something that is on one side only. */
  private whole(path: string, before: Json | undefined, after: Json | undefined): void {
    const value = (before ?? after) as Json;
    if (isLeaf(value)) this.push(path, before, after, path);
    else {
      const entries: readonly (readonly [string, Json])[] = isJsonList(value)
        ? value.map((element, index) => [`${path}[${index}]`, element] as const)
        : namesOf(value as JsonObject).map((name) => [below(path, name), (value as JsonObject)[name]!] as const);
      for (const [at, inner] of entries) {
        if (before === undefined) this.whole(at, undefined, inner);
        else this.whole(at, inner, undefined);
      }
    }
  }

  private list(path: string, before: JsonList, after: JsonList): void {
    this.hunks(path, before, after, (i, j) => {
      if (i !== null && j !== null) this.value(`${path}[${j}]`, before[i], after[j]);
      else if (i !== null) this.whole(`${path}[${i}]`, before[i], undefined);
      else this.whole(`${path}[${j}]`, undefined, after[j!]);
    });
  }

  /** Script lines: removed and added ones one by one, so that no line hides in another's change. */
  lines(path: string, subject: string, before: Json | undefined, after: Json | undefined): void {
    if (!(before === undefined || isJsonList(before)) || !(after === undefined || isJsonList(after))) {
      this.value(path, before, after);
      return;
    }
    const [was, is] = [before ?? [], after ?? []];
    if (this.same(was, is)) return;
    this.hunks(path, was, is, (i, j) => {
      const line = `line ${(j ?? i)! + 1} of ${subject}`;
      this.push(`${path}[${j ?? i}]`, i === null ? undefined : was[i], j === null ? undefined : is[j], line);
    });
  }

  /** Calls back for each difference of two lists: a pair where as many came as went, else one side at a time. */
  private hunks(
    path: string,
    before: JsonList,
    after: JsonList,
    each: (i: number | null, j: number | null) => void,
  ): void {
    const number = (element: Json) => String(this.numbers.of(element));
    const hunks = diffLines(before.map(number), after.map(number), this.budget);
    const outer = this.stood;
    let at = 0;
    for (let h = 0; h < hunks.length; h++) {
      const hunk = hunks[h]!;
      const next = hunks[h + 1];
      this.stood = { list: path, before: at };
      if (hunk.kind !== 'removed') at += hunk.to - hunk.from;
      if (hunk.kind === 'equal') continue;
      if (hunk.kind === 'removed' && next?.kind === 'added' && hunk.to - hunk.from === next.to - next.from) {
        for (let k = 0; k < hunk.to - hunk.from; k++) each(hunk.from + k, next.from + k);
        at += next.to - next.from;
        h += 1;
      } else {
        for (let k = hunk.from; k < hunk.to; k++) hunk.kind === 'removed' ? each(k, null) : each(null, k);
      }
    }
    this.stood = outer;
  }

  /** Steps and hooks: matched by name, and among those of one name by order. */
  steps(path: string, before: JsonList, after: JsonList): void {
    const [was, is] = [named(before), named(after)];
    for (const [key, [step, index]] of is) {
      const [old] = was.get(key) ?? [undefined];
      this.step(`${path}[${index}]`, `${path} ${JSON.stringify(key)}`, old, step);
    }
    for (const [key, [step, index]] of was) {
      if (!is.has(key)) this.step(`${path}[${index}]`, `${path} ${JSON.stringify(key)}`, step, undefined);
    }
    const order = (map: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>) =>
      [...map.keys()].filter((key) => other.has(key));
    this.order(path, order(was, is), order(is, was), `the order of ${path}`);
  }

  private order(path: string, before: readonly string[], after: readonly string[], subject: string): void {
    if (this.same(before, after)) return;
    this.push(path, before.join(', '), after.join(', '), subject);
  }

  private step(path: string, subject: string, before: Json | undefined, after: Json | undefined): void {
    if (this.same(before, after)) return;
    if ((before !== undefined && !isJsonObject(before)) || (after !== undefined && !isJsonObject(after))) {
      this.value(path, before, after);
      return;
    }
    const [was, is] = [before ?? EMPTY, after ?? EMPTY];
    this.lines(`${path}.script`, subject, memberOf(was, 'script'), memberOf(is, 'script'));
    for (const name of namesOf(was, is)) {
      if (name !== 'script') this.value(below(path, name), memberOf(was, name), memberOf(is, name));
    }
  }

  /** Covered files by path, and images by reference: line by line where the lines are known. */
  elements(path: string, by: 'path' | 'reference', before: JsonList, after: JsonList): void {
    const [was, is] = [byMember(before, by), byMember(after, by)];
    for (const key of [...new Set([...was.keys(), ...is.keys()])].sort()) {
      const [old, now] = [was.get(key), is.get(key)];
      const at = below(path, key);
      for (const name of namesOf(old ?? EMPTY, now ?? EMPTY)) {
        const [a, b] = [memberOf(old ?? EMPTY, name), memberOf(now ?? EMPTY, name)];
        if (name === 'lines') this.lines(`${at}.lines`, key, a, b);
        else this.value(below(at, name), a, b);
      }
    }
  }

  /** A section that a policy asks for: its list by name, all else as it is. */
  ofPolicy(name: string, list: string, by: 'path' | 'reference', before: JsonObject, after: JsonObject): void {
    for (const member of namesOf(before, after)) {
      const [old, now] = [memberOf(before, member), memberOf(after, member)];
      const count = this.changes.length;
      if (member === list) this.elements(below(name, member), by, listOr(old), listOr(now));
      else this.value(below(name, member), old, now);
      if (this.changes.length === count) this.rest(below(name, member), old, now);
    }
  }

  variables(before: JsonList, after: JsonList): void {
    const [was, is] = [keyed(before), keyed(after)];
    for (const key of [...new Set([...was.keys(), ...is.keys()])].sort()) {
      const [old, now] = [was.get(key) ?? [], is.get(key) ?? []];
      const path = below('variables', key);
      for (let index = 0; index < Math.max(old.length, now.length); index++) {
        const at = old.length > 1 || now.length > 1 ? `${path}[${index}]` : path;
        this.variable(at, key, old[index], now[index]);
      }
    }
    // Which spelling comes last decides where the environment does not tell cases apart (T53).
    const [spelt, spells] = [spellings(before), spellings(after)];
    for (const [folded, keys] of spells) {
      const old = spelt.get(folded) ?? [];
      const isOne = new Set([...old, ...keys]).size < 2;
      if (old.length > 0 && !isOne) {
        this.order(below('variables', folded), old, keys, `the order of the spellings of variable ${folded}`);
      }
    }
  }

  private variable(path: string, key: string, before: JsonObject | undefined, after: JsonObject | undefined): void {
    if (before !== undefined && after !== undefined) {
      for (const name of namesOf(before, after)) {
        const [was, is] = [memberOf(before, name), memberOf(after, name)];
        if (this.same(was, is)) continue;
        if (name === 'value') this.push(`${path}.value`, was, is, `the value of variable ${key}`);
        else this.value(below(path, name), was, is);
      }
      return;
    }
    const present = (entry: JsonObject | undefined): Json | undefined =>
      entry === undefined ? undefined : (entry.value ?? '(sent; its value is not covered)');
    const entry = (before ?? after)!;
    const flags = ['masked', 'file', 'raw'].filter((flag) => entry[flag] === true);
    if (entry.public === false) flags.unshift('not public');
    const subject = `variable ${key}${flags.length === 0 ? '' : ` (${flags.join(', ')})`}`;
    this.push(path, present(before), present(after), subject);
  }
}

function named(list: JsonList): ReadonlyMap<string, readonly [Json, number]> {
  const map = new Map<string, readonly [Json, number]>();
  const counts = new Map<string, number>();
  list.forEach((element, index) => {
    const name = isJsonObject(element) ? readable(memberOf(element, 'name') ?? '') : '';
    let count = counts.get(name) ?? 0;
    let key: string;
    do {
      count += 1;
      key = count === 1 ? name : `${name} (${count})`;
    } while (map.has(key));
    counts.set(name, count);
    map.set(key, [element, index]);
  });
  return map;
}

/** Elements by what names them, the first of each name: the form has each once. */
function byMember(list: JsonList, by: string): ReadonlyMap<string, JsonObject> {
  const map = new Map<string, JsonObject>();
  for (const element of list)
    if (isJsonObject(element) && !map.has(String(element[by]))) map.set(String(element[by]), element);
  return map;
}

const objectOr = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : EMPTY);

/** Variables by key, in the order of the list. */
export function keyed(list: JsonList): ReadonlyMap<string, readonly JsonObject[]> {
  const map = new Map<string, JsonObject[]>();
  for (const element of list) {
    if (!isJsonObject(element)) continue;
    const entries = map.get(String(element.key));
    if (entries === undefined) map.set(String(element.key), [element]);
    else entries.push(element);
  }
  return map;
}

/** The keys of entries by what they fold to, in the order of the list. */
function spellings(list: JsonList): ReadonlyMap<string, readonly string[]> {
  const map = new Map<string, string[]>();
  for (const element of list) {
    if (!isJsonObject(element)) continue;
    const key = String(element.key);
    const keys = map.get(caseFold(key));
    if (keys === undefined) map.set(caseFold(key), [key]);
    else keys.push(key);
  }
  return map;
}

/** The value where it is a list, else an empty one. */
export const listOr = (value: Json | undefined): JsonList => (isJsonList(value) ? value : []);

/** Differences from `before` (null: there is none yet) to `after`, ordered by section; scripts line by line. */
export function diffConfigurations(before: JsonObject | null, after: JsonObject): readonly Change[] {
  return diffValues(before, after).map(({ section, path, kind, before: was, after: is, words }) => ({
    section,
    path,
    kind,
    before: was,
    after: is,
    words,
  }));
}

/** The section that a member of a Configuration belongs to. */
export function sectionOf(member: string): Section {
  return SECTION_OF.get(member) ?? 'rest';
}

/** {@link diffConfigurations} with the values themselves. */
export function diffValues(before: JsonObject | null, after: JsonObject): readonly ValueChange[] {
  const was = before ?? EMPTY;
  const [numbers, budget] = [new ValueNumbers(), wholeDiffBudget()];
  const differs = new Map(SECTIONS.map((section) => [section, new Differ(section, numbers, budget)]));
  for (const name of namesOf(was, after)) {
    // A first configuration is not news for being of this form.
    if (name === 'form' && before === null) continue;
    const differ = differs.get(sectionOf(name))!;
    const [old, now] = [memberOf(was, name), memberOf(after, name)];
    const count = differ.changes.length;
    if (name === 'steps' || name === 'hooks') differ.steps(name, listOr(old), listOr(now));
    else if (name === 'variables') differ.variables(listOr(old), listOr(now));
    else if (name === COVERED_FILES) differ.ofPolicy(name, 'files', 'path', objectOr(old), objectOr(now));
    else if (name === PINNED_IMAGES) differ.ofPolicy(name, 'images', 'reference', objectOr(old), objectOr(now));
    else differ.value(name, old, now);
    // Whatever the rules above do not look at: a difference is never silent (T33).
    if (differ.changes.length === count) differ.rest(name, old, now);
  }
  return SECTIONS.flatMap((section) => differs.get(section)!.changes);
}
