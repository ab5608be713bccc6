import type { Lifetime } from './lifetime.ts';
import type { Scope } from './scope.ts';
import type { VoteProof } from './step-up.ts';

/** One person's approve or reject of a Review. Voting again replaces. */
export interface Vote {
  readonly review: number;
  /** The person by id; the names as they were at the vote, for the record only (T17). */
  readonly person: { readonly id: number; readonly username: string; readonly name: string };
  readonly decision: 'approve' | 'reject';
  /** The Hold alone that it speaks for (`--lifetime run`); null: the configuration. */
  readonly hold: number | null;
  readonly lifetime: Lifetime;
  /** What it would have covered beside the Review's own place. */
  readonly scope: Scope;
  readonly comment: string | null;
  /** Name of the one rule that it shall count for; null: whichever it is needed for. */
  readonly representedAs: string | null;
  /** How the person showed again who they are; absent where nobody asked for it. */
  readonly proof?: VoteProof;
  /** Epoch ms. */
  readonly at: number;
}

/** The votes with `vote` in the place of what the same person had said before: one per person (T22). */
export function withVote(votes: readonly Vote[], vote: Vote): readonly Vote[] {
  return [...votes.filter((other) => other.person.id !== vote.person.id), vote];
}
