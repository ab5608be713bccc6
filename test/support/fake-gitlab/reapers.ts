import { finish } from './jobs.ts';
import type { World } from './state.ts';

const MINUTE_MS = 60_000;
const NO_UPDATES_MS = 30 * MINUTE_MS;
/** Buffer that GitLab adds to a job's own timeout. */
const OVER_TIME_MS = 15 * MINUTE_MS;
const PENDING_MS = 24 * 60 * MINUTE_MS;

/**
 * Ends what GitLab's stuck-jobs worker would end by now. GitLab's worker comes once an hour; this one comes before every
 * request and at every turn of the clock, so that a test meets the earliest moment at which a job can die.
 */
export function reap(world: World): void {
  const now = world.now();
  for (const job of world.jobs.values()) {
    const quietMs = now - job.updatedAt;
    const runMs = job.startedAt === null ? 0 : now - job.startedAt;
    const overTime = runMs >= job.timeoutS * 1000 + OVER_TIME_MS;
    switch (job.status) {
      case 'running':
        if (overTime) finish(world, job, 'failed', 'server_timeout_running');
        else if (quietMs > NO_UPDATES_MS) finish(world, job, 'failed', 'no_updates_running');
        break;
      case 'canceling':
        if (overTime) finish(world, job, 'canceled', 'server_timeout_canceling');
        else if (quietMs > NO_UPDATES_MS) finish(world, job, 'canceled', 'no_updates_canceling');
        break;
      case 'pending':
        if (quietMs > PENDING_MS) finish(world, job, 'failed', 'stuck_pending_with_matching_runners');
        break;
      case 'manual':
      case 'canceled':
      case 'success':
      case 'failed':
        break;
      default:
        job.status satisfies never;
    }
  }
}
