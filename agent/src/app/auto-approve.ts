import { questionOf } from '../domain/approval.ts';
import type { Facts } from '../domain/facts.ts';
import { freezeAt } from '../domain/freeze.ts';
import type { Hold } from '../domain/hold.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import { meetsAlone } from '../domain/meets-alone.ts';
import { defaultLifetime, type Policy, timeoutProblem } from '../domain/policy.ts';
import type { Person } from '../domain/principal.ts';
import { solePusher } from '../domain/pushed.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { isRunOnly } from '../domain/run-only.ts';
import { defaultScope, inputsUnasked, scopeCovers, scopeText } from '../domain/scope.ts';
import type { CiApi } from '../ports/ci-api.ts';
import { blindNames, hiddenOf } from './blind.ts';
import { openEnvironment } from './deployments/gate.ts';
import { membersFor, policyFor, targetOf } from './governing.ts';
import { type HubContext, retrying } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { answerReviews } from './release.ts';
import { type Settlement, settle } from './settle.ts';

/** What became of a try, for the log; `why` says what spoke against it. */
export type AutoApproval =
  | { readonly approved: true; readonly approval: number; readonly person: Person }
  | { readonly approved: false; readonly why: string };

const no = (why: string): AutoApproval => ({ approved: false, why });

/** What a try stands on. */
interface Ground {
  readonly hold: Hold;
  readonly review: Review;
  readonly facts: Facts;
  readonly policy: Policy;
  readonly person: Person;
  readonly last: { readonly sha: string; readonly hold: number };
}

/**
 * Approves what waits where the policy says `auto_approve: pushed_by_approver` and one person, who could have approved all of it
 * alone, pushed and made every commit since the last approved one of that ref. GitLab is asked for all of it, and where it does
 * not tell, people decide (T35). Only the configuration gate: a deployment asks its own people. Rejects with `ci_unreachable`
 * where GitLab could not be asked.
 */
export async function autoApprove(
  context: HubContext,
  ci: { readonly api: CiApi; readonly botToken: () => string | null },
  id: number,
): Promise<AutoApproval> {
  const ground = await groundOf(context, id);
  if ('why' in ground) return no(ground.why);
  const { hold, facts, person, last } = ground;
  const credential = ci.botToken();
  if (credential === null) return no('the hub has no token to ask GitLab who pushed');
  const { projectId, job } = hold.subject;
  const jobId = hold.attempts[0]!.jobId;
  const question = { projectId, pipelineId: hold.pipelineId!, job, from: last.sha, to: facts.commit.sha };
  const since = (await context.store.hold(last.hold))?.openedAt ?? 0;
  const answer = await ci.api.history(credential, { ...question, since });
  if (!answer.ok) return no(`GitLab does not let the hub's token see who pushed (${answer.status})`);
  const everybody = (await context.directory.members(projectId)).map((member) => member.person);
  const way = { ref: hold.place.ref, from: last.sha, to: facts.commit.sha, jobId, trigger: person.id };
  const sole = solePusher(way, answer.value, everybody);
  if (!sole.sole) return no(sole.why);
  return retrying(async () => {
    const now = await groundOf(context, id);
    if ('why' in now) return no(now.why);
    if (now.hold.version !== hold.version || now.last.sha !== last.sha) return no('it changed meanwhile');
    const deciding = { actor: 'system', address: null, now: context.clock.now(), policy: now.policy };
    return settle(context, deciding, (s) => write(s, now, { ...sole, commits: answer.value.commits.length }));
  });
}

async function groundOf(context: HubContext, id: number): Promise<Ground | { readonly why: string }> {
  const { store, directory, clock } = context;
  const hold = await store.hold(id);
  const review = hold?.review == null ? null : await store.review(hold.review);
  if (hold === null || hold.state !== 'waiting_for_approval' || review?.state !== 'open')
    return { why: 'it does not wait' };
  const policy = await context.policy();
  const here = policyFor(policy, hold);
  if (here.autoApprove !== 'pushed_by_approver') return { why: 'the policy does not say so' };
  const [attempt, ...others] = hold.attempts;
  if (attempt === undefined || others.length > 0 || hold.pipelineId === null) return { why: 'the job is a retry' };
  const facts = await store.facts(hold.id, attempt.jobId);
  const configuration = await readConfiguration(store, hold.digest);
  if (facts === null || configuration === null) return { why: 'the hub lacks its facts' };
  const { pipeline, trigger } = facts;
  if (!pipeline.verified || pipeline.source !== 'push') return { why: 'it is not known that a push started it' };
  if (trigger.verified !== 'gitlab' || trigger.id === null) return { why: 'GitLab did not say who started it' };
  if (isRunOnly(configuration) || timeoutProblem(here.timeout, hold.timeoutS) !== null)
    return { why: 'it is asked about each time' };
  const { extra, hard } = freezeAt(policy.freezes, targetOf(hold), clock.now());
  if (extra !== null || hard !== null) return { why: 'a freeze is in force' };
  if ((await store.votes(review.id)).length > 0) return { why: 'people are deciding already' };
  if ((await store.denial(hold.subject, hold.digest, clock.now())) !== null) return { why: 'it is denied' };
  if (blindNames(await hiddenOf(store, here, hold, clock.now())).length > 0)
    return { why: 'it has values that nobody has seen' };
  const current = requirementFor(here, review.requirement);
  const requirements = [review.requirement, current];
  const members = await membersFor(directory, hold.subject.projectId, requirements, [trigger.id], clock.now());
  const member = members.find(({ person }) => person.id === trigger.id);
  if (member === undefined || !requirements.every((one) => meetsAlone(one, member, here.comment)))
    return { why: 'whoever pushed could not approve it alone' };
  const before = await store.lastApproved(hold);
  const run = before?.attempts.findLast((one) => one.handedOutAt !== null) ?? null;
  const then = before === null || run === null ? null : await store.facts(before.id, run.jobId);
  if (before === null || then === null) return { why: 'no run of this ref was approved before' };
  return { hold, review, facts, policy, person: member.person, last: { sha: then.commit.sha, hold: before.id } };
}

async function write(
  s: Settlement,
  { hold, review, facts, person, last }: Ground,
  found: { readonly pushes: number; readonly commits: number },
): Promise<AutoApproval> {
  const [sameHold, sameReview, votes] = [
    await s.tx.hold(hold.id),
    await s.tx.review(review.id),
    await s.tx.votes(review.id),
  ];
  if (sameHold?.version !== hold.version || sameReview?.version !== review.version || votes.length > 0)
    return no('it changed meanwhile');
  if ((await s.tx.denial(hold.subject, hold.digest, s.now)) !== null) return no('it is denied');
  const here = policyFor(s.policy, hold);
  const origin = questionOf(hold);
  const scope = defaultScope(here.scopes, origin, inputsUnasked(facts.dependencies));
  if (!scopeCovers(scope, hold.place, origin))
    return no('it takes in artifacts that an approval without a look does not cover');
  const lifetime = defaultLifetime(here, await openEnvironment(s.tx, hold), s.now);
  const { id, username, name } = person;
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
    votes: [],
    auto: { id, username, name },
    policy: s.policy.version,
    createdAt: s.now,
    lastUsedAt: null,
    timesUsed: 0,
    revoked: null,
  });
  const about = { hold, approval: approval.id };
  const exception = { exception: 'auto_approve', used: 'pushed_by_approver', person: id };
  await s.audit('approval_created', about, {
    lifetime: lifetimeText(lifetime),
    scope: scopeText(scope),
    ref: review.place.ref,
    ref_protected: review.place.refProtected,
    environment: review.place.environment,
    voters: [],
    frozen_policy: review.requirement.policy,
    auto: 'pushed_by_approver',
  });
  await s.audit('approval_auto', about, { person: id, since: last.sha, to: facts.commit.sha, ...found });
  await s.audit('exception_used', about, exception);
  s.changed({ type: 'approval', id: approval.id, state: 'valid', projectId: approval.subject.projectId });
  await answerReviews(s, approval);
  return { approved: true, approval: approval.id, person };
}
