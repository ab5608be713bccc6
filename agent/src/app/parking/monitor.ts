import type { CiJob, PayloadReading } from '../../ports/ci-server.ts';
import type { AdmitRequest } from '../../ports/gatekeeper.ts';
import { type Parking, reasonOf, stamp } from './parking.ts';
import { askWithSections } from './sections.ts';

/** Records that wait for a hub that is away; each can be megabytes, and none of them stops a job. */
const MAX_WAITING = 50;
const RETRY_MS = 15_000;
/** A quarter of an hour: what the hub does not hear until then stands in the log of the agent alone. */
const MAX_TRIES = 60;

/**
 * Records what would have become of a job that a runner in `mode: monitor` has got: the hub is told, in its own words, and
 * asks nobody. Nothing that happens here touches the job. Returns at once.
 */
export function monitor(parking: Parking, payload: Uint8Array, runner: string): void {
  const task = record(parking, payload, runner)
    .catch((error: unknown) => {
      parking.log.warn({ runner, reason: reasonOf(error) }, 'a job ran unrecorded on a runner in mode monitor');
    })
    .finally(() => parking.tasks.delete(task));
  parking.tasks.add(task);
}

async function record(parking: Parking, payload: Uint8Array, runner: string): Promise<void> {
  const read = await parking.ci.read(payload, runner);
  const identity = parking.ci.identity(payload);
  if (!read.ok) {
    if (read.retry || identity === null) throw new Error(read.reason);
    parking.log.warn({ job: identity.id, runner, path: read.path, reason: read.reason }, 'monitor: would be refused');
    const detail = { reason: `monitor: ${read.reason}`, path: read.path };
    await parking.gatekeeper.report({ hold: null, jobId: identity.id, event: 'refused', at: stamp(parking), detail });
    return;
  }
  const { id: jobId, token } = read.job;
  const verified = await parking.ci.verify({ jobId, token }, read.facts);
  const facts = verified.ok ? verified.facts : read.facts;
  tell(parking, { jobId, token }, read, { facts, monitor: true }, 0);
}

/** Tells the hub, again and again while it is away. */
function tell(
  parking: Parking,
  of: CiJob,
  read: Extract<PayloadReading, { ok: true }>,
  request: Omit<AdmitRequest, 'digest' | 'configuration'>,
  tries: number,
): void {
  const { id: job } = request.facts.job;
  const { runner } = request.facts;
  const mine = parking.unrecorded;
  const task = askWithSections(parking, of, read, request, {}, tries)
    .then(({ answer: { outcome, reason }, digest }) => {
      mine.delete(job);
      parking.log.info({ job, runner, digest, outcome, reason }, 'monitor: not gated');
    })
    .catch((error: unknown) => {
      const over = parking.stopped || tries >= MAX_TRIES || (!mine.has(job) && mine.size >= MAX_WAITING);
      if (over) {
        mine.delete(job);
        const fields = { job, runner, digest: read.digest, reason: reasonOf(error) };
        parking.log.warn(fields, 'a job ran unrecorded on a runner in mode monitor');
        return;
      }
      mine.add(job);
      parking.clock.after(RETRY_MS, () => tell(parking, of, read, request, tries + 1));
    })
    .finally(() => parking.tasks.delete(task));
  parking.tasks.add(task);
}
