import type { ParkedJob } from '../../domain/parked-job.ts';
import { timeoutLeftS } from '../../domain/parking.ts';
import { digestsOf } from '../../domain/pinned-images.ts';
import type { ReceiptWay } from '../../domain/receipt.ts';
import { withSections } from '../../domain/sections.ts';
import { change, type Entry, type Parking, reasonOf, stamp } from './parking.ts';
import { flushReports } from './report.ts';
import { Altered, giveUp, storedPayload } from './stored.ts';

/** `flushed`: every byte went to the operating system; `gone`: the socket was closed before, so the runner cannot have the job. */
export type Delivery = 'flushed' | 'gone';

/** Nothing that was parked goes out while the hub is away or has not said how it has it: a revoke may be on its way (T29). */
function mayHandOut(parking: Parking): boolean {
  return !parking.closing && parking.synced && parking.gatekeeper.connected();
}

/** Let through without the hub: it goes while the hub is away, and is asked about anew once it is back. */
function goesOffline(parking: Parking, { job }: Entry): boolean {
  return job.offline != null && !parking.closing && !parking.gatekeeper.connected();
}

function isReady(entry: Entry): boolean {
  const { job } = entry;
  return (
    job.state === 'released' && !entry.claimed && entry.sealed && job.pendingNote === null && !entry.busy.has('note')
  );
}

/** The oldest released job for this pool, claimed for whoever asked: nobody else gets it (T41). Null when there is none. */
export function claimReleased(parking: Parking, pool: string): Entry | null {
  const inStep = mayHandOut(parking);
  let oldest: Entry | null = null;
  for (const entry of parking.entries.values()) {
    if (entry.job.pool !== pool || !isReady(entry) || !(inStep || goesOffline(parking, entry))) continue;
    if (oldest === null || entry.job.jobId < oldest.job.jobId) oldest = entry;
  }
  if (oldest !== null) oldest.claimed = true;
  return oldest;
}

/** Tells the polls of a pool that a job may be there for them. */
export function announce(parking: Parking, pool: string): void {
  for (const wake of [...(parking.waiting.get(pool) ?? [])]) wake();
}

/** The stored bytes once more: the same that were sealed, and the same digest when they are read again (T13). */
async function readBack(parking: Parking, job: ParkedJob): Promise<Uint8Array> {
  const payload = await storedPayload(parking, job);
  const read = await parking.ci.read(payload, job.runner);
  if (!read.ok && read.retry) throw new Error(read.reason);
  if (!read.ok || withSections(read, job.sections ?? {}).digest !== job.digest || read.job.id !== job.jobId) {
    throw new Altered('not the digest that was approved');
  }
  return payload;
}

async function markHandedOut(parking: Parking, entry: Entry): Promise<boolean> {
  const at = parking.clock.now();
  entry.told = null;
  // On the disk before the first byte: a crash from here on never hands it out a second time.
  const marked = await change(parking, entry, 'disk', (job) => {
    if (job.state !== 'released') return job;
    const report = { event: 'handed_out', at: stamp(parking), detail: {} } as const;
    return { ...job, state: 'handed_out', handedOutAt: at, reports: [...job.reports, report] };
  });
  return marked !== null;
}

/** Parked until the hub has said `pending` once more: it may have been revoked meanwhile. */
async function takeBack(parking: Parking, entry: Entry, why: string): Promise<void> {
  parking.log.info(
    { job: entry.job.jobId, hold: entry.job.hold, request: entry.job.request, why },
    'the job did not reach the runner and waits on',
  );
  await change(parking, entry, 'soon', (job) => {
    if (job.state !== 'handed_out') return job;
    // Nothing of it ran, and the hub knows nothing of it: it is asked about from the start.
    if (job.offline != null) return { ...job, state: 'received', handedOutAt: null, reports: [], offline: null };
    const report = { event: 'undelivered', at: stamp(parking), detail: {} } as const;
    const state = job.divertedTo == null ? 'parked' : 'released';
    return { ...job, state, handedOutAt: null, reports: [...job.reports, report] };
  });
}

/** The hub counts the hand-out in its own transaction; a revoke that came first wins (T29). */
async function hubAgrees(parking: Parking, entry: Entry): Promise<boolean> {
  await flushReports(parking, entry);
  return (
    entry.told !== null && entry.told.hold === entry.job.hold && entry.told.current && entry.told.state === 'running'
  );
}

/** Why the job goes out, as its receipt says it. */
function wayOf({ divertedTo, offline }: ParkedJob): ReceiptWay {
  if (divertedTo != null) return 'diverted';
  if (offline == null) return 'gate';
  return offline.run.kind === 'break_glass' ? 'break_glass' : 'offline';
}

/** On the disk before the first byte: without its receipt the executor would refuse the job, so it stays here (T39). */
async function writeReceipt(parking: Parking, entry: Entry, bytes: Uint8Array): Promise<boolean> {
  if (parking.receipts === undefined) return true;
  const { digest, hold, divertedTo, runner, sections } = entry.job;
  try {
    const issued = {
      runner: divertedTo ?? runner,
      digest,
      hold,
      through: wayOf(entry.job),
      images: digestsOf(sections?.images),
    };
    await parking.receipts.issue(bytes, issued);
    return true;
  } catch (error) {
    parking.log.error(
      { job: entry.job.jobId, reason: reasonOf(error) },
      'no receipt could be written: the job waits on',
    );
    await takeBack(parking, entry, 'its receipt could not be written');
    return false;
  }
}

async function withdrawReceipt(parking: Parking, jobId: number): Promise<void> {
  await parking.receipts?.withdraw(jobId).catch((error: unknown) => {
    parking.log.warn({ job: jobId, reason: reasonOf(error) }, 'the receipt of a job that did not go out is left');
  });
}

/**
 * Hands a claimed job to the poll behind `deliver`: exactly the bytes that have the digest, their timeout lowered by the
 * time parked. `fresh` are bytes that were read for the pass a moment ago; null reads them back and asks the hub first.
 * False when the job stays in the lot, with nothing of it written.
 */
export async function handOut(
  parking: Parking,
  entry: Entry,
  fresh: Uint8Array | null,
  deliver: (payload: Uint8Array) => Promise<Delivery>,
): Promise<boolean> {
  const since = entry.freeAt;
  const { jobId, hold, digest, runner, request, trace: parent } = entry.job;
  const span = parking.tracer.start('hand over', { job: jobId, hold, digest, runner, request }, { parent });
  let outcome = 'held';
  try {
    const payload = fresh ?? (await readBack(parking, entry.job));
    const lowered = timeoutLeftS(entry.job, parking.clock.now());
    const bytes = lowered < entry.job.timeoutS ? parking.ci.lowerTimeout(payload, lowered) : payload;
    if (!(await markHandedOut(parking, entry))) return false;
    try {
      // Of a diverted job the hub counts nothing: it was never asked about.
      const isTold = fresh !== null || entry.job.divertedTo != null || goesOffline(parking, entry);
      if (!isTold && !(await hubAgrees(parking, entry))) {
        await takeBack(parking, entry, 'the hub did not agree to the hand-out');
        return false;
      }
    } catch (error) {
      await takeBack(parking, entry, reasonOf(error));
      return false;
    }
    const recording = (fresh === null ? entry.told?.recording : entry.job.recording) ?? null;
    const masks = recording === null ? undefined : parking.ci.secrets(payload);
    if (masks !== undefined) await change(parking, entry, 'soon', (job) => ({ ...job, recording, masks }));
    if (!(await writeReceipt(parking, entry, bytes))) return false;
    // Stopped since the hub agreed: whoever did that was told that nothing of it runs on, and so nothing of it begins.
    if (entry.job.state !== 'handed_out') {
      await withdrawReceipt(parking, jobId);
      outcome = 'stopped';
      return false;
    }
    if ((await deliver(bytes)) === 'gone') {
      await withdrawReceipt(parking, jobId);
      await takeBack(parking, entry, 'the runner was gone');
      return false;
    }
    const way = entry.job.divertedTo != null ? 'diverted' : fresh === null ? 'released' : 'passed';
    if (since !== null) parking.meter.handOver(way, Math.max(0, parking.clock.now() - since) / 1_000);
    outcome = way;
    parking.log.info({ job: jobId, hold, digest, runner, request, outcome: way }, 'handed out');
    return true;
  } catch (error) {
    if (error instanceof Altered) await giveUp(parking, entry, error.message);
    else
      parking.log.error(
        { job: entry.job.jobId, reason: reasonOf(error) },
        'a hand-out failed before its first byte: the job stays held',
      );
    return false;
  } finally {
    span.end({ outcome });
    entry.claimed = false;
    parking.tend(entry);
  }
}
