import type { Passkey } from '../domain/passkey.ts';
import type { SignedDecision } from '../domain/step-up.ts';

/** Bytes that a browser was given to sign, once. Epoch ms. */
export interface Challenge {
  /** Base64url; what the browser sends back. */
  readonly challenge: string;
  readonly nonce: string;
  /** What it says yes to; null: a passkey is made. */
  readonly decision: SignedDecision | null;
  readonly person: number;
  /** The session that asked for it. */
  readonly token: number;
  readonly expiresAt: number;
  readonly usedAt: number | null;
}

/** Reads of passkeys and challenges. */
export interface PasskeyReads {
  passkey(id: number): Promise<Passkey | null>;
  passkeyOfCredential(credentialId: string): Promise<Passkey | null>;
  /** Those of a person that are not removed, oldest first. */
  passkeysOf(person: number): Promise<readonly Passkey[]>;
  /** Those of everybody that nobody has confirmed or removed, oldest first, at most `limit`. */
  unconfirmedPasskeys(limit: number): Promise<readonly Passkey[]>;
  challenge(challenge: string): Promise<Challenge | null>;
}
/** Writes of passkeys and challenges. */
export interface PasskeyWrites {
  insertPasskey(passkey: Omit<Passkey, 'id'>): Promise<Passkey>;
  /** What may change: its counter, its confirmation, its last use, its end. */
  updatePasskey(passkey: Passkey): Promise<void>;
  /** Keeps a challenge, and forgets this person's that are over at `now`. */
  insertChallenge(challenge: Challenge, now: number): Promise<void>;
  /** Marks it as used. Rejects with `hold_conflict` when it was already: of two at one moment one counts. */
  useChallenge(challenge: string, at: number): Promise<void>;
}
