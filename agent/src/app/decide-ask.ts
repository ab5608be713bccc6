import type { Approval } from '../domain/approval.ts';
import { changesBehaviour } from '../domain/behaviour.ts';
import { hiddenValues, sightOfValues } from '../domain/blind.ts';
import { HoldpointError } from '../domain/errors.ts';
import { bounded, type Lifetime, lifetimeText, narrowest, parseLifetime, requireWithin } from '../domain/lifetime.ts';
import { defaultLifetime, type EffectivePolicy, lifetimeLimit } from '../domain/policy.ts';
import { entitled, tallyAll } from '../domain/quorum.ts';
import type { Requirement } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { isRunOnly } from '../domain/run-only.ts';
import { narrowestScope, requireScope, type Scope, type ScopeWish, scopeText } from '../domain/scope.ts';
import { type Vote, withVote } from '../domain/vote.ts';
import { askOf, askRights } from './asks.ts';
import { approvedValues } from './blind.ts';
import { policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { visibleReview } from './inspect.ts';
import { readConfiguration } from './nearest.ts';
import { answerReviews } from './release.ts';
import { close, type Settlement, settle } from './settle.ts';
import { neededFor } from './step-up.ts';
import { exceptionOf } from './vote.ts';

/** An answer to a question that no job waits on. */
export interface AskDecision {
  readonly review: number;
  /** The full digest that was shown (T13, T36). */
  readonly digest: string;
  readonly decision: 'approve' | 'reject';
  readonly comment: string | null;
  readonly lifetime: string | null;
  /** Of an import alone; what goes on keeps the scope that it has. */
  readonly scope: ScopeWish | null;
}
/** What became of it. */
export interface AskOutcome {
  readonly review: Review;
  readonly approval: Approval | null;
}

/**
 * One person's vote on a question that no job waits on, under the same rules as on any other: frozen and current ones met by
 * the same votes, whoever caused it excluded, denials first. An Approval that it leads to lets waiting jobs go like any.
 */
export async function decideAsk(context: HubContext, caller: Caller, decision: AskDecision): Promise<AskOutcome> {
  return retrying(async () => {
    const review = await visibleReview(context, caller, decision.review);
    askOf(review);
    if (review.digest !== decision.digest) {
      throw new HoldpointError(
        'digest_mismatch',
        `review ${review.id} is about digest ${review.digest}, you decided on ${decision.digest}: look at it again`,
      );
    }
    if (review.state !== 'open')
      throw new HoldpointError('wrong_state', `review ${review.id} is ${review.state}: it takes no further decision`);
    const rights = await askRights(context, caller, review);
    const policy = await context.policy();
    const votes = await context.store.votes(review.id);
    const now = context.clock.now();
    const approval = await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const same = (await s.tx.review(review.id))?.version === review.version;
      if (!same || JSON.stringify(await s.tx.votes(review.id)) !== JSON.stringify(votes)) {
        throw new HoldpointError('hold_conflict', `review ${review.id} was changed by somebody else: look at it again`);
      }
      return answer(s, caller, decision, { ...rights, review, votes });
    });
    return { review: (await context.store.review(review.id)) ?? review, approval };
  });
}

interface Ground extends Awaited<ReturnType<typeof askRights>> {
  readonly review: Review;
  readonly votes: readonly Vote[];
  readonly requirements: readonly Requirement[];
}

async function answer(s: Settlement, caller: Caller, decision: AskDecision, ground: Ground): Promise<Approval | null> {
  const { review, requirements, members, member, mayVote } = ground;
  if (decision.decision === 'reject') {
    if (!requirements.some((requirement) => entitled(requirement, member)))
      throw new HoldpointError('not_eligible', `review ${review.id}: only who may approve there may reject`);
  } else if (!mayVote.allowed) {
    throw new HoldpointError(mayVote.code, `review ${review.id}: ${mayVote.reason}`);
  }
  const here = policyFor(s.policy, review);
  requireForm(decision, here, requirements);
  const of = await givenBy(s, review, here);
  const vote = await voteOf(s, caller, decision, review, here, of);
  await record(
    s,
    vote,
    review,
    caller,
    exceptionOf({ ...review.requirement, authors: ground.current.authors }, caller.person.id),
  );
  const votes = withVote(ground.votes, vote);
  const { outcome, approvedBy } = tallyAll(requirements, votes, members);
  switch (outcome) {
    case 'unmet':
      return null;
    case 'rejected':
      await close(s, review, 'rejected');
      return null;
    case 'approved':
      return write(
        s,
        review,
        of,
        votes.filter(({ decision: said, person }) => said === 'approve' && approvedBy.includes(person.id)),
      );
    default:
      return outcome satisfies never;
  }
}

/** What the policy asks of a vote beside who casts it. */
function requireForm(
  { review, comment, decision }: AskDecision,
  here: EffectivePolicy,
  requirements: readonly Requirement[],
): void {
  if (decision === 'approve' && here.comment === 'required' && (comment === null || comment.trim() === ''))
    throw new HoldpointError('comment_required', `review ${review}: the policy wants a comment here: say why`);
  if (decision === 'approve' && neededFor(requirements) !== 'none') {
    throw new HoldpointError(
      'step_up_required',
      `review ${review}: the policy asks for a proof of who you are with this vote, which can be given for a waiting hold alone: approve that when it comes`,
    );
  }
}

/** What the new Approval has from the one that it goes on from; null for an import. */
async function givenBy(s: Settlement, review: Review, here: EffectivePolicy): Promise<Approval | null> {
  const { approval: id, kind } = askOf(review);
  if (id === null) return null;
  const approval = await s.tx.approval(id);
  const isOver = approval === null || approval.revoked !== null || (kind === 'renewal' && endedBefore(approval, s.now));
  if (isOver) {
    throw new HoldpointError(
      'wrong_state',
      `review ${review.id}: approval ${id} was revoked or is over: it does not go on; let a job run to ask again`,
    );
  }
  requireScope(approval.scope, here.scopes, review.place);
  return approval;
}

const endedBefore = ({ lifetime }: Approval, now: number): boolean => lifetime.kind === 'until' && lifetime.at <= now;

async function voteOf(
  s: Settlement,
  caller: Caller,
  { decision, comment, lifetime: asked, scope: wish }: AskDecision,
  review: Review,
  here: EffectivePolicy,
  of: Approval | null,
): Promise<Vote> {
  const { id, username, name } = caller.person;
  const person = { id, username, name };
  const base = { review: review.id, person, decision, hold: null, comment, representedAs: null, at: s.now };
  const usual: Scope = of?.scope ?? {
    ref: { kind: 'exact' },
    inputs: review.place.environment === null ? here.scopes.inputs.default : here.scopes.inputs.environments,
    runners: null,
  };
  if (decision === 'reject') return { ...base, lifetime: { kind: 'run' }, scope: usual };
  await requireApprovable(s, review, here);
  if (of !== null && wish !== null)
    throw new HoldpointError('bad_input', `review ${review.id}: what goes on keeps its scope: leave --scope out`);
  const scope = of?.scope ?? {
    ref: wish?.ref ?? usual.ref,
    inputs: wish?.inputs ?? usual.inputs,
    runners: wish?.runners === undefined ? usual.runners : wish.runners,
  };
  requireScope(scope, here.scopes, review.place);
  return { ...base, lifetime: lifetimeOf(s, asked, review, here, of), scope };
}

/** How long it is to hold: what goes on elsewhere keeps its end, what is renewed gets a new one. */
function lifetimeOf(
  s: Settlement,
  asked: string | null,
  review: Review,
  here: EffectivePolicy,
  of: Approval | null,
): Lifetime {
  const { environment } = review.place;
  const limit = lifetimeLimit(here, environment);
  const kept = askOf(review).kind === 'rename' && of !== null ? of.lifetime : defaultLifetime(here, environment, s.now);
  const lifetime = bounded(asked === null ? kept : parseLifetime(asked), limit, s.now);
  requireWithin(lifetime, limit, s.now);
  if (lifetime.kind === 'run') {
    throw new HoldpointError(
      'lifetime_not_allowed',
      `review ${review.id}: no job waits on it, so it cannot be approved for one run: choose a longer lifetime, or wait for the job`,
    );
  }
  return lifetime;
}

/** Nothing that an approve of a Hold would be refused for: a denial, a value that nobody has seen, a key for one run alone. */
async function requireApprovable(s: Settlement, review: Review, here: EffectivePolicy): Promise<void> {
  const denial = await s.tx.denial(review.subject, review.digest, s.now);
  if (denial !== null) {
    throw new HoldpointError(
      'wrong_state',
      `review ${review.id}: ${denial.by} rejected this configuration (${denial.reason}): lift denial ${denial.id} first`,
    );
  }
  const configuration = await readConfiguration(s.tx, review.digest);
  if (configuration === null || isRunOnly(configuration)) {
    throw new HoldpointError(
      'lifetime_not_allowed',
      `review ${review.id}: this configuration brings a key that replaces image and checkout: it is approved for one run alone, when that run waits`,
    );
  }
  const hidden = hiddenValues(configuration);
  const revealed = await s.tx.reveals(review.subject, review.digest);
  const states = sightOfValues(hidden, hidden.map(({ name }) => name).filter(changesBehaviour), {
    opaque: here.opaque,
    revealed: revealed.map(({ name }) => name),
    approved: await approvedValues(s.tx, review, s.now),
  });
  const blind = states.filter(({ state }) => state === 'blind').map(({ name }) => name);
  if (blind.length > 0) {
    throw new HoldpointError(
      'blind_values',
      `review ${review.id}: nobody has seen the value of ${blind.slice(0, 20).join(', ')}, and no agent has it to show: approve it when a job with it waits; or the policy names it under variables.opaque`,
    );
  }
}

async function record(
  s: Settlement,
  vote: Vote,
  review: Review,
  { token, person }: Caller,
  selfApproval: string | null,
): Promise<void> {
  await s.tx.putVote(vote);
  const about = { review: review.id, digest: review.digest, approval: askOf(review).approval };
  await s.audit(vote.decision === 'approve' ? 'vote_approve' : 'vote_reject', about, {
    person: person.id,
    token: token.id,
    token_made_by: token.makers,
    kind: askOf(review).kind,
    comment: vote.comment,
    lifetime: vote.decision === 'approve' ? lifetimeText(vote.lifetime) : null,
    covers: 'configuration',
    scope: vote.decision === 'approve' ? scopeText(vote.scope) : null,
    ...(selfApproval === null ? {} : { self_approval: selfApproval }),
  });
  if (selfApproval !== null)
    await s.audit('exception_used', about, { exception: 'self_approval', used: selfApproval, person: person.id });
  s.changed({ type: 'review', id: review.id, state: 'open', projectId: review.subject.projectId });
}

/** Writes the Approval, and lets go what waits within it. */
async function write(s: Settlement, review: Review, of: Approval | null, votes: readonly Vote[]): Promise<Approval> {
  const [first, ...rest] = votes;
  if (first === undefined) throw new HoldpointError('internal', `review ${review.id}: an approval needs votes`);
  const lifetime = narrowest([first.lifetime, ...rest.map((vote) => vote.lifetime)]);
  const scope = narrowestScope([first.scope, ...rest.map((vote) => vote.scope)]);
  const { kind } = askOf(review);
  const approval = await s.tx.insertApproval({
    version: 1,
    review: review.id,
    subject: review.subject,
    projectPath: review.projectPath,
    digest: review.digest,
    place: review.place,
    scope,
    lifetime,
    hold: null,
    votes,
    policy: s.policy.version,
    createdAt: s.now,
    lastUsedAt: null,
    // What is carried over has no more runs than it had.
    timesUsed: kind === 'rename' ? (of?.timesUsed ?? 0) : 0,
    revoked: null,
    renews: of?.id ?? null,
  });
  const { ref, refProtected, environment } = review.place;
  const about = { review: review.id, digest: review.digest, approval: approval.id };
  await s.audit('approval_created', about, {
    lifetime: lifetimeText(lifetime),
    scope: scopeText(scope),
    ref,
    ref_protected: refProtected,
    environment,
    voters: votes.map((vote) => vote.person.id),
    frozen_policy: review.requirement.policy,
    kind,
    ...(of === null ? {} : { renews: of.id }),
  });
  if (kind === 'renewal') await s.audit('approval_renewed', about, { renews: of?.id ?? null });
  if (kind === 'rename')
    await s.audit('approvals_renamed', about, { renews: of?.id ?? null, note: askOf(review).note });
  s.changed({ type: 'approval', id: approval.id, state: 'valid', projectId: approval.subject.projectId });
  await answerReviews(s, approval);
  return approval;
}
