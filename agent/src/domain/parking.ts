import type { OwedReport, ParkedJob, ParkedJobState } from './parked-job.ts';

/** How long jobs may wait and how many; milliseconds. */
export interface ParkingLimits {
  /** Jobs parked live at once; over it the oldest of the person with most is detached. */
  readonly maxHolds: number;
  /** The same for the jobs of one project. */
  readonly maxHoldsPerProject: number;
  /** The same for the jobs that one person triggered: their oldest is detached. */
  readonly maxHoldsPerTrigger: number;
  /** Longest live stage; 0 detaches at once. */
  readonly liveMs: number;
  /** What must be left of the job's timeout at hand-out, at most a third of it. */
  readonly liveFloorMs: number;
  readonly handoverConfirmMs: number;
  readonly heartbeatMs: number;
}

/** GitLab Runner takes no shorter timeout than this for a job that is worth starting. */
const MIN_TIMEOUT_S = 60;

/** True for a job that ran, or runs, while the hub was away, until the hub has been told. */
export function isOwed({ offline, state }: ParkedJob): boolean {
  return offline != null && state !== 'received' && state !== 'released';
}

/** Jobs that GitLab counts as running while nobody runs them. */
export function isLive(state: ParkedJobState): boolean {
  return state === 'received' || state === 'parked' || state === 'released';
}

/** Whether the payload may still be needed: once the runner has shown that it has the job, it is taken off the disk (T31). */
export function needsPayload(state: ParkedJobState): boolean {
  return isLive(state) || state === 'handed_out';
}

/** Epoch ms of the end of the live stage: the timeout of the job and its token's life count from hand-out by GitLab. */
export function liveUntil(receivedAt: number, timeoutS: number, limits: ParkingLimits): number {
  const timeoutMs = timeoutS * 1000;
  const floorMs = Math.min(limits.liveFloorMs, timeoutMs / 3);
  return receivedAt + Math.max(0, Math.min(limits.liveMs, Math.floor(timeoutMs - floorMs)));
}

/** Seconds of timeout that are left of a job that was parked for a while. */
export function timeoutLeftS(job: ParkedJob, now: number): number {
  const parkedS = Math.max(0, Math.floor((now - job.receivedAt) / 1000));
  return Math.max(MIN_TIMEOUT_S, job.timeoutS - parkedS);
}

/** A reason that GitLab does not retry by itself, so that a job failed for approval makes no endless loop (T44). */
export function failureReasonFor(failureReasons: readonly string[]): string {
  return failureReasons.includes('no_matching_runner') ? 'no_matching_runner' : 'missing_dependency_failure';
}

/** The job on its way to being failed at the CI server, with what its log and the hub are to be told. */
export function failing(job: ParkedJob, why: { note: string | null; report: OwedReport | null }): ParkedJob {
  return {
    ...job,
    state: 'failing',
    failWith: failureReasonFor(job.failureReasons),
    pendingNote: joinNotes(job.pendingNote, why.note),
    reports: why.report === null ? job.reports : [...job.reports, why.report],
  };
}

/**
 * A job that runs on its way to being stopped: whatever its runner sends from here on is answered with an abort, and the CI
 * server is told that it failed. How it ended is reported once the server has said so.
 */
export function stopping(job: ParkedJob, { reason, note }: Pick<HubWord, 'reason' | 'note'>): ParkedJob {
  if (job.state !== 'handed_out' && job.state !== 'confirmed') return job;
  const told = failing(job, { note: note ?? endNote(job, 'stop', reason), report: null });
  return { ...told, stopped: { noteAt: null, reason } };
}

/** The stopped job once the CI server has said how it has it. */
export function afterStop(job: ParkedJob, status: CiStatus, at: string): ParkedJob {
  if (job.stopped == null) return { ...job, state: 'ended' };
  const said = status === 'canceled' || status === 'success' ? status : 'failed';
  const { reason } = job.stopped;
  const why = reason === null ? {} : { reason: `stopped: ${reason}` };
  return ended(job, { event: 'ended', at, detail: { status: said, ...why } });
}

/** The job as one that the CI server has already ended. */
export function ended(job: ParkedJob, report: OwedReport | null): ParkedJob {
  const reports = report === null ? job.reports : [...job.reports, report];
  return { ...job, state: 'ended', pendingNote: null, reports };
}

/** A note behind one that is not written yet. */
export function joinNotes(first: string | null, second: string | null): string | null {
  if (first === null || second === null) return first ?? second;
  return `${first}\n${second}`;
}

/** What an agent is told of a Hold, unasked or in answer to a report. */
export type HubWord = {
  readonly type: 'release' | 'reject' | 'expire' | 'revoke' | 'cancel';
  readonly reason: string | null;
  readonly note: string | null;
  /** With `cancel`: a job that runs is ended as well. */
  readonly stop?: boolean | undefined;
};

/** The job after a push of the hub; the same object when nothing changes. */
export function afterPush(job: ParkedJob, push: HubWord): ParkedJob {
  switch (push.type) {
    case 'release':
      return job.state === 'parked'
        ? { ...job, state: 'released', pendingNote: joinNotes(job.pendingNote, push.note) }
        : job;
    case 'revoke':
      return job.state === 'released' ? { ...job, state: 'parked' } : job;
    case 'reject':
    case 'expire':
    case 'cancel': {
      if (push.stop === true && (job.state === 'handed_out' || job.state === 'confirmed')) return stopping(job, push);
      if (!isLive(job.state)) return job;
      return failing(job, { note: push.note ?? endNote(job, push.type, push.reason), report: null });
    }
    default:
      push.type satisfies never;
      return job;
  }
}

/** How the hub has a Hold of this agent. */
export interface HubStatus {
  readonly state:
    | 'waiting_for_approval'
    | 'pending'
    | 'running'
    | 'success'
    | 'failed'
    | 'canceled'
    | 'rejected'
    | 'expired'
    | 'unknown';
  readonly current: boolean;
}

/**
 * The job after the hub said how it has the Hold; the store is the truth. Only what nobody runs yet is moved by it:
 * what was handed over is the CI server's to end.
 */
export function afterStatus(job: ParkedJob, status: HubStatus, at: string): ParkedJob {
  if (!isLive(job.state)) return job;
  if (status.state === 'unknown') {
    return job.state === 'received' ? job : { ...job, state: 'received', hold: null };
  }
  if (!status.current) {
    return failing(job, { note: endNote(job, 'without', null), report: null });
  }
  switch (status.state) {
    case 'waiting_for_approval':
      return job.state === 'released' ? { ...job, state: 'parked' } : job;
    case 'pending':
      return job.state === 'parked' ? { ...job, state: 'released' } : job;
    case 'running':
      // The hub counts it as handed out while it is here: it never was, so it goes back to pending before anything else.
      return { ...job, state: 'parked', reports: [...job.reports, { event: 'undelivered', at, detail: {} }] };
    case 'success':
    case 'failed':
    case 'canceled':
      return failing(job, { note: endNote(job, 'cancel', `its hold is ${status.state}`), report: null });
    case 'rejected':
      return failing(job, { note: endNote(job, 'reject', null), report: null });
    case 'expired':
      return failing(job, { note: endNote(job, 'expire', null), report: null });
    default:
      status.state satisfies never;
      return job;
  }
}

/** The lines for the log of a job whose Hold has ended. */
export function endNote(
  job: ParkedJob,
  why: 'reject' | 'expire' | 'cancel' | 'stop' | 'without',
  reason: string | null,
): string {
  const name = job.hold === null ? 'This job' : `Hold ${job.hold}`;
  const because = reason === null || reason === '' ? '' : `: ${reason}`;
  const link = job.url === null ? [] : [job.url];
  switch (why) {
    case 'reject':
      return [`Holdpoint: ${name} was rejected${because}`, 'The job is failed; nothing of it ran.', ...link].join('\n');
    case 'expire':
      return [
        `Holdpoint: ${name} expired: nobody answered in time${because}`,
        'Retry the job to ask again.',
        ...link,
      ].join('\n');
    case 'cancel':
      return [`Holdpoint: ${name} was canceled${because}`, 'The job is failed; nothing of it ran.', ...link].join('\n');
    case 'without':
      return [
        `Holdpoint: ${name} goes on without this job: a newer one has its place, or the hub had heard nothing of this one for too long.`,
        'The job is failed; nothing of it ran.',
        ...link,
      ].join('\n');
    case 'stop':
      return [`Holdpoint: ${name} was stopped${because}`, 'The job was ended while it ran.', ...link].join('\n');
    default:
      why satisfies never;
      return '';
  }
}

/** The lines for the log of a job whose live stage is over: its Hold goes on waiting without it. */
export function detachNote(job: ParkedJob, reason: string): string {
  return [
    `Holdpoint: ${reason}, so this job is failed; nothing of it ran.`,
    job.hold === null
      ? 'Retry it: it is asked for again then.'
      : `Hold ${job.hold} goes on waiting for approval. Once it is approved, this job is run again: by Holdpoint where it has been given the right to retry, else whoever triggered it presses Retry here. The retried job joins the hold and starts at once.`,
    ...(job.url === null ? [] : [job.url]),
  ].join('\n');
}

/** A job that nobody approved waits at least so long for a poll of the runner that takes it, whatever the live stage is. */
const MIN_DIVERT_MS = 10 * 60_000;

/** The job as one for the next poll of an unprotected runner: nobody is asked, and no Hold is kept of it. */
export function diverted(job: ParkedJob, runner: string, limits: ParkingLimits): ParkedJob {
  return {
    ...job,
    state: 'released',
    hold: null,
    url: null,
    divertedTo: runner,
    pool: poolOf(runner),
    parkedUntil: liveUntil(job.receivedAt, job.timeoutS, { ...limits, liveMs: Math.max(limits.liveMs, MIN_DIVERT_MS) }),
    pendingNote: joinNotes(
      job.pendingNote,
      [
        `Holdpoint: nobody has approved this configuration for ${job.runner}, so it is diverted to the unprotected runner ${runner}.`,
        'Nobody was asked. It is approved, or held, where it runs on a protected ref.',
      ].join('\n'),
    ),
  };
}

/** The job as it was before it was diverted: to be asked for again, by whatever the policy says then. */
export function undiverted(job: ParkedJob): ParkedJob {
  return { ...job, state: 'received', divertedTo: null, pool: poolOf(job.runner) };
}

/** The pool of a runner that an entry of the configuration names. */
export function poolOf(runner: string): string {
  return `runner:${runner}`;
}

/** The job at the end of its live stage, or pushed out by a limit: failed at the CI server, its Hold kept. */
export function detached(job: ParkedJob, reason: string, at: string): ParkedJob {
  return failing(job, { note: detachNote(job, reason), report: { event: 'detached', at, detail: { reason } } });
}

/** Which limit somebody is over. */
export type ParkingLimit = 'trigger' | 'project' | 'agent';

/** A job that has to leave, and for which limit. */
export interface Surplus {
  readonly jobId: number;
  readonly limit: ParkingLimit;
}

/** Whom a job counts against: a trigger that nobody confirms is one for each project, since a variable can claim to be anybody (T17). */
export function flooderOf(job: ParkedJob): string {
  return job.person ?? `unknown:${job.project ?? ''}`;
}

function groups<K>(jobs: readonly ParkedJob[], key: (job: ParkedJob) => K): Map<K, ParkedJob[]> {
  const out = new Map<K, ParkedJob[]>();
  for (const job of jobs) {
    const known = out.get(key(job));
    if (known === undefined) out.set(key(job), [job]);
    else known.push(job);
  }
  return out;
}

/** The oldest of whoever has most, one after the other, until `max` are left; `oldestFirst` is sorted. */
function surplusOf(oldestFirst: readonly ParkedJob[], max: number): number[] {
  const byPerson = groups(oldestFirst, flooderOf);
  const out: number[] = [];
  for (let over = oldestFirst.length - max; over > 0; over--) {
    let most: ParkedJob[] = [];
    for (const theirs of byPerson.values()) if (theirs.length > most.length) most = theirs;
    const oldest = most.shift();
    if (oldest === undefined) break;
    out.push(oldest.jobId);
  }
  return out;
}

/**
 * Who has to leave: what one trigger has too much of first, then one project, then the agent, so that a flood pushes out
 * the flooder's own jobs and nobody is refused because of another's (T30). One entry per job over a limit.
 */
export function overLimits(
  jobs: readonly ParkedJob[],
  limits: Pick<ParkingLimits, 'maxHolds' | 'maxHoldsPerProject' | 'maxHoldsPerTrigger'>,
): readonly Surplus[] {
  const out: Surplus[] = [];
  let live = jobs.filter((job) => isLive(job.state)).sort((a, b) => a.receivedAt - b.receivedAt || a.jobId - b.jobId);
  const take = (limit: ParkingLimit, ids: readonly number[]): void => {
    const gone = new Set(ids);
    for (const jobId of ids) out.push({ jobId, limit });
    if (gone.size > 0) live = live.filter((job) => !gone.has(job.jobId));
  };
  for (const theirs of groups(live, flooderOf).values()) take('trigger', surplusOf(theirs, limits.maxHoldsPerTrigger));
  for (const [project, theirs] of groups(live, (job) => job.project ?? null))
    if (project !== null) take('project', surplusOf(theirs, limits.maxHoldsPerProject));
  take('agent', surplusOf(live, limits.maxHolds));
  return out;
}

/** Why a job over a limit leaves, for its log. */
export function surplusReason(limit: ParkingLimit, limits: ParkingLimits): string {
  switch (limit) {
    case 'trigger':
      return `more than ${limits.maxHoldsPerTrigger} jobs that one person triggered wait on this host`;
    case 'project':
      return `more than ${limits.maxHoldsPerProject} jobs of this project wait on this host`;
    case 'agent':
      return `more than ${limits.maxHolds} jobs wait on this host`;
    default:
      return limit satisfies never;
  }
}

/** How the CI server has a job. */
export type CiStatus = 'running' | 'canceling' | 'canceled' | 'failed' | 'success' | 'refused';

/** A parked job after a heartbeat; the same object while it lives. */
export function afterHeartbeat(job: ParkedJob, status: CiStatus, at: string): ParkedJob {
  // Said of a job without a Hold, too: the hub may have given it one in a verdict that was lost.
  switch (status) {
    case 'running':
      return job;
    case 'canceling':
      return failing({ ...job, pendingNote: null }, { note: null, report: { event: 'canceled', at, detail: {} } });
    case 'canceled':
      return ended(job, { event: 'canceled', at, detail: {} });
    case 'failed':
    case 'success':
    case 'refused': {
      const reason =
        status === 'refused' ? 'GitLab no longer takes anything for this job' : `GitLab ended the job: ${status}`;
      return ended(job, { event: 'detached', at, detail: { reason } });
    }
    default:
      status satisfies never;
      return job;
  }
}

/** A running job after a look at the CI server; the same object while it runs. What a job says of itself proves nothing. */
export function afterLook(job: ParkedJob, status: CiStatus, at: string): ParkedJob {
  switch (status) {
    case 'running':
    case 'canceling':
      return job;
    case 'canceled':
    case 'failed':
    case 'success':
      return ended(job, { event: 'ended', at, detail: { status } });
    case 'refused':
      return ended(job, {
        event: 'ended',
        at,
        detail: { status: 'failed', reason: 'GitLab does not say how the job ended' },
      });
    default:
      status satisfies never;
      return job;
  }
}
