/** Rows to domain values and back: the one place where snake_case columns meet camelCase members. */
import type { Selectable } from 'kysely';
import { type Approval, endsAt } from '../domain/approval.ts';
import type { AuditRow } from '../domain/audit.ts';
import type { Facts } from '../domain/facts.ts';
import type { Attempt, Hold, HoldState } from '../domain/hold.ts';
import { lifetimeText, parseLifetime } from '../domain/lifetime.ts';
import type { Retry } from '../domain/retrying.ts';
import type { Ask, Denial, Review, ReviewState } from '../domain/review.ts';
import { levelRule } from '../domain/rule.ts';
import type { Session } from '../domain/session.ts';
import type { VoteProof } from '../domain/step-up.ts';
import type { Place, Subject } from '../domain/subject.ts';
import type { Token } from '../domain/token.ts';
import type { Vote } from '../domain/vote.ts';
import type { HubPush } from '../ports/gatekeeper.ts';
import type {
  ApprovalTable,
  AttemptTable,
  AuditTable,
  DenialTable,
  HoldTable,
  OutboxTable,
  RetryTable,
  ReviewTable,
  SessionTable,
  TokenTable,
  VoteTable,
} from './schema.ts';

type Row<T> = Selectable<T>;
interface Where {
  instance: string;
  project_id: number;
  job: string;
  ref: string;
  ref_protected: number;
  environment: string | null;
}
const subject = (row: Pick<Where, 'instance' | 'project_id' | 'job'>): Subject => ({
  instance: row.instance,
  projectId: row.project_id,
  job: row.job,
});
const place = (row: Where): Place => ({
  ref: row.ref,
  refProtected: row.ref_protected === 1,
  environment: row.environment,
});

function whereColumns(of: {
  readonly subject: Subject;
  readonly place: Place;
  readonly projectPath: string | null;
  readonly digest: string;
}) {
  return {
    instance: of.subject.instance,
    project_id: of.subject.projectId,
    project_path: of.projectPath,
    job: of.subject.job,
    digest: of.digest,
    ref: of.place.ref,
    ref_protected: of.place.refProtected ? 1 : 0,
    environment: of.place.environment,
  };
}

/** A Hold of its row and its attempts, oldest first. */
export function holdOf(row: Row<HoldTable>, attempts: readonly Omit<Row<AttemptTable>, 'facts'>[]): Hold {
  return {
    id: row.id,
    version: row.version,
    state: row.state as HoldState,
    subject: subject(row),
    projectPath: row.project_path,
    stage: row.stage,
    digest: row.digest,
    place: place(row),
    inputs: row.inputs as Hold['inputs'],
    pipelineId: row.pipeline_id,
    trigger: {
      id: row.trigger_id,
      username: row.trigger_username,
      name: row.trigger_name,
      verified: row.trigger_verified as Facts['trigger']['verified'],
    },
    review: row.review,
    approval: row.approval,
    attempts: attempts.map(attemptOf),
    openedAt: row.opened_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    reason: row.reason,
    crossing: row.crossing,
    configured: row.configured,
    frozenUntil: row.frozen_until,
    timeoutS: row.timeout_s,
  };
}

function attemptOf(row: Omit<Row<AttemptTable>, 'facts'>): Attempt {
  return {
    jobId: row.job_id,
    agent: row.agent,
    runner: row.runner,
    url: row.url,
    at: row.at,
    parkedUntil: row.parked_until,
    handedOutAt: row.handed_out_at,
    endedAt: row.ended_at,
    ended: row.ended,
  };
}

/** What makes a Hold's pipeline: its id; where it is not known, the job alone, so that no other job takes its place (T51). */
export function pipelineKey(pipelineId: number | null, jobId: number): string {
  return pipelineId === null ? `job:${jobId}` : String(pipelineId);
}

/** Columns of a Hold that may change after it was opened. */
export function holdChanges(hold: Hold) {
  return {
    version: hold.version,
    state: hold.state,
    review: hold.review,
    approval: hold.approval,
    inputs: hold.inputs,
    expires_at: hold.expiresAt,
    ended_at: hold.endedAt,
    reason: hold.reason,
    crossing: hold.crossing,
    configured: hold.configured,
    frozen_until: hold.frozenUntil,
    timeout_s: hold.timeoutS,
  };
}

/** Columns of a new Hold. */
export function holdColumns(hold: Omit<Hold, 'id'>) {
  return {
    ...holdChanges(hold as Hold),
    ...whereColumns(hold),
    stage: hold.stage,
    pipeline_id: hold.pipelineId,
    pipeline_key: pipelineKey(hold.pipelineId, hold.attempts[0]!.jobId),
    trigger_id: hold.trigger.id,
    trigger_verified: hold.trigger.verified,
    trigger_username: hold.trigger.username,
    trigger_name: hold.trigger.name,
    opened_at: hold.openedAt,
  };
}

/** Columns of an attempt, its Facts left out. */
export function attemptColumns(hold: Pick<Hold, 'id' | 'subject'>, attempt: Attempt, position: number) {
  return {
    hold: hold.id,
    position,
    instance: hold.subject.instance,
    project_id: hold.subject.projectId,
    job_id: attempt.jobId,
    agent: attempt.agent,
    runner: attempt.runner,
    url: attempt.url,
    at: attempt.at,
    parked_until: attempt.parkedUntil,
    handed_out_at: attempt.handedOutAt,
    ended_at: attempt.endedAt,
    ended: attempt.ended,
  };
}

/** A frozen Requirement; rules of rows written before rules could name people ask for an access level. */
function requirementOf(text: string): Review['requirement'] {
  const read = JSON.parse(text) as Review['requirement'];
  type Written = (typeof read.rules)[number] & { readonly accessLevel?: number };
  const rules = (read.rules as readonly Written[]).map((rule) =>
    rule.accessLevel === undefined ? rule : levelRule(rule.name, rule.accessLevel, rule.count),
  );
  // Before it could be asked for otherwise, one reject ended a Review.
  return { ...read, rules, rejectsRequired: read.rejectsRequired ?? 1 };
}

/** A Review of its row. */
export function reviewOf(row: Row<ReviewTable>): Review {
  return {
    id: row.id,
    version: row.version,
    state: row.state as ReviewState,
    subject: subject(row),
    projectPath: row.project_path,
    digest: row.digest,
    place: place(row),
    requirement: requirementOf(row.requirement),
    openedAt: row.opened_at,
    closedAt: row.closed_at,
    ...(row.kind === 'job' ? {} : { ask: askOf(row) }),
  };
}

const askOf = (row: Row<ReviewTable>): Ask => ({
  kind: row.kind as Ask['kind'],
  approval: row.ask_approval,
  by: { id: row.ask_by ?? 0, username: row.ask_by_username ?? '' },
  note: row.ask_note,
});

/** Columns of a new Review. */
export function reviewColumns(review: Omit<Review, 'id'>) {
  return {
    ...whereColumns(review),
    version: review.version,
    state: review.state,
    requirement: JSON.stringify(review.requirement),
    opened_at: review.openedAt,
    closed_at: review.closedAt,
    kind: review.ask?.kind ?? 'job',
    ask_approval: review.ask?.approval ?? null,
    ask_by: review.ask?.by.id ?? null,
    ask_by_username: review.ask?.by.username ?? null,
    ask_note: review.ask?.note ?? null,
  };
}

/** A Vote of its row. */
export function voteOf(row: Row<VoteTable>): Vote {
  return {
    review: row.review,
    person: { id: row.person_id, username: row.username, name: row.name },
    decision: row.decision as Vote['decision'],
    hold: row.hold,
    lifetime: parseLifetime(row.lifetime),
    scope: JSON.parse(row.scope) as Vote['scope'],
    comment: row.comment,
    representedAs: row.represented_as,
    ...(row.proof === null ? {} : { proof: JSON.parse(row.proof) as VoteProof }),
    at: row.at,
  };
}

/** Columns of a Vote. */
export function voteColumns(vote: Vote) {
  return {
    review: vote.review,
    person_id: vote.person.id,
    username: vote.person.username,
    name: vote.person.name,
    decision: vote.decision,
    hold: vote.hold,
    lifetime: lifetimeText(vote.lifetime),
    scope: JSON.stringify(vote.scope),
    comment: vote.comment,
    represented_as: vote.representedAs,
    proof: vote.proof === undefined ? null : JSON.stringify(vote.proof),
    at: vote.at,
  };
}

/** An Approval of its row. */
export function approvalOf(row: Row<ApprovalTable>): Approval {
  return {
    id: row.id,
    version: row.version,
    review: row.review,
    subject: subject(row),
    projectPath: row.project_path,
    digest: row.digest,
    place: place(row),
    scope: JSON.parse(row.scope) as Approval['scope'],
    lifetime: parseLifetime(row.lifetime),
    hold: row.hold,
    votes: row.auto === null ? (JSON.parse(row.votes) as Approval['votes']) : [],
    policy: row.policy,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    timesUsed: row.times_used,
    revoked:
      row.revoked_at === null ? null : { at: row.revoked_at, by: row.revoked_by ?? '', reason: row.revoked_reason },
    ...(row.break_glass === null ? {} : { breakGlass: true }),
    ...(row.auto === null ? {} : { auto: JSON.parse(row.auto) as NonNullable<Approval['auto']> }),
    ...(row.renews === null ? {} : { renews: row.renews }),
  };
}

/** Columns of an Approval. */
export function approvalColumns(approval: Omit<Approval, 'id'>) {
  return {
    ...whereColumns(approval),
    version: approval.version,
    review: approval.review,
    lifetime: lifetimeText(approval.lifetime),
    scope: JSON.stringify(approval.scope),
    ends_at: endsAt(approval as Approval),
    hold: approval.hold,
    // No row is without a reason to be there: votes, or for whom none were needed.
    votes: JSON.stringify(approval.auto === undefined ? approval.votes : [{ auto: approval.auto.id }]),
    policy: approval.policy,
    created_at: approval.createdAt,
    last_used_at: approval.lastUsedAt,
    times_used: approval.timesUsed,
    revoked_at: approval.revoked?.at ?? null,
    revoked_by: approval.revoked?.by ?? null,
    revoked_reason: approval.revoked?.reason ?? null,
    break_glass: approval.breakGlass === true ? 1 : null,
    auto: approval.auto === undefined ? null : JSON.stringify(approval.auto),
    renews: approval.renews ?? null,
  };
}

/** A Denial of its row. */
export function denialOf(row: Row<DenialTable>): Denial {
  const { id, digest, review, denied_by: by, reason, at, until } = row;
  const lifted =
    row.lifted_at === null ? null : { at: row.lifted_at, by: row.lifted_by ?? '', reason: row.lifted_reason };
  return { id, subject: subject(row), digest, review, by, reason, at, until, lifted };
}

/** A push of its row in the outbox. */
export function pushOf(row: Row<OutboxTable>): HubPush {
  const { seq, hold, job_id: jobId, digest, reason, note } = row;
  return { type: row.type as HubPush['type'], seq, hold, jobId, digest, reason, note };
}

/** A Token of its row. */
export function tokenOf(row: Row<TokenTable>): Token {
  return {
    id: row.id,
    hash: row.hash,
    prefix: row.prefix,
    name: row.name,
    owner: row.owner_id === null ? null : { id: row.owner_id, username: row.owner_username ?? '' },
    scopes: JSON.parse(row.scopes) as Token['scopes'],
    makers: JSON.parse(row.makers) as Token['makers'],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    lastUsedAddress: row.last_used_address,
    lastUsedClient: row.last_used_client,
    flags: JSON.parse(row.flags) as Token['flags'],
    replacedBy: row.replaced_by,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
    revokedReason: row.revoked_reason,
  };
}

/** Columns of a Token that may change after it was made. */
export function tokenChanges(token: Omit<Token, 'id'>) {
  return {
    expires_at: token.expiresAt,
    last_used_at: token.lastUsedAt,
    last_used_address: token.lastUsedAddress,
    last_used_client: token.lastUsedClient,
    flags: JSON.stringify(token.flags),
    replaced_by: token.replacedBy,
    revoked_at: token.revokedAt,
    revoked_by: token.revokedBy,
    revoked_reason: token.revokedReason,
  };
}

/** Columns of a Token. */
export function tokenColumns(token: Omit<Token, 'id'>) {
  return {
    hash: token.hash,
    prefix: token.prefix,
    name: token.name,
    owner_id: token.owner?.id ?? null,
    owner_username: token.owner?.username ?? null,
    scopes: JSON.stringify(token.scopes),
    makers: JSON.stringify(token.makers),
    created_at: token.createdAt,
    ...tokenChanges(token),
  };
}

/** A Session of its row. */
export function sessionOf(row: Row<SessionTable>): Session {
  return {
    token: row.token,
    way: row.way as Session['way'],
    madeWith: row.made_with,
    authTime: row.auth_time,
    claimed: row.claimed === null ? null : (JSON.parse(row.claimed) as Session['claimed']),
  };
}

/** Columns of a Session. */
export function sessionColumns(session: Session) {
  return {
    token: session.token,
    way: session.way,
    made_with: session.madeWith,
    auth_time: session.authTime,
    claimed: session.claimed === null ? null : JSON.stringify(session.claimed),
  };
}

/** A Retry of its row. */
export function retryOf(row: Row<RetryTable>): Retry {
  return {
    hold: row.hold,
    jobId: row.job_id,
    newJobId: row.new_job_id,
    credential: row.credential as Retry['credential'],
    user: row.user_id,
    at: row.at,
  };
}

/** Columns of a Retry. */
export function retryColumns(retry: Retry) {
  return {
    hold: retry.hold,
    job_id: retry.jobId,
    new_job_id: retry.newJobId,
    credential: retry.credential,
    user_id: retry.user,
    at: retry.at,
  };
}

/** A row of the audit as the chain has it. */
export function auditOf({ project: _, ...row }: Row<AuditTable>): AuditRow {
  return { ...row, detail: JSON.parse(row.detail) as AuditRow['detail'] };
}
