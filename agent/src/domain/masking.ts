/** What stands instead of a secret, as GitLab Runner writes it. */
export const MASKED = '[MASKED]';
/** A token that is longer is none; so much is kept back at most. */
const MAX_TOKEN_BYTES = 4_096;
/** A shorter beginning of a secret is a word. */
const MIN_TELLING_BYTES = 4;

/** Texts that must not be seen, and beginnings of tokens. */
export interface Masks {
  readonly values: readonly string[];
  readonly prefixes: readonly string[];
}
/** Part of a log that can be shown, and how many of its last bytes have to wait for what follows them. */
export interface MaskedPart {
  readonly text: string;
  readonly held: number;
}

/** Takes the secrets of one job out of its log, which comes in pieces. */
export interface Masker {
  /**
   * What can be shown of these bytes; `held` bytes at their end may be the beginning of a secret or of a character, and are to
   * be given once more with those that follow.
   */
  part(bytes: Uint8Array): MaskedPart;
  /** The same at the end, where nothing follows: the beginning of a secret is one, too. */
  last(bytes: Uint8Array): string;
}

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
const latin1Of = (text: string): string => latin1(new TextEncoder().encode(text));
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

/** How far each beginning of a text begins anew within itself (Knuth, Morris, Pratt). */
function bordersOf(text: string): Int32Array {
  const borders = new Int32Array(text.length);
  for (let i = 1, k = 0; i < text.length; i++) {
    while (k > 0 && text[i] !== text[k]) k = borders[k - 1]!;
    if (text[i] === text[k]) k += 1;
    borders[i] = k;
  }
  return borders;
}

/** How long the longest beginning of `secret` is, shorter than itself, with which `text` ends; in time of their length. */
function overlap(text: string, secret: string, borders: Int32Array): number {
  let k = 0;
  for (let i = Math.max(0, text.length - secret.length + 1); i < text.length; i++) {
    while (k > 0 && (k === secret.length || text[i] !== secret[k])) k = borders[k - 1]!;
    if (text[i] === secret[k]) k += 1;
  }
  return k === secret.length ? (borders[k - 1] ?? 0) : k;
}

/** Whether a character can stand in a token, by its code. */
const inToken = (code: number): boolean =>
  (code >= 48 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  (code >= 97 && code <= 122) ||
  '_.-'.includes(String.fromCharCode(code));

/**
 * Where a token begins that may go on behind the end; the text's length for none. From the end, in time of the token: looked for
 * from each beginning on, a log that is made of beginnings alone would hold up the whole agent (T30).
 */
function openToken(text: string, prefixes: readonly string[]): number {
  let run = text.length;
  while (run > 0 && inToken(text.charCodeAt(run - 1))) run--;
  const found = prefixes.map((prefix) => text.indexOf(prefix, Math.max(0, run - prefix.length)));
  return Math.min(text.length, ...found.filter((at) => at !== -1));
}

/** Bytes at the end that are the beginning of a character. */
function openCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** A masker of these secrets; it works on bytes, so that no spelling of a character and no piece of a log hides one. */
export function maskerOf({ values, prefixes }: Masks): Masker {
  const secrets = values.filter((value) => value !== '').map((value) => latin1Of(value));
  const tracked = [...secrets, ...prefixes.map(latin1Of)].map((text) => ({ text, borders: bordersOf(text) }));
  const begun = prefixes.map((prefix) => escaped(latin1Of(prefix))).join('|');
  const token = begun === '' ? null : new RegExp(`(?:${begun})[0-9A-Za-z_.-]+`, 'g');
  const starts = prefixes.map(latin1Of).filter((prefix) => prefix !== '');

  function spansOf(text: string): readonly (readonly [number, number])[] {
    const spans: [number, number][] = [];
    for (const secret of secrets)
      for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1))
        spans.push([at, at + secret.length]);
    if (token !== null)
      for (const { index, 0: found } of text.matchAll(token)) spans.push([index, index + found.length]);
    spans.sort((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [from, to] of spans) {
      const last = merged.at(-1);
      if (last !== undefined && from < last[1]) last[1] = Math.max(last[1], to);
      else merged.push([from, to]);
    }
    return merged;
  }
  function replaced(text: string, spans: readonly (readonly [number, number])[]): string {
    let out = '';
    let next = 0;
    for (const [from, to] of spans) {
      out += text.slice(next, from) + MASKED;
      next = to;
    }
    return out + text.slice(next);
  }
  const overlapOf = (text: string): number =>
    tracked.reduce((most, { text: secret, borders }) => Math.max(most, overlap(text, secret, borders)), 0);
  const decoded = (text: string): string =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(text, (character) => character.charCodeAt(0)));

  return {
    part(bytes) {
      const text = latin1(bytes);
      const open = openToken(text, starts);
      let cut = text.length - Math.max(overlapOf(text), openCharacter(bytes));
      if (text.length - open <= MAX_TOKEN_BYTES) cut = Math.min(cut, open);
      const spans = spansOf(text);
      // What is masked is masked whole: a secret that reaches into what waits is shown as one when the rest has come.
      for (const [from, to] of spans) if (from < cut && cut < to) cut = from;
      const shown = spans.filter(([, to]) => to <= cut);
      return { text: decoded(replaced(text.slice(0, cut), shown)), held: text.length - cut };
    },
    last(bytes) {
      const text = latin1(bytes);
      const spans = spansOf(text);
      const open = overlapOf(text);
      const from = text.length - open;
      const isKnown = spans.some(([, to]) => to > from);
      const more = open >= MIN_TELLING_BYTES && !isKnown ? [...spans, [from, text.length] as const] : spans;
      return decoded(replaced(text, more));
    },
  };
}
