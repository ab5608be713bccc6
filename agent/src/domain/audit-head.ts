import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AuditHead } from './audit.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Envelope, pae, type Signer, seal } from './dsse.ts';
import { HoldpointError } from './errors.ts';
import { keyidOf } from './hub-key.ts';
import { leafHash } from './merkle.ts';

/** What a signed head is, within its envelope. */
export const HEAD_PAYLOAD = 'application/vnd.holdpoint.audit-head+json';
const HEAD_FORM = 'holdpoint.audit-head/v1';

/** The end of the audit at one moment: its last row, and one hash over all rows up to it. */
export interface HeadStatement extends AuditHead {
  /** Root of the hash tree over the rows' hashes: `sha256:<64 hex>`. */
  readonly root: string;
  /** When it was signed, epoch ms. */
  readonly at: number;
}

/** Checks an Ed25519 signature under a public key of 32 bytes. */
export type Verify = (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;

/** A hash as bytes; null for a text that is none. */
export function hashBytes(hash: string): Uint8Array | null {
  return /^sha256:[0-9a-f]{64}$/.test(hash) ? hexToBytes(hash.slice(7)) : null;
}
/** A hash as text. */
export function hashText(bytes: Uint8Array): string {
  return `sha256:${bytesToHex(bytes)}`;
}

/** The leaf of a row in the hash tree: of the 32 bytes of the row's hash. */
export function leafOf(row: { readonly hash: string }): Uint8Array {
  const bytes = hashBytes(row.hash);
  if (bytes === null) throw new HoldpointError('audit_broken', 'a row of the audit has no hash');
  return leafHash(bytes);
}

/** Signs where the audit ends. */
export function signHead(signer: Signer, { seq, hash, root, at }: HeadStatement): Envelope {
  const text = canonicalJson({ form: HEAD_FORM, seq, hash, root, at: new Date(at).toISOString() });
  return seal(signer, HEAD_PAYLOAD, utf8ToBytes(text));
}

/** Throws `audit_broken` unless the envelope is of this type and signed with this key. */
export function requireSigned(
  envelope: Envelope,
  payloadType: string,
  publicKey: Uint8Array,
  verify: Verify,
  what: string,
): void {
  const refuse = (why: string) => new HoldpointError('audit_broken', `${what} ${why}`);
  if (envelope.payloadType !== payloadType) throw refuse(`is of another kind: ${envelope.payloadType.slice(0, 100)}`);
  if (envelope.keyid !== keyidOf(publicKey)) {
    throw refuse(`names key ${envelope.keyid.slice(0, 64)}, not ${keyidOf(publicKey)}: it is of another hub`);
  }
  if (!verify(publicKey, pae(envelope.payloadType, envelope.payload), envelope.signature)) {
    throw refuse('has a signature that does not fit: it was changed, or signed by somebody else');
  }
}

/** What an envelope says of the end of the audit. Throws `audit_broken` when it says nothing of the kind. */
export function readHead(envelope: Envelope, what: string): HeadStatement {
  const refuse = () =>
    new HoldpointError('audit_broken', `${what} says nothing of the end of an audit: it was changed`);
  let said: Readonly<Record<string, unknown>>;
  const text = new TextDecoder().decode(envelope.payload);
  try {
    said = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refuse();
  }
  const { form, seq, hash, root, at } = said ?? {};
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (form !== HEAD_FORM || !Number.isSafeInteger(seq) || Number(seq) < 0 || Number.isNaN(time)) throw refuse();
  if (typeof hash !== 'string' || typeof root !== 'string' || hashBytes(hash) === null || hashBytes(root) === null)
    throw refuse();
  const head = { seq: Number(seq), hash, root, at: time };
  const again = canonicalJson({ form: HEAD_FORM, ...head, at: new Date(time).toISOString() });
  if (again !== text) throw refuse();
  return head;
}
