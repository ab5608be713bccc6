import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from './canonical-json.ts';

/** What an approve needs beside the session or token that it comes with, the least first. */
export const STEP_UPS = ['none', 'fresh_sign_in', 'passkey'] as const;
/** One of them. */
export type StepUp = (typeof STEP_UPS)[number];

/** How long a sign-in is fresh: to look at one change and decide on it. */
export const FRESH_MS = 5 * 60_000;
/** How long a challenge waits for its answer: to find the key. */
export const CHALLENGE_MS = 5 * 60_000;

/** The strictest of several: what was frozen and what holds now must both be met (T21). */
export function strictest(asked: readonly StepUp[]): StepUp {
  return STEP_UPS[Math.max(0, ...asked.map((one) => STEP_UPS.indexOf(one)))] ?? 'passkey';
}

/** What an assertion says yes to. Everything that decides what may run afterwards is in it, so that it fits nothing else (T13). */
export interface SignedDecision {
  readonly gate: 'configuration' | 'deployment';
  readonly decision: 'approve';
  readonly person: number;
  readonly review: number;
  readonly hold: number;
  readonly digest: string;
  /** As it was asked for; null: what the policy gives. */
  readonly lifetime: string | null;
  readonly scope: string | null;
  readonly representedAs: string | null;
}

/**
 * The 32 bytes that a passkey signs: SHA-256 of the canonical text of the decision and of a nonce that serves once. Anybody
 * who has the row of the audit can compute them again.
 */
export function challengeOf(decision: SignedDecision, nonce: string): Uint8Array {
  const { gate, decision: said, person, review, hold, digest, lifetime, scope, representedAs } = decision;
  const text = canonicalJson({
    form: 'holdpoint.step-up/v1',
    gate,
    decision: said,
    person,
    review,
    hold,
    digest,
    lifetime,
    scope,
    represented_as: representedAs,
    nonce,
  });
  return sha256(utf8ToBytes(text));
}

/** Base64url without padding, as WebAuthn writes bytes. */
export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** How somebody showed again who they are; kept with the vote. */
export type VoteProof =
  | {
      readonly kind: 'fresh_sign_in';
      /** Epoch ms. */
      readonly authTime: number;
    }
  | {
      readonly kind: 'passkey';
      readonly passkey: number;
      readonly nonce: string;
      /** Base64url, as the browser sent them: with the public key they show again that this was signed. */
      readonly challenge: string;
      readonly clientData: string;
      readonly authenticatorData: string;
      readonly signature: string;
    };

/** True when what was shown with a vote is what is asked for: a passkey is more than a sign-in. */
export function meets(needed: StepUp, proof: VoteProof | undefined): boolean {
  switch (needed) {
    case 'none':
      return true;
    case 'fresh_sign_in':
      return proof !== undefined;
    case 'passkey':
      return proof?.kind === 'passkey';
    default:
      needed satisfies never;
      return false;
  }
}

/** The votes that count by what was shown with them; rejects always do. Votes from before more was asked for may not (T21). */
export function countingVotes<T extends { readonly decision: 'approve' | 'reject'; readonly proof?: VoteProof }>(
  requirements: readonly { readonly stepUp?: StepUp }[],
  votes: readonly T[],
): readonly T[] {
  const needed = strictest(requirements.map(({ stepUp = 'none' }) => stepUp));
  return votes.filter(({ decision, proof }) => decision === 'reject' || meets(needed, proof));
}

/** A proof as the audit has it. */
export function proofDetail(proof: VoteProof) {
  if (proof.kind === 'fresh_sign_in') return { kind: proof.kind, auth_time: new Date(proof.authTime).toISOString() };
  const { kind, passkey, nonce, challenge, clientData, authenticatorData, signature } = proof;
  return {
    kind,
    passkey,
    nonce,
    challenge,
    client_data: clientData,
    authenticator_data: authenticatorData,
    signature,
  };
}

/** True when a sign-in at this time is still fresh; one that the provider puts into the future is none. */
export function isFresh(authTime: number | null, now: number): boolean {
  return authTime !== null && now - authTime <= FRESH_MS && authTime <= now + 60_000;
}
