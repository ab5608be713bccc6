import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './canonical-json.ts';
import type { JsonObject } from './json.ts';

/** `sha256:` and 64 lower-case hex digits of the SHA-256 of the text's UTF-8 bytes. */
export function digestOfText(canonical: string): string {
  return `sha256:${bytesToHex(sha256(utf8ToBytes(canonical)))}`;
}

/** Digest of a Configuration: of its canonical text. */
export function digestOf(configuration: JsonObject): string {
  return digestOfText(canonicalJson(configuration));
}
