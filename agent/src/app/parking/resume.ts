import type { ParkedJob } from '../../domain/parked-job.ts';
import { afterPush, ended, isLive, isOwed, undiverted } from '../../domain/parking.ts';
import type { HubPush } from '../../ports/gatekeeper.ts';
import type { ParkedRecord } from '../../ports/parking-lot.ts';
import { addEntry, change, type Parking, reasonOf } from './parking.ts';
import { flushReports, syncItem, takeStatus } from './report.ts';
import { revealValues } from './reveal.ts';

/** The hub looks each of them up: so many are answered well within the time that an answer may take, and others get their turn. */
const MAX_SYNC_HOLDS = 500;
/** First heartbeats after a start: so many at a time, or ten thousand parked jobs would open as many connections to GitLab at once. */
const FIRST_HEARTBEATS = 50;
const FIRST_HEARTBEATS_EVERY_MS = 100;
const RETRY_MS = 2_000;

/**
 * A job that somebody may have run since it was copied: it is handed out to nobody (T13), and not failed either, since it may
 * run at this moment. Its Hold goes on waiting; GitLab ends a job of which it hears nothing by itself.
 */
async function givenUp(parking: Parking, { job }: ParkedRecord, reason: string): Promise<ParkedJob> {
  if (!isLive(job.state) && job.state !== 'failing') return job;
  const at = new Date(parking.clock.now()).toISOString();
  const after = ended(job, job.hold === null ? null : { event: 'detached', at, detail: { reason } });
  await parking.lot.put({ job: after, payload: null });
  parking.log.warn({ job: job.jobId, hold: job.hold, reason }, 'given up: its hold goes on waiting without it');
  return after;
}

/** Takes up what lies in the lot, as it was when the process ended. */
export async function resume(parking: Parking): Promise<void> {
  const { records, damaged } = await parking.lot.load();
  const now = parking.clock.now();
  for (const record of records) {
    const job = parking.giveUp == null ? record.job : await givenUp(parking, record, parking.giveUp);
    // Released or not is the hub's to say again; a runner that was given the job gets its time to show once more.
    const again = job.offline == null ? 'parked' : 'received';
    const state = job.state === 'released' ? again : job.state;
    const handedOutAt = state === 'handed_out' ? now : job.handedOutAt;
    const waits = job.divertedTo != null && isLive(job.state);
    const offline = state === 'received' ? null : (job.offline ?? null);
    addEntry(parking, waits ? undiverted(job) : { ...job, state, handedOutAt, offline }, null, true);
  }
  if (records.length > 0 || damaged.length > 0) {
    parking.log.info({ parked: records.length, damaged: damaged.length }, 'taken up from the parking lot');
  }
  // The first heartbeat of each is due as soon as may be: GitLab may have ended jobs meanwhile, and heard nothing of the others.
  for (const [index, entry] of [...parking.entries.values()].entries()) {
    const wait = Math.floor(index / FIRST_HEARTBEATS) * FIRST_HEARTBEATS_EVERY_MS;
    if (wait > 0) entry.due.set('heartbeat', { at: now + wait, failures: 0 });
    parking.tend(entry);
  }
}

async function synchronize(parking: Parking, isStale: () => boolean): Promise<void> {
  // Let through without the hub and not handed out yet: now it can be asked.
  for (const entry of [...parking.entries.values()])
    if (entry.job.offline != null && entry.job.state === 'released' && !entry.claimed)
      await change(parking, entry, 'soon', (job) =>
        job.state === 'released' && !entry.claimed ? { ...job, state: 'received', offline: null } : job,
      );
  // What happened here first, then the question: else the hub would answer about the past.
  for (const entry of [...parking.entries.values()])
    if (entry.job.reports.length > 0 || isOwed(entry.job)) await flushReports(parking, entry);
  const list = [...parking.entries.values()].map(syncItem).filter((item) => item !== null);
  for (let from = 0; from < list.length || from === 0; from += MAX_SYNC_HOLDS) {
    const part = list.slice(from, from + MAX_SYNC_HOLDS);
    const heard = new Map(part.map(({ jobId }) => [jobId, parking.entries.get(jobId)?.heard ?? 0]));
    const statuses = await parking.gatekeeper.sync(part);
    if (isStale()) return;
    for (const status of statuses) {
      const entry = parking.entries.get(status.jobId);
      if (entry !== undefined) await takeStatus(parking, entry, status, heard.get(status.jobId) ?? 0);
    }
  }
  if (isStale()) return;
  parking.synced = true;
  parking.log.info({ holds: list.length }, 'in step with the hub');
  for (const entry of [...parking.entries.values()]) {
    entry.due.delete('admit');
    entry.due.delete('report');
    parking.tend(entry);
  }
}

async function takePush(parking: Parking, push: HubPush): Promise<void> {
  const entry = parking.entries.get(push.jobId);
  if (entry === undefined) return;
  entry.heard++;
  // A verdict that is still being taken in comes before what the hub said after it.
  await entry.admission;
  const after = await change(parking, entry, 'soon', (job) => {
    if (job.hold !== push.hold) return job;
    if (job.digest !== push.digest) {
      parking.log.error(
        { job: job.jobId, hold: push.hold, type: push.type },
        'a push names another digest than the job has (T13): ignored',
      );
      return job;
    }
    return afterPush(job, push);
  });
  if (after !== null)
    parking.log.info(
      {
        job: after.jobId,
        hold: after.hold,
        digest: after.digest,
        outcome: push.type,
        state: after.state,
        request: after.request,
      },
      'the hub decided',
    );
}

/** Follows the hub: pushes as they come, and after every welcome all that is parked. */
export function followHub(parking: Parking): void {
  let generation = 0;
  const connect = (mine: number): void => {
    const isStale = (): boolean => mine !== generation || parking.stopped;
    synchronize(parking, isStale).catch((error: unknown) => {
      if (isStale() || !parking.gatekeeper.connected()) return;
      parking.log.warn({ reason: reasonOf(error) }, 'not in step with the hub yet: nothing parked is handed out');
      parking.clock.after(RETRY_MS, () => {
        if (!isStale()) connect(mine);
      });
    });
  };
  const welcome = (): void => {
    parking.synced = false;
    connect(++generation);
  };
  parking.gatekeeper.onConnect(welcome);
  parking.gatekeeper.onPush((push) => takePush(parking, push));
  parking.gatekeeper.onReveal((question) => revealValues(parking, question));
  if (parking.gatekeeper.connected() && generation === 0) welcome();
}
