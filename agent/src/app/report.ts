import { HoldpointError } from '../domain/errors.ts';
import { type Hold, type HoldCommand, isFinal, liveAttempt } from '../domain/hold.ts';
import type { HoldReport, HoldStatus } from '../ports/gatekeeper.ts';
import type { Seal } from '../ports/seal.ts';
import { rejectDenied } from './denials.ts';
import { handOutGate } from './deployments/admission.ts';
import type { DeploymentGate } from './deployments/gate.ts';
import { keepGate } from './deployments/keep.ts';
import { agentActor, type HubContext, retrying } from './hub-context.ts';
import { stillMayGo } from './may-go.ts';
import { cancelHold, closeIfEmpty, peopleOf, reviewFor, type Settlement, settle } from './settle.ts';
import { keepWatched } from './watching/go-on.ts';
import { beginRecording, recordingMode } from './watching/record.ts';

/**
 * Takes what an agent tells of a Hold and answers how the Hold stands. The same report twice changes nothing twice.
 * What does not fit the state, and what is said of another agent's Hold (T27), is audited and moves nothing.
 */
export async function report(context: HubContext, agent: string, said: HoldReport): Promise<readonly HoldStatus[]> {
  return retrying(async () => {
    const policy = await context.policy();
    const deciding = { actor: agentActor(agent), address: null, now: context.clock.now(), policy };
    const gate = await handOutGate(context, policy, said);
    return settle(context, deciding, (s) => take(s, context.seal, agent, said, gate));
  });
}

async function take(
  s: Settlement,
  seal: Seal | undefined,
  agent: string,
  said: HoldReport,
  gate: DeploymentGate | null,
): Promise<readonly HoldStatus[]> {
  const { jobId, event, detail } = said;
  if (event === 'receipt_refused') {
    await noteReceipt(s, agent, said);
    return [];
  }
  // The verdict that told the agent of its Hold was lost, and GitLab ended the job before it asked again.
  const meant = said.hold ?? (event === 'refused' ? null : ((await s.tx.liveHoldOf(agent, jobId))?.id ?? null));
  if (meant === null && event !== 'refused') return [];
  if (meant === null) {
    const project = detail.facts?.project.id ?? null;
    await s.audit(
      'payload_refused',
      {},
      { job_id: jobId, event, project_id: project, path: detail.path ?? null, reason: detail.reason ?? null },
    );
    return [];
  }
  const hold = await s.tx.hold(meant);
  if (hold === null || !hold.attempts.some((attempt) => attempt.jobId === jobId && attempt.agent === agent)) {
    await s.audit('report_refused', {}, { hold: meant, job_id: jobId, event, reason: 'not a hold of this agent' });
    return [{ hold: meant, jobId, state: 'unknown', current: false }];
  }
  if (!(await s.tx.noteReport({ hold: hold.id, jobId, event, at: said.at }))) return [statusOf(hold, jobId)];
  if (alreadySo(hold, said)) return [statusOf(hold, jobId)];
  try {
    const command = (await isSetBack(s, hold, said)) ? overTwice(jobId) : commandFor(hold, said, s.now);
    const asked = command.type === 'hand_out' ? await mayGoNow(s, hold, jobId, gate) : hold;
    if (isFinal(asked.state) && !isFinal(hold.state)) return [statusOf(asked, jobId)];
    const moved = await s.move(asked, command, `job_${event}`, { job_id: jobId, ...reasonOf(said) });
    // Stopped, and it never reached its runner: it goes to no other one either.
    const stop = command.type === 'undelivered' ? await s.tx.stopOf(hold.id, jobId) : null;
    if (stop !== null) return [statusOf(await cancelHold(s, moved, `stopped: ${stop.reason}`), jobId)];
    if (command.type === 'undelivered') return [statusOf(await settled(s, await unlessDenied(s, moved)), jobId)];
    if (command.type === 'hand_out') await beginRecording(s, seal, moved);
    const mode = command.type === 'hand_out' ? recordingMode(s, moved) : 'off';
    const recording = mode === 'off' ? {} : { recording: mode };
    const status = { ...statusOf(await settled(s, moved), jobId), ...recording };
    // Revoked before this was said: who only asks gives nothing out on that answer; where it runs already it is shown (T29).
    const isCrossing = command.type === 'hand_out' && asked.state === 'waiting_for_approval';
    return [isCrossing ? { ...status, current: false } : status];
  } catch (error) {
    // Only what the pure transition refuses: it throws before anything of this report was written.
    if (!(error instanceof HoldpointError && error.code === 'wrong_state')) throw error;
    await s.audit('report_refused', { hold }, { job_id: jobId, event, state: hold.state });
    return [statusOf(hold, jobId)];
  }
}

/** What was refused on the host moves nothing here: it may be a job that the hub never heard of (T39). */
async function noteReceipt(s: Settlement, agent: string, { hold: id, jobId, detail }: HoldReport): Promise<void> {
  const hold = id === null ? null : await s.tx.hold(id);
  const own = hold?.attempts.some((attempt) => attempt.jobId === jobId && attempt.agent === agent) === true;
  const { refusal = null, reason = null } = detail;
  await s.audit('receipt_refused', hold !== null && own ? { hold } : {}, { job_id: jobId, refusal, reason });
}

/** The Hold as all its gates leave it at the moment of its hand-over (T19). */
async function mayGoNow(s: Settlement, hold: Hold, jobId: number, gate: DeploymentGate | null): Promise<Hold> {
  const now = await stillMayGo(s, hold, jobId);
  if (now.state !== 'pending' || liveAttempt(now)?.jobId !== jobId) return now;
  return keepWatched(s, await keepGate(s, now, gate));
}

/**
 * What was denied while a runner was thought to have it, and never reached one, is rejected as what waited for a runner at that
 * moment was: going back to wait, it would wait for what nobody may say (T15).
 */
async function unlessDenied(s: Settlement, hold: Hold): Promise<Hold> {
  const denial = await s.tx.denial(hold.subject, hold.digest, s.now);
  return denial === null ? hold : rejectDenied(s, hold, denial);
}

/** So many of the newest rows of a Hold are looked at; a Hold has a dozen, and each hand-out few. */
const MAX_ROWS = 10_000;

/**
 * True for an agent that says `undelivered` of a job whose runner has shown itself: its parking lot was set back to before
 * the hand-out, by a restored machine or by somebody who can write there. Handed out once more, the job would run twice (T41).
 */
async function isSetBack(s: Settlement, hold: Hold, { event, jobId }: HoldReport): Promise<boolean> {
  if (event !== 'undelivered' || hold.state !== 'running') return false;
  const rows = await s.tx.auditRows({ hold: hold.id, sight: null }, { after: 0, limit: MAX_ROWS });
  return rows.some((row) => row.event === 'job_confirmed' && row.detail.job_id === jobId);
}

const overTwice = (jobId: number): HoldCommand => ({
  type: 'finish',
  jobId,
  status: 'failed',
  reason: 'its agent was set back to before the hand-over: the job is failed, so that it does not run twice',
});

const reasonOf = ({ detail }: HoldReport) => ({ reason: detail.reason ?? detail.status ?? null });

/** What says again how the Hold stands already, or tells the end of a job whose place another one has taken. */
function alreadySo(hold: Hold, { event, jobId, detail }: HoldReport): boolean {
  const own = hold.attempts.find((attempt) => attempt.jobId === jobId);
  if (event === 'ended' && isFinal(hold.state) && hold.state === detail.status) return true;
  if (event === 'canceled' && hold.state === 'canceled') return true;
  const tellsEnd = event === 'detached' || event === 'canceled' || event === 'ended';
  return tellsEnd && own?.endedAt != null;
}

/** How a Hold stands, for the agent that has the job. */
export function statusOf(hold: Hold, jobId: number): HoldStatus {
  // One that the hub has given up is not, although no other took its place: whoever has it would hand it out in vain for ever (T40).
  const job = isFinal(hold.state) ? hold.attempts.at(-1) : liveAttempt(hold);
  return { hold: hold.id, jobId, state: hold.state, current: job?.jobId === jobId };
}

/**
 * Until when an agent keeps a job running for GitLab, by the hub's own clock: an agent whose clock was set back by an hour would
 * have fallen silent before it began, and its job would be nobody's. Of a report that comes late it is later by as much.
 */
function parkedUntilOf({ at, detail }: HoldReport, now: number): number | null {
  return detail.parkedUntil === undefined ? null : now + Math.max(0, Date.parse(detail.parkedUntil) - Date.parse(at));
}

function commandFor(hold: Hold, said: HoldReport, now: number): HoldCommand {
  const { event, jobId, detail } = said;
  const reason = detail.reason ?? null;
  switch (event) {
    case 'parked':
      return { type: 'park', jobId, parkedUntil: parkedUntilOf(said, now) };
    case 'detached':
      return { type: 'detach', jobId, reason: reason ?? 'detached' };
    case 'handed_out':
      return { type: 'hand_out', jobId };
    case 'confirmed':
      return { type: 'confirm', jobId };
    case 'undelivered':
      return { type: 'undelivered', jobId };
    case 'unconfirmed':
      return { type: 'unconfirmed', jobId };
    case 'canceled':
      return ending(hold, jobId, 'canceled', reason ?? 'canceled in GitLab');
    case 'ended':
      return ending(hold, jobId, detail.status ?? 'failed', reason);
    case 'receipt_refused':
    case 'refused':
      throw new HoldpointError(
        'wrong_state',
        `hold ${hold.id}: a job with a hold was read already and is no refused payload`,
      );
    default:
      return event satisfies never;
  }
}

/** A job that runs ends its Hold. One that is parked does so only when it was canceled; else the Hold goes on waiting without it. */
function ending(
  hold: Hold,
  jobId: number,
  status: 'success' | 'failed' | 'canceled',
  reason: string | null,
): HoldCommand {
  if (hold.state === 'running') return { type: 'finish', jobId, status, reason };
  if (status === 'canceled' && liveAttempt(hold)?.jobId === jobId)
    return { type: 'cancel', reason: reason ?? 'canceled in GitLab' };
  return { type: 'detach', jobId, reason: reason ?? `GitLab ended the job: ${status}` };
}

/** Keeps Hold and Review together: a Hold that has left its Review closes it when empty, one that waits again has an open one. */
async function settled(s: Settlement, hold: Hold): Promise<Hold> {
  if (hold.state !== 'waiting_for_approval') {
    await closeIfEmpty(s, hold.review, 'canceled');
    return hold;
  }
  const review = hold.review === null ? null : await s.tx.review(hold.review);
  if (review?.state === 'open' || hold.configured !== null) return hold;
  const opened = await reviewFor(s, hold, await peopleOf(s, hold));
  const again = { ...hold, version: hold.version + 1, review: opened.id };
  await s.tx.updateHold(again);
  return again;
}
