import type { ParkedJob } from '../domain/parked-job.ts';

/** A job as it lies in the lot: the record and, until the runner has confirmed the hand-over, the payload's very bytes. */
export interface ParkedRecord {
  readonly job: ParkedJob;
  readonly payload: Uint8Array | null;
}

/** Something in the lot that could not be opened: set aside, never handed out, never deleted. */
export interface DamagedRecord {
  /** From the file's name; null when that is no job's. */
  readonly jobId: number | null;
  readonly path: string;
  readonly reason: string;
}

/** Where payloads wait, sealed. Every write is durable when its promise resolves, and whole or not there at all. */
export interface ParkingLot {
  /** Stores or replaces the record of a job. Rejects when it could not be made durable. */
  put(record: ParkedRecord): Promise<void>;
  /** Reads one record again from where it is stored; null when there is none; rejects with `bad_input` when it is damaged. */
  get(jobId: number): Promise<ParkedRecord | null>;
  /** Takes a job out; done when it already is. */
  remove(jobId: number): Promise<void>;
  /** Everything that is stored, for a start. */
  load(): Promise<{ readonly records: readonly ParkedRecord[]; readonly damaged: readonly DamagedRecord[] }>;
  /** Moves what is stored for a job out of the way, for a person to look at; the answer is where to, null when nothing was there. */
  setAside(jobId: number): Promise<string | null>;
  close(): Promise<void>;
}
