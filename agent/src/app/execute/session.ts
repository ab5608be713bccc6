import type { ExecutorJob, ExecutorSession, Leftover, OwnerProcess } from '../../ports/executor.ts';

const MINUTE = 60_000;
/** After its timeout a job may still run after_script and upload artifacts. */
const AFTER_TIMEOUT_MS = 60 * MINUTE;
/** The longest timeout that GitLab knows; of a job that does not say. */
const LONGEST_JOB_MS = 31 * 24 * 60 * MINUTE;

/** A session without what the gate says about its images. */
export function sessionOf(
  id: string,
  job: ExecutorJob,
  owner: OwnerProcess,
  now: number,
): Omit<ExecutorSession, 'images'> {
  return { id, job, owner, endsBefore: now + (job.timeoutMs ?? LONGEST_JOB_MS) + AFTER_TIMEOUT_MS };
}

/** What of the host is needed to say whether a process is still there. */
export interface HostView {
  readonly boot: string;
  readonly namespace: string;
  /** Ticks between boot and start of the process that has this pid now; null for none. */
  startOf(pid: number): number | null;
}

/**
 * Whether a session is over: its time is, or the runner that started it is gone. A pid of another namespace (a second
 * runner in a container of its own) says nothing here: then its time alone counts, so that no live job is removed.
 */
export function isOver({ owner, endsBefore }: Leftover, host: HostView, now: number): boolean {
  if (endsBefore !== null && now >= endsBefore) return true;
  if (owner === null) return endsBefore === null;
  if (owner.boot !== host.boot) return true;
  if (owner.namespace !== host.namespace) return false;
  return host.startOf(owner.pid) !== owner.startedAt;
}
