import { HoldpointError } from '../../domain/errors.ts';
import { afterStatus, isLive } from '../../domain/parking.ts';
import type { HoldStatus, ParkedHold } from '../../ports/gatekeeper.ts';
import { change, type Entry, later, type Parking, reasonOf, stamp } from './parking.ts';

/** The hub understood a report and will never take it: asked again it would say the same. */
const FINAL: readonly string[] = ['wrong_state', 'not_found', 'bad_input', 'forbidden', 'digest_mismatch'];

/** The hub is told first of a job that went without it, so that it has a Hold to hang the rest on. */
async function tellOffline(parking: Parking, entry: Entry): Promise<void> {
  const { offline, digest, jobId } = entry.job;
  if (offline == null || digest === null) return;
  const { run, configuration, facts } = offline;
  const answer = await parking.gatekeeper
    .admit({ digest, configuration, facts, offline: run })
    .catch((error: unknown) => {
      if (!(error instanceof HoldpointError) || !FINAL.includes(error.code)) throw error;
      // Asked again it would say the same, and nothing else would be told to it meanwhile.
      parking.log.error(
        { job: jobId, digest, ...run, reason: error.message },
        'the hub refuses to record a job that ran while it was away: it stands in this log alone',
      );
      return null;
    });
  if (answer === null) {
    await change(parking, entry, 'soon', (job) => ({ ...job, offline: null, reports: [] }));
    return;
  }
  const { hold, url } = answer;
  if (hold === null) throw new Error('the hub has taken in what ran without it, and gave it no hold');
  parking.log.info({ job: jobId, hold, kind: run.kind }, 'the hub was told of a job that ran while it was away');
  await change(parking, entry, 'soon', (job) => ({ ...job, hold, url, offline: null }));
}

async function flush(parking: Parking, entry: Entry): Promise<void> {
  await tellOffline(parking, entry);
  for (;;) {
    const [next] = entry.job.reports;
    if (next === undefined) return;
    const hold = next.event === 'refused' ? null : entry.job.hold;
    try {
      const statuses = await parking.gatekeeper.report({ hold, jobId: entry.job.jobId, ...next });
      entry.told = statuses.find((each) => each.hold === hold && each.jobId === entry.job.jobId) ?? null;
    } catch (error) {
      if (!(error instanceof HoldpointError) || !FINAL.includes(error.code)) throw error;
      const fields = { job: entry.job.jobId, hold, event: next.event, reason: error.message };
      parking.log.warn(fields, 'the hub refused a report');
    }
    // In memory is enough: told twice after a crash, the hub counts it once.
    await change(parking, entry, 'memory', (job) =>
      job.reports[0] === next ? { ...job, reports: job.reports.slice(1) } : job,
    );
  }
}

/**
 * Tells the hub, in order, what it does not know yet of this job; what it answered is `entry.told` afterwards.
 * Rejects when the hub is away: what is owed stays owed.
 */
export function flushReports(parking: Parking, entry: Entry): Promise<void> {
  const result = entry.reporting.then(() => flush(parking, entry));
  entry.reporting = result.catch(() => {});
  return result;
}

/** What a job is in the list of a sync; null while the hub has given it no Hold. */
export function syncItem(entry: Entry): ParkedHold | null {
  const { jobId, hold, digest, state, parkedUntil } = entry.job;
  if (hold === null || digest === null || state === 'received') return null;
  return {
    hold,
    jobId,
    digest,
    state: state === 'failing' ? 'ended' : state,
    parkedUntil: isLive(state) ? new Date(parkedUntil).toISOString() : null,
  };
}

/**
 * Takes over how the hub said that it has this job, unless something is owed that it did not know. An answer to a
 * question from before the last push is old: a release that overtook it would be lost, so the hub is asked once more.
 */
export async function takeStatus(
  parking: Parking,
  entry: Entry,
  status: HoldStatus | undefined,
  heard: number,
): Promise<void> {
  if (status === undefined || entry.claimed) return;
  let old = false;
  await change(parking, entry, 'soon', (job) => {
    old = entry.heard !== heard;
    const applies = !old && job.reports.length === 0 && job.hold === status.hold && job.jobId === status.jobId;
    return applies ? afterStatus(job, status, stamp(parking)) : job;
  });
  if (!old) return;
  const [item, now] = [syncItem(entry), entry.heard];
  if (item === null) return;
  const [again] = await parking.gatekeeper.sync([item]);
  await takeStatus(parking, entry, again, now);
}

/** One attempt to tell the hub what is owed; failures are tried again with back-off and upon each welcome. */
export async function reportOwed(parking: Parking, entry: Entry): Promise<void> {
  try {
    const { heard } = entry;
    await flushReports(parking, entry);
    entry.due.delete('report');
    const { told } = entry;
    entry.told = null;
    if (told !== null) await takeStatus(parking, entry, told, heard);
  } catch (error) {
    later(parking, entry, 'report');
    parking.log.debug(
      { job: entry.job.jobId, reason: reasonOf(error) },
      'the hub did not take a report; it stays owed',
    );
  }
}
