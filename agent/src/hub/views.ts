/** Domain values as the API shows them: the one place where times become text and keys snake_case. */
import type { SignedHead } from '../app/checkpoint.ts';
import type { ApprovalInspection, HoldInspection, ReviewInspection } from '../app/inspect.ts';
import { type Approval, isValid, usesLeft } from '../domain/approval.ts';
import { auditText, type ChainReport, type AuditRow as DomainRow } from '../domain/audit.ts';
import { titleOf } from '../domain/doctor/examine.ts';
import { tallyOf } from '../domain/doctor/finding.ts';
import { envelopeJson, type Signer } from '../domain/dsse.ts';
import { ERRORS, type HoldpointError } from '../domain/errors.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import { pemOf } from '../domain/hub-key.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import type { RetryAdvice } from '../domain/retrying.ts';
import { whoWords } from '../domain/rule.ts';
import { scopeText, scopeWords } from '../domain/scope.ts';
import type { TokenScope } from '../domain/token.ts';
import type { Vote } from '../domain/vote.ts';
import type { Examined } from '../ports/gatekeeper.ts';
import type { AgentRecord } from '../ports/store.ts';
import type { HoldDetail, HoldView, Problem, ReviewView } from '../wire/api.ts';
import type { ApprovalDetail, ApprovalView } from '../wire/approvals.ts';
import type { AuditRow } from '../wire/audit.ts';
import { toSnake } from '../wire/case.ts';
import type { ExaminedView } from '../wire/doctor.ts';
import type { Connected } from './connected.ts';
import { breakGlassView } from './policy-views.ts';
import { waitsLive, watchingView } from './watching-views.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));
/** Of a long list of people so many are told, and how many there are. */
const MAX_PEOPLE = 20;
const person = ({ id, username, name }: { readonly id: number | null; username: string; name: string | null }) => ({
  id,
  username,
  name,
});

/** A Hold as it stands in lists. */
export function holdView(hold: Hold, url: string): HoldView {
  const newest = hold.attempts.at(-1)!;
  const live = liveAttempt(hold);
  return {
    id: hold.id,
    state: hold.state,
    version: hold.version,
    review: hold.review,
    digest: hold.digest,
    instance: hold.subject.instance,
    project_id: hold.subject.projectId,
    project_path: hold.projectPath,
    job: hold.subject.job,
    stage: hold.stage,
    ref: hold.place.ref,
    ref_protected: hold.place.refProtected,
    environment: hold.place.environment,
    pipeline_id: hold.pipelineId,
    job_id: newest.jobId,
    job_url: newest.url,
    runner: newest.runner,
    trigger: { ...hold.trigger },
    opened_at: time(hold.openedAt),
    expires_at: time(hold.expiresAt),
    ended_at: timeOrNull(hold.endedAt),
    attempt:
      live === null ? null : { job_id: live.jobId, agent: live.agent, parked_until: timeOrNull(live.parkedUntil) },
    approval: hold.approval,
    reason: hold.reason,
    frozen_until: hold.state === 'waiting_for_approval' ? timeOrNull(hold.frozenUntil) : null,
    url,
  };
}

/** `counting`: ids of those whose approves count as things are; null: they counted when they were written down. */
function voteView(vote: Vote, counting: readonly number[] | null) {
  return {
    person: person(vote.person),
    decision: vote.decision,
    comment: vote.comment,
    lifetime: vote.decision === 'approve' ? lifetimeText(vote.lifetime) : null,
    scope: vote.decision === 'approve' ? scopeText(vote.scope) : null,
    represented_as: vote.representedAs ?? null,
    counts: vote.decision === 'reject' || counting === null || counting.includes(vote.person.id),
    at: time(vote.at),
  };
}

/** Rules and how far each is met. */
export const rulesView = (rules: HoldInspection['rules']) =>
  rules.map(({ name, who, need, have, voted, eligible, mine, asked }) => ({
    ...{ name, who, need, have, mine, asked },
    voted: voted.map(person),
    eligible: eligible.slice(0, MAX_PEOPLE).map(person),
    eligible_count: eligible.length,
  }));

/** Whether all rules together can still be met. */
export const quorumView = (quorum: HoldInspection['quorum']) =>
  quorum && {
    possible: quorum.possible,
    words: quorum.words,
    wanted: quorum.wanted.map(person),
    rejects: quorum.rejects,
    keepers: quorum.keepers.map(person),
  };

function mayVoteView({ mayVote, ownVote: { rule, rules, reject, rejectReason, said, ask } }: HoldInspection) {
  const own = {
    ...{ rule, rules: [...rules], reject, reject_reason: rejectReason, voted: said },
    ask: ask.slice(0, MAX_PEOPLE).map(person),
    ask_count: ask.length,
  };
  return mayVote.allowed ? { allowed: true, reason: null, ...own } : { allowed: false, reason: mayVote.reason, ...own };
}

/** What has to happen to a detached Hold. */
export function retryView({ by, words, url, jobId }: RetryAdvice) {
  return { by, words, url, job_id: jobId };
}

/** Everything about one Hold. */
export function holdDetail(of: HoldInspection, url: string, retry: RetryAdvice | null, now: number): HoldDetail {
  return {
    ...holdView(of.hold, url),
    keeps: [...of.keeps],
    break_glass: of.breakGlass.map((glass) => breakGlassView(glass, now)),
    retry: retry && retryView(retry),
    configuration: of.configuration,
    facts: toSnake(of.facts) as HoldDetail['facts'],
    attempts: of.hold.attempts.map((attempt) => ({
      job_id: attempt.jobId,
      agent: attempt.agent,
      runner: attempt.runner,
      at: time(attempt.at),
      ended_at: timeOrNull(attempt.endedAt),
      ended: attempt.ended,
      parked_until: timeOrNull(attempt.parkedUntil),
    })),
    votes: of.votes.map((vote) => voteView(vote, of.quorum === null ? null : of.counting)),
    rules: rulesView(of.rules),
    may_vote: mayVoteView(of),
    quorum: quorumView(of.quorum),
    hidden: of.hidden.map(({ name, state, behaviour }) => ({ name, state, behaviour })),
    inputs: {
      class: of.hold.inputs,
      dependencies: of.dependencies.map(({ name, jobId, samePipeline, admitted }) => ({
        name,
        job_id: jobId,
        same_pipeline: samePipeline,
        admitted,
      })),
    },
    scope: {
      usual: scopeText(of.scope.usual),
      words: [...scopeWords(of.scope.usual, of.hold.place)],
      max_inputs: of.scope.policy.inputs.max,
      max_ref: of.scope.policy.refs,
    },
    unknown: [...of.unknown],
    step_up: of.stepUp,
    waits_for: [...of.waitsFor, ...waitsLive(of.hold, of.watching)],
    watching: watchingView(of.watching),
    deployment: of.deployment && {
      id: of.deployment.id,
      iid: of.deployment.iid,
      state: of.deployment.state,
      environment: of.deployment.environment.name,
      started_by: of.deployment.started?.person.username ?? null,
    },
    diff: {
      ...of.diff,
      over: of.diff.over && {
        ...{ kind: of.diff.over.kind, at: timeOrNull(of.diff.over.at), reason: of.diff.over.reason },
        by: of.diff.over.by && person(of.diff.over.by),
      },
      changes: of.diff.changes.map((change) => ({ ...change })),
    },
    history: of.history.map(auditView),
    people: of.people.map(person),
  };
}

/** A Review with its rules and votes. */
export function reviewView({ review, holds, votes, rules, quorum, counting }: ReviewInspection): ReviewView {
  return {
    id: review.id,
    state: review.state,
    digest: review.digest,
    project_id: review.subject.projectId,
    project_path: review.projectPath,
    job: review.subject.job,
    ref: review.place.ref,
    environment: review.place.environment,
    opened_at: time(review.openedAt),
    closed_at: timeOrNull(review.closedAt),
    policy: review.requirement.policy,
    holds: [...holds],
    votes: votes.map((vote) => voteView(vote, quorum === null ? null : counting)),
    rules: rulesView(rules),
    quorum: quorumView(quorum),
    kind: review.ask?.kind ?? 'job',
  };
}

/** An Approval as it stands in lists; `now` decides whether it is valid. */
export function approvalView(approval: Approval, now: number): ApprovalView {
  return {
    id: approval.id,
    digest: approval.digest,
    review: approval.review,
    instance: approval.subject.instance,
    project_id: approval.subject.projectId,
    project_path: approval.projectPath,
    job: approval.subject.job,
    ref: approval.place.ref,
    ref_protected: approval.place.refProtected,
    environment: approval.place.environment,
    scope: scopeText(approval.scope),
    scope_words: [...scopeWords(approval.scope, approval.place)],
    lifetime: lifetimeText(approval.lifetime),
    until: approval.lifetime.kind === 'until' ? time(approval.lifetime.at) : null,
    hold: approval.hold,
    votes: approval.votes.map((vote) => voteView(vote, null)),
    auto: approval.auto === undefined ? null : person(approval.auto),
    break_glass: approval.breakGlass === true,
    policy: approval.policy,
    created_at: time(approval.createdAt),
    last_used_at: timeOrNull(approval.lastUsedAt),
    times_used: approval.timesUsed,
    uses_left: usesLeft(approval),
    renews: approval.renews ?? null,
    revoked_at: timeOrNull(approval.revoked?.at ?? null),
    revoked_by: approval.revoked?.by ?? null,
    valid: isValid(approval, now),
  };
}

/** An Approval with the configuration that it lets run, and under which rules it was given. */
export function approvalDetail(
  { approval, configuration, rules, runners, renewedBy }: ApprovalInspection,
  now: number,
): ApprovalDetail {
  return {
    ...approvalView(approval, now),
    configuration,
    rules: rules.map(({ name, who, count }) => ({ name, who: whoWords(who), need: count })),
    runners: [...runners],
    renewed_by: renewedBy,
  };
}

/** Whether something is lent until then (epoch ms). */
export function lentView(until: number | null) {
  return { lent: until !== null, expires_at: timeOrNull(until) };
}

/** A row of the audit, in the order of members that the export has. */
export function auditView(row: DomainRow): AuditRow {
  return { ...auditText(row), hash: row.hash };
}

/** The key that the audit is signed with. */
export function hubKeyView(signer: Signer) {
  return { keyid: signer.keyid, algorithm: 'ed25519' as const, public_key: pemOf(signer.publicKey) };
}

/** A signed head with the key that signed it. */
export function signedHeadView({ head, envelope }: SignedHead, signer: Signer) {
  const { seq, hash, root, at } = head;
  return { seq, hash, root, at: time(at), signed_head: envelopeJson(envelope), public_key: pemOf(signer.publicKey) };
}

/** The outcome of a check of the chain. */
export function auditReport(report: ChainReport) {
  return report.ok
    ? { ok: true, seq: report.head.seq, hash: report.head.hash, fault: null, message: null }
    : { ok: false, seq: report.seq, hash: null, fault: report.fault, message: report.message };
}

/** An agent; `seen` is null when it is away, `scopes` are those of who looks. */
export function agentView(
  agent: AgentRecord,
  seen: Connected | null,
  { scopes, warnings, policy }: { scopes: readonly TokenScope[]; warnings: readonly string[]; policy: string },
) {
  const snapshot = seen?.status?.snapshot ?? null;
  return {
    name: agent.name,
    connected: seen !== null,
    since: timeOrNull(seen?.since ?? agent.seenAt),
    version: agent.version,
    runners: agent.runners.map(({ name, protected: isProtected }) => ({ name, protected: isProtected })),
    parked: agent.parked,
    enrolled_at: timeOrNull(agent.enrolledAt),
    revoked_at: timeOrNull(agent.revokedAt),
    problems: (seen?.problems ?? []).map((problem) => ({ ...problem })),
    warnings: [...warnings],
    clock_skew_ms: seen?.status == null ? null : Math.round(seen.status.skewMs),
    snapshot: snapshot && {
      seq: snapshot.seq,
      heard_at: time(snapshot.heardAt),
      policy: snapshot.policy,
      policy_in_force: snapshot.policy === policy,
    },
    examined: examinedView(seen?.examined ?? null, scopes),
  };
}

/** An agent's look at its host. How a host could be attacked is for those who administer or audit; everybody else sees how much there is. */
export function examinedView(examined: Examined | null, scopes: readonly TokenScope[]): ExaminedView | null {
  if (examined === null) return null;
  const { at, findings } = examined;
  const isShown = scopes.includes('admin') || scopes.includes('audit');
  const titled = findings.map((finding) => ({ ...finding, title: titleOf(finding.check) }));
  return { at, ...tallyOf(findings), findings: isShown ? titled : null };
}

/** The RFC 9457 document of an error. */
export function problemOf(error: HoldpointError): Problem {
  const { status } = ERRORS[error.code];
  return {
    type: 'about:blank',
    title: error.code.replaceAll('_', ' '),
    status,
    detail: error.message,
    code: error.code,
  };
}
