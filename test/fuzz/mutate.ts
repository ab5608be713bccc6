/** Pseudo-random numbers that a seed gives again: a finding can be repeated. */
export interface Dice {
  /** 0 to `below` − 1. */
  int(below: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Mulberry32: small, and good enough to choose mutations with. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const int = (below: number): number => (below <= 0 ? 0 : next() % below);
  return { int, pick: (list) => list[int(list.length)]! };
}

type Step = (bytes: Buffer, d: Dice, dictionary: readonly string[], other: Buffer) => Buffer;

const splice = (bytes: Buffer, at: number, remove: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + remove)]);

/** Bytes that parsers trip over. */
const ODD = [
  0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x2f, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0xc0, 0xed, 0xff,
];

const BYTE_STEPS: readonly Step[] = [
  (b, d) => {
    const out = Buffer.from(b);
    if (out.length > 0) out[d.int(out.length)] = d.int(256);
    return out;
  },
  (b, d) => {
    const out = Buffer.from(b);
    const at = d.int(out.length);
    if (out.length > 0) out[at] = out[at]! ^ (1 << d.int(8));
    return out;
  },
  (b, d) => splice(b, d.int(b.length + 1), 0, Buffer.from([d.pick(ODD)])),
  (b, d) => splice(b, d.int(b.length), 1 + d.int(16), Buffer.alloc(0)),
  (b, d) => b.subarray(0, d.int(b.length + 1)),
  (b, d) => {
    const from = d.int(b.length);
    return splice(b, d.int(b.length + 1), 0, b.subarray(from, from + 1 + d.int(64)));
  },
  (b, d, words) => splice(b, d.int(b.length + 1), d.int(3) === 0 ? d.int(8) : 0, Buffer.from(d.pick(words))),
  (b, d, words) => {
    // In the place of a word that stands there: what a name or a number is replaced by is still a document.
    const old = d.pick(words);
    const at = b.indexOf(old, d.int(b.length));
    return at < 0 ? b : splice(b, at, Buffer.byteLength(old), Buffer.from(d.pick(words)));
  },
  (b, d, _words, other) => Buffer.concat([b.subarray(0, d.int(b.length)), other.subarray(d.int(other.length))]),
];

interface Slot {
  readonly holder: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

function slots(value: unknown, out: Slot[] = []): Slot[] {
  if (typeof value !== 'object' || value === null) return out;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    out.push({ holder: value as Record<string, unknown>, key });
    slots((value as Record<string, unknown>)[key], out);
  }
  return out;
}

const put = ({ holder, key }: Slot, value: unknown): void => {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
};
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e21,
  2 ** 53,
  '',
  ' ',
  '0',
  'a',
  '\u0000',
  '\u202e',
  '\ufeff',
  '$CI_JOB_TOKEN',
  [],
  {},
  [''],
  [null],
  { var: 'X' },
  [{ hmac: 'x' }],
  [{ jwt: {} }],
  [{ files: true }],
  '{"a":1,"a":2}',
  { constructor: 1 },
];

/** A change that leaves the document a document: another value, name, order, a member twice. Null when it is none. */
export function mutateJson(bytes: Buffer, d: Dice, words: readonly string[]): Buffer | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return null;
  }
  const all = slots(value);
  if (all.length === 0) return null;
  const slot = d.pick(all);
  const from = d.pick(all);
  const here = (slot.holder as Record<string | number, unknown>)[slot.key];
  switch (d.int(7)) {
    case 0:
      put(slot, d.pick(VALUES));
      break;
    case 1:
      put(slot, structuredClone((from.holder as Record<string | number, unknown>)[from.key]));
      break;
    case 2:
      if (Array.isArray(slot.holder)) slot.holder.splice(Number(slot.key), 1);
      else delete slot.holder[slot.key];
      break;
    case 3:
      if (Array.isArray(slot.holder)) slot.holder.push(structuredClone(here));
      else put({ holder: slot.holder, key: d.pick([...words, String(slot.key).toUpperCase(), `${slot.key}_`]) }, here);
      break;
    case 4:
      put(slot, d.pick(words));
      break;
    case 5: {
      const text = JSON.stringify(value);
      const name = JSON.stringify(String(slot.key));
      const at = text.indexOf(`${name}:`);
      return Buffer.from(
        at < 0 ? text : `${text.slice(0, at)}${name}:${JSON.stringify(d.pick(VALUES))},${text.slice(at)}`,
      );
    }
    default:
      put(slot, typeof here === 'string' ? `${here}${d.pick(words)}` : [here]);
  }
  return Buffer.from(JSON.stringify(value));
}

/** One to four changes one after the other. */
export function mutate(bytes: Buffer, other: Buffer, d: Dice, words: readonly string[], json: boolean): Buffer {
  let out = bytes;
  for (let n = 1 + d.int(4); n > 0; n--) {
    const changed = json && d.int(3) > 0 ? mutateJson(out, d, words) : null;
    out = changed ?? d.pick(BYTE_STEPS)(out, d, words, other);
  }
  return out;
}
