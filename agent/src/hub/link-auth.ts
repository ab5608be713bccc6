import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { HoldpointError } from '../domain/errors.ts';
import { PROVE_CONTEXT } from '../wire/link.ts';

/** Agents that may connect, by name. Throws `bad_config` for a key that is none or a name that stands twice. */
export function agentKeys(
  agents: readonly { readonly name: string; readonly publicKey: Uint8Array }[],
): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const { name, publicKey } of agents) {
    if (keys.has(name)) throw new HoldpointError('bad_config', `agent ${name} stands twice: give each its own name`);
    if (publicKey.length !== 32)
      throw new HoldpointError(
        'bad_config',
        `agent ${name}: an Ed25519 public key has 32 bytes, this has ${publicKey.length}`,
      );
    const x = Buffer.from(publicKey).toString('base64url');
    keys.set(name, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
  }
  return keys;
}

/** What an agent signs: bound to this protocol, this one challenge and its own name, so that it proves nothing elsewhere (T27, T29). */
export function proveBytes(nonce: string, agent: string): Uint8Array {
  return Buffer.from(`${PROVE_CONTEXT}\0${nonce}\0${agent}`);
}

/** True when the signature is this agent's over this challenge; false for an agent that is not known. */
export function proves(keys: ReadonlyMap<string, KeyObject>, agent: string, nonce: string, signature: string): boolean {
  const key = keys.get(agent);
  const bytes = Buffer.from(signature, 'base64url');
  return key !== undefined && bytes.length === 64 && verify(null, proveBytes(nonce, agent), key, bytes);
}
