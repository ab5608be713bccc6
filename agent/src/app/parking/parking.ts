import type { ParkedJob } from '../../domain/parked-job.ts';
import { needsPayload, type ParkingLimits } from '../../domain/parking.ts';
import type { ReceiptWay } from '../../domain/receipt.ts';
import type { CiServer } from '../../ports/ci-server.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Gatekeeper, HoldStatus } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { AgentMeter } from '../../ports/meter.ts';
import type { ParkingLot } from '../../ports/parking-lot.ts';
import type { Tracer } from '../../ports/tracer.ts';
import type { Turns } from './turns.ts';

/** Jobs remembered after their end, so that an answer that arrives twice is not taken for a new job (T41). */
const MAX_REMEMBERED = 10_000;

/** One job in the agent's hands. */
export interface Entry {
  job: ParkedJob;
  /** In memory until it is sealed and parked; read again from the lot afterwards. */
  payload: Uint8Array | null;
  /** False while what is in memory is newer than what is on disk. */
  sealed: boolean;
  /** A poll is about to get it: nobody else may. */
  claimed: boolean;
  /** Changes of one job happen one after the other. */
  queue: Promise<unknown>;
  /** What is going on outside the queue: each at most once at a time. */
  readonly busy: Set<Task>;
  /** Epoch ms at which each task may run next, and how often it failed in a row. */
  readonly due: Map<Task, { at: number; failures: number }>;
  cancelTimer: (() => void) | null;
  /** Reports of one job go out one after the other, in order. */
  reporting: Promise<unknown>;
  /** How many pushes of the hub came for this job: an answer that was asked for before one is older than it. */
  heard: number;
  /** A verdict that is being asked for and taken in; settled otherwise. */
  admission: Promise<unknown>;
  /** What the hub answered last to a report of this job. */
  told: HoldStatus | null;
  /** Epoch ms since when it may be handed out; null while it may not, or since before a restart. */
  freeAt: number | null;
}
/** What is done for a job outside its queue. */
export type Task = 'seal' | 'admit' | 'heartbeat' | 'note' | 'fail' | 'look' | 'report' | 'remove';

/** What is written of a job that is about to go out. */
export interface HandOverReceipts {
  /** Durable when it resolves; rejects when there is none, and the job must not go out then. */
  issue(
    payload: Uint8Array,
    issued: {
      readonly runner: string;
      readonly digest: string | null;
      readonly hold: number | null;
      readonly through: ReceiptWay;
      readonly images: Readonly<Record<string, string>>;
    },
  ): Promise<void>;
  /** The job provably did not reach the runner. */
  withdraw(jobId: number): Promise<void>;
}

export interface ParkingDeps {
  readonly gatekeeper: Gatekeeper;
  readonly lot: ParkingLot;
  readonly ci: CiServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: AgentMeter;
  readonly tracer: Tracer;
  readonly limits: ParkingLimits;
  /** Names of unprotected runners, which may be given what nobody approved where the policy says so. */
  readonly divertTo?: readonly string[];
  /** Why what lies in the lot must not be handed out, in words; absent or null: nothing is known against it. */
  readonly giveUp?: string | null;
  /** Where a receipt is written before a job goes out; absent where this host asks for none. */
  readonly receipts?: HandOverReceipts | undefined;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
}

/** Everything that the verbs of this folder share. */
export interface Parking extends ParkingDeps {
  readonly entries: Map<number, Entry>;
  readonly ended: Map<number, true>;
  /** Jobs that ran on a runner in `mode: monitor` and of which the hub has not been told yet. */
  readonly unrecorded: Set<number>;
  /** What runs outside the queues, to be waited for at the end. */
  readonly tasks: Set<Promise<unknown>>;
  /** Polls that wait for a release, by pool; called when one may be there. */
  readonly waiting: Map<string, Set<() => void>>;
  /** True once the hub has said, on this connection, how it has everything that is parked. */
  synced: boolean;
  /** No more jobs are handed out or asked for. */
  closing: boolean;
  /** No task is started any more. */
  stopped: boolean;
  /** For what is asked of the hub outside a poll. */
  readonly asking: Turns<Entry>;
  /** Looks at the job's state and does what is due; set when the parts are put together. */
  tend: (entry: Entry) => void;
}

/** RFC 3339 of now. */
export function stamp(parking: ParkingDeps): string {
  return new Date(parking.clock.now()).toISOString();
}

/** Puts a job among those in hand. */
export function addEntry(parking: Parking, job: ParkedJob, payload: Uint8Array | null, sealed: boolean): Entry {
  const entry: Entry = {
    job,
    payload,
    sealed,
    claimed: false,
    queue: Promise.resolve(),
    busy: new Set(),
    due: new Map(),
    cancelTimer: null,
    reporting: Promise.resolve(),
    heard: 0,
    admission: Promise.resolve(),
    told: null,
    freeAt: null,
  };
  parking.entries.set(job.jobId, entry);
  return entry;
}

/** Lets go of a job. */
export function dropEntry(parking: Parking, entry: Entry): void {
  entry.cancelTimer?.();
  entry.cancelTimer = null;
  parking.entries.delete(entry.job.jobId);
  parking.ended.set(entry.job.jobId, true);
  for (const oldest of parking.ended.keys()) {
    if (parking.ended.size <= MAX_REMEMBERED) break;
    parking.ended.delete(oldest);
  }
}

async function persist(parking: Parking, entry: Entry, job: ParkedJob): Promise<void> {
  if (!needsPayload(job.state)) {
    await parking.lot.put({ job, payload: null });
    return;
  }
  const payload = entry.payload ?? (await parking.lot.get(job.jobId))?.payload ?? null;
  if (payload === null) throw new Error('the payload is gone from the parking lot');
  await parking.lot.put({ job, payload });
}

/** `disk`: refused unless it is on the disk first. `soon`: true at once, on the disk as soon as the disk takes it. `memory`: a restart finds it out again. */
export type Durability = 'disk' | 'soon' | 'memory';

/**
 * Changes a job after everything that was asked for it before; the answer is the job afterwards, null when `change`
 * left it as it was. Rejects only with `disk`, and the job is then as before.
 */
export function change(
  parking: Parking,
  entry: Entry,
  durability: Durability,
  step: (job: ParkedJob) => ParkedJob,
): Promise<ParkedJob | null> {
  const run = async (): Promise<ParkedJob | null> => {
    const stepped = step(entry.job);
    if (stepped === entry.job) return null;
    // The hub has no Hold of a diverted job: there is nobody to tell.
    const told = stepped.divertedTo == null || stepped.reports.length === 0;
    const next = told ? stepped : { ...stepped, reports: [] };
    if (durability !== 'memory') {
      try {
        await persist(parking, entry, next);
        entry.sealed = true;
      } catch (error) {
        if (durability === 'disk') throw error;
        entry.sealed = false;
        unsealed(parking, entry, error);
      }
    }
    for (const { event } of stepped.reports)
      if (!entry.job.reports.some((owed) => owed.event === event)) parking.meter.event(event);
    if (next.state !== 'released') entry.freeAt = null;
    else entry.freeAt ??= parking.clock.now();
    entry.job = next;
    if (!needsPayload(next.state) || (next.state === 'parked' && entry.sealed)) entry.payload = null;
    parking.tend(entry);
    return next;
  };
  const result = entry.queue.then(run);
  entry.queue = result.catch(() => {});
  return result;
}

/** Writes the job as it is; false when the disk did not take it. */
export function sealNow(parking: Parking, entry: Entry): Promise<boolean> {
  const run = async (): Promise<boolean> => {
    try {
      await persist(parking, entry, entry.job);
      entry.sealed = true;
      entry.due.delete('seal');
      return true;
    } catch (error) {
      entry.sealed = false;
      unsealed(parking, entry, error);
      return false;
    }
  };
  const result = entry.queue.then(run);
  entry.queue = result;
  return result;
}

function unsealed(parking: Parking, entry: Entry, error: unknown): void {
  const failures = later(parking, entry, 'seal');
  // The first one and every twelfth: a full disk must be seen, not fill the log too.
  if (failures % 12 !== 1) return;
  parking.log.error(
    { job: entry.job.jobId, reason: reasonOf(error) },
    'parking lot cannot be written: the job is kept in memory and alive, nothing is handed out; free the disk',
  );
}

/** Back-off of a task that failed: 1 s, doubled up to a minute, with jitter; the answer is how often it failed in a row. */
export function later(parking: Parking, entry: Entry, task: Task): number {
  const failures = (entry.due.get(task)?.failures ?? 0) + 1;
  const wait = Math.min(60_000, 1_000 * 2 ** Math.min(failures - 1, 6));
  entry.due.set(task, { at: parking.clock.now() + wait * (0.5 + parking.random() / 2), failures });
  return failures;
}

/** Text of an error for the log: a message of this program or the system's code, never a stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True while a job that nobody could seal is in memory: taking more from GitLab would only pile up more (T30). */
export function isFull(parking: Parking): boolean {
  // Never sealed, not merely altered since: one damaged file must not stop every poll.
  for (const entry of parking.entries.values())
    if (!entry.sealed && entry.payload !== null && (entry.due.get('seal')?.failures ?? 0) > 0) return true;

  return false;
}
