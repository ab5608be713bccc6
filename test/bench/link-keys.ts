import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** Opens the DER of an Ed25519 key in PKCS #8 (RFC 8410); its 32 bytes follow. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Name of the n-th simulated agent. */
export const agentName = (n: number): string => `agent-${n}`;

/** Its key, the same in each process and run, so that whoever seeds the store need not ask the crowd. */
export function agentKey(n: number): KeyObject {
  const seed = createHash('sha256').update(`holdpoint bench ${n}`).digest();
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

/** Its public half, 32 bytes. */
export function agentPublicKey(n: number): Uint8Array {
  return Uint8Array.from(Buffer.from(createPublicKey(agentKey(n)).export({ format: 'jwk' }).x ?? '', 'base64url'));
}
