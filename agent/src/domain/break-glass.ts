import { HoldpointError } from './errors.ts';
import type { Person } from './principal.ts';
import type { ApprovalRule } from './rule.ts';
import type { Place, Subject } from './subject.ts';

/** Who may run something without its approval, for how long that counts, and when somebody else must have looked at it. */
export interface BreakGlassPolicy {
  /** Whoever satisfies one of these may do it, alone; none: nobody (T16). */
  readonly rules: readonly ApprovalRule[];
  /** What was let go has to be handed out within this time, or it waits again. */
  readonly forMs: number;
  /** Somebody else has to have looked at it within this time. */
  readonly reviewWithinMs: number;
  /** Whether it passes a hard freeze as well. */
  readonly duringFreeze: boolean;
}

/** As shipped: nobody. */
export const DEFAULT_BREAK_GLASS: BreakGlassPolicy = {
  rules: [],
  forMs: 3_600_000,
  reviewWithinMs: 3 * 86_400_000,
  duringFreeze: false,
};

/** What somebody else found. */
export const FINDINGS = ['justified', 'not_justified'] as const;
/** One of the findings. */
export type Finding = (typeof FINDINGS)[number];

/** One configuration that ran, or was let go, without its approval. */
export interface BreakGlass {
  readonly id: number;
  readonly version: number;
  readonly hold: number;
  /** The Approval for this one run that stands for it. */
  readonly approval: number;
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly place: Place;
  readonly person: Pick<Person, 'id' | 'username' | 'name'>;
  /** Name of the rule by which they might. */
  readonly rule: string;
  readonly reason: string;
  /** Version of the policy. */
  readonly policy: string;
  /** Epoch ms, as are all times here. */
  readonly at: number;
  readonly until: number;
  readonly reviewBy: number;
  /** True when a freeze was broken as well. */
  readonly frozen: boolean;
  /** True once it was said that nobody has looked in time. */
  readonly overdueNoted: boolean;
  /** Who looked at it, and what they found; null while nobody has. */
  readonly closed: {
    readonly at: number;
    readonly by: Pick<Person, 'id' | 'username' | 'name'>;
    readonly finding: Finding;
    readonly comment: string;
  } | null;
}

/** `open` until somebody else has looked; `overdue` once that should have happened. */
export const BREAK_GLASS_STATES = ['open', 'overdue', 'closed'] as const;
/** One of the states. */
export type BreakGlassState = (typeof BREAK_GLASS_STATES)[number];

/** How it stands. */
export function breakGlassState(glass: BreakGlass, now: number): BreakGlassState {
  if (glass.closed !== null) return 'closed';
  return now >= glass.reviewBy ? 'overdue' : 'open';
}

/** The record after somebody has looked at it. Throws `self_approval` for one's own, `wrong_state` for one that is closed. */
export function closeBreakGlass(glass: BreakGlass, closed: NonNullable<BreakGlass['closed']>): BreakGlass {
  if (glass.closed !== null) {
    throw new HoldpointError(
      'wrong_state',
      `break-glass ${glass.id} was closed by ${glass.closed.by.username} already: nothing is left to say`,
    );
  }
  if (glass.person.id === closed.by.id) {
    throw new HoldpointError(
      'self_approval',
      `break-glass ${glass.id} is your own: somebody else who may approve this job has to look at it`,
    );
  }
  return { ...glass, version: glass.version + 1, closed };
}
