import { caseFold, isFoldable } from './case-fold.ts';
import type { Json, JsonObject } from './json.ts';
import { countJsonText, type JsonPath, walkJsonText } from './json-text.ts';

/**
 * What the reader that will act on a document expects at a place. `any`: not known. `scalar`: a string or an integer.
 * `json`: a string that holds JSON of its own, read by the same rules and replaced by what it says (an empty one stays).
 */
export type Shape =
  | 'any'
  | 'string'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'scalar'
  | 'json'
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly object: ReadonlyMap<string, Shape> }
  | { readonly refused: string };

/** Enough for any job GitLab makes (its own limit for a job's YAML is 2 MiB), and little enough to read while a runner waits. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** The outermost object is 1; deeper nesting comes from nobody's YAML. */
export const MAX_DEPTH = 64;
/** Members of objects and elements of lists together: bounds the time and memory of everything that walks the document. */
export const MAX_NODES = 200_000;

/** A document read strictly, or the reason why it is none; neither path nor reason holds a value of it. */
export type StrictReading =
  | { readonly ok: true; readonly value: JsonObject; readonly text: string }
  | { readonly ok: false; readonly path: string; readonly reason: string };

/** Thrown inside the reader only. */
class Refusal extends Error {
  readonly path: JsonPath;
  constructor(path: JsonPath, reason: string) {
    super(reason);
    this.path = [...path];
  }
}

/** Lists of such objects are how the canonical form writes a template (T2): a document may not bring one of its own. */
const SEGMENT_NAMES: ReadonlySet<string> = new Set(['var', 'hmac', 'jwt', 'files']);
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

/** A path as text: `steps[0].script[2]`; names that are no plain words are quoted and cut. */
export function pathText(path: JsonPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (NAME.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.length > 64 ? `${part.slice(0, 63)}…` : part)}]`;
  }
  return text === '' ? '(document)' : text;
}

function wordFor(shape: Shape): string {
  if (typeof shape === 'string') {
    if (shape === 'scalar') return 'a string or an integer';
    if (shape === 'json') return 'a string';
    return shape === 'integer' ? 'an integer' : `a ${shape}`;
  }
  return 'list' in shape ? 'a list' : 'an object';
}

function typeWord(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const decoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One reading: counts the nodes of the document and of the JSON texts inside it together. */
class Reader {
  private nodes = 0;
  private members = 0;
  private nonIntegers = 0;
  private surrogates = false;
  private unsafe: JsonPath | null = null;
  private readonly path: (string | number)[] = [];

  private refuse(reason: string): never {
    throw new Refusal(this.path, reason);
  }

  /** Parses a text and checks everything below it against its shape. */
  read(text: string, shape: Shape): unknown {
    const counts = countJsonText(text);
    if (counts.depth > MAX_DEPTH) this.refuse(`nested deeper than ${MAX_DEPTH} levels`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // The engine's own message quotes the text, which holds secrets.
      const at = walkJsonText(text, {});
      this.refuse(at === null ? 'not JSON' : `not JSON at character ${at + 1}`);
    }
    this.members = 0;
    this.nonIntegers = 0;
    this.unsafe = null;
    this.surrogates = text.includes('\\u') && SURROGATE_ESCAPE.test(text);
    this.check(value, shape, false);
    if (this.members !== counts.members) this.refuseDuplicate(text);
    if (this.nonIntegers !== counts.fractions) this.checkLiterals(text, shape);
    else if (this.unsafe !== null) throw new Refusal(this.unsafe, 'an integer outside ±(2^53−1)');
    return value;
  }

  private refuseDuplicate(text: string): never {
    walkJsonText(text, {
      duplicate: (path) => {
        throw new Refusal([...this.path, ...path], 'the name is sent twice in one object');
      },
    });
    this.refuse('a name is sent twice in one object');
  }

  /** How a number was written matters to a decoder that wants an integer: `3.0` and `3e0` are errors to it (T2). */
  private checkLiterals(text: string, shape: Shape): void {
    walkJsonText(text, {
      number: (path, literal) => {
        const full = [...this.path, ...path];
        if (!/[.eE]/.test(literal)) {
          if (!Number.isSafeInteger(Number(literal))) throw new Refusal(full, 'an integer outside ±(2^53−1)');
        } else if (['integer', 'scalar'].includes(shapeAt(shape, path) as string)) {
          throw new Refusal(full, 'a number with a fraction or an exponent where the runner wants an integer');
        }
      },
    });
  }

  private check(value: unknown, shape: Shape, inList: boolean): void {
    if (typeof shape === 'object' && 'refused' in shape) this.refuse(shape.refused);
    switch (typeof value) {
      case 'string':
        if (this.surrogates && LONE_SURROGATE.test(value)) this.refuse('a lone surrogate');
        if (shape !== 'string' && shape !== 'any' && shape !== 'scalar' && shape !== 'json')
          this.mismatch(value, shape);
        return;
      case 'number':
        if (Number.isInteger(value)) {
          if (!Number.isSafeInteger(value)) this.unsafe ??= [...this.path];
        } else {
          if (!Number.isFinite(value)) this.refuse('a number too large for a double');
          if (shape === 'integer' || shape === 'scalar') {
            this.refuse('a number with a fraction or an exponent where the runner wants an integer');
          }
          this.nonIntegers += 1;
        }
        if (shape !== 'integer' && shape !== 'any' && shape !== 'scalar' && shape !== 'number')
          this.mismatch(value, shape);
        return;
      case 'boolean':
        if (shape !== 'boolean' && shape !== 'any') this.mismatch(value, shape);
        return;
      default:
        if (value === null) {
          if (inList && shape !== 'any') this.mismatch('null', shape);
        } else if (Array.isArray(value)) this.checkList(value, shape);
        else this.checkObject(value as Record<string, unknown>, shape, inList);
    }
  }

  private mismatch(value: unknown, shape: Shape): never {
    this.refuse(`${value === 'null' ? 'null' : typeWord(value)} where the runner wants ${wordFor(shape)}`);
  }

  private count(nodes: number): void {
    this.nodes += nodes;
    if (this.nodes > MAX_NODES) this.refuse(`more than ${MAX_NODES} members and elements`);
  }

  private checkList(list: unknown[], shape: Shape): void {
    if (shape !== 'any' && (typeof shape === 'string' || !('list' in shape))) this.mismatch(list, shape);
    const of = shape === 'any' ? shape : (shape as { list: Shape }).list;
    this.count(list.length);
    for (let index = 0; index < list.length; index++) {
      this.path.push(index);
      this.check(list[index], of, true);
      this.path.pop();
    }
  }

  private checkObject(object: Record<string, unknown>, shape: Shape, inList: boolean): void {
    if (shape !== 'any' && (typeof shape === 'string' || 'list' in shape)) this.mismatch(object, shape);
    // An object without a prototype has no `__proto__` to trip over, and inherits no `constructor` or `toJSON` (T45).
    Object.setPrototypeOf(object, null);
    const names = Object.keys(object);
    this.count(names.length);
    this.members += names.length;
    if (inList && names.length === 1 && SEGMENT_NAMES.has(names[0]!)) {
      this.refuse(`an object with only "${names[0]}" in a list: reserved for the canonical form`);
    }
    const known = shape !== 'any' && 'object' in shape ? shape.object : null;
    const otherwise: Shape = shape !== 'any' && 'map' in shape ? shape.map : 'any';
    let folded = false;
    for (const name of names) {
      this.path.push(name);
      const member = known?.get(name);
      if (member === undefined && isFoldable(name)) {
        folded = true;
        if (known?.has(caseFold(name))) this.refuse(`a spelling of the known field "${caseFold(name)}"`);
        if (this.surrogates && LONE_SURROGATE.test(name)) this.refuse('a lone surrogate');
      }
      const value = object[name];
      this.check(value, member ?? otherwise, false);
      if (member === 'json' && typeof value === 'string' && value !== '') object[name] = this.inner(value);
      this.path.pop();
    }
    if (folded) this.refuseTwins(names);
  }

  /** Two names that fold to one are one field to Go's decoder, and one variable to some hosts (T53). */
  private refuseTwins(names: readonly string[]): void {
    const seen = new Set<string>();
    for (const name of names) {
      const folded = caseFold(name);
      if (!seen.has(folded)) seen.add(folded);
      else throw new Refusal([...this.path, name], 'two names of one object differ in case only');
    }
  }

  private inner(text: string): unknown {
    const { members, nonIntegers, unsafe, surrogates } = this;
    const value = this.read(text, 'any');
    // A bare string, number or null says nothing that a runner could run, and "" must stay the only empty one (T38).
    if (typeof value !== 'object' || value === null) this.refuse('JSON text that is neither a list nor an object');
    Object.assign(this, { members, nonIntegers, unsafe, surrogates });
    return value;
  }
}

function shapeAt(shape: Shape, path: JsonPath): Shape {
  let at = shape;
  for (const part of path) {
    if (typeof at === 'string') return 'any';
    if ('list' in at) at = at.list;
    else if ('map' in at) at = at.map;
    else if ('object' in at) at = at.object.get(String(part)) ?? 'any';
    else return 'any';
  }
  return at;
}

/**
 * Reads hostile bytes once into plain data whose objects have no prototype (T2, T3, T45, T53).
 * Refused, never repaired: see the reference page of the canonical form for the list.
 */
export function readStrictJson(bytes: Uint8Array, shape: Shape): StrictReading {
  const refused = (reason: string): StrictReading => ({ ok: false, path: '(document)', reason });
  if (bytes.length > MAX_DOCUMENT_BYTES) return refused(`larger than ${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return refused('begins with a byte order mark');
  let text: string;
  try {
    text = decoder().decode(bytes);
  } catch {
    return refused('not valid UTF-8');
  }
  try {
    const value = new Reader().read(text, shape);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refused('not an object');
    return { ok: true, value: value as Record<string, Json>, text };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, path: pathText(error.path), reason: error.message };
    throw error;
  }
}
