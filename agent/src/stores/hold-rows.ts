/** Rows of Holds, their jobs and pushes to domain values and back. */
import type { Facts } from '../domain/facts.ts';
import type { Attempt, Hold, HoldState } from '../domain/hold.ts';
import type { Retry } from '../domain/retrying.ts';
import type { HubPush } from '../ports/gatekeeper.ts';
import type { AttemptTable, HoldTable, OutboxTable, RetryTable } from './schema.ts';
import { place, type Row, subject, whereColumns } from './where-rows.ts';

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

/** A push of its row in the outbox. */
export function pushOf(row: Row<OutboxTable>): HubPush {
  const { seq, hold, job_id: jobId, digest, reason, note, stop } = row;
  return {
    type: row.type as HubPush['type'],
    seq,
    hold,
    jobId,
    digest,
    reason,
    note,
    ...(stop === 1 && { stop: true }),
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
