import type { Asked, History, JobClass, Queued, Started } from './history.ts';

/**
 * What was approved when, found out from what people sent and were answered, and from nothing that the product says of itself.
 * Where an answer was lost a vote may count, and may have counted at any moment since it was sent; a revoke counts once it
 * was acknowledged.
 */

/** People who maintain the projects of the harness. */
export const MAINTAINERS = ['maria', 'jonas', 'lena'] as const;
/** The maintainer who triggers all jobs of class `self`. */
export const OWN_TRIGGER = 'lena';
/** What one approval of class `counted` lets run. */
export const USES = 2;

const NEEDED: Record<JobClass, number> = { standing: 1, duo: 2, self: 1, counted: 1, once: 1 };

/** From when on a revoke counts: its answer, or never where none said that it was taken. */
const revokedAt = (asked: Asked): number => (asked.answer === 'taken' ? asked.back : Number.POSITIVE_INFINITY);

function mayVote(kind: JobClass, person: string): boolean {
  return (MAINTAINERS as readonly string[]).includes(person) && !(kind === 'self' && person === OWN_TRIGGER);
}

/** Whether this job could have been covered by an approval at this moment. */
export function couldBeApproved(history: History, { key, kind, pipeline }: Queued, at: number): boolean {
  const pipelineOf = new Map(history.queued.map((one) => [one.job, one.pipeline]));
  const jobOf = new Map(history.holds.map(({ id, job }) => [id, job]));
  // An approval of one run is revoked for that run; other runs of the same configuration have theirs.
  const isOfAnother = ({ alone = null }: Asked): boolean =>
    kind === 'once' && alone !== null && pipelineOf.get(jobOf.get(alone) ?? 0) !== pipeline;
  const last = history.asked
    .filter((one) => one.what === 'revoke' && one.key === key && revokedAt(one) <= at && !isOfAnother(one))
    .reduce((latest, one) => Math.max(latest, one.sent), 0);
  const voters = new Set(
    history.asked
      .filter((one) => one.what === 'approve' && one.key === key && one.answer !== 'refused' && one.sent <= at)
      // Votes from before a revoke count only while its approval might not have been written yet.
      .filter((one) => one.back >= last)
      .filter((one) => kind !== 'once' || (one.job !== null && pipelineOf.get(one.job) === pipeline))
      .filter((one) => mayVote(kind, one.person))
      .map((one) => one.person),
  );
  return voters.size >= NEEDED[kind];
}

/** Runs of a counted key that nobody has approved, if any: each approval is good for so many. */
export function overCounted(history: History, started: readonly Started[], key: string): Started | null {
  const approvals = history.asked
    .filter((one) => one.what === 'approve' && one.key === key && one.answer !== 'refused')
    .filter((one) => mayVote('counted', one.person))
    .map((one) => one.sent)
    .sort((a, b) => a - b);
  const runs = started.filter((one) => one.key === key).sort((a, b) => a.at - b.at);
  return runs.find((run, n) => n >= USES * approvals.filter((sent) => sent <= run.at).length) ?? null;
}
