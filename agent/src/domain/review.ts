import { HoldpointError } from './errors.ts';
import type { Requirement } from './requirement.ts';
import type { Place, Subject } from './subject.ts';

/**
 * The question put to people: may this Digest run for this Subject at this Place? Every Hold that waits for the same
 * answer hangs on the same Review. What it asks and of whom is frozen when it opens.
 *
 *   open ──► approved   an Approval answers it
 *        ──► rejected   one reject of an entitled person
 *        ──► expired    its last waiting Hold expired
 *        ──► canceled   its last waiting Hold went away otherwise
 */
export const REVIEW_STATES = ['open', 'approved', 'rejected', 'expired', 'canceled'] as const;
/** A state word of a Review. */
export type ReviewState = (typeof REVIEW_STATES)[number];

/**
 * Questions that no job waits on: `import`: what somebody brought from elsewhere; `renewal`: shall an Approval go on;
 * `rename`: shall an Approval of a renamed project hold for what its jobs are called now.
 */
export const ASK_KINDS = ['import', 'renewal', 'rename'] as const;
/** One of them. */
export type AskKind = (typeof ASK_KINDS)[number];
/** What such a question is about. */
export interface Ask {
  readonly kind: AskKind;
  /** The Approval that is to go on; null for an import. */
  readonly approval: number | null;
  /** Who put the question. */
  readonly by: { readonly id: number; readonly username: string };
  /** Of an import, the name of the file; of a rename, the old and the new path. */
  readonly note: string | null;
}

/** One question and what it asks, frozen when it was opened. */
export interface Review {
  readonly id: number;
  readonly version: number;
  readonly state: ReviewState;
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly place: Place;
  readonly requirement: Requirement;
  /** Epoch ms. */
  readonly openedAt: number;
  readonly closedAt: number | null;
  /** Absent or null where jobs wait for the answer. */
  readonly ask?: Ask | null;
}

/** The Review, closed. Throws `wrong_state` for one that is closed already. */
export function closeReview(review: Review, state: Exclude<ReviewState, 'open'>, now: number): Review {
  if (review.state !== 'open') {
    throw new HoldpointError('wrong_state', `review ${review.id} is ${review.state}: it takes no further decision`);
  }
  return { ...review, version: review.version + 1, state, closedAt: now };
}

/** A digest that was rejected and is to be remembered: later jobs with it are refused at once (T15). */
export interface Denial {
  readonly id: number;
  readonly subject: Subject;
  readonly digest: string;
  readonly review: number;
  readonly by: string;
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
  readonly until: number;
  /** That somebody lifted it before its time; null while nobody has. */
  readonly lifted: { readonly at: number; readonly by: string; readonly reason: string | null } | null;
}
