import { DAY_MS } from './lifetime.ts';

/** How long the store keeps what it may let go; null: for ever. All else it keeps for ever, whatever the policy says. */
export interface RetentionPolicy {
  /** Configuration and facts of a job that ran or was approved, after its end and after the end of every approval of it. */
  readonly ranMs: number | null;
  /** Those of a job that nobody let run. */
  readonly notRunMs: number | null;
  /** Sessions and tokens that have ended, one-time tokens of agents, questions for passkeys, what agents reported of ended Holds. */
  readonly endedMs: number;
  /** What people were told. */
  readonly notificationsMs: number;
  /** What ran on runners that only watch. */
  readonly sightingsMs: number;
  /** Recordings of jobs, after their end; their hash stays. */
  readonly recordingsMs: number | null;
}

/** What is kept without a word in the policy: an auditor who asks years later what ran is answered. */
export const DEFAULT_RETENTION: RetentionPolicy = {
  ranMs: null,
  notRunMs: 365 * DAY_MS,
  endedMs: 90 * DAY_MS,
  notificationsMs: 30 * DAY_MS,
  sightingsMs: 90 * DAY_MS,
  recordingsMs: 366 * DAY_MS,
};

/** An audit looks back a year at the least: what ran is never kept for less. */
export const LEAST_DAYS = { ran: 365, not_run: 30, ended: 30, notifications: 7, sightings: 7, recordings: 7 } as const;

/** The policy in words, as the file writes it. */
export function retentionWords(policy: RetentionPolicy): readonly { readonly key: string; readonly words: string }[] {
  const days = (ms: number | null): string => (ms === null ? 'forever' : `${ms / DAY_MS}d`);
  return [
    { key: 'ran', words: days(policy.ranMs) },
    { key: 'not_run', words: days(policy.notRunMs) },
    { key: 'ended', words: days(policy.endedMs) },
    { key: 'notifications', words: days(policy.notificationsMs) },
    { key: 'sightings', words: days(policy.sightingsMs) },
    { key: 'recordings', words: days(policy.recordingsMs) },
  ];
}

/** What ended before these times (epoch ms) may go; null: nothing of it. */
export interface Cutoffs {
  readonly now: number;
  readonly ran: number | null;
  readonly notRun: number | null;
  readonly ended: number;
  readonly notifications: number;
  readonly sightings: number;
  readonly recordings: number | null;
}

/** The times that a policy comes to now. */
export function cutoffsOf(policy: RetentionPolicy, now: number): Cutoffs {
  const before = (kept: number | null): number | null => (kept === null ? null : now - kept);
  return {
    now,
    ran: before(policy.ranMs),
    notRun: before(policy.notRunMs),
    ended: now - policy.endedMs,
    notifications: now - policy.notificationsMs,
    sightings: now - policy.sightingsMs,
    recordings: before(policy.recordingsMs),
  };
}

/** What goes row by row; of configurations and facts only the text goes, and a note of when and why stays. */
export const ENDED_CLASSES = [
  'tokens',
  'challenges',
  'enrolments',
  'pushes',
  'notifications',
  'notices',
  'sightings',
] as const;
/** One of them. */
export type EndedClass = (typeof ENDED_CLASSES)[number];
/** Everything that may go, as it is counted. */
export const RETAINED_CLASSES = [...ENDED_CLASSES, 'reports', 'facts', 'configurations', 'recordings'] as const;
/** How many went, by class; what none went of is not named. */
export type RetentionCounts = Readonly<Partial<Record<(typeof RETAINED_CLASSES)[number], number>>>;

/** When a text was removed, and under which policy: version of the policy and which of its times. */
export interface Removal {
  readonly at: number;
  readonly policy: string;
}
