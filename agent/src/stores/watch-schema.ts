import type { Generated } from 'kysely';

/** One page in which a job is watched. */
export interface LiveWatcherTable {
  hold: number;
  viewer: string;
  person_id: number;
  username: string;
  name: string | null;
  since: number;
  seen_at: number;
}
/** One job that was stopped. */
export interface StopTable {
  hold: number;
  job_id: number;
  cause: string;
  person_id: number | null;
  username: string | null;
  reason: string;
  at: number;
}
/** What is known of one recording. */
export interface RecordingTable {
  id: Generated<number>;
  hold: number;
  job_id: number;
  required: number;
  state: string;
  started_at: number;
  ended_at: number | null;
  next_byte: number;
  last_ms: number;
  pieces: number;
  bytes: number;
  problem: string | null;
  sha256: string | null;
}
/** The tables of watching. */
export interface WatchSchema {
  live_watchers: LiveWatcherTable;
  live_runs: { hold: number; job_id: number; need: number; at: number };
  stops: StopTable;
  recordings: RecordingTable;
  /** `sealed` is base64. */
  recording_pieces: { recording: number; piece: number; sealed: string };
}
