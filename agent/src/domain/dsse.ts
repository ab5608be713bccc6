import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { HoldpointError } from './errors.ts';

/**
 * DSSE v1 envelopes (https://github.com/secure-systems-lab/dsse): what is signed is the payload's bytes with their type,
 * never a JSON text that two readers could read in two ways.
 */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly keyid: string;
  readonly signature: Uint8Array;
}

/** Who signs: the hub's Ed25519 key. */
export interface Signer {
  /** SHA-256 of the public key's SPKI in DER, 64 hex digits. */
  readonly keyid: string;
  /** The public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The bytes that are signed: the pre-authentication encoding of type and payload. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8ToBytes(payloadType);
  return concatBytes(utf8ToBytes(`DSSEv1 ${type.length} `), type, utf8ToBytes(` ${payload.length} `), payload);
}

/** A payload, signed. */
export function seal(signer: Signer, payloadType: string, payload: Uint8Array): Envelope {
  return { payloadType, payload, keyid: signer.keyid, signature: signer.sign(pae(payloadType, payload)) };
}

/** Bytes at a time that become characters: more arguments than this overflow the stack of some engines. */
const CHUNK = 8_192;

/** Base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += CHUNK)
    text += String.fromCharCode(...bytes.subarray(from, from + CHUNK));
  return btoa(text);
}

/** The bytes of a base64 text that is written as {@link toBase64} writes it, null for any other: no two texts are the same bytes. */
export function fromBase64(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return toBase64(bytes) === text ? bytes : null;
}

/** An envelope as it is written down. */
export function envelopeJson({ payloadType, payload, keyid, signature }: Envelope) {
  return { payloadType, payload: toBase64(payload), signatures: [{ keyid, sig: toBase64(signature) }] };
}

/**
 * An envelope as it was written down, with exactly one signature. Throws `audit_broken` for anything else: `what` names
 * it in the message. That the signature is right is not asked here.
 */
export function readEnvelope(value: unknown, what: string): Envelope {
  const refuse = () => new HoldpointError('audit_broken', `${what} is no signed envelope: it was changed or cut off`);
  const members = (of: unknown, names: readonly string[]): Readonly<Record<string, unknown>> => {
    if (typeof of !== 'object' || of === null || Array.isArray(of)) throw refuse();
    if (Object.keys(of).join() !== names.join()) throw refuse();
    return of as Record<string, unknown>;
  };
  const { payloadType, payload, signatures } = members(value, ['payloadType', 'payload', 'signatures']);
  if (!Array.isArray(signatures) || signatures.length !== 1) throw refuse();
  const { keyid, sig } = members(signatures[0], ['keyid', 'sig']);
  if (typeof payloadType !== 'string' || typeof payload !== 'string') throw refuse();
  if (typeof keyid !== 'string' || typeof sig !== 'string') throw refuse();
  const [bytes, signature] = [fromBase64(payload), fromBase64(sig)];
  if (bytes === null || signature === null) throw refuse();
  return { payloadType, payload: bytes, keyid, signature };
}
