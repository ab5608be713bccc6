import type { Approval } from '../domain/approval.ts';
import { recognised } from '../domain/commit-people.ts';
import { HoldpointError } from '../domain/errors.ts';
import { hideTags } from '../domain/hidden-values.ts';
import type { JsonObject } from '../domain/json.ts';
import { type MayVote, mayApproveEver, withScope } from '../domain/may-vote.ts';
import type { Member } from '../domain/principal.ts';
import { entitled } from '../domain/quorum.ts';
import { type Opener, type Requirement, requirementFor } from '../domain/requirement.ts';
import type { Ask, Review } from '../domain/review.ts';
import type { Place, Subject } from '../domain/subject.ts';
import { askedNow, frozenNow, membersFor, policyFor, policyNow } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { inspectReview, type ReviewInspection, visibleReview } from './inspect.ts';
import { readConfiguration } from './nearest.ts';
import { close, type Settlement, settle } from './settle.ts';

/** A question that no job waits on, before it is put. */
export interface NewAsk extends Omit<Ask, 'by'> {
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly place: Place;
  /** Who is excluded from the answer, by the rules of the place. */
  readonly opener: Opener;
}

/** One person puts no more questions than anybody could answer (T30). */
const MAX_OPEN_PER_PERSON = 1_000;

/** The open question of this kind, or a new one; what it asks of whom is frozen into it like into any Review. */
export async function openAsk(s: Settlement, caller: Caller, ask: NewAsk): Promise<Review> {
  const open = (await s.tx.openReviews(ask.subject, ask.digest)).find(
    (review) =>
      review.ask?.kind === ask.kind && review.ask.approval === ask.approval && samePlace(review.place, ask.place),
  );
  if (open !== undefined) return open;
  const { id, username } = caller.person;
  if ((await s.tx.openAsksOf(id)) >= MAX_OPEN_PER_PERSON) {
    throw new HoldpointError(
      'rate_limited',
      `${MAX_OPEN_PER_PERSON} questions of yours wait for an answer already: have some answered first`,
    );
  }
  const requirement = requirementFor(policyFor(s.policy, ask), ask.opener);
  const review = await s.tx.insertReview({
    version: 1,
    state: 'open',
    subject: ask.subject,
    projectPath: ask.projectPath,
    digest: ask.digest,
    place: ask.place,
    requirement,
    openedAt: s.now,
    closedAt: null,
    ask: { kind: ask.kind, approval: ask.approval, by: { id, username }, note: ask.note },
  });
  const { ref, refProtected, environment } = ask.place;
  await s.audit(
    'review_opened',
    { review: review.id, digest: review.digest, approval: ask.approval },
    {
      kind: ask.kind,
      note: ask.note,
      ref,
      ref_protected: refProtected,
      environment,
      rules: requirement.rules.map(({ name, who, count }) => ({ name, who: { ...who }, count })),
      self_approval: requirement.selfApproval,
      excluded: requirement.excluded,
      unknown: requirement.unknown,
    },
  );
  s.changed({ type: 'review', id: review.id, state: 'open', projectId: review.subject.projectId });
  return review;
}

function samePlace(a: Place, b: Place): boolean {
  return a.ref === b.ref && a.refProtected === b.refProtected && a.environment === b.environment;
}

/** Who an Approval that is to go on excluded: whoever caused what it was given for (T18). */
export async function openerOf(s: Pick<Settlement, 'tx'>, approval: Approval): Promise<Opener> {
  const review = await s.tx.review(approval.review);
  if (review === null) throw new HoldpointError('internal', `approval ${approval.id}: the store lacks its review`);
  const { trigger, people } = review.requirement;
  return { trigger, people };
}

/** A question that no job waits on, as one person sees it. */
export interface AskInspection {
  readonly inspection: ReviewInspection;
  readonly ask: Ask;
  readonly configuration: JsonObject;
  readonly mayVote: MayVote;
}

/** Such a question with what is asked about. Rejects with `not_found` for one that is none or may not be seen. */
export async function inspectAsk(context: HubContext, caller: Caller, id: number): Promise<AskInspection> {
  const review = await visibleReview(context, caller, id);
  const configuration = await readConfiguration(context.store, review.digest);
  if (configuration === null) throw new HoldpointError('internal', `review ${id}: the store lacks its configuration`);
  const { mayVote, requirements, member } = await askRights(context, caller, review);
  // Tags of hidden values are for who may decide (T32).
  const sees = requirements.some((requirement) => entitled(requirement, member));
  return {
    inspection: await inspectReview(context, review, caller.person.id),
    ask: askOf(review),
    configuration: sees ? configuration : hideTags(configuration),
    mayVote: withScope(mayVote, caller.token.scopes.includes('approve')),
  };
}

/** The question of a Review; `wrong_state` for one that jobs wait on: those are answered by their Holds (T36). */
export function askOf(review: Review): Ask {
  if (review.ask != null) return review.ask;
  throw new HoldpointError(
    'wrong_state',
    `review ${review.id} is what jobs wait for: decide on its holds, with the digest that they show`,
  );
}

/** Frozen and current requirement, members and whether the caller may vote. */
export async function askRights(
  context: HubContext,
  caller: Caller,
  review: Review,
): Promise<{
  readonly current: Requirement;
  readonly requirements: readonly Requirement[];
  readonly members: readonly Member[];
  readonly member: Member | undefined;
  readonly mayVote: MayVote;
}> {
  const policy = await context.policy();
  const now = context.clock.now();
  // A freeze window that asks for more people asks them here too: what is approved now may let jobs go within it.
  const frozen = askedNow(policy, review, await frozenNow(context.directory, review.requirement), now);
  const here = policyNow(policy, review, now);
  const votes = await context.store.votes(review.id);
  const voters = [...votes.map(({ person }) => person.id), caller.person.id];
  // What a vote here leads to may hold for long: nobody is judged by an answer of some seconds ago (T19).
  const asking = [frozen, requirementFor(here, frozen)];
  const members = await membersFor(context.directory, review.subject.projectId, asking, voters, now);
  const current = requirementFor(here, recognised(frozen, members));
  const requirements = [frozen, current];
  const member = members.find(({ person }) => person.id === caller.person.id);
  const mayVote = mayApproveEver(frozen, current, caller.person.id, member);
  return { current, requirements, members, member, mayVote };
}

/** So many in one transaction. */
const BATCH = 100;

/** Ends questions that nobody answered in the time that the policy gives a request. Answers how many. */
export async function expireAsks(context: HubContext): Promise<number> {
  const [now, policy] = [context.clock.now(), await context.policy()];
  const before = now - policy.base.requestTtlMs;
  if ((await context.store.dueAsks(before, 1)).length === 0) return 0;
  return settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
    const due = await s.tx.dueAsks(before, BATCH);
    for (const review of due) await close(s, review, 'expired');
    return due.length;
  });
}
