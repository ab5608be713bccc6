/** Words that tell an enrolment token at a glance, so that secret scanners find one that leaked. */
export const ENROLMENT_PREFIX = 'hpe_';
/** Long enough to carry it to a host; one that lies about is worth nothing soon (T27). */
export const ENROLMENT_MS = 10 * 60_000;

/** A one-time token with which a host becomes an agent; its text is shown once and never stored. Epoch ms. */
export interface Enrolment {
  /** SHA-256 of its text, 64 hex digits. */
  readonly hash: string;
  readonly agent: string;
  /** Who asked for it, as the audit names them. */
  readonly madeBy: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly usedAt: number | null;
}

/** An agent that has enrolled: the public half of the key that it made itself, and whether it still counts. */
export interface EnrolledAgent {
  readonly name: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: Uint8Array;
  readonly enrolledAt: number;
  readonly enrolledBy: string;
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
}

/** Why a token enrols nobody any more, in words; null while it does. */
export function enrolmentProblem({ usedAt, expiresAt }: Enrolment, now: number): string | null {
  if (usedAt !== null) return 'this enrolment token was used already';
  return now < expiresAt ? null : 'this enrolment token is over: it is good for 10 minutes';
}
