import { type Approval, questionOf, usesLeft } from '../domain/approval.ts';
import { isThrough } from '../domain/deployment-gate.ts';
import { HoldpointError } from '../domain/errors.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { isDetached } from '../domain/retrying.ts';
import type { Review } from '../domain/review.ts';
import { placeCovered } from '../domain/scope.ts';
import type { StoreReader } from '../ports/store.ts';
import { type Asking, type Cover, coveredBy, coverOf } from './covering.ts';
import { freezeHold, freezeOf, hardFreeze } from './freezing.ts';
import { policyFor } from './governing.ts';
import { readAhead } from './read-ahead.ts';
import { cancelHold, closeIfEmpty, noteUse, peopleOf, reviewFor, type Settlement } from './settle.ts';
import { isWatched, liveGate } from './watching/live-gate.ts';

/**
 * Of other digests so many that wait are compared with a new Approval, the newest: whoever floods a job with configurations must
 * not make an approve slow (T30). The others are looked at when their people decide, or when their job comes again.
 */
const MAX_OTHERS = 100;

/** What a Hold that is open asks of Approvals, with what is known of its newest run. */
export async function askingOf(s: { readonly tx: Pick<StoreReader, 'facts'> }, hold: Hold): Promise<Asking> {
  const facts = await s.tx.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  if (facts === null) throw new HoldpointError('internal', `hold ${hold.id}: the store lacks its facts`);
  return { question: questionOf(hold), projectPath: hold.projectPath, facts };
}

/** The event of a job that an Approval lets pass: by its digest, or by what the policy tolerates. */
export const passedAs = ({ tolerated }: Cover): string => (tolerated === null ? 'job_passed' : 'job_tolerated');

/** What was tolerated, for the audit; nothing where the digest itself is approved. */
export function toleratedDetail(cover: Cover | null): JsonObject {
  if (cover === null || cover.tolerated === null) return {};
  return { approved_digest: cover.approval.digest, tolerated: cover.tolerated.map((part) => ({ ...part })) };
}

/**
 * A new Approval answers every open Review of its Subject in its scope: of its digest, and of those that are alike for the
 * policy. All their waiting Holds are released, in ascending pipeline id. Of several that wait for the same environment only
 * the newest pipeline's is, and none that GitLab has ended and a newer pipeline has run meanwhile: an older run must not come
 * after a newer one. The policy may say otherwise.
 */
export async function answerReviews(s: Settlement, approval: Approval): Promise<readonly Hold[]> {
  const released: Hold[] = [];
  const reviews = (await s.tx.openReviews(approval.subject, null)).filter((review) =>
    placeCovered(approval.scope, approval.place, review.place),
  );
  const covered: { readonly hold: Hold; readonly cover: Cover }[] = [];
  const idsOf = (some: readonly Review[]) => some.map(({ id }) => id);
  const own = reviews.filter(({ digest }) => digest === approval.digest);
  const others = reviews.filter(({ digest }) => digest !== approval.digest);
  const asked = [
    ...(own.length === 0 ? [] : await s.tx.waitingOnAny(idsOf(own), null)),
    ...(others.length === 0 ? [] : await s.tx.waitingOnAny(idsOf(others), MAX_OTHERS)),
  ];
  const comparing = { subject: approval.subject, holds: asked, digests: [approval.digest], now: s.now };
  const ahead = { ...s, tx: await readAhead(s.tx, comparing) };
  for (const hold of asked) {
    const cover = await coveredBy(ahead, approval, await askingOf(ahead, hold));
    if (cover) covered.push({ hold, cover });
  }
  covered.sort((a, b) => byPipeline(a.hold, b.hold));
  const left = usesLeft(approval) ?? Number.POSITIVE_INFINITY;
  for (const { hold, cover } of covered) {
    const same = covered.findLast((other) => other.hold.place.environment === hold.place.environment);
    if (policyFor(s.policy, hold).superseded === 'cancel' && (await isSuperseded(s, hold, same?.hold ?? hold))) {
      await cancelHold(s, hold, 'superseded');
      continue;
    }
    // Who comes after the last use goes on waiting.
    if (released.length >= left) continue;
    const freeze = hardFreeze(s, hold);
    const now = await (freeze === null ? releaseHold(s, hold, cover) : freezeHold(s, hold, freeze));
    if (now.state === 'pending') released.push(now);
  }
  // What the scope does not reach (artifacts from elsewhere, another runner) goes on waiting for its answer (T48).
  const answered = new Set(covered.map(({ hold }) => hold.review));
  for (const review of reviews) {
    if (review.digest === approval.digest || answered.has(review.id)) await closeIfEmpty(s, review.id, 'approved');
  }
  await noteUse(s, approval, released.length);
  return released;
}

async function isSuperseded(s: Settlement, hold: Hold, newest: Hold): Promise<boolean> {
  if (hold.place.environment !== null && age(hold) < age(newest)) return true;
  return isDetached(hold) && (await s.tx.overtaken(hold));
}

const age = (hold: Hold): number => hold.pipelineId ?? 0;
const byPipeline = (a: Hold, b: Hold): number => age(a) - age(b) || a.id - b.id;

/**
 * Moves one waiting Hold to pending and tells the agent that has its live job. A Hold with a Deployment that is not approved
 * and started, or that has to be watched and is not, has passed its configuration gate alone, and goes on waiting: no use of
 * the Approval is taken by that.
 */
export async function releaseHold(s: Settlement, hold: Hold, cover: Cover): Promise<Hold> {
  const approval = cover.approval.id;
  const deployment = hold.place.environment === null ? null : await s.tx.deploymentOfHold(hold.id);
  const isShut = deployment !== null && !isThrough(deployment);
  if (isShut || !isWatched(await liveGate(s, hold))) {
    if (hold.configured === approval && hold.frozenUntil === null) return hold;
    const { review } = cover.approval;
    const detail = { approval, ...toleratedDetail(cover) };
    return s.move(hold, { type: 'configure', approval, review }, 'configuration_passed', detail);
  }
  const event = cover.tolerated === null ? 'hold_released' : 'job_tolerated';
  const pending = await s.move(hold, { type: 'release', approval }, event, { approval, ...toleratedDetail(cover) });
  await s.tell('release', pending, liveAttempt(pending), null, releaseNote(cover.approval));
  return pending;
}

/** What the log of a job says that runs although nobody approved it; nothing for any other. */
function releaseNote({ breakGlass, votes, id }: Approval): string | null {
  const [by] = votes;
  if (breakGlass !== true || by === undefined) return null;
  return [
    'Holdpoint: NOBODY APPROVED THIS RUN. The glass was broken for it.',
    `By ${by.person.username}: ${by.comment ?? ''} (approval ${id}, for this run alone; somebody else has to look at it).`,
  ].join('\n');
}

/**
 * A pending Hold whose Approval no longer counts falls back to waiting, on an open Review, unless another Approval covers
 * it; a running one is only marked. Answers the Hold as it is afterwards.
 */
export async function fallBack(s: Settlement, hold: Hold, reason: string): Promise<Hold> {
  if (hold.state === 'waiting_for_approval') return reopen(s, hold, reason);
  if (hold.state === 'running') {
    return s.move(hold, { type: 'revoke', review: hold.review ?? 0, reason }, 'approval_gone', { reason });
  }
  const review = await reviewFor(s, hold, await peopleOf(s, hold));
  const waiting = await s.move(hold, { type: 'revoke', review: review.id, reason }, 'hold_fell_back', { reason });
  const other = await coverOf(s, await askingOf(s, waiting));
  const freeze = other === null ? null : freezeOf(s, waiting, other.approval);
  if (freeze !== null) {
    await s.tell('revoke', waiting, liveAttempt(waiting), reason);
    return freezeHold(s, waiting, freeze);
  }
  if (other !== null) {
    const now = await releaseHold(s, waiting, other);
    await closeIfEmpty(s, review.id, 'approved');
    if (now.state === 'pending') await noteUse(s, other.approval, 1);
    else await s.tell('revoke', now, liveAttempt(now), reason);
    return now;
  }
  await s.tell('revoke', waiting, liveAttempt(waiting), reason);
  return waiting;
}

/** A Hold that waits for its deployment gate alone is asked about again, unless another Approval covers it. */
export async function reopen(s: Settlement, hold: Hold, reason: string): Promise<Hold> {
  if (hold.configured === null) return hold;
  const other = await coverOf(s, await askingOf(s, hold));
  if (other !== null) return releaseHold(s, hold, other);
  const review = await reviewFor(s, hold, await peopleOf(s, hold));
  return s.move(hold, { type: 'unconfigure', review: review.id, reason }, 'hold_fell_back', { reason });
}
