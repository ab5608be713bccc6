import type { ParkedJob } from '../../domain/parked-job.ts';
import { afterHeartbeat, afterLook, afterStop, detached, failing, isLive, isOwed } from '../../domain/parking.ts';
import { admit } from './admit.ts';
import { announce } from './hand-out.ts';
import { writeNote } from './note.ts';
import {
  change,
  dropEntry,
  type Entry,
  later,
  type Parking,
  type ParkingDeps,
  reasonOf,
  sealNow,
  stamp,
  type Task,
} from './parking.ts';
import { reportOwed } from './report.ts';
import { createTurns } from './turns.ts';

/** How often a running job is looked at, so that one whose runner vanished is noticed; GitLab's own reaper takes 30 min and more. */
const LOOK_MS = 60_000;

/** Half of what one connection asks at once: there is always room for the job that a poll waits for. */
const ASKED_AT_ONCE = 32;

/** Sets a task for `ms` from now, a quarter earlier at most, so that a thousand parked jobs do not beat as one. */
function schedule(parking: Parking, entry: Entry, task: Task, ms: number): void {
  entry.due.set(task, { at: parking.clock.now() + ms * (0.75 + parking.random() / 4), failures: 0 });
}

async function heartbeat(parking: Parking, entry: Entry): Promise<void> {
  schedule(parking, entry, 'heartbeat', parking.limits.heartbeatMs);
  try {
    const status = await parking.ci.keepAlive(entry.job);
    parking.meter.heartbeat(true);
    const after = await change(parking, entry, 'soon', (job) =>
      isLive(job.state) ? afterHeartbeat(job, status, stamp(parking)) : job,
    );
    if (after !== null)
      parking.log.info({ job: after.jobId, hold: after.hold, status }, 'a parked job ended at GitLab');
  } catch (error) {
    parking.meter.heartbeat(false);
    schedule(parking, entry, 'heartbeat', parking.limits.heartbeatMs / 4);
    parking.log.warn({ job: entry.job.jobId, reason: reasonOf(error) }, 'a heartbeat failed');
  }
}

async function failUpstream(parking: Parking, entry: Entry): Promise<void> {
  try {
    const status = await parking.ci.fail(entry.job, entry.job.failWith ?? 'missing_dependency_failure');
    if (status === 'running') throw new Error('GitLab still has the job as running');
    entry.due.delete('fail');
    await change(parking, entry, 'memory', (job) => afterStop(job, status, stamp(parking)));
  } catch (error) {
    const failures = later(parking, entry, 'fail');
    parking.log.warn(
      { job: entry.job.jobId, failures, reason: reasonOf(error) },
      'a job could not be failed at GitLab yet',
    );
  }
}

async function look(parking: Parking, entry: Entry): Promise<void> {
  schedule(parking, entry, 'look', LOOK_MS);
  try {
    const status = await parking.ci.status(entry.job);
    const after = await change(parking, entry, 'memory', (job) =>
      job.state === 'confirmed' ? afterLook(job, status, stamp(parking)) : job,
    );
    if (after !== null) parking.log.info({ job: after.jobId, hold: after.hold, status }, 'the job ended');
  } catch (error) {
    later(parking, entry, 'look');
    parking.log.debug(
      { job: entry.job.jobId, reason: reasonOf(error) },
      'GitLab could not be asked how the job stands',
    );
  }
}

async function remove(parking: Parking, entry: Entry): Promise<void> {
  try {
    await entry.queue;
    await parking.lot.remove(entry.job.jobId);
    dropEntry(parking, entry);
  } catch (error) {
    later(parking, entry, 'remove');
    parking.log.warn(
      { job: entry.job.jobId, reason: reasonOf(error) },
      'an ended job could not be taken off the disk yet',
    );
  }
}

const TASKS: Record<Task, (parking: Parking, entry: Entry) => Promise<unknown>> = {
  seal: sealNow,
  admit,
  heartbeat,
  note: writeNote,
  fail: failUpstream,
  look,
  report: reportOwed,
  remove,
};

/** What asks the hub. */
const ASKS: ReadonlySet<Task> = new Set(['admit', 'report']);

/** What a job in this state needs done. */
function wanted(parking: Parking, entry: Entry): Task[] {
  const { job } = entry;
  const tasks: Task[] = [];
  if (!entry.sealed && job.state !== 'ended') tasks.push('seal');
  if ((job.reports.length > 0 || isOwed(job)) && !entry.claimed && parking.gatekeeper.connected()) tasks.push('report');
  switch (job.state) {
    case 'received':
      tasks.push('heartbeat');
      if (entry.sealed && !entry.claimed && !parking.closing) tasks.push('admit');
      return tasks;
    case 'parked':
    case 'released':
      tasks.push('heartbeat');
      if (job.pendingNote !== null) tasks.push('note');
      return tasks;
    case 'handed_out':
      return tasks;
    case 'confirmed':
      tasks.push('look');
      return tasks;
    case 'failing':
      tasks.push(job.pendingNote === null ? 'fail' : 'note');
      return tasks;
    case 'ended':
      if (job.reports.length === 0 && !isOwed(job)) tasks.push('remove');
      return tasks;
    default:
      job.state satisfies never;
      return tasks;
  }
}

/** Epoch ms at which waiting is over for a job in this state; null where nothing ends by time. */
function deadlineOf(parking: Parking, job: ParkedJob): number | null {
  if (isLive(job.state)) return job.parkedUntil;
  if (job.state === 'handed_out') return (job.handedOutAt ?? 0) + parking.limits.handoverConfirmMs;
  return null;
}

/** The job when its time is over: detached while it waits, failed when a runner was given it and never showed (T40). */
function overdue(parking: Parking, job: ParkedJob): ParkedJob {
  const deadline = deadlineOf(parking, job);
  if (deadline === null || parking.clock.now() < deadline) return job;
  const at = stamp(parking);
  if (job.state !== 'handed_out') {
    if (job.divertedTo != null) return detached(job, `no poll of the unprotected runner ${job.divertedTo} took it`, at);
    const minutes = Math.round((parking.clock.now() - job.receivedAt) / 60_000);
    const why = `it waited ${minutes} min for approval and GitLab gives no more time`;
    // A deployment that waits for people would keep its resource group from everybody else.
    const atOnce = parking.limits.liveMs === 0 ? 'jobs that wait are' : 'a deployment that waits for people is';
    return detached(job, job.parkedUntil <= job.receivedAt ? `${atOnce} not kept running here` : why, at);
  }
  const seconds = Math.round(parking.limits.handoverConfirmMs / 1000);
  const note = `Holdpoint: the runner that was given this job did not show within ${seconds} s, so the job is failed. Retry it.`;
  return failing(job, { note, report: { event: 'unconfirmed', at, detail: {} } });
}

function tend(parking: Parking, entry: Entry): void {
  if (parking.stopped || parking.entries.get(entry.job.jobId) !== entry) return;
  entry.cancelTimer?.();
  entry.cancelTimer = null;
  const now = parking.clock.now();
  let next = Number.POSITIVE_INFINITY;
  const deadline = entry.claimed ? null : deadlineOf(parking, entry.job);
  if (deadline !== null && now >= deadline) {
    void change(parking, entry, 'soon', (job) => (entry.claimed ? job : overdue(parking, job)));
    return;
  }
  if (deadline !== null) next = deadline;
  for (const task of wanted(parking, entry)) {
    if (entry.busy.has(task)) continue;
    const at = entry.due.get(task)?.at ?? now;
    if (at > now) {
      next = Math.min(next, at);
      continue;
    }
    const asks = ASKS.has(task);
    if (asks && !parking.asking.take(entry)) continue;
    entry.busy.add(task);
    const running = TASKS[task](parking, entry)
      .catch((error: unknown) => {
        // Every task handles what it expects; what is left must not end the process and all parked jobs with it.
        later(parking, entry, task);
        parking.log.error({ job: entry.job.jobId, task, reason: reasonOf(error) }, 'a task of a parked job failed');
      })
      .finally(() => {
        parking.tasks.delete(running);
        entry.busy.delete(task);
        if (asks) parking.asking.leave();
        tend(parking, entry);
      });
    parking.tasks.add(running);
  }
  if (entry.job.state === 'released' && !entry.claimed) announce(parking, entry.job.pool);
  if (Number.isFinite(next)) {
    entry.cancelTimer = parking.clock.after(Math.max(1, next - now), () => tend(parking, entry));
  }
}

/** The parking of jobs, empty; `resume` fills it from the lot. */
export function createParking(deps: ParkingDeps): Parking {
  const parking: Parking = {
    ...deps,
    entries: new Map(),
    ended: new Map(),
    unrecorded: new Set(),
    tasks: new Set(),
    waiting: new Map(),
    synced: false,
    closing: false,
    stopped: false,
    asking: createTurns(ASKED_AT_ONCE, (entry) => tend(parking, entry)),
    tend: (entry) => tend(parking, entry),
  };
  return parking;
}

/** Starts nothing any more and waits for what runs: what is parked stays in the lot. */
export async function stopParking(parking: Parking): Promise<void> {
  parking.closing = true;
  parking.stopped = true;
  await Promise.allSettled([...parking.tasks]);
  for (const entry of parking.entries.values()) {
    entry.cancelTimer?.();
    entry.cancelTimer = null;
  }
  // Until nothing is added any more: what was told to a job last is on the disk before the lot is closed.
  for (let before: unknown[] = []; ; ) {
    const queues = [...parking.entries.values()].map((entry) => entry.queue);
    await Promise.allSettled([...queues, ...parking.tasks]);
    if (queues.length === before.length && queues.every((queue, n) => queue === before[n])) return;
    before = queues;
  }
}
