import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { EnrolledAgent } from '../domain/enrolment.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { StoreReader } from '../ports/store.ts';
import { proofText } from '../wire/link.ts';

/** An agent's name and its raw Ed25519 public key of 32 bytes. */
export interface KnownAgent {
  readonly name: string;
  readonly publicKey: Uint8Array;
}
/** The key that an agent has to prove (32 bytes), null for one that is not known or was revoked. */
export type AgentKeys = (agent: string) => Promise<Uint8Array | null>;

/** A raw Ed25519 public key as one that verifies. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
    format: 'jwk',
  });
}

/** Keys of agents in this process, then of those that have enrolled. Throws `bad_config` for a key that is none or a name that stands twice. */
export function agentKeys(
  store: Pick<StoreReader, 'enrolled'>,
  agents: readonly KnownAgent[],
): { readonly keyOf: AgentKeys; readonly isFixed: (agent: string) => boolean } {
  const fixed = new Map<string, Uint8Array>();
  for (const { name, publicKey } of agents) {
    if (fixed.has(name)) throw new HoldpointError('bad_config', `agent ${name} stands twice: give each its own name`);
    if (publicKey.length !== 32)
      throw new HoldpointError(
        'bad_config',
        `agent ${name}: an Ed25519 public key has 32 bytes, this has ${publicKey.length}`,
      );
    fixed.set(name, publicKey);
  }
  return {
    isFixed: (agent) => fixed.has(agent),
    async keyOf(agent) {
      const own = fixed.get(agent);
      if (own !== undefined) return own;
      // Asked for at each connection: one that is revoked is out from that moment on.
      const found = await store.enrolled(agent);
      return found === null || found.revokedAt !== null ? null : found.publicKey;
    },
  };
}

/** True for the key that this agent has enrolled with, while it is not revoked. */
export function isKey(known: EnrolledAgent | null, key: Uint8Array): boolean {
  return known !== null && known.revokedAt === null && Buffer.from(known.publicKey).equals(key);
}

/** What of a proof is checked. */
export interface Proof {
  readonly nonce: string;
  readonly agent: string;
  /** Id of the key of the hub that it was made for. */
  readonly hub: string;
  readonly protocol: number;
  readonly signature: string;
}

/** The key that has signed, where it is this agent's, over this challenge of this hub; null for any other, and for an agent that is not known (T27, T28, T29). */
export async function proves(
  keys: AgentKeys,
  { nonce, agent, hub, protocol, signature }: Proof,
): Promise<Uint8Array | null> {
  const key = await keys(agent);
  const bytes = Buffer.from(signature, 'base64url');
  const text = Buffer.from(proofText(nonce, agent, hub, protocol));
  return key !== null && bytes.length === 64 && verify(null, text, publicKeyOf(key), bytes) ? key : null;
}
