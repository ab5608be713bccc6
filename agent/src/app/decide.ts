import { type Approval, questionOf } from '../domain/approval.ts';
import { recognised } from '../domain/commit-people.ts';
import { HoldpointError } from '../domain/errors.ts';
import { type Hold, liveAttempt, wrongState } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { bounded, type Lifetime, lifetimeText, narrowest, parseLifetime, requireWithin } from '../domain/lifetime.ts';
import { mayApprove, mayReject, mayRepresent } from '../domain/may-vote.ts';
import { defaultLifetime, type EffectivePolicy, lifetimeLimit, type Policy, timeoutProblem } from '../domain/policy.ts';
import type { Member } from '../domain/principal.ts';
import { tallyAll } from '../domain/quorum.ts';
import { type Requirement, requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { isRunOnly } from '../domain/run-only.ts';
import {
  defaultScope,
  inputsUnasked,
  narrowestScope,
  requireCovers,
  requireScope,
  type Scope,
  type ScopeWish,
  scopeText,
} from '../domain/scope.ts';
import { countingVotes } from '../domain/step-up.ts';
import { type Vote, withVote } from '../domain/vote.ts';
import type { Signed } from '../ports/passkeys.ts';
import { blindNames, hiddenIn } from './blind.ts';
import { rejectDenied } from './denials.ts';
import { openEnvironment } from './deployments/gate.ts';
import { askedNow, frozenNow, membersFor, policyFor, policyNow } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { answerReviews } from './release.ts';
import { visibleHold } from './see.ts';
import { close, type Settlement, settle } from './settle.ts';
import { neededFor, type Proved, proveStepUp, signedDecision } from './step-up.ts';
import { exceptionOf, recordVote, requireMay } from './vote.ts';

/** An approve or reject of one Hold by a person. */
export interface Decision {
  readonly hold: number;
  /** The full digest that was shown to them (T13, T36). */
  readonly digest: string;
  readonly decision: 'approve' | 'reject';
  readonly comment: string | null;
  /** As `run`, `standing`, `until:DATE`; null: the policy's default. */
  readonly lifetime: string | null;
  /** What the approval shall cover beside the place; what is absent is the policy's default. */
  readonly scope: ScopeWish | null;
  /** Deny the digest for a while, so that later jobs with it are refused at once (T15). */
  readonly remember: boolean;
  /** Name of the one rule that an approve shall count for; without it: whichever it is needed for. */
  readonly representedAs?: string | null;
  /** The answer of a passkey to the challenge for this very decision. */
  readonly assertion?: Signed | null;
}

/** What a decision stands on, read before it; the store writes it only if none of it has changed since. */
interface Ground {
  readonly hold: Hold;
  readonly review: Review;
  readonly current: Requirement;
  readonly members: readonly Member[];
  readonly votes: readonly Vote[];
  /** The frozen and the current requirement. */
  readonly requirements: readonly Requirement[];
  /** The whole policy, and what of it holds for this Hold. */
  readonly policy: Policy;
  readonly here: EffectivePolicy;
  /** What keeps people from being known, in words. */
  readonly problem: string | null;
  /** What the voter has shown beside their token. */
  readonly proved: Proved;
  readonly now: number;
}

/**
 * One person's vote, and all that follows from it. Answers the Hold as it is afterwards. Rejects with `not_found`,
 * `digest_mismatch`, `wrong_state`, `not_eligible`, `self_approval`, `lifetime_not_allowed`, `hold_conflict`.
 */
export async function decide(context: HubContext, caller: Caller, decision: Decision): Promise<Hold> {
  const started = context.clock.now();
  return retrying(async () => {
    const ground = await groundOf(context, caller, decision, started);
    const deciding = {
      ...byCaller(caller),
      now: ground.now,
      policy: ground.policy,
    };
    await settle(context, deciding, async (s) => {
      await requireUnchanged(s, ground);
      if (decision.decision === 'approve') await approve(s, caller, decision, ground);
      else await reject(s, caller, decision, ground);
    });
    const after = await context.store.hold(decision.hold);
    return after ?? ground.hold;
  });
}

/** The outcome of one decision of a list. */
export type Outcome = { readonly hold: number; readonly after: Hold | null; readonly error: HoldpointError | null };

/** Decides one after the other, each by its own rules; one that fails does not touch the others. */
export async function decideAll(
  context: HubContext,
  caller: Caller,
  decisions: readonly Decision[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const decision of decisions) {
    try {
      outcomes.push({ hold: decision.hold, after: await decide(context, caller, decision), error: null });
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      outcomes.push({ hold: decision.hold, after: null, error });
    }
  }
  return outcomes;
}

async function groundOf(context: HubContext, caller: Caller, decision: Decision, started: number): Promise<Ground> {
  const hold = await visibleHold(context, caller, decision.hold);
  if (hold.digest !== decision.digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `hold ${hold.id} has digest ${hold.digest}, you decided on ${decision.digest}: look at it again and decide on what it shows`,
    );
  }
  const asked = hold.review === null ? null : await context.store.review(hold.review);
  if (asked === null || asked.state !== 'open' || hold.state !== 'waiting_for_approval')
    throw wrongState(hold, decision.decision);
  const policy = await context.policy();
  const here = policyNow(policy, hold, context.clock.now());
  const frozen = await frozenNow(context.directory, asked.requirement);
  const review = { ...asked, requirement: askedNow(policy, asked, frozen, context.clock.now()) };
  const votes = await context.store.votes(review.id);
  const asking = [review.requirement, requirementFor(here, review.requirement)];
  const { projectId } = hold.subject;
  const voters = [...votes.map(({ person }) => person.id), caller.person.id];
  const known = await membersFor(context.directory, projectId, asking, voters);
  const { decision: said, representedAs = null } = decision;
  const own = { person: { id: caller.person.id }, decision: said, representedAs };
  const others = votes.filter(({ person }) => person.id !== caller.person.id);
  // What would end the Review stands on who belongs to what at this moment, not on what was so some seconds ago (T19).
  const ends = tallyAll(asking, [...others, own], known).outcome !== 'unmet';
  const members = ends ? await membersFor(context.directory, projectId, asking, voters, started) : known;
  const current = requirementFor(here, recognised(review.requirement, members));
  const requirements = [review.requirement, current];
  const problem = context.directory.problem();
  // A reject is never asked for more: whoever wants to stop something must be able to.
  const needed = said === 'approve' ? neededFor(requirements) : 'none';
  const signed = signedDecision(caller, { hold: hold.id, review: review.id, digest: hold.digest }, decision);
  const assertion = said === 'approve' ? (decision.assertion ?? null) : null;
  const proved = await proveStepUp(context, caller, needed, signed, assertion);
  return {
    hold,
    review,
    current,
    members,
    votes,
    requirements,
    policy,
    here,
    problem,
    proved,
    now: context.clock.now(),
  };
}

/** Nothing that the rights were judged on has moved since: the Hold, the Review, a denial. */
async function requireUnchanged(s: Settlement, { hold, review, votes }: Ground): Promise<void> {
  const [versions, nowVotes] = [await s.tx.versionsOf(hold.id, review.id), await s.tx.votes(review.id)];
  const same = versions.hold === hold.version && versions.review === review.version;
  if (!same || JSON.stringify(nowVotes) !== JSON.stringify(votes)) {
    throw new HoldpointError(
      'hold_conflict',
      `hold ${hold.id} was changed by somebody else in the meantime: look at it and try again`,
    );
  }
}

const memberOf = (members: readonly Member[], id: number) => members.find((member) => member.person.id === id);

/** What the vote covers: what was wished, and where nothing was, what the policy gives here. */
async function scopeFor(s: Settlement, hold: Hold, wish: ScopeWish | null): Promise<Scope> {
  const facts = await s.tx.facts(hold.id, hold.attempts.at(-1)!.jobId);
  const usual = defaultScope(
    policyFor(s.policy, hold).scopes,
    questionOf(hold),
    inputsUnasked(facts?.dependencies ?? []),
  );
  return {
    ref: wish?.ref ?? usual.ref,
    inputs: wish?.inputs ?? usual.inputs,
    runners: wish?.runners === undefined ? usual.runners : wish.runners,
  };
}

/** A value that nobody has seen is approved by nobody, or a typed one would be approved as its tag (T57). */
async function requireSeen(s: Settlement, hold: Hold, configuration: JsonObject | null): Promise<void> {
  const blind = blindNames(await hiddenIn(s.tx, policyFor(s.policy, hold), hold, s.now, configuration));
  if (blind.length === 0) return;
  const more = blind.length > 20 ? ` and ${blind.length - 20} more` : '';
  throw new HoldpointError(
    'blind_values',
    `hold ${hold.id}: nobody has seen the value of ${blind.slice(0, 20).join(', ')}${more}, and whoever started the pipeline may have typed it: look at it with "holdpoint holds reveal ${hold.id}", then approve; or the policy names it under variables.opaque`,
  );
}

function voteOf(
  caller: Caller,
  { decision, comment, representedAs = null }: Decision,
  { review, now, proved }: Ground,
  hold: number | null,
  lifetime: Lifetime,
  scope: Scope,
): Vote {
  const { id, username, name } = caller.person;
  const pin = decision === 'approve' ? representedAs : null;
  const proof = proved.proof === null ? {} : { proof: proved.proof };
  const said = { decision, hold, lifetime, scope, comment, representedAs: pin, ...proof, at: now };
  return { review: review.id, person: { id, username, name }, ...said };
}

/** Where the policy wants to know why, an approve without a word is none. */
function requireComment({ comment }: Decision, { comment: wanted }: EffectivePolicy, hold: Hold): void {
  if (wanted === 'optional' || (comment !== null && comment.trim() !== '')) return;
  throw new HoldpointError(
    'comment_required',
    `hold ${hold.id}: the policy wants a comment here: say why, with --comment`,
  );
}

async function approve(s: Settlement, caller: Caller, decision: Decision, ground: Ground): Promise<void> {
  const { hold, review, current, members, requirements, here, now } = ground;
  const denial = await s.tx.denial(hold.subject, hold.digest, now);
  const member = memberOf(members, caller.person.id);
  requireMay(mayApprove(hold, review, current, caller.person.id, member, denial), ground, caller.person.id);
  const pin = decision.representedAs ?? null;
  if (pin !== null) requireMay(mayRepresent(ground.requirements, member, pin), ground, caller.person.id);
  requireComment(decision, here, hold);
  ground.proved.require();
  const environment = await openEnvironment(s.tx, hold);
  const configuration = await readConfiguration(s.tx, hold.digest);
  // Its own key replaces image and checkout: what would run another time is not what was looked at.
  // Nor is what may run for longer or shorter than the policy wants: it is asked about each time.
  const runOnly =
    configuration === null || isRunOnly(configuration) || timeoutProblem(here.timeout, hold.timeoutS) !== null;
  const limit = runOnly ? ({ kind: 'run' } as const) : lifetimeLimit(here, environment);
  const usual: Lifetime = runOnly ? { kind: 'run' } : defaultLifetime(here, environment, now);
  const asked = decision.lifetime === null ? usual : parseLifetime(decision.lifetime);
  const lifetime = bounded(asked, limit, now);
  requireWithin(lifetime, limit, now);
  const origin = questionOf(hold);
  const scope = await scopeFor(s, hold, decision.scope);
  requireScope(scope, here.scopes, hold.place);
  requireCovers(hold.id, scope, origin);
  await requireSeen(s, hold, configuration);
  const vote = voteOf(caller, decision, ground, lifetime.kind === 'run' ? hold.id : null, lifetime, scope);
  await ground.proved.consume(s);
  const { authors } = current;
  await recordVote(s, vote, hold, caller.token, exceptionOf({ ...review.requirement, authors }, caller.person.id));

  // Votes from before the policy asked for more do not count for what it asks now (T21).
  const votes = countingVotes(requirements, withVote(ground.votes, vote));
  const before = tallyAll(requirements, votes, members);
  // Rejects that were too few when they were cast may be enough by now: a decision never overtakes them.
  if (before.outcome === 'rejected') return endRejected(s, decision, ground, lastReject(votes, before.rejectedBy));
  // The configuration votes alone may let every Hold of the Review go; votes for this Hold count for it only.
  for (const counting of [
    votes.filter((v) => v.hold === null || v.decision === 'reject'),
    votes.filter((v) => v.hold === null || v.hold === hold.id || v.decision === 'reject'),
  ]) {
    const { outcome, approvedBy } = tallyAll(requirements, counting, members);
    if (outcome !== 'approved') continue;
    const counted = counting.filter((v) => v.decision === 'approve' && approvedBy.includes(v.person.id));
    const approval = await writeApproval(s, ground, counted);
    await answerReviews(s, approval);
    return;
  }
}

async function writeApproval(
  s: Settlement,
  { hold, review, policy, now }: Ground,
  votes: readonly Vote[],
): Promise<Approval> {
  const [first, ...rest] = votes;
  if (first === undefined) throw new HoldpointError('internal', `hold ${hold.id}: an approval needs votes`);
  const lifetime = narrowest([first.lifetime, ...rest.map((vote) => vote.lifetime)]);
  const scope = narrowestScope([first.scope, ...rest.map((vote) => vote.scope)]);
  const approval = await s.tx.insertApproval({
    version: 1,
    review: review.id,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: review.place,
    scope,
    lifetime,
    hold: lifetime.kind === 'run' ? hold.id : null,
    votes,
    policy: policy.version,
    createdAt: now,
    lastUsedAt: null,
    timesUsed: 0,
    revoked: null,
  });
  await s.audit(
    'approval_created',
    { hold, approval: approval.id },
    {
      lifetime: lifetimeText(lifetime),
      scope: scopeText(scope),
      ref: review.place.ref,
      ref_protected: review.place.refProtected,
      environment: review.place.environment,
      voters: votes.map((vote) => vote.person.id),
      frozen_policy: review.requirement.policy,
    },
  );
  s.changed({ type: 'approval', id: approval.id, state: 'valid', projectId: approval.subject.projectId });
  return approval;
}

async function reject(s: Settlement, caller: Caller, decision: Decision, ground: Ground): Promise<void> {
  const { hold, review, current, members } = ground;
  requireMay(mayReject(hold, review, current, memberOf(members, caller.person.id)), ground, caller.person.id);
  const scope = await scopeFor(s, hold, null);
  const vote = voteOf(caller, decision, ground, null, { kind: 'run' }, scope);
  await recordVote(s, vote, hold, caller.token, null);
  const votes = withVote(ground.votes, vote);
  // With several rejects required the first ones are votes like any other: they may be withdrawn, and approves go on.
  if (tallyAll(ground.requirements, votes, members).outcome !== 'rejected') return;
  await endRejected(s, decision, ground, vote);
}

const lastReject = (votes: readonly Vote[], by: readonly number[]): Vote =>
  votes.findLast((vote) => vote.decision === 'reject' && by.includes(vote.person.id))!;

/** Ends a Review and all Holds that wait on it; `vote` is the reject that they are told of. */
async function endRejected(s: Settlement, decision: Decision, ground: Ground, vote: Vote): Promise<void> {
  const { hold, review, here, now } = ground;
  const by = vote.person.username;
  const reason = vote.comment ?? `rejected by ${by}`;
  for (const waiting of await s.tx.waitingOn(review.id)) {
    const attempt = liveAttempt(waiting);
    const rejected = await s.move(waiting, { type: 'reject', reason }, 'hold_rejected', { reason });
    await s.tell('reject', rejected, attempt, `${by}: ${reason}`);
  }
  await close(s, review, 'rejected');
  if (!decision.remember) return;
  const until = now + here.rememberMs;
  await s.tx.insertDenial({
    subject: hold.subject,
    digest: hold.digest,
    review: review.id,
    by,
    reason,
    at: now,
    until,
  });
  await s.audit('digest_denied', { hold }, { reason, until: new Date(until).toISOString() });
  // Released elsewhere, or for one run alone, before somebody said that it must not run: no runner has these yet (T15).
  for (const released of await s.tx.pendingOf(hold.subject, hold.digest))
    await rejectDenied(s, released, { by, reason });
}
