import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, isFinal } from '../../domain/hold.ts';
import type { MayVote } from '../../domain/may-vote.ts';
import type { Person } from '../../domain/principal.ts';
import type { FourEyesLive, Recording, RecordingMode, Stop, Watcher } from '../../domain/watching.ts';
import { present, watchersNeeded } from '../../domain/watching.ts';
import { policyFor } from '../governing.ts';
import { byCaller, type Caller, type HubContext } from '../hub-context.ts';
import { notFound, visibleHold } from '../see.ts';
import { settle } from '../settle.ts';
import { recordingText } from './record.ts';
import { couldWatch, watchStanding } from './standing.ts';

/** What there is of watching a job, for one person. */
export interface WatchingLook {
  readonly recording: RecordingMode;
  readonly fourEyesLive: FourEyesLive;
  readonly need: number;
  readonly watching: readonly Watcher['person'][];
  /** Who could, while somebody has to. */
  readonly couldWatch: readonly Person[];
  readonly mayWatch: MayVote;
  readonly mayStop: MayVote;
  readonly stop: Stop | null;
  readonly recordings: readonly Recording[];
  /** How long they are kept after their end; null: for ever. */
  readonly keptMs: number | null;
}

/** Who watches a Hold's job, whether this person may, and what was recorded of it. */
export async function lookAtWatching(context: HubContext, caller: Caller, hold: Hold): Promise<WatchingLook> {
  const { store } = context;
  const whole = await context.policy();
  const policy = policyFor(whole, hold);
  const { watch, stop, requirement } = await watchStanding(context, caller, hold, false);
  const run = await store.liveRun(hold.id);
  const fourEyesLive = run === null ? policy.fourEyesLive : 'required';
  const isAsked = fourEyesLive === 'required' && !isFinal(hold.state);
  return {
    recording: policy.recording,
    fourEyesLive,
    couldWatch: isAsked ? await couldWatch(context, hold) : [],
    need: run?.need ?? watchersNeeded(requirement),
    watching: present(await store.watchers(hold.id), context.clock.now()).filter(
      ({ id }) => !requirement.excluded.includes(id),
    ),
    mayWatch: watch,
    mayStop: stop,
    stop: await store.stopOf(hold.id, hold.attempts.at(-1)?.jobId ?? 0),
    recordings: await store.recordingsOf(hold.id),
    keptMs: whole.retention.recordingsMs,
  };
}

/** True while a Hold that is covered waits for nothing but somebody who watches. */
export function waitsForWatcher(hold: Hold, { fourEyesLive, need, watching }: WatchingLook): boolean {
  return hold.state === 'waiting_for_approval' && fourEyesLive === 'required' && watching.length < need;
}

/**
 * The recording of one job of a Hold, for whoever may see its log; that they took it is audited first. `whole`: the token may
 * read all of the audit. Rejects with `not_found`, `wrong_state` where it is open or removed.
 */
export async function readRecording(
  context: HubContext,
  caller: Caller,
  whole: boolean,
  wish: { readonly hold: number; readonly job: number | null },
): Promise<AsyncGenerator<Uint8Array>> {
  const { store, seal } = context;
  const hold = whole ? await store.hold(wish.hold) : await visibleHold(context, caller, wish.hold);
  if (hold === null) throw notFound('hold', wish.hold);
  const all = await store.recordingsOf(hold.id);
  const recording = wish.job === null ? all.at(-1) : all.find(({ jobId }) => jobId === wish.job);
  if (recording === undefined || seal === undefined)
    throw new HoldpointError(
      'not_found',
      `hold ${hold.id}: nothing was recorded${wish.job === null ? '' : ` of job ${wish.job}`}: does the policy say recording: record?`,
    );
  if (recording.state === 'removed')
    throw new HoldpointError(
      'wrong_state',
      `hold ${hold.id}: the recording of job ${recording.jobId} was removed when its time was over; its hash is in the audit`,
    );
  if (recording.state === 'open')
    throw new HoldpointError(
      'wrong_state',
      `hold ${hold.id}: job ${recording.jobId} is still recorded: watch it live, or take the recording when it has ended`,
    );
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  const { jobId, sha256 } = recording;
  await settle(context, deciding, (s) =>
    s.audit('recording_read', { hold }, { job_id: jobId, sha256, token: caller.token.id }),
  );
  return recordingText(store, seal, recording);
}
