import type { Facts } from '../../domain/facts.ts';
import type { ParkedJob } from '../../domain/parked-job.ts';
import {
  detached,
  diverted,
  endNote,
  failing,
  flooderOf,
  isLive,
  liveUntil,
  overLimits,
  poolOf,
  surplusReason,
} from '../../domain/parking.ts';
import type { PayloadReading } from '../../ports/ci-server.ts';
import { change, type Entry, later, type Parking, reasonOf, stamp } from './parking.ts';
import { type Asked, askWithSections } from './sections.ts';
import { Altered, giveUp, storedPayload } from './stored.ts';

type Read = Extract<PayloadReading, { ok: true }>;

/** Whom a job counts against; nobody for a trigger that a variable alone names, or anybody could fill another's share (T17, T30). */
function personOf(facts: Facts): string | null {
  const { id, username, verified } = facts.trigger;
  if (verified === 'unverified') return null;
  if (id !== null) return `id:${id}`;
  return username === null ? null : `name:${username}`;
}

/** A payload that has no Configuration, or whose facts contradict GitLab: failed there with the reason, told to the hub. */
function refused(job: ParkedJob, at: string, reason: string, path: string | null): ParkedJob {
  const where = path === null || path === '' ? '' : ` at ${path}`;
  const note = [`Holdpoint: this job was refused${where}: ${reason}`, 'The job is failed; nothing of it ran.'].join(
    '\n',
  );
  const detail = path === null ? { reason } : { reason, path };
  return failing(job, { note, report: { event: 'refused', at, detail } });
}

/**
 * The runners that a job may be diverted to: none unless its ref is unprotected and it carries nothing that was made for
 * the protected runner (T55). A runner that no entry names is not spoken for.
 */
function divertOffer(parking: Parking, job: ParkedJob, read: Read, facts: Facts): readonly string[] {
  const may =
    job.pool === poolOf(job.runner) &&
    !facts.ref.protected &&
    facts.environment === null &&
    read.divertible?.() === true;
  return may ? (parking.divertTo ?? []) : [];
}

/** The job after the hub's verdict. Unknown means hold: a pass without a Hold is no pass. */
function afterVerdict(
  parking: Parking,
  job: ParkedJob,
  read: Read,
  facts: Facts,
  offered: readonly string[],
  { answer, digest, configuration, sections }: Asked,
): ParkedJob {
  const at = stamp(parking);
  // The hub may only shorten it: GitLab's time is the agent's to keep.
  const liveMs = Math.min(parking.limits.liveMs, answer.liveMs ?? parking.limits.liveMs);
  const parkedUntil = liveUntil(job.receivedAt, read.job.timeoutS, { ...parking.limits, liveMs });
  const known: ParkedJob = {
    ...job,
    digest,
    ...(Object.keys(sections).length === 0 ? {} : { sections }),
    timeoutS: read.job.timeoutS,
    failureReasons: read.job.failureReasons,
    person: personOf(facts),
    project: facts.project.id,
    parkedUntil,
    hold: answer.hold,
    url: answer.url,
  };
  switch (answer.outcome) {
    case 'refuse': {
      const note = answer.note ?? endNote(known, 'reject', answer.reason);
      return failing(known, { note, report: null });
    }
    case 'pass':
      if (answer.offline !== undefined) {
        return { ...known, state: 'released', offline: { run: answer.offline, configuration, facts } };
      }
      if (answer.hold === null) throw new Error('the hub passed a job without naming its hold');
      return { ...known, state: 'released', recording: answer.recording ?? null };
    case 'divert': {
      const { runner } = answer;
      if (runner == null || !offered.includes(runner))
        throw new Error('the hub diverts a job that must not be diverted');
      return diverted(known, runner, parking.limits);
    }
    case 'hold': {
      if (answer.hold === null) throw new Error('the hub holds a job without naming its hold');
      const detail = { parkedUntil: new Date(parkedUntil).toISOString() };
      return { ...known, state: 'parked', pendingNote: answer.note, reports: [{ event: 'parked', at, detail }] };
    }
    default:
      answer.outcome satisfies never;
      throw new Error('the hub gave an outcome that is none');
  }
}

/** Whether a job that has just come can have taken somebody over a limit: asked with every job, so it sorts nothing. */
function canBeOver({ entries, limits }: Parking, newest: ParkedJob): boolean {
  if (entries.size > limits.maxHolds) return true;
  const [who, project] = [flooderOf(newest), newest.project ?? null];
  let [ofPerson, ofProject] = [0, 0];
  for (const { job } of entries.values()) {
    if (!isLive(job.state)) continue;
    if (flooderOf(job) === who) ofPerson++;
    if (project !== null && job.project === project) ofProject++;
  }
  return ofPerson > limits.maxHoldsPerTrigger || ofProject > limits.maxHoldsPerProject;
}

/** Over a limit the flooder's oldest jobs are detached; their Holds go on waiting (T30). */
export function enforceLimits(parking: Parking, newest: ParkedJob): void {
  const { limits } = parking;
  if (!canBeOver(parking, newest)) return;
  const jobs = [...parking.entries.values()].filter((entry) => !entry.claimed).map((entry) => entry.job);
  for (const { jobId, limit } of overLimits(jobs, limits)) {
    const entry = parking.entries.get(jobId);
    if (entry === undefined) continue;
    const reason = surplusReason(limit, limits);
    parking.log.warn({ job: jobId, hold: entry.job.hold, person: entry.job.person, limit }, `detached: ${reason}`);
    void change(parking, entry, 'soon', (job) =>
      isLive(job.state) && !entry.claimed ? detached(job, reason, stamp(parking)) : job,
    );
  }
}

/**
 * Reads the sealed payload once and asks the hub for a verdict on exactly that. The bytes come back only when the
 * verdict is pass and they are the ones it was given for. Any error leaves the job held, to be asked for again.
 */
export function admit(parking: Parking, entry: Entry): Promise<Uint8Array | null> {
  const admission = askForVerdict(parking, entry);
  entry.admission = admission;
  return admission;
}

async function askForVerdict(parking: Parking, entry: Entry): Promise<Uint8Array | null> {
  const { jobId, trace: parent, request } = entry.job;
  const span = parking.tracer.start('ask for a verdict', { job: jobId, request }, { parent, kind: 'client' });
  try {
    return await takeVerdict(parking, entry, span.context);
  } finally {
    const { hold, digest, state } = entry.job;
    span.end({ hold, digest, outcome: state });
  }
}

async function takeVerdict(parking: Parking, entry: Entry, trace: string | null): Promise<Uint8Array | null> {
  const { jobId, request: from = null } = entry.job;
  let known: Facts | null = null;
  try {
    const payload = entry.payload ?? (await storedPayload(parking, entry.job));
    const read = await parking.ci.read(payload, entry.job.runner);
    if (!read.ok && read.retry) throw new Error(read.reason);
    if (!read.ok) {
      await refuse(parking, entry, read.reason, read.path);
      return null;
    }
    if (read.job.id !== jobId || read.job.token !== entry.job.token) {
      await refuse(parking, entry, 'the payload names two jobs', null);
      return null;
    }
    const verified = await parking.ci.verify(entry.job, read.facts);
    if (!verified.ok) {
      await refuse(parking, entry, verified.reason, null);
      return null;
    }
    const { facts } = verified;
    known = facts;
    const offered = divertOffer(parking, entry.job, read, facts);
    const divert = offered.length === 0 ? {} : { divert: offered };
    const origin = { ...(from === null ? {} : { request: from }), ...(trace === null ? {} : { trace }) };
    const failures = entry.due.get('admit')?.failures ?? 0;
    const own = { jobId, token: entry.job.token };
    const asked = await askWithSections(
      parking,
      own,
      read,
      { facts, ...divert, ...origin },
      entry.job.sections ?? {},
      failures,
    );
    const { answer } = asked;
    // A hold is on the disk before anybody is told; a pass needs no write: the hand-out is one.
    const durability = answer.outcome === 'pass' ? 'memory' : 'soon';
    const after = await change(parking, entry, durability, (job) =>
      job.state === 'received' ? afterVerdict(parking, job, read, asked.facts, offered, asked) : job,
    );
    entry.due.delete('admit');
    verdict(parking, entry, answer.outcome);
    if (after === null) return null;
    const reason = answer.reason ?? undefined;
    parking.log.info(
      { job: jobId, hold: after.hold, digest: after.digest, outcome: answer.outcome, reason, request: from },
      'verdict',
    );
    // A job whose poll still waits for it is looked at when that is answered: what passes leaves at once.
    if (!entry.claimed) enforceLimits(parking, after);
    // A diverted job is not for the poll that it came with.
    return after.state === 'released' && after.divertedTo == null ? payload : null;
  } catch (error) {
    if (error instanceof Altered) {
      await giveUp(parking, entry, error.message);
      return null;
    }
    if (known !== null) await countAgainst(parking, entry, known);
    verdict(parking, entry, 'none');
    const failures = later(parking, entry, 'admit');
    const fields = { job: jobId, failures, reason: reasonOf(error), request: from };
    if (failures === 1) parking.log.warn(fields, 'no verdict: the job is held and asked for again');
    else parking.log.debug(fields, 'still no verdict');
    return null;
  }
}

function verdict({ meter, clock }: Parking, { job }: Entry, outcome: Asked['answer']['outcome'] | 'none'): void {
  meter.verdict(outcome, Math.max(0, clock.now() - job.receivedAt) / 1_000);
}

/** The hub is away, and the job is counted all the same: a flood must not hide among jobs of nobody (T30). */
async function countAgainst(parking: Parking, entry: Entry, facts: Facts): Promise<void> {
  const [person, project] = [personOf(facts), facts.project.id];
  await change(parking, entry, 'memory', (job) =>
    job.state === 'received' && (job.person !== person || job.project !== project) ? { ...job, person, project } : job,
  );
}

async function refuse(parking: Parking, entry: Entry, reason: string, path: string | null): Promise<void> {
  const { jobId: job, request } = entry.job;
  parking.log.warn({ job, path, reason, request }, 'a job was refused');
  entry.due.delete('admit');
  await change(parking, entry, 'soon', (job) =>
    job.state === 'received' ? refused(job, stamp(parking), reason, path) : job,
  );
}
