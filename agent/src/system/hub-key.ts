import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import type { Verify } from '../domain/audit-head.ts';
import type { Signer } from '../domain/dsse.ts';
import { keyidOf, pemOf } from '../domain/hub-key.ts';
import { openKeyFile } from './key-file.ts';

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 §7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

function publicBytes(key: KeyObject): Uint8Array {
  const { x } = createPublicKey(key).export({ format: 'jwk' }) as { x: string };
  return Uint8Array.from(Buffer.from(x, 'base64url'));
}

/** The Ed25519 key of the 32 bytes of a private key: a hub's or an agent's. */
export function hubKeyOf(seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = publicBytes(key);
  return { publicKey, keyid: keyidOf(publicKey), sign: (bytes) => Uint8Array.from(sign(null, bytes, key)) };
}

/** A key that is kept nowhere. */
export function freshKey(): Signer {
  return hubKeyOf(randomBytes(32));
}

/** The hub's key of a file, which is made (mode 0600, random) when there is none. Throws `bad_config` as {@link openKeyFile}. */
export function openHubKey(path: string): Signer {
  return hubKeyOf(openKeyFile(path, 'hub key', 'keys.hub'));
}

/** Checks an Ed25519 signature. */
export const verifySignature: Verify = (publicKey, bytes, signature) =>
  verify(null, bytes, createPublicKey(pemOf(publicKey)), signature);
