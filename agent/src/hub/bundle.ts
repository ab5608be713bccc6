import type { BundleParts } from '../app/bundle.ts';
import { type Caller, type HubContext, holdUrl, userActor } from '../app/hub-context.ts';
import type { Approval } from '../domain/approval.ts';
import { auditText } from '../domain/audit.ts';
import { BUNDLE_TYPE, STATEMENT_PAYLOAD, STATEMENT_TYPE } from '../domain/bundle.ts';
import { bundlePage } from '../domain/bundle-page.ts';
import type { Deployment, DeploymentVote } from '../domain/deployment.ts';
import { envelopeJson, type Signer, seal } from '../domain/dsse.ts';
import type { Attempt } from '../domain/hold.ts';
import { pemOf } from '../domain/hub-key.ts';
import type { JsonObject } from '../domain/json.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import { deployWords } from '../domain/protected-environment.ts';
import type { Review } from '../domain/review.ts';
import { type ApprovalRule, whoWords } from '../domain/rule.ts';
import { scopeText, scopeWords } from '../domain/scope.ts';
import type { Vote } from '../domain/vote.ts';
import { toSnake } from '../wire/case.ts';
import { holdView } from './views.ts';

const time = (at: number): string => new Date(at).toISOString();

const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));

function voteOf({ person, decision, comment, lifetime, scope, hold, at }: Vote) {
  const { id, username, name } = person;
  const covers = hold === null ? 'configuration' : 'this_hold';
  const approves = { lifetime: lifetimeText(lifetime), scope: scopeText(scope), covers };
  return {
    person: { id, username, name },
    decision,
    comment,
    ...(decision === 'approve' ? approves : {}),
    at: time(at),
  };
}

function attemptOf({ jobId, agent, runner, url, at, handedOutAt, endedAt, ended }: Attempt) {
  return {
    job_id: jobId,
    agent,
    runner,
    url,
    at: time(at),
    handed_out_at: timeOrNull(handedOutAt),
    ended_at: timeOrNull(endedAt),
    ended,
  };
}

function approvalOf(approval: Approval) {
  const { id, review, digest, place, scope, lifetime, votes, policy, createdAt, revoked } = approval;
  return {
    id,
    review,
    digest,
    ref: place.ref,
    ref_protected: place.refProtected,
    environment: place.environment,
    scope: scopeText(scope),
    scope_words: [...scopeWords(scope, place)],
    lifetime: lifetimeText(lifetime),
    votes: votes.map(voteOf),
    policy,
    /** Written without a vote: for whom the policy lets through, or for whom broke the glass. */
    auto: approval.auto === undefined ? null : { ...approval.auto },
    break_glass: approval.breakGlass === true,
    created_at: time(createdAt),
    last_used_at: timeOrNull(approval.lastUsedAt),
    times_used: approval.timesUsed,
    revoked: revoked === null ? null : { at: time(revoked.at), by: revoked.by, reason: revoked.reason },
  };
}

function deploymentOf(deployment: Deployment, votes: readonly DeploymentVote[]) {
  const { id, iid, state, kind, environment, sha, started, rules, requirement } = deployment;
  return {
    id,
    iid,
    state,
    kind,
    environment: { ...environment },
    sha,
    created_at: time(deployment.createdAt),
    approved_at: timeOrNull(deployment.approvedAt),
    running_at: timeOrNull(deployment.runningAt),
    finished_at: timeOrNull(deployment.finishedAt),
    started: started === null ? null : { person: { ...started.person }, at: time(started.at) },
    reason: deployment.reason,
    protected_by: [...rules.sources],
    rules: requirement.rules.map(ruleOf),
    deploy_access: deployWords(rules.deployAccess),
    excluded: [...requirement.excluded],
    policy: requirement.policy,
    votes: votes.map(({ person, decision, representedAs, comment, at }) => ({
      person: { ...person },
      decision,
      represented_as: representedAs,
      comment,
      at: time(at),
    })),
  };
}

function ruleOf({ name, who, count }: ApprovalRule) {
  return { name, who: whoWords(who), count, asks: toSnake(who) };
}

/** What was asked, as it was frozen when the question was put. */
function reviewOf(review: Review, votes: BundleParts['votes']) {
  const { requirement } = review;
  return {
    id: review.id,
    state: review.state,
    digest: review.digest,
    opened_at: time(review.openedAt),
    closed_at: timeOrNull(review.closedAt),
    policy: requirement.policy,
    rules: requirement.rules.map(ruleOf),
    self_approval: requirement.selfApproval,
    rejects_required: requirement.rejectsRequired,
    trigger: { ...requirement.trigger },
    people: toSnake(requirement.people),
    excluded: [...requirement.excluded],
    unknown: [...requirement.unknown],
    votes: votes.map(voteOf),
  };
}

/** The in-toto Statement of a bundle: about the digest of the configuration, with everything that led to its run. */
function statementOf(context: HubContext, parts: BundleParts, caller: Caller, signer: Signer) {
  const { hold, approval, review, votes, deployment, diff } = parts;
  const { approval: base, baseline: _, ...difference } = diff;
  const about = `hold ${hold.id}: job ${hold.subject.job} of ${hold.projectPath ?? `project ${hold.subject.projectId}`}`;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: about, digest: { sha256: hold.digest.replace(/^sha256:/, '') } }],
    predicateType: BUNDLE_TYPE,
    predicate: {
      about,
      made: { at: time(parts.madeAt), by: userActor(caller.person), hub: context.externalUrl() },
      /** As a text: its SHA-256 is the digest, whatever reads it. */
      canonical: parts.canonical,
      hold: {
        ...holdView(hold, holdUrl(context, hold.id)),
        attempts: hold.attempts.map(attemptOf),
      },
      facts: toSnake(parts.facts),
      review: review === null ? null : reviewOf(review, votes),
      approval: approval === null ? null : approvalOf(approval),
      deployment: deployment === null ? null : deploymentOf(deployment, parts.deploymentVotes),
      difference: {
        approval: base?.id ?? null,
        digest: base?.digest ?? null,
        summary: difference.summary,
        changes: difference.changes.map((change) => ({ ...change })),
      },
      audit: {
        rows: parts.rows.map(({ row, path }) => ({ row: { ...auditText(row), hash: row.hash }, path: [...path] })),
        signed_head: envelopeJson(parts.signed.envelope),
        public_key: pemOf(signer.publicKey),
      },
    },
  };
}

/** A bundle as it is given out: a DSSE envelope, signed by the hub. */
export function bundleEnvelope(context: HubContext, parts: BundleParts, caller: Caller, signer: Signer) {
  const statement = JSON.stringify(statementOf(context, parts, caller, signer));
  return envelopeJson(seal(signer, STATEMENT_PAYLOAD, new TextEncoder().encode(statement)));
}

/** A bundle as a page to be read; what is to be verified is the envelope. */
export function bundleHtml(context: HubContext, parts: BundleParts, caller: Caller, signer: Signer): string {
  const { seq } = parts.signed.head;
  const proof = `Written by the hub: ${parts.rows.length} rows of the audit, up to row ${seq}, which key ${signer.keyid} has signed. This page proves nothing by itself: verify the bundle that belongs to it.`;
  const statement = JSON.stringify(statementOf(context, parts, caller, signer));
  const [things, name, id] =
    parts.deployment === null ? ['holds', 'hold', parts.hold.id] : ['deployments', 'deployment', parts.deployment.id];
  const place = { file: `${name}-${id}.bundle.json`, url: `/api/v1/audit/bundle/${things}/${id}` };
  return bundlePage(JSON.parse(statement) as JsonObject, proof, place);
}
