import { redactTokens } from '../domain/redact.ts';

/** Shorter texts stand everywhere by chance. */
const MIN_SECRET = 6;
const MIN_NAME = 3;

/** Names of metrics begin as a token may; no token is made of small letters alone. */
const METRIC = /(\bholdpoint_[a-z_]+(?![\w-]))/;

function redactShapes(text: string): string {
  return text
    .split(METRIC)
    .map((part, index) => (index % 2 === 1 ? part : redactTokens(part)))
    .join('');
}

/** What a bundle may not say. */
export interface Hidden {
  /** Texts that are secrets: taken out wherever they stand, in whatever spelling. */
  readonly secrets: readonly string[];
  /** Names of projects, people, runners and hosts by kind, to be replaced; empty: they are shown. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

function spellings(text: string): readonly string[] {
  return [...new Set([text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1)])];
}

function pattern(texts: readonly string[], whole: boolean): RegExp | null {
  // The longest first: a group's path stands in its projects' paths.
  const sorted = [...new Set(texts)].sort((a, b) => b.length - a.length);
  if (sorted.length === 0) return null;
  const any = sorted.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  return new RegExp(whole ? `(?<![\\p{L}\\p{N}_])(?:${any})(?![\\p{L}\\p{N}_])` : any, 'gu');
}

/**
 * Takes secrets out of a text, by what they are and by their shape, and puts stable stand-ins (`project-1`) where names were:
 * the same name has the same one everywhere, so that a story can still be followed.
 */
export function scrubber({ secrets, names }: Hidden): (text: string) => string {
  const secret = pattern(secrets.filter((text) => text.length >= MIN_SECRET).flatMap(spellings), false);
  const standIns = new Map<string, string>();
  for (const [kind, list] of Object.entries(names))
    for (const [index, name] of [...new Set(list)].sort().entries())
      for (const spelling of spellings(name))
        if (name.length >= MIN_NAME) standIns.set(spelling, `${kind}-${index + 1}`);
  const named = pattern([...standIns.keys()], true);
  return (text) => {
    const clean = redactShapes(secret === null ? text : text.replace(secret, '[redacted]'));
    return named === null ? clean : clean.replace(named, (name) => standIns.get(name) ?? name);
  };
}

/** Names that a log has by itself: people behind `user:12 maria`, addresses. */
export function namesInLog(text: string): Readonly<Record<string, readonly string[]>> {
  const people = [...text.matchAll(/\buser:\d+ ([\p{L}\p{N}._-]{3,})/gu)].map((match) => match[1]!);
  const addresses = [...text.matchAll(/(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/g)].map((match) => match[0]);
  return { person: people, address: addresses.filter((address) => !/^(127\.|0\.0\.0\.0$)/.test(address)) };
}
