import type { Hold } from './hold.ts';
import { type Lifetime, STANDING_UNUSED_MS } from './lifetime.ts';
import { type Origin, type Scope, scopeCovers } from './scope.ts';
import type { Place, Subject } from './subject.ts';
import type { Vote } from './vote.ts';

/** The standing result for a Digest: what it covers, for how long, who voted, under which rules. */
export interface Approval {
  readonly id: number;
  readonly version: number;
  readonly review: number;
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly place: Place;
  readonly scope: Scope;
  readonly lifetime: Lifetime;
  /** The only Hold it covers when the lifetime is `run`, else null. */
  readonly hold: number | null;
  readonly votes: readonly Vote[];
  /** Version of the policy under which it was reached. */
  readonly policy: string;
  /** Epoch ms, as are all times here. */
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly timesUsed: number;
  /** Nobody voted: the policy let it pass for this person, who pushed and made all of it. Never a baseline of tolerance. */
  readonly auto?: { readonly id: number; readonly username: string; readonly name: string };
  readonly revoked: { readonly at: number; readonly by: string; readonly reason: string | null } | null;
  /** The Approval that it goes on from: renewed, or carried over to a renamed project. */
  readonly renews?: number | null;
  /** Nobody approved it: somebody broke the glass for this one run. */
  readonly breakGlass?: boolean;
}

/** What a job asks of an Approval. */
export interface Question extends Origin {
  readonly subject: Subject;
  readonly digest: string;
  /** Id of the job's Hold, null for one that has none yet: a `run` Approval never covers that. */
  readonly hold: number | null;
  /** The Approval of whose uses this Hold has one already, null or absent for none. */
  readonly reserved?: number | null;
}

/** What a Hold asks of an Approval, as its newest job has it. */
export function questionOf(hold: Hold): Question {
  return {
    subject: hold.subject,
    digest: hold.digest,
    place: hold.place,
    inputs: hold.inputs,
    runner: hold.attempts.at(-1)?.runner ?? '',
    hold: hold.id,
    reserved: hold.approval,
  };
}

const unusedEnd = ({ lastUsedAt, createdAt }: Approval): number => (lastUsedAt ?? createdAt) + STANDING_UNUSED_MS;

/** How many more runs it lets go; null where nobody counts. A use is taken when a job passes or is released, not when it ends. */
export function usesLeft({ lifetime, timesUsed }: Pick<Approval, 'lifetime' | 'timesUsed'>): number | null {
  return lifetime.kind === 'uses' ? Math.max(0, lifetime.count - timesUsed) : null;
}

/** When it stops to count by itself (epoch ms), null for `run`, which ends with its Hold. */
export function endsAt(approval: Approval): number | null {
  switch (approval.lifetime.kind) {
    case 'run':
      return null;
    case 'until':
      return approval.lifetime.at;
    case 'uses':
      return Math.min(approval.lifetime.until ?? Number.POSITIVE_INFINITY, unusedEnd(approval));
    case 'standing':
      return unusedEnd(approval);
    default:
      return approval.lifetime satisfies never;
  }
}

/** True while it is neither revoked nor over (T12); of one whose uses are all taken, those who have one keep it. */
export function isInForce(approval: Approval, now: number): boolean {
  const end = endsAt(approval);
  return approval.revoked === null && (end === null || now < end);
}

/** True while it lets another job go: in force, and with a use left where they are counted. */
export function isValid(approval: Approval, now: number): boolean {
  return isInForce(approval, now) && usesLeft(approval) !== 0;
}

/** True when this Approval lets exactly this run (T10, T11, T48, T51). */
export function matches(approval: Approval, question: Question, now: number): boolean {
  const a = approval.subject;
  const b = question.subject;
  return (
    isInForce(approval, now) &&
    (usesLeft(approval) !== 0 || question.reserved === approval.id) &&
    approval.digest === question.digest &&
    a.instance === b.instance &&
    a.projectId === b.projectId &&
    a.job === b.job &&
    scopeCovers(approval.scope, approval.place, question) &&
    (approval.lifetime.kind === 'run' ? approval.hold !== null && approval.hold === question.hold : true)
  );
}
