import { type Approval, questionOf } from '../domain/approval.ts';
import type { AuditRow } from '../domain/audit.ts';
import type { Change } from '../domain/configuration-diff.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import { hideTags, hideTagsOfChange } from '../domain/hidden-values.ts';
import type { Hold } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { type MayVote, mayApprove } from '../domain/may-vote.ts';
import { ACCESS_LEVELS, type Member, type Person } from '../domain/principal.ts';
import { entitled, tally } from '../domain/quorum.ts';
import { type Requirement, requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { satisfies } from '../domain/rule.ts';
import { defaultScope, inputsUnasked, type Scope, type ScopePolicy } from '../domain/scope.ts';
import type { Vote } from '../domain/vote.ts';
import { type HiddenOfHold, hiddenOf } from './blind.ts';
import { membersFor, policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { nearestDiff, readConfiguration } from './nearest.ts';
import { notFound, sightOf, visibleHold } from './see.ts';

/** Of the people who could still satisfy a rule so many are named. */
const MAX_ELIGIBLE = 20;
/** Rows of one Hold's history that are shown with it; all of them are in the audit. */
const MAX_HISTORY = 500;

/** One rule and how far it is met. */
export interface RuleView {
  readonly name: string;
  readonly need: number;
  readonly have: number;
  readonly eligible: readonly Person[];
}
/** Everything about one Hold, as one person may see it. */
export interface HoldInspection {
  readonly hold: Hold;
  readonly facts: Facts;
  readonly configuration: JsonObject;
  readonly votes: readonly Vote[];
  readonly rules: readonly RuleView[];
  readonly mayVote: MayVote;
  /** Values that the form does not show and that may have been typed. */
  readonly hidden: readonly HiddenOfHold[];
  /** Jobs whose artifacts it takes in, and whether the hub knows each as run under an Approval. */
  readonly dependencies: readonly (Facts['dependencies'][number] & { readonly admitted: boolean })[];
  /** What an approve covers that names no scope, and how far it may be widened. */
  readonly scope: { readonly usual: Scope; readonly policy: ScopePolicy };
  /** What nobody could tell of who triggered or wrote what opened the Review. */
  readonly unknown: readonly string[];
  readonly diff: {
    readonly approval: number | null;
    readonly digest: string | null;
    readonly summary: string;
    readonly changes: readonly Change[];
  };
  readonly history: readonly AuditRow[];
}
/** A Review with its Holds, votes and rules. */
export interface ReviewInspection {
  readonly review: Review;
  readonly holds: readonly number[];
  readonly votes: readonly Vote[];
  readonly rules: readonly RuleView[];
}

function rulesOf(requirement: Requirement, votes: readonly Vote[], members: readonly Member[]): readonly RuleView[] {
  const { have } = tally(requirement, votes, members);
  const voted = new Set(votes.map((vote) => vote.person.id));
  return requirement.rules.map((rule, i) => ({
    name: rule.name,
    need: rule.count,
    have: have[i] ?? 0,
    eligible: members
      .filter((member) => satisfies(rule, member))
      .map((member) => member.person)
      .filter(({ id }) => !voted.has(id) && !requirement.excluded.includes(id))
      .slice(0, MAX_ELIGIBLE),
  }));
}

/**
 * Everything about one Hold for one person: what would run, how it differs from the nearest approved configuration, who
 * voted, who still may. Tags of hidden values are shown only to whom the rules know. Rejects with `not_found`.
 */
export async function inspectHold(context: HubContext, caller: Caller, id: number): Promise<HoldInspection> {
  const { store, directory } = context;
  const hold = await visibleHold(context, caller, id);
  const review = hold.review === null ? null : await store.review(hold.review);
  const facts = await store.facts(hold.id, hold.attempts.at(-1)!.jobId);
  const configuration = await readConfiguration(store, hold.digest);
  if (facts === null || configuration === null)
    throw new HoldpointError('internal', `hold ${id}: the store lacks its configuration or facts`);
  const policy = policyFor(await context.policy(), hold);
  const current = requirementFor(policy, review?.requirement ?? { trigger: hold.trigger, people: facts.commit.people });
  const requirements = review === null ? [current] : [review.requirement, current];
  const members = await membersFor(directory, hold.subject.projectId, requirements);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const votes = review === null ? [] : await store.votes(review.id);
  const denial = await store.denial(hold.subject, hold.digest, context.clock.now());
  const frozen = review?.requirement ?? current;
  // Whoever may reject may see what it is about, their own job included.
  const sees = entitled(frozen, member) || entitled(current, member);
  const diff = await nearestDiff(store, hold.subject, configuration);
  const may = mayApprove(hold, review, current, caller.person.id, member, denial);
  const mayVote: MayVote = caller.token.scopes.includes('approve')
    ? may
    : { allowed: false, code: 'forbidden', reason: 'your token has no scope approve: use one that has' };
  const jobs = facts.dependencies.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  const admitted = await store.admittedJobs(hold.subject.instance, hold.subject.projectId, jobs);
  return {
    hold,
    facts,
    hidden: await hiddenOf(store, policy, hold, context.clock.now()),
    dependencies: facts.dependencies.map((one) => ({
      ...one,
      admitted: one.jobId !== null && admitted.has(one.jobId),
    })),
    scope: {
      usual: defaultScope(policy.scopes, questionOf(hold), inputsUnasked(facts.dependencies)),
      policy: policy.scopes,
    },
    unknown: frozen.unknown,
    configuration: sees ? configuration : hideTags(configuration),
    votes,
    rules: review === null ? [] : rulesOf(frozen, votes, members),
    mayVote,
    diff: {
      approval: diff.approval?.id ?? null,
      digest: diff.approval?.digest ?? null,
      summary: diff.summary,
      changes: sees ? diff.changes : diff.changes.map(hideTagsOfChange),
    },
    history: await store.auditRows({ hold: id, sight: null }, { after: 0, limit: MAX_HISTORY }),
  };
}

/** A Review with its votes and rules. */
export async function inspectReview(context: HubContext, review: Review): Promise<ReviewInspection> {
  const votes = await context.store.votes(review.id);
  const members = await membersFor(context.directory, review.subject.projectId, [review.requirement]);
  const holds = await context.store.holdIdsOf(review.id);
  return { review, holds, votes, rules: rulesOf(review.requirement, votes, members) };
}

/** A Review that the caller may see: of a project with reporter access, or with a Hold that they triggered. Rejects with `not_found`. */
export async function visibleReview(context: HubContext, caller: Caller, id: number): Promise<Review> {
  const sight = await sightOf(context, caller);
  const [review] = await context.store.reviews({ sight }, { after: id - 1, limit: 1 });
  if (review?.id !== id) throw notFound('review', id);
  return review;
}

/** An Approval with the configuration that it lets run; tags of hidden values only for who may approve. Rejects with `not_found`. */
export async function inspectApproval(
  context: HubContext,
  caller: Caller,
  id: number,
): Promise<{ approval: Approval; configuration: JsonObject }> {
  const approval = await context.store.approval(id);
  const seen = await context.directory.projectsOf(caller.person.id, ACCESS_LEVELS.reporter);
  if (approval === null || !seen.includes(approval.subject.projectId)) throw notFound('approval', id);
  const configuration = await readConfiguration(context.store, approval.digest);
  if (configuration === null) throw new HoldpointError('internal', `approval ${id}: the store lacks its configuration`);
  const { rules } = policyFor(await context.policy(), approval);
  const members = await membersFor(context.directory, approval.subject.projectId, [{ rules }]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const sees = rules.some((rule) => satisfies(rule, member));
  return { approval, configuration: sees ? configuration : hideTags(configuration) };
}
