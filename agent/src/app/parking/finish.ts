import { stopping } from '../../domain/parking.ts';
import { change, type Entry, type Parking, stamp } from './parking.ts';

/** The runner has shown that it has the job: the hand-over is confirmed and the payload leaves the disk (T31). */
export function confirm(parking: Parking, entry: Entry): void {
  if (entry.job.state !== 'handed_out') return;
  void change(parking, entry, 'soon', (job) => {
    if (job.state !== 'handed_out') return job;
    const report = { event: 'confirmed', at: stamp(parking), detail: {} } as const;
    return { ...job, state: 'confirmed', reports: [...job.reports, report] };
  });
  // GitLab is asked how the job stands when it may have changed, and now and then.
  entry.due.set('look', { at: parking.clock.now() + 60_000, failures: 0 });
}

/** Something hints that the job has ended: GitLab is asked at once, since a job can say so of itself and prove nothing. */
export function lookNow(parking: Parking, entry: Entry): void {
  if (entry.job.state !== 'confirmed' && entry.job.state !== 'handed_out') return;
  entry.due.delete('look');
  parking.tend(entry);
}

/** Ends a job that runs, by this agent itself: its runner is aborted, GitLab is told that it failed, and the hub how it ended. */
export async function stopHere(parking: Parking, entry: Entry, reason: string): Promise<void> {
  await change(parking, entry, 'soon', (job) => stopping(job, { reason, note: null }));
}
