import type { LiveRun, Recording, Stop, Watcher } from '../domain/watching.ts';

/** What the store knows of who watches what, and of what was recorded. */
export interface WatchReads {
  /** Everybody who has watched and did not take leave, whether they still answer or not. */
  watchers(hold: number): Promise<readonly Watcher[]>;
  /** Jobs that have to be watched and have not ended; at most `limit`. */
  liveRuns(limit: number): Promise<readonly LiveRun[]>;
  liveRun(hold: number): Promise<LiveRun | null>;
  stopOf(hold: number, jobId: number): Promise<Stop | null>;
  recording(hold: number, jobId: number): Promise<Recording | null>;
  /** Recordings of a Hold, the oldest first. */
  recordingsOf(hold: number): Promise<readonly Recording[]>;
  /** Open ones of Holds that have ended; at most `limit`. */
  openRecordings(limit: number): Promise<readonly Recording[]>;
  /** One sealed piece after the other, from the first. */
  recordingPiece(recording: number, piece: number): Promise<Uint8Array | null>;
  /** Recordings that ended at this time or before; at most `limit`. */
  dueRecordings(before: number, limit: number): Promise<readonly Recording[]>;
}

/** Writes of the same. */
export interface WatchWrites extends WatchReads {
  /** Notes that a page shows a job to somebody, or that it still does. */
  putWatcher(watcher: Watcher): Promise<void>;
  /** Somebody looks through this page still; false where nobody does any more. */
  seeWatcher(hold: number, viewer: string, seenAt: number): Promise<boolean>;
  /** Nobody looks through this page any more. */
  dropWatcher(hold: number, viewer: string): Promise<void>;
  /** Forgets who has watched and was not seen since `before`. */
  dropWatchers(before: number): Promise<void>;
  putLiveRun(run: LiveRun): Promise<void>;
  dropLiveRun(hold: number): Promise<void>;
  /** False where the job was stopped before. */
  putStop(stop: Stop): Promise<boolean>;
  insertRecording(recording: Omit<Recording, 'id'>): Promise<Recording>;
  updateRecording(recording: Recording): Promise<void>;
  putRecordingPiece(recording: number, piece: number, sealed: Uint8Array): Promise<void>;
  dropRecordingPieces(recording: number): Promise<void>;
}
