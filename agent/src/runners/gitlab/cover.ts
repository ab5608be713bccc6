import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, type Json, type JsonObject } from '../../domain/json.ts';
import type { JsonPath } from '../../domain/json-text.ts';
import { isSegmentObject } from '../../domain/segments.ts';
import { pathText } from '../../domain/strict-json.ts';
import { REMOVED } from './fields.ts';
import { PayloadRefusal } from './refusal.ts';
import type { Found, Matcher } from './unexpansion.ts';

/** Leaves to remove below a place: by member name, `[]` for every element. */
export type RemovalTree = ReadonlyMap<string, RemovalTree | 'removed'>;

function growTree(): RemovalTree {
  const root = new Map<string, RemovalTree | 'removed'>();
  for (const { path } of REMOVED) {
    const parts = path.replaceAll('[]', '.[]').split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = (at.get(part) as Map<string, RemovalTree | 'removed'> | undefined) ?? new Map();
      at.set(part, next);
      at = next;
    }
    at.set(parts.at(-1)!, 'removed');
  }
  return root;
}

/** The table of removed leaves as a tree. */
export const REMOVAL_TREE: RemovalTree = growTree();

/** A text of the payload that stands in the form as something else. */
export interface Rewrite {
  readonly path: JsonPath;
  readonly found: Found | null;
  readonly after: Json;
}

/** A text of the form and whether it is a line of `steps[].script`, where a name is the shell's, not the runner's. */
export type TextListener = (text: string, inScript: boolean) => void;

/** A name in another object than a variable: the payload's own words, not expanded by anybody; a secret in it is refused. */
function refuseSecretName(name: string, elsewhere: Matcher, path: JsonPath): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || elsewhere(name) === null) return;
  throw new PayloadRefusal('payload_refused', String(path[0] ?? ''), 'a secret of the payload is the name of a member');
}

/** Takes values over into the form: one place for folding, removing and taking secrets out. */
export class Cover {
  readonly rewrites: Rewrite[] = [];
  private readonly path: (string | number)[] = [];
  private readonly elsewhere: Matcher;
  private readonly listen: TextListener;
  private inScript = false;

  constructor(elsewhere: Matcher, listen: TextListener) {
    this.elsewhere = elsewhere;
    this.listen = listen;
  }

  /** Where the value being taken over stands in the payload; valid during the call only. */
  get here(): JsonPath {
    return this.path;
  }

  /** Runs with a longer path, which rewrites and refusals name. */
  at<T>(part: string | number, run: () => T): T {
    this.path.push(part);
    const result = run();
    this.path.pop();
    return result;
  }

  /** Makes the path longer until {@link leave}. */
  enter(part: string | number): void {
    this.path.push(part);
  }

  /** Takes the last part off the path. */
  leave(): void {
    this.path.pop();
  }

  /** Refuses a name that holds a secret, unless it is a plain word, which nobody expands a value into. */
  name(name: string): string {
    refuseSecretName(name, this.elsewhere, this.path);
    return name;
  }

  /** Notes that the text at the current path stands in the form as something else. */
  rewrite(after: Json, found: Found | null): Json {
    this.rewrites.push({ path: [...this.path], found, after });
    return after;
  }

  /** Lets the listener have a text that does not stand in the form itself. */
  hear(text: string): void {
    this.listen(text, false);
  }

  /** A text that may not name variables: secrets in it become HMACs. */
  text(text: string): Json {
    this.listen(text, this.inScript);
    const found = this.elsewhere(text);
    return found === null ? text : this.rewrite(found.segments, found);
  }

  /** A text whose known values become names. */
  template(text: string, matcher: Matcher): Json {
    this.listen(text, false);
    const found = matcher(text);
    return found === null ? text : this.rewrite(found.segments, found);
  }

  /** As it is but for secrets: nothing is folded. */
  whole(value: Json): Json {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null) return value;
    if (isJsonList(value)) return value.map((element, index) => this.at(index, () => this.whole(element)));
    const out = emptyObject();
    for (const name of Object.keys(value)) {
      refuseSecretName(name, this.elsewhere, this.path);
      out[name] = this.at(name, () => this.whole(value[name]!));
    }
    return out;
  }

  /** Folded: undefined stands for absent. Elements of lists never fold, `""`, `false` and `0` never do. */
  folded(value: Json, removal: RemovalTree | undefined, leaf?: (text: string) => Json): Json | undefined {
    switch (typeof value) {
      case 'string':
        return leaf === undefined ? this.text(value) : leaf(value);
      case 'object':
        if (value === null) return undefined;
        return isJsonList(value) ? this.foldedList(value, removal, leaf) : this.foldedObject(value, removal, leaf);
      default:
        return value;
    }
  }

  private foldedList(
    list: readonly Json[],
    removal: RemovalTree | undefined,
    leaf?: (text: string) => Json,
  ): Json | undefined {
    if (list.length === 0) return undefined;
    const below = removal?.get('[]');
    const out: Json[] = [];
    for (let index = 0; index < list.length; index++) {
      this.path.push(index);
      out.push(this.element(list[index]!, below === 'removed' ? undefined : below, leaf));
      this.path.pop();
    }
    return out;
  }

  /** An element stays, whatever is left of it. */
  element(value: Json, removal: RemovalTree | undefined, leaf?: (text: string) => Json): Json {
    const form = this.folded(value, removal, leaf) ?? (value === null ? null : isJsonList(value) ? [] : emptyObject());
    // The strict reader has seen the payload's own; this one came about by what was folded or removed (T2).
    if (isSegmentObject(form)) {
      throw new PayloadRefusal('payload_refused', pathText(this.path), 'what is left of it is reserved for the form');
    }
    return form;
  }

  private foldedObject(
    object: JsonObject,
    removal: RemovalTree | undefined,
    leaf?: (text: string) => Json,
  ): JsonObject | undefined {
    let out: Record<string, Json> | undefined;
    for (const name of Object.keys(object)) {
      const below = removal?.get(name);
      if (below === 'removed') continue;
      this.path.push(name);
      refuseSecretName(name, this.elsewhere, this.path);
      // `steps[0].script[1]`: the path has no longer form there.
      const script = name === 'script' && this.path.length === 3 && this.path[0] === 'steps';
      if (script) this.inScript = true;
      const value = this.folded(object[name]!, below, leaf);
      if (script) this.inScript = false;
      this.path.pop();
      if (value === undefined) continue;
      out ??= emptyObject();
      out[name] = value;
    }
    return out;
  }
}
