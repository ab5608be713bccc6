import { createPublicKey, verify } from 'node:crypto';
import type { Verify } from '../domain/audit-head.ts';
import { pemOf } from '../domain/hub-key.ts';

/** Checks an Ed25519 signature. */
export const verifySignature: Verify = (publicKey, bytes, signature) =>
  verify(null, bytes, createPublicKey(pemOf(publicKey)), signature);
