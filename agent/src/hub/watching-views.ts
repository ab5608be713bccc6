import { type WatchingLook, waitsForWatcher } from '../app/watching/look.ts';
import type { Hold } from '../domain/hold.ts';
import type { MayVote } from '../domain/may-vote.ts';
import type { Recording, Stop } from '../domain/watching.ts';
import type { RecordingView, WatchingView } from '../wire/watching.ts';

const time = (at: number): string => new Date(at).toISOString();
const mayView = (may: MayVote) => ({ allowed: may.allowed, reason: may.allowed ? null : may.reason });

/** Who had a job stopped. */
export function stopView({ person, cause, reason, at, jobId }: Stop) {
  return { by: person?.username ?? null, cause, reason, at: time(at), job_id: jobId };
}

/** A recording, without what is in it; `keptMs`: how long it is kept after its end, null for ever. */
export function recordingView(recording: Recording, keptMs: number | null): RecordingView {
  const { jobId, state, required, startedAt, endedAt, lastMs, bytes, sha256, problem } = recording;
  const keepUntil = endedAt === null || keptMs === null ? null : endedAt + keptMs;
  return {
    job_id: jobId,
    state,
    required,
    started_at: time(startedAt),
    ended_at: endedAt === null ? null : time(endedAt),
    seconds: lastMs / 1000,
    bytes,
    sha256,
    problem,
    keep_until: keepUntil === null ? null : time(keepUntil),
  };
}

/** What there is of watching a job. */
export function watchingView(look: WatchingLook): WatchingView {
  return {
    recording: look.recording,
    four_eyes_live: look.fourEyesLive,
    needed: look.need,
    watching: look.watching.map(({ id, username, name }) => ({ id, username, name })),
    could_watch: look.couldWatch.map(({ id, username, name }) => ({ id, username, name })),
    may_watch: mayView(look.mayWatch),
    may_stop: mayView(look.mayStop),
    stopped: look.stop && stopView(look.stop),
    recordings: look.recordings.map((one) => recordingView(one, look.keptMs)),
  };
}

/** What a Hold waits for besides its other gates. */
export function waitsLive(hold: Hold, look: WatchingLook): readonly 'watcher'[] {
  return waitsForWatcher(hold, look) ? ['watcher'] : [];
}
