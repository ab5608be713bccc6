import type { ConfigOption } from './options.ts';

/** Host and port of a listening socket; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A value as read from text, flag or file: what it stands for, or what was wanted instead. */
export type KindReading =
  | { readonly ok: true; readonly value: string | number | ListenAddress }
  | { readonly ok: false; readonly message: string };

/** Names and lists of words; nothing that is set by hand is longer. */
const MAX_TEXT_CHARS = 1_000;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90s`, `10m`, `1h`, `30d`, `250ms`; null for anything else. */
export function durationMs(text: string): number | null {
  const parts = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return parts ? Number(parts[1]) * UNIT_MS[parts[2]!]! : null;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of `64m`, `2g`; null for anything else. */
export function sizeBytes(text: string): number | null {
  const parts = /^(\d{1,6})([kmgt])$/.exec(text);
  return parts ? Number(parts[1]) * UNIT_BYTES[parts[2]!]! : null;
}

/** The longest unit that writes these bytes without a rest, e.g. `512m`, `2g`. */
export function sizeText(bytes: number): string {
  for (const unit of ['t', 'g', 'm', 'k']) {
    const size = UNIT_BYTES[unit]!;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes} bytes`;
}

/** The longest unit that writes these milliseconds without a rest, e.g. `90s`, `1h`. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit]!;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? '0s' : `${ms}ms`;
}

const good = (value: string | number | ListenAddress): KindReading => ({ ok: true, value });
const bad = (message: string): KindReading => ({ ok: false, message });

/** What was found, as it may be quoted: short, and nothing of a value that could be a secret. */
function quote(option: ConfigOption, value: string | number | boolean): string {
  if (option.secret || (typeof value === 'string' && (value.length > 100 || value.includes('@')))) return 'this value';
  return JSON.stringify(value);
}

function readUrl(text: string): KindReading {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return bad('wanted an address like https://gitlab.example.com');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return bad('wanted an address with https:// or http://');
  if (url.username !== '' || url.password !== '')
    return bad('a user or password in an address is not allowed; take it out');
  if (url.search !== '' || url.hash !== '') return bad('an address has no "?" or "#" here; take it out');
  return good(url.href.replace(/\/+$/, ''));
}

/** Reads `host:port`, with IPv6 in brackets. */
function readListen(text: string): KindReading {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (!parts || port > 65_535) return bad('wanted host:port, like 127.0.0.1:8093 or [::1]:8093');
  return good({ host: (parts[1] ?? parts[2])!, port });
}

/** Where a store may be, as the configuration and the command line write it. */
export function readStore(text: string): KindReading {
  // Never quoted: a password may stand in it.
  if (/^postgres(ql)?:\/\//.test(text)) {
    const url = URL.canParse(text) ? new URL(text) : null;
    return url !== null && url.hostname !== '' && url.pathname.length > 1
      ? good(text)
      : bad('wanted postgres://user@host:5432/database');
  }
  return /^sqlite:./.test(text) ? good(text) : bad('wanted sqlite:FILE or postgres://user@host:5432/database');
}

function inRange(option: ConfigOption, value: number, show: (value: number) => string): KindReading {
  const [least, most] = option.range;
  if (value < least) return bad(`${show(value)} is too little; at least ${show(least)}`);
  if (value > most) return bad(`${show(value)} is too much; at most ${show(most)}`);
  return good(value);
}

/** Reads one value; `typed` when it comes from YAML, where a number is a number and not text. */
export function readKind(option: ConfigOption, value: string | number | boolean, typed: boolean): KindReading {
  const found = `found ${quote(option, value)}, `;
  if (option.kind === 'integer') {
    const number = typed ? value : /^\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) return bad(`${found}wanted a whole number`);
    return inRange(option, number, String);
  }
  if (option.kind === 'duration') {
    const ms = typeof value === 'string' ? durationMs(value) : null;
    if (ms === null) return bad(`${found}wanted a time like 90s, 10m, 1h or 30d`);
    return inRange(option, ms, durationText);
  }
  if (option.kind === 'size') {
    const bytes = typeof value === 'string' ? sizeBytes(value) : null;
    if (bytes === null) return bad(`${found}wanted a size like 64m, 512m or 2g`);
    return inRange(option, bytes, sizeText);
  }
  if (typeof value !== 'string') return bad(`${found}wanted text; put it in quotes`);
  if (value.trim() === '' || /[\u0000-\u001f\u007f]/.test(value))
    return bad('wanted text that is not empty and has no control characters');
  switch (option.kind) {
    case 'url':
      return readUrl(value);
    case 'listen':
      return readListen(value);
    case 'store':
      return readStore(value);
    case 'path':
      return good(value);
    case 'text':
      return value.length <= MAX_TEXT_CHARS ? good(value) : bad(`wanted at most ${MAX_TEXT_CHARS} characters`);
    case 'choice':
      return option.choices.includes(value) ? good(value) : bad(`${found}wanted ${option.choices.join(', ')}`);
    default:
      return option.kind satisfies never;
  }
}
