import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { fromBase64, toBase64 } from './dsse.ts';

/** What stands before the 32 bytes of an Ed25519 public key in an SPKI (RFC 8410 §4). */
const SPKI_HEAD = hexToBytes('302a300506032b6570032100');

/** A public key as SPKI in DER. */
function spkiOf(publicKey: Uint8Array): Uint8Array {
  return concatBytes(SPKI_HEAD, publicKey);
}

/** What names a public key: SHA-256 of its SPKI, as `openssl pkey -pubin -outform DER | sha256sum` prints it. */
export function keyidOf(publicKey: Uint8Array): string {
  return bytesToHex(sha256(spkiOf(publicKey)));
}

/** A public key as a PEM file has it. */
export function pemOf(publicKey: Uint8Array): string {
  return `-----BEGIN PUBLIC KEY-----\n${toBase64(spkiOf(publicKey))}\n-----END PUBLIC KEY-----\n`;
}

/** The Ed25519 public key of a PEM text, null for any other text. */
export function publicKeyOfPem(text: string): Uint8Array | null {
  const body = /^-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(text)?.[1];
  const spki = body === undefined ? null : fromBase64(body.replace(/\s/g, ''));
  if (spki === null || spki.length !== SPKI_HEAD.length + 32) return null;
  return SPKI_HEAD.every((byte, i) => spki[i] === byte) ? spki.slice(SPKI_HEAD.length) : null;
}
