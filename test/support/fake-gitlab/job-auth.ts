import { finish } from './jobs.ts';
import { type Answer, type Job, refuse, type World } from './state.ts';

/** The job that a runner's call is about, or the answer that refuses it. GitLab says 403 for an unknown id too. */
export function authenticateJob(world: World, id: number, token: string): Job | Answer {
  const job = world.jobs.get(id);
  if (job === undefined || token === '' || job.token !== token) return refuse(403, '403 Forbidden');
  if (job.erasedAt !== null) return refuse(403, '403 Forbidden - Job has been erased!');
  if (job.status !== 'running' && job.status !== 'canceling') {
    return refuse(403, '403 Forbidden - Job is not processing on runner', { 'Job-Status': job.status });
  }
  if (job.tokenExpiresAt !== null && world.now() >= job.tokenExpiresAt) {
    finish(world, job, 'failed', 'job_token_expired');
    return refuse(403, '403 Forbidden - Job token has expired', { 'Job-Status': job.status });
  }
  return job;
}

/** The job a token belongs to while it runs; GitLab answers everything else with 401. */
export function jobOfToken(world: World, token: string): Job | null {
  if (token === '') return null;
  for (const job of world.jobs.values()) {
    if (job.token !== token) continue;
    const alive = job.tokenExpiresAt !== null && world.now() < job.tokenExpiresAt;
    return alive && (job.status === 'running' || job.status === 'canceling') ? job : null;
  }
  return null;
}

/** True for an answer, false for a job. */
export function isAnswer(value: Job | Answer): value is Answer {
  return typeof value.status === 'number';
}

/** GitLab writes `updated_at` of a job at most every 15 minutes. */
const TOUCH_AFTER_MS = 15 * 60_000;

/** A sign of life from the runner; moves `updatedAt` only if it is older than 15 minutes. */
export function touch(world: World, job: Job): void {
  if (world.now() - job.updatedAt > TOUCH_AFTER_MS) job.updatedAt = world.now();
}
