import { createHash } from 'node:crypto';
import { castEvent, castHeader } from '../../domain/asciicast.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, isFinal, liveAttempt } from '../../domain/hold.ts';
import { printable } from '../../domain/printable.ts';
import type { Recording, RecordingMode } from '../../domain/watching.ts';
import type { RecordPiece } from '../../ports/agents.ts';
import type { Seal } from '../../ports/seal.ts';
import type { StoreReader } from '../../ports/store.ts';
import { policyFor } from '../governing.ts';
import { agentActor, type HubContext, holdUrl } from '../hub-context.ts';
import { type Settlement, settle } from '../settle.ts';
import { stopHold } from './stop.ts';

/** A recording is no longer than this: GitLab's own limit for a log is 100 MiB, and nobody watches a tenth of it. */
export const MAX_RECORDING_BYTES = 32 * 1024 * 1024;
/** Of one job: a runner that sends every three seconds for a day sends fewer. */
const MAX_PIECES = 40_000;
/** Recordings that are ended in one go. */
const MAX_AT_ONCE = 100;

/** Up to where the hub has it, and why it takes no more; null: it does. */
export interface Taken {
  readonly next: number;
  readonly problem: string | null;
}

/** What seals a piece is bound to: pieces cannot change places, nor recordings. */
const contextOf = (recording: Pick<Recording, 'hold' | 'jobId'>, piece: number): string =>
  `recording ${recording.hold} ${recording.jobId} ${piece}`;

/** How this Hold is to be recorded, by the policy of now. */
export function recordingMode(s: Pick<Settlement, 'policy'>, hold: Hold): RecordingMode {
  return policyFor(s.policy, hold).recording;
}

/** Title of a recording. */
function titleOf({ id, subject, projectPath }: Hold, jobId: number): string {
  return printable(`${projectPath ?? `project ${subject.projectId}`} ${subject.job} (hold ${id}, job ${jobId})`);
}

async function begin(s: Settlement, seal: Seal, hold: Hold, jobId: number, startedAt: number): Promise<Recording> {
  const header = new TextEncoder().encode(castHeader(startedAt, titleOf(hold, jobId)));
  const recording = await s.tx.insertRecording({
    hold: hold.id,
    jobId,
    required: recordingMode(s, hold) === 'required',
    state: 'open',
    startedAt,
    endedAt: null,
    next: 0,
    lastMs: 0,
    pieces: 1,
    bytes: header.length,
    problem: null,
    sha256: null,
  });
  await s.tx.putRecordingPiece(recording.id, 0, seal.seal(header, contextOf(recording, 0)));
  return recording;
}

/** Begins the recording of a job at its hand-over, so that one of which nothing ever comes is missed, too. */
export async function beginRecording(s: Settlement, seal: Seal | undefined, hold: Hold): Promise<void> {
  const jobId = liveAttempt(hold)?.jobId;
  if (seal === undefined || jobId === undefined || recordingMode(s, hold) === 'off') return;
  if ((await s.tx.recording(hold.id, jobId)) === null) await begin(s, seal, hold, jobId, s.now);
}

/**
 * Takes a piece from the agent that has the job (T27), in order, once: one that begins elsewhere than where the last ended is not
 * taken, and the answer says where to go on. Rejects with `not_found` for a job that is not its own or not to be recorded,
 * `wrong_state` once the recording is over.
 */
export async function takePiece(context: HubContext, agent: string, piece: RecordPiece): Promise<Taken> {
  const { seal } = context;
  if (seal === undefined) throw new HoldpointError('wrong_state', 'this hub keeps no recordings');
  const policy = await context.policy();
  const deciding = { actor: agentActor(agent), address: null, now: context.clock.now(), policy };
  return settle(context, deciding, async (s) => {
    const hold = await s.tx.hold(piece.hold);
    if (hold === null || !hold.attempts.some((one) => one.jobId === piece.jobId && one.agent === agent))
      throw new HoldpointError('not_found', `job ${piece.jobId} is no job of this agent: nothing of it is recorded`);
    const known = await s.tx.recording(hold.id, piece.jobId);
    if (known !== null && known.state !== 'open')
      throw new HoldpointError('wrong_state', `the recording of job ${piece.jobId} is over`);
    if (known === null && isFinal(hold.state))
      throw new HoldpointError('wrong_state', `hold ${hold.id} is ${hold.state}: nothing of it is recorded any more`);
    if (known === null && recordingMode(s, hold) === 'off')
      throw new HoldpointError('not_found', `job ${piece.jobId} is not to be recorded: nothing of it is kept`);
    const recording = known ?? (await begin(s, seal, hold, piece.jobId, Math.min(piece.at, s.now)));
    if (piece.problem === null && piece.offset !== recording.next) return { next: recording.next, problem: null };
    return add(s, seal, context, hold, recording, piece);
  });
}

async function add(
  s: Settlement,
  seal: Seal,
  context: HubContext,
  hold: Hold,
  recording: Recording,
  piece: RecordPiece,
): Promise<Taken> {
  // No host's clock makes a recording longer than it was.
  const lastMs = Math.max(recording.lastMs, Math.min(piece.at, s.now) - recording.startedAt);
  const gap = piece.problem === null ? null : printable(piece.problem);
  const shown = gap === null ? piece.text : `\r\n[Holdpoint: ${gap}]\r\n${piece.text}`;
  const line = new TextEncoder().encode(shown === '' ? '' : castEvent(lastMs, shown));
  const isFull = recording.bytes + line.length > MAX_RECORDING_BYTES || recording.pieces >= MAX_PIECES;
  const full = isFull ? `it is longer than ${MAX_RECORDING_BYTES / 1024 / 1024} MiB` : null;
  const found = full ?? gap;
  const isKept = !isFull && line.length > 0;
  // Where something was missing, or came with other words, it goes on from there.
  const end = piece.offset + piece.size;
  const next = gap === null ? Math.max(recording.next, end) : end;
  const sealed = isKept ? seal.seal(line, contextOf(recording, recording.pieces)) : null;
  if (sealed !== null) await s.tx.putRecordingPiece(recording.id, recording.pieces, sealed);
  await s.tx.updateRecording({
    ...recording,
    problem: recording.problem ?? found,
    next,
    lastMs: isKept ? lastMs : recording.lastMs,
    pieces: recording.pieces + (isKept ? 1 : 0),
    bytes: recording.bytes + (isKept ? line.length : 0),
  });
  if (found !== null && recording.problem === null) await failed(s, context, hold, recording, found);
  return { next, problem: recording.required ? found : full };
}

/** A recording is not whole: that is noted, and ends the job where the policy asks for one. */
async function failed(
  s: Settlement,
  context: HubContext,
  hold: Hold,
  { jobId, required }: Recording,
  problem: string,
): Promise<void> {
  await s.audit('recording_failed', { hold }, { job_id: jobId, reason: problem, required });
  if (!required || hold.state !== 'running' || liveAttempt(hold)?.jobId !== jobId) return;
  const reason = `its policy asks for a recording, and ${problem}`;
  await stopHold(s, hold, { cause: 'recording', person: null, reason }, holdUrl(context, hold.id));
}

/** The text of a recording, piece by piece. Rejects with `cannot_open` when a piece was altered or sealed under another key. */
export async function* recordingText(
  store: Pick<StoreReader, 'recordingPiece'>,
  seal: Seal,
  recording: Recording,
): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < recording.pieces; piece++) {
    const sealed = await store.recordingPiece(recording.id, piece);
    if (sealed === null)
      throw new HoldpointError('internal', `the recording of job ${recording.jobId} lacks its piece ${piece}`);
    yield seal.open(sealed, contextOf(recording, piece));
  }
}

/** Ends recordings whose jobs have ended: their hash goes into the audit, and from then on nothing of them can change unseen. */
export async function endRecordings(context: HubContext): Promise<number> {
  const { seal, store } = context;
  if (seal === undefined) return 0;
  let ended = 0;
  for (const recording of await store.openRecordings(MAX_AT_ONCE)) {
    const hash = createHash('sha256');
    let problem: string | null = null;
    try {
      for await (const bytes of recordingText(store, seal, recording)) hash.update(bytes);
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      problem = `it cannot be read again: ${error.message}`;
    }
    const policy = await context.policy();
    const now = context.clock.now();
    const done = await settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
      const [same, hold] = [await s.tx.recording(recording.hold, recording.jobId), await s.tx.hold(recording.hold)];
      // A last piece has come meanwhile: it is hashed in the next round.
      if (hold === null || same?.state !== 'open' || same.pieces !== recording.pieces) return false;
      const sha256 = problem === null ? hash.digest('hex') : null;
      const empty = same.pieces <= 1 && hold.state !== 'canceled' ? 'nothing of it has come' : null;
      const why = same.problem ?? problem ?? empty;
      await s.tx.updateRecording({ ...same, state: 'ended', endedAt: now, sha256, problem: why });
      if (why !== null && same.problem === null)
        await s.audit('recording_failed', { hold }, { job_id: same.jobId, reason: why, required: same.required });
      const { jobId: job_id, bytes } = same;
      await s.audit(
        'recording_ended',
        { hold },
        { job_id, sha256, bytes, seconds: same.lastMs / 1000, whole: why === null },
      );
      s.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: hold.subject.projectId });
      return true;
    });
    if (done) ended += 1;
  }
  return ended;
}
