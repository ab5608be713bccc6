/**
 * Reads JSON as Go's encoding/json reads it into the runner's structs: keys match a field exactly or under simple case
 * folding, a later one overwrites an earlier one (structs are merged), unknown ones are dropped, what follows the first
 * value is not looked at. Whatever a gate reads differently from this is a way past it (T53).
 */
export type GoValue = null | boolean | number | string | GoValue[] | GoObject;
/** An object as it stood in the text, every entry in order. */
export interface GoObject {
  readonly entries: [string, GoValue][];
}

/** The first JSON value of a text; throws a SyntaxError as Go does. */
export function parseGo(text: string): GoValue {
  const reader = { text, at: 0 };
  return readValue(reader);
}

interface Reader {
  readonly text: string;
  at: number;
}

function fail(reader: Reader): never {
  throw new SyntaxError(`invalid character ${JSON.stringify(reader.text[reader.at] ?? 'end')} at ${reader.at}`);
}

function skip(reader: Reader): string {
  while (' \t\r\n'.includes(reader.text[reader.at] ?? 'x')) reader.at += 1;
  return reader.text[reader.at] ?? '';
}

function expectChar(reader: Reader, char: string): void {
  if (skip(reader) !== char) fail(reader);
  reader.at += 1;
}

function readValue(reader: Reader): GoValue {
  const first = skip(reader);
  if (first === '{') return readObject(reader);
  if (first === '[') return readList(reader);
  if (first === '"') return readString(reader);
  const word = /(?:null|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
  word.lastIndex = reader.at;
  const match = word.exec(reader.text);
  if (match === null) fail(reader);
  reader.at = word.lastIndex;
  return JSON.parse(match[0]) as GoValue;
}

function readString(reader: Reader): string {
  const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
  string.lastIndex = reader.at;
  const match = string.exec(reader.text);
  if (match === null) fail(reader);
  reader.at = string.lastIndex;
  // A lone surrogate becomes U+FFFD in Go.
  return (JSON.parse(match[0]) as string).replace(/\p{Surrogate}/gu, '\ufffd');
}

function readList(reader: Reader): GoValue[] {
  const list: GoValue[] = [];
  expectChar(reader, '[');
  if (skip(reader) === ']') {
    reader.at += 1;
    return list;
  }
  for (;;) {
    list.push(readValue(reader));
    if (skip(reader) === ']') {
      reader.at += 1;
      return list;
    }
    expectChar(reader, ',');
  }
}

function readObject(reader: Reader): GoObject {
  const entries: [string, GoValue][] = [];
  expectChar(reader, '{');
  if (skip(reader) === '}') {
    reader.at += 1;
    return { entries };
  }
  for (;;) {
    if (skip(reader) !== '"') fail(reader);
    const key = readString(reader);
    expectChar(reader, ':');
    entries.push([key, readValue(reader)]);
    if (skip(reader) === '}') {
      reader.at += 1;
      return { entries };
    }
    expectChar(reader, ',');
  }
}

/** The shape of a Go struct: a field's type by its JSON name. */
export type Shape = 'string' | 'number' | 'bool' | 'any' | readonly [Shape] | { readonly [field: string]: Shape };

/** Simple case folding: `ſ` is an s and the Kelvin sign a k, as for Go. */
function fold(key: string): string {
  return key
    .replace(/\u017f/g, 's')
    .replace(/\u212a/g, 'k')
    .toLowerCase();
}

/** Decodes into `into` (the value so far) as Go would; throws a TypeError where a known field has another type. */
export function decodeGo(value: GoValue, shape: Shape, into: unknown, path = ''): unknown {
  if (shape === 'any') return plain(value);
  // null leaves structs and scalars as they are and empties slices.
  if (value === null) return Array.isArray(shape) ? [] : into;
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw new TypeError(`cannot unmarshal into Go struct field ${path}`);
    return value.map((one, index) => decodeGo(one, shape[0], zero(shape[0]), `${path}[${index}]`));
  }
  if (typeof shape === 'string') {
    const want = shape === 'bool' ? 'boolean' : shape;
    const found = typeof value;
    if (found !== want) throw new TypeError(`cannot unmarshal ${found} into Go struct field ${path} of type ${shape}`);
    return value;
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw new TypeError(`cannot unmarshal into Go struct ${path}`);
  const fields = shape as Readonly<Record<string, Shape>>;
  const out: Record<string, unknown> = { ...(into as Record<string, unknown>) };
  for (const [key, member] of value.entries) {
    const field = Object.hasOwn(fields, key) ? key : Object.keys(fields).find((name) => fold(name) === fold(key));
    if (field === undefined) continue;
    out[field] = decodeGo(member, fields[field]!, out[field] ?? zero(fields[field]!), `${path}.${field}`);
  }
  return out;
}

function zero(shape: Shape): unknown {
  if (shape === 'string') return '';
  if (shape === 'number') return 0;
  if (shape === 'bool') return false;
  if (shape === 'any') return null;
  return Array.isArray(shape) ? [] : {};
}

function plain(value: GoValue): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = Object.create(null);
  for (const [key, member] of value.entries) out[key] = plain(member);
  return out;
}
