import { type Approval, questionOf } from '../domain/approval.ts';
import type { Over } from '../domain/approval-over.ts';
import type { AuditRow } from '../domain/audit.ts';
import type { BreakGlass } from '../domain/break-glass.ts';
import { recognised } from '../domain/commit-people.ts';
import type { Change } from '../domain/configuration-diff.ts';
import type { Deployment } from '../domain/deployment.ts';
import type { Facts } from '../domain/facts.ts';
import { hideTags, hideTagsOfChange } from '../domain/hidden-values.ts';
import type { Hold } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { type MayVote, mayApprove, mayReject, withScope } from '../domain/may-vote.ts';
import type { Person } from '../domain/principal.ts';
import { entitled, tallyAll } from '../domain/quorum.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { type ApprovalRule, satisfies } from '../domain/rule.ts';
import { defaultScope, inputsUnasked, type Scope, type ScopePolicy } from '../domain/scope.ts';
import { countingVotes, type StepUp } from '../domain/step-up.ts';
import type { Vote } from '../domain/vote.ts';
import { type HiddenOfHold, hiddenOf } from './blind.ts';
import { type WaitsFor, waitsFor } from './deployments/look.ts';
import { askedNow, frozenNow, membersFor, policyFor, policyNow } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { keepsOf } from './keeps.ts';
import { nearestDiff, readConfiguration } from './nearest.ts';
import { peopleTold } from './people-told.ts';
import { whyGone } from './removed.ts';
import { notFound, sightOf, visibleApproval, visibleHold } from './see.ts';
import { ownRules, type QuorumView, quorumView, type RuleView, ruleOfVote, ruleViews, votesFor } from './standing.ts';
import { neededFor } from './step-up.ts';
import { lookAtWatching, type WatchingLook } from './watching/look.ts';

/** Rows of one Hold's history that are shown with it; all of them are in the audit. */
const MAX_HISTORY = 500;

/** What one person's vote is and would be. */
export interface OwnVote {
  /** The rule that an approve would count for, by name; null: none needs it. */
  readonly rule: string | null;
  /** Names of the rules that it could count for. */
  readonly rules: readonly string[];
  /** True when a reject would count; else why not. */
  readonly reject: boolean;
  readonly rejectReason: string | null;
  readonly said: Vote['decision'] | null;
  /** Whom to ask who may not vote: people whose approves would help to complete it. */
  readonly ask: readonly Person[];
}
/** What ended an Approval, with who did it as they are known now. */
export interface OverTold {
  readonly kind: Over['kind'];
  readonly at: number | null;
  readonly by: (Pick<Person, 'username'> & { readonly id: number | null; readonly name: string | null }) | null;
  readonly reason: string | null;
}
/** Everything about one Hold, as one person may see it. */
export interface HoldInspection {
  readonly hold: Hold;
  readonly facts: Facts;
  readonly configuration: JsonObject;
  readonly votes: readonly Vote[];
  readonly rules: readonly RuleView[];
  readonly mayVote: MayVote;
  readonly ownVote: OwnVote;
  /** Whether the rules can still be met together; null where nothing is asked any more. */
  readonly quorum: QuorumView | null;
  /** Ids of those whose approves count as things are. */
  readonly counting: readonly number[];
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
    /** Why the Approval that it is compared with stands no more; null: it stands, or there is none. */
    readonly over: OverTold | null;
    readonly summary: string;
    readonly changes: readonly Change[];
  };
  readonly history: readonly AuditRow[];
  /** Whom the history names, as they are known now. */
  readonly people: readonly Person[];
  /** What keeps it back beside approvals that are missing, in words. */
  readonly keeps: readonly string[];
  /** Times at which somebody let it run without its approval. */
  readonly breakGlass: readonly BreakGlass[];
  /** What an approve needs beside the session or token that it comes with. */
  readonly stepUp: StepUp;
  /** Its Deployment, and what is missing at both of its gates. */
  readonly deployment: Deployment | null;
  readonly waitsFor: readonly WaitsFor[];
  /** Who watches it, and what was recorded. */
  readonly watching: WatchingLook;
}
/** A Review with its Holds, votes and rules. */
export interface ReviewInspection {
  readonly review: Review;
  readonly holds: readonly number[];
  readonly votes: readonly Vote[];
  readonly rules: readonly RuleView[];
  readonly quorum: QuorumView | null;
  readonly counting: readonly number[];
}

/**
 * Everything about one Hold for one person: what would run, how it differs from the nearest approved configuration, who
 * voted, who still may. Tags of hidden values are shown only to whom the rules know. Rejects with `not_found`.
 */
export async function inspectHold(context: HubContext, caller: Caller, id: number): Promise<HoldInspection> {
  const { store, directory } = context;
  const hold = await visibleHold(context, caller, id);
  const asked = hold.review === null ? null : await store.review(hold.review);
  const whole = await context.policy();
  const now = context.clock.now();
  const review = asked && {
    ...asked,
    requirement: askedNow(whole, asked, await frozenNow(directory, asked.requirement), now),
  };
  const deployment = await store.deploymentOfHold(hold.id);
  const facts = await store.facts(hold.id, hold.attempts.at(-1)!.jobId);
  const configuration = await readConfiguration(store, hold.digest);
  if (facts === null || configuration === null)
    throw await whyGone(store, { what: `hold ${id}`, digest: hold.digest, hold: id });
  const policy = policyNow(whole, hold, now);
  const opener = review?.requirement ?? { trigger: hold.trigger, people: facts.commit.people };
  const asking = [...(review === null ? [] : [review.requirement]), requirementFor(policy, opener)];
  const votes = review === null ? [] : await store.votes(review.id);
  const voters = [...votes.map(({ person }) => person.id), caller.person.id];
  const { projectId } = hold.subject;
  const members = await membersFor(directory, projectId, asking, voters);
  const current = requirementFor(policy, recognised(opener, members));
  const member = members.find(({ person }) => person.id === caller.person.id);
  const denial = await store.denial(hold.subject, hold.digest, context.clock.now());
  const frozen = review?.requirement ?? current;
  // Whoever may reject may see what it is about, their own job included.
  const sees = entitled(frozen, member) || entitled(current, member);
  // Beside the answer to its own question nothing of it would differ.
  const but = hold.approval === null ? null : hold.review;
  const diff = await nearestDiff(store, hold.subject, configuration, now, but);
  const hasScope = caller.token.scopes.includes('approve');
  const mayVote = withScope(mayApprove(hold, review, current, caller.person.id, member, denial), hasScope);
  const rejects = withScope(mayReject(hold, review, current, member), hasScope);
  const shown = countingVotes([frozen, current], votes);
  const standing = { projectId, frozen, current, votes: votesFor(hold.id, shown), members };
  const quorum = review?.state === 'open' ? await quorumView(directory, standing) : null;
  const said = votes.find(({ person }) => person.id === caller.person.id)?.decision ?? null;
  const others = (quorum?.helpers ?? []).filter((person) => person.id !== caller.person.id);
  const history = await store.auditRows({ hold: id, sight: null }, { after: 0, limit: MAX_HISTORY });
  const revoker = diff.over?.kind === 'revoked' ? diff.over.by : null;
  const people = await peopleTold(directory, members, history, revoker === null ? [] : [revoker]);
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
    stepUp: neededFor([frozen, current]),
    deployment,
    waitsFor: waitsFor(hold, deployment),
    watching: await lookAtWatching(context, caller, hold),
    configuration: sees ? configuration : hideTags(configuration),
    votes,
    rules: review === null ? [] : ruleViews(standing, caller.person.id),
    mayVote,
    ownVote: {
      rule: mayVote.allowed && said !== 'approve' ? ruleOfVote(standing, caller.person.id) : null,
      rules: mayVote.allowed ? ownRules(standing, caller.person.id) : [],
      reject: rejects.allowed,
      rejectReason: rejects.allowed ? null : rejects.reason,
      said,
      ask: mayVote.allowed && said !== 'approve' ? [] : others,
    },
    quorum,
    counting: tallyAll([frozen, current], shown, members).approvedBy,
    diff: {
      approval: diff.approval?.id ?? null,
      digest: diff.approval?.digest ?? null,
      over: diff.over && overTold(diff.over, people),
      summary: diff.summary,
      changes: sees ? diff.changes : diff.changes.map(hideTagsOfChange),
    },
    keeps: keepsOf(whole, hold, now, configuration),
    breakGlass: await store.breakGlassOf(id),
    history,
    people,
  };
}

function overTold(over: Over, people: readonly Person[]): OverTold {
  if (over.kind !== 'revoked')
    return { kind: over.kind, at: over.kind === 'ended' ? over.at : null, by: null, reason: null };
  const { kind, at, by: username, reason } = over;
  return {
    kind,
    at,
    by: people.find((one) => one.username === username) ?? { id: null, username, name: null },
    reason,
  };
}

/** A Review with its votes and rules, for `viewer` (null: for nobody in particular). */
export async function inspectReview(
  context: HubContext,
  review: Review,
  viewer: number | null = null,
): Promise<ReviewInspection> {
  const { store, directory } = context;
  const votes = await store.votes(review.id);
  const policy = await context.policy();
  const then = await frozenNow(directory, review.requirement);
  // What is decided was decided under the rules of its time; what is open has to meet those of today as well.
  const open = review.state === 'open';
  const now = context.clock.now();
  const frozen = open ? askedNow(policy, review, then, now) : then;
  const current = open ? requirementFor(policyNow(policy, review, now), frozen) : frozen;
  const { projectId } = review.subject;
  const voters = votes.map(({ person }) => person.id);
  const members = await membersFor(directory, projectId, [frozen, current], voters);
  const shown = countingVotes([frozen, current], votes);
  const asked = { projectId, frozen, current, votes: shown, members };
  return {
    review,
    holds: await store.holdIdsOf(review.id),
    votes,
    rules: ruleViews(asked, viewer),
    quorum: open ? await quorumView(directory, asked) : null,
    counting: tallyAll([frozen, current], shown, members).approvedBy,
  };
}

/** A Review that the caller may see: of a project with reporter access, or with a Hold that they triggered. Rejects with `not_found`. */
export async function visibleReview(context: HubContext, caller: Caller, id: number): Promise<Review> {
  const sight = await sightOf(context, caller);
  const [review] = await context.store.reviews({ sight }, { after: id - 1, limit: 1 });
  if (review?.id !== id) throw notFound('review', id);
  return review;
}

/** An Approval with what it lets run, the rules under which it was given, and where it was used. */
export interface ApprovalInspection {
  readonly approval: Approval;
  readonly configuration: JsonObject;
  readonly rules: readonly ApprovalRule[];
  readonly runners: readonly string[];
  readonly renewedBy: number | null;
}

/** The same for one person; tags of hidden values only for who may approve. Rejects with `not_found`. */
export async function inspectApproval(context: HubContext, caller: Caller, id: number): Promise<ApprovalInspection> {
  const { store } = context;
  const approval = await visibleApproval(context, caller, id);
  const configuration = await readConfiguration(store, approval.digest);
  if (configuration === null)
    throw await whyGone(store, { what: `approval ${id}`, digest: approval.digest, hold: null });
  const { rules } = policyFor(await context.policy(), approval);
  const members = await membersFor(context.directory, approval.subject.projectId, [{ rules }]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const sees = rules.some((rule) => satisfies(rule, member));
  return {
    approval,
    configuration: sees ? configuration : hideTags(configuration),
    rules: (await store.review(approval.review))?.requirement.rules ?? [],
    runners: (await store.runnersOf([id])).get(id) ?? [],
    renewedBy: (await store.renewalsOf(id))[0] ?? null,
  };
}
