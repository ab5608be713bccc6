import { canonicalJson } from './canonical-json.ts';
import { isJsonList, isJsonObject, type Json, type JsonList, type JsonObject } from './json.ts';

/** Hex digits of an HMAC that are shown; whether two are equal is decided on the whole. */
const TAG_DIGITS = 12;

const NAMES: ReadonlySet<string> = new Set(['var', 'hmac', 'jwt', 'files']);

/** True for an object with exactly one of the members that segments have. */
export function isSegmentObject(value: Json): value is JsonObject {
  if (!isJsonObject(value)) return false;
  const names = Object.keys(value);
  return names.length === 1 && NAMES.has(names[0]!);
}

/** True for a list of segments: how the canonical form writes a text that holds values of the run; no payload can bring one. */
export function isSegments(value: Json): value is JsonList {
  return isJsonList(value) && value.some(isSegmentObject);
}

function segmentText(segment: Json): string {
  if (!isJsonObject(segment)) return typeof segment === 'string' ? segment : canonicalJson(segment);
  if (typeof segment.var === 'string') return `\${${segment.var}}`;
  if (typeof segment.hmac === 'string')
    return `hmac:${segment.hmac.slice(0, TAG_DIGITS)}${segment.hmac.length > TAG_DIGITS ? '…' : ''}`;
  if (segment.files === true) return `\${files}`;
  if (isJsonObject(segment.jwt)) {
    const { iss, aud, sub } = segment.jwt;
    const audiences = isJsonList(aud) ? aud.map(readable).join(' ') : '';
    return `id token (iss ${readable(iss ?? '')}, aud ${audiences}, sub ${readable(sub ?? '')})`;
  }
  return canonicalJson(segment);
}

/** A leaf of a Configuration as a person reads it: `registry/app:${CI_COMMIT_SHA}`, `hmac:1f0c2a9b33d7…`. */
export function readable(value: Json): string {
  if (typeof value === 'string') return value;
  return isSegments(value) ? value.map(segmentText).join('') : canonicalJson(value);
}

/** A piece of a leaf as the page shows it: text as it stands, or something that only looks like text in {@link readable}. */
export interface ValuePiece {
  readonly kind: 'text' | 'variable' | 'secret' | 'id_token';
  readonly text: string;
}

function pieceOf(segment: Json): ValuePiece {
  const text = segmentText(segment);
  if (!isSegmentObject(segment)) return { kind: 'text', text };
  if (segment.hmac !== undefined) return { kind: 'secret', text };
  return { kind: segment.jwt === undefined ? 'variable' : 'id_token', text };
}

/** The pieces that {@link readable} joins: a secret's tag cannot be mistaken for a text that says the same (T33). */
export function valuePieces(value: Json): readonly ValuePiece[] {
  return isSegments(value) ? value.map(pieceOf) : [{ kind: 'text', text: readable(value) }];
}
