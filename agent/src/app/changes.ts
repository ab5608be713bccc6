import type { Change } from '../domain/configuration-diff.ts';
import { hideTagsOfChange } from '../domain/hidden-values.ts';
import type { Hold } from '../domain/hold.ts';
import type { MayVote } from '../domain/may-vote.ts';
import { mayApproveEver, withScope } from '../domain/may-vote.ts';
import { entitled } from '../domain/quorum.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { type Own, sameChange } from '../domain/same-change.ts';
import { breathe } from './breathe.ts';
import { membersFor, policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { nearestDiff, readConfiguration } from './nearest.ts';
import { sightOf } from './see.ts';

/** One Review of a change, with the Holds that wait for its answer. */
export interface ChangedReview {
  readonly review: Review;
  readonly holds: readonly Hold[];
  readonly mayVote: MayVote;
  /** The job's own values in its difference. */
  readonly own: readonly Own[];
}
/** Reviews whose difference to the nearest approved configuration is the same. */
export interface ChangeGroup {
  readonly key: string;
  readonly summary: string;
  /** The difference of the first of them. */
  readonly changes: readonly Change[];
  readonly reviews: readonly ChangedReview[];
}
/** All changes that wait. */
export interface WaitingChanges {
  readonly groups: readonly ChangeGroup[];
  /** Reviews that wait beyond those that were looked at. */
  readonly more: boolean;
}

/** So many open Reviews are compared in one answer: each costs a diff against what is approved. */
const MAX_REVIEWS = 200;

/**
 * The open questions that the caller may see, those that ask the same together, the oldest first. One answer to a group is
 * one decision for each Hold in it, by its own rules and with its own digest; nothing here decides anything.
 */
export async function waitingChanges(context: HubContext, caller: Caller): Promise<WaitingChanges> {
  const { store } = context;
  const sight = await sightOf(context, caller);
  const found = await store.reviews({ states: ['open'], sight }, { after: 0, limit: MAX_REVIEWS + 1 });
  const groups = new Map<string, ChangeGroup>();
  for (const review of found.slice(0, MAX_REVIEWS)) {
    await breathe();
    const holds = await store.waitingOn(review.id);
    const configuration = holds.length === 0 ? null : await readConfiguration(store, review.digest);
    if (configuration === null) continue;
    const diff = await nearestDiff(store, review.subject, configuration, context.clock.now());
    const { projectId, job } = review.subject;
    // A little beside what somebody took back is not a little: there whole configurations are the same, or nothing (T29).
    const baseline = diff.over?.kind === 'revoked' ? null : diff.baseline;
    const { key, own } = sameChange(baseline, configuration, { projectId, projectPath: review.projectPath, job });
    const { mayVote, sees } = await rightsOf(context, caller, review);
    const known = groups.get(key);
    groups.set(key, {
      key,
      summary: known?.summary ?? diff.summary,
      // Of several the changes are shown as whoever may vote on one of them sees them: they are the same.
      changes: known?.changes ?? (sees ? diff.changes : diff.changes.map(hideTagsOfChange)),
      reviews: [...(known?.reviews ?? []), { review, holds, mayVote, own }],
    });
  }
  return { groups: [...groups.values()], more: found.length > MAX_REVIEWS };
}

async function rightsOf(context: HubContext, caller: Caller, review: Review) {
  const current = requirementFor(policyFor(await context.policy(), review), review.requirement);
  const requirements = [review.requirement, current];
  const members = await membersFor(context.directory, review.subject.projectId, requirements, [caller.person.id]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const sees = requirements.some((requirement) => entitled(requirement, member));
  const may = mayApproveEver(review.requirement, current, caller.person.id, member);
  return { mayVote: withScope(may, caller.token.scopes.includes('approve')), sees };
}
