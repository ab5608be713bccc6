import { type Approval, matches, questionOf } from '../domain/approval.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import { isDetached } from '../domain/retrying.ts';
import { placeCovered } from '../domain/scope.ts';
import { policyFor } from './governing.ts';
import { cancelHold, closeIfEmpty, noteUse, peopleOf, reviewFor, type Settlement } from './settle.ts';

/**
 * A new Approval answers every open Review in its scope: all their waiting Holds are released, in ascending pipeline id.
 * Of several that wait for the same environment only the newest pipeline's is, and none that GitLab has ended and a newer
 * pipeline has run meanwhile: an older run must not come after a newer one. The policy may say otherwise.
 */
export async function answerReviews(s: Settlement, approval: Approval): Promise<readonly Hold[]> {
  const released: Hold[] = [];
  const reviews = (await s.tx.openReviews(approval.subject, approval.digest)).filter((review) =>
    placeCovered(approval.scope, approval.place, review.place),
  );
  const waiting = (await Promise.all(reviews.map((review) => s.tx.waitingOn(review.id)))).flat();
  const covered = waiting.filter((hold) => matches(approval, questionOf(hold), s.now));
  for (const hold of covered.sort(byPipeline)) {
    const newest = covered.findLast(({ place }) => place.environment === hold.place.environment) ?? hold;
    if (policyFor(s.policy, hold).superseded === 'cancel' && (await isSuperseded(s, hold, newest))) {
      await cancelHold(s, hold, 'superseded');
      continue;
    }
    released.push(await releaseHold(s, hold, approval.id));
  }
  // What the scope does not reach (artifacts from elsewhere, another runner) goes on waiting for its answer (T48).
  for (const review of reviews) await closeIfEmpty(s, review.id, 'approved');
  await noteUse(s, approval, released.length);
  return released;
}

async function isSuperseded(s: Settlement, hold: Hold, newest: Hold): Promise<boolean> {
  if (hold.place.environment !== null && age(hold) < age(newest)) return true;
  return isDetached(hold) && (await s.tx.overtaken(hold));
}

const age = (hold: Hold): number => hold.pipelineId ?? 0;
const byPipeline = (a: Hold, b: Hold): number => age(a) - age(b) || a.id - b.id;

/** Moves one waiting Hold to pending and tells the agent that has its live job. */
export async function releaseHold(s: Settlement, hold: Hold, approval: number): Promise<Hold> {
  const pending = await s.move(hold, { type: 'release', approval }, 'hold_released', { approval });
  await s.tell('release', pending, liveAttempt(pending), null);
  return pending;
}

/**
 * A pending Hold whose Approval no longer counts falls back to waiting, on an open Review, unless another Approval covers
 * it; a running one is only marked. Answers the Hold as it is afterwards.
 */
export async function fallBack(s: Settlement, hold: Hold, reason: string): Promise<Hold> {
  if (hold.state === 'running') {
    return s.move(hold, { type: 'revoke', review: hold.review ?? 0, reason }, 'approval_gone', { reason });
  }
  const review = await reviewFor(s, hold, await peopleOf(s, hold));
  const waiting = await s.move(hold, { type: 'revoke', review: review.id, reason }, 'hold_fell_back', { reason });
  const other = (await s.tx.approvalsOf(hold.subject, hold.digest, 100)).find((a) =>
    matches(a, questionOf(hold), s.now),
  );
  if (other !== undefined) {
    const pending = await releaseHold(s, waiting, other.id);
    await closeIfEmpty(s, review.id, 'approved');
    await noteUse(s, other, 1);
    return pending;
  }
  await s.tell('revoke', waiting, liveAttempt(waiting), reason);
  return waiting;
}
