import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { Verify } from './audit-head.ts';
import { canonicalJson } from './canonical-json.ts';
import { fromBase64, pae, type Signer, toBase64 } from './dsse.ts';
import { keyidOf, pemOf, publicKeyOfPem } from './hub-key.ts';
import type { JsonObject } from './json.ts';

const PAYLOAD_TYPE = 'application/vnd.holdpoint.hub-key-rotation+json';
const FORM = 'holdpoint.hub-key-rotation/v1';

/** One key of a hub has handed over to another: both have signed it. */
export interface KeyRotation {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** What the audit says of a rotation: the statement, signed by the key that goes and by the one that comes. */
export function signRotation(from: Signer, to: Signer, at: number): JsonObject {
  const said = { form: FORM, from: pemOf(from.publicKey), to: pemOf(to.publicKey), at: new Date(at).toISOString() };
  const payload = utf8ToBytes(canonicalJson(said));
  const bytes = pae(PAYLOAD_TYPE, payload);
  return {
    from: from.keyid,
    to: to.keyid,
    payload: toBase64(payload),
    signed_by_from: toBase64(from.sign(bytes)),
    signed_by_to: toBase64(to.sign(bytes)),
  };
}

/** The rotation that a row tells of, null unless both keys have signed it. */
export function readRotation(detail: object, verify: Verify): KeyRotation | null {
  const said = detail as Readonly<Record<string, unknown>>;
  const bytesOf = (name: string) => (typeof said[name] === 'string' ? fromBase64(said[name]) : null);
  const [payload, byFrom, byTo] = [bytesOf('payload'), bytesOf('signed_by_from'), bytesOf('signed_by_to')];
  if (payload === null || byFrom?.length !== 64 || byTo?.length !== 64) return null;
  let statement: Readonly<Record<string, unknown>> | null;
  try {
    statement = JSON.parse(new TextDecoder().decode(payload)) as typeof statement;
  } catch {
    return null;
  }
  if (statement?.form !== FORM || typeof statement.from !== 'string' || typeof statement.to !== 'string') return null;
  const [from, to] = [publicKeyOfPem(statement.from), publicKeyOfPem(statement.to)];
  if (from === null || to === null) return null;
  const bytes = pae(PAYLOAD_TYPE, payload);
  return verify(from, bytes, byFrom) && verify(to, bytes, byTo) ? { from, to } : null;
}

/** The keys that led to this one, the newest first; `rotations` in the order in which they happened. */
export function formerKeys(current: Uint8Array, rotations: readonly KeyRotation[]): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  let wanted = keyidOf(current);
  for (const { from, to } of [...rotations].reverse()) {
    if (keyidOf(to) !== wanted) continue;
    found.push(from);
    wanted = keyidOf(from);
  }
  return found;
}

/** Ids of the keys that a known one has led to, itself first. */
export function laterKeys(keyid: string, rotations: readonly KeyRotation[]): readonly string[] {
  const found = [keyid];
  for (const { from, to } of rotations) if (keyidOf(from) === found.at(-1)) found.push(keyidOf(to));
  return found;
}
