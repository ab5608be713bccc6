/** Whether the terminal of a job is recorded; `required`: a job that cannot be recorded does not run. */
export const RECORDINGS = ['off', 'record', 'required'] as const;
/** One of the three. */
export type RecordingMode = (typeof RECORDINGS)[number];

/** Whether somebody has to watch a job live, from before it starts to its end. */
export const FOUR_EYES_LIVE = ['off', 'required'] as const;
/** One of the two. */
export type FourEyesLive = (typeof FOUR_EYES_LIVE)[number];

/** A page or terminal in which a job is watched is asked this often whether somebody still looks. */
export const PRESENCE_BEAT_MS = 4_000;
/**
 * Whoever has not answered for so long has left: three beats are lost, or a connection was away for as long as it takes to come
 * back. Nobody is gone before that who only reconnects, and a job never runs longer than that with nobody there.
 */
export const PRESENCE_GRACE_MS = 15_000;
/** How often somebody looks whether everybody has left; with the grace the longest that a job runs unwatched. */
export const PRESENCE_LOOK_MS = 2_000;

/** One page or terminal that shows a job to somebody who may watch it. */
export interface Watcher {
  readonly hold: number;
  /** Which page: one person may have several. */
  readonly viewer: string;
  readonly person: { readonly id: number; readonly username: string; readonly name: string | null };
  /** Epoch ms, as are all times here. */
  readonly since: number;
  /** When it answered last, from a page that was visible. */
  readonly seenAt: number;
}

/** Why a job was stopped: somebody did it, nobody watched any more, or it could not be recorded any more. */
export const STOP_CAUSES = ['person', 'unwatched', 'recording'] as const;
/** One of the causes. */
export type StopCause = (typeof STOP_CAUSES)[number];

/** A job that was stopped while it ran. */
export interface Stop {
  readonly hold: number;
  readonly jobId: number;
  readonly cause: StopCause;
  /** Null where nobody did it but the hub. */
  readonly person: { readonly id: number; readonly username: string } | null;
  readonly reason: string;
  readonly at: number;
}

/** A job that was handed over while somebody watched, and has to be watched until it ends. */
export interface LiveRun {
  readonly hold: number;
  readonly jobId: number;
  /** So many people have to watch. */
  readonly need: number;
  readonly at: number;
}

/** Those who watch at this moment, each once, whoever has several pages; `since`: nobody counts as gone before that and the grace. */
export function present(watchers: readonly Watcher[], now: number, since = 0): readonly Watcher['person'][] {
  const there = watchers.filter(({ seenAt }) => now < Math.max(seenAt, since) + PRESENCE_GRACE_MS);
  return [...new Map(there.map(({ person }) => [person.id, person])).values()].sort((a, b) => a.id - b.id);
}

/** How many have to watch: one more where nobody can tell whom the rules exclude, since one of them could be that (T18). */
export function watchersNeeded({ unknown }: { readonly unknown: readonly string[] }): number {
  return unknown.length === 0 ? 1 : 2;
}

/** What a Hold waits for at its live gate, in words. */
export function liveWords(need: number, have: number): string {
  const more = need - have;
  return `its policy asks for four eyes live: it goes once ${more === 1 ? 'somebody' : `${more} people`} who may approve it and did not cause it watch${more === 1 ? 'es' : ''} it`;
}

/** What a recording has in the end. */
export interface Recording {
  readonly id: number;
  readonly hold: number;
  readonly jobId: number;
  readonly required: boolean;
  /** `removed`: its time was over, and what is kept is that it was there, and its hash. */
  readonly state: 'open' | 'ended' | 'removed';
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Up to where the runner's log is in it, in bytes as the runner counts them. */
  readonly next: number;
  /** When its last event was, in ms from its start. */
  readonly lastMs: number;
  readonly pieces: number;
  /** Of the file, in bytes. */
  readonly bytes: number;
  /** Why it is not whole, in words; null for one that is. */
  readonly problem: string | null;
  /** SHA-256 of the file, hex; null while it is open. */
  readonly sha256: string | null;
}
