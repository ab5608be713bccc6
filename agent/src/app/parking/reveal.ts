import { HoldpointError } from '../../domain/errors.ts';
import { withSections } from '../../domain/sections.ts';
import type { RevealedValue, RevealQuestion } from '../../ports/agents.ts';
import type { Parking } from './parking.ts';
import { Altered, storedPayload } from './stored.ts';

/**
 * Hidden values of a parked job, read from the sealed bytes that have its digest (T13, T57). Nothing of them is logged or
 * kept. Rejects with `cannot_reveal` where the job is not parked here, or not as the hub has it.
 */
export async function revealValues(parking: Parking, question: RevealQuestion): Promise<readonly RevealedValue[]> {
  const { hold, jobId, digest, names } = question;
  const refuse = (why: string): HoldpointError => new HoldpointError('cannot_reveal', why);
  const entry = parking.entries.get(jobId);
  // A person can be quicker than the verdict: the hub shows the Hold before its agent has taken it in.
  await entry?.admission;
  const job = entry?.job;
  if (job === undefined || job.hold !== hold || job.digest !== digest) {
    throw refuse('its job is not parked at the agent any more: let it be retried in GitLab, then reveal');
  }
  if (job.state !== 'parked' && job.state !== 'released') throw refuse('its job waits no more at the agent');
  try {
    const payload = entry?.payload ?? (await storedPayload(parking, job));
    const read = await parking.ci.read(payload, job.runner);
    if (!read.ok) throw refuse('its payload could not be read again: try again in a minute');
    if (withSections(read, job.sections ?? {}).digest !== digest || read.job.id !== jobId)
      throw new Altered('not the digest that is asked about');
    parking.log.info({ job: jobId, hold, names: names.length }, 'hidden values are shown to an approver');
    return read.reveal(names);
  } catch (error) {
    if (error instanceof Altered) throw refuse('its stored copy cannot be trusted');
    throw error;
  }
}
