import { createHash } from 'node:crypto';
import { HoldpointError } from '../../domain/errors.ts';
import type { ParkedJob } from '../../domain/parked-job.ts';
import { detached } from '../../domain/parking.ts';
import { change, type Entry, type Parking, stamp } from './parking.ts';

/** What is stored is not what was received: it is never handed out. */
export class Altered extends Error {}

/** SHA-256 of a payload, hex. */
export function payloadHash(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex');
}

/** The payload as it is stored, if it is still the one that was received (T13). Rejects with {@link Altered} if not. */
export async function storedPayload(parking: Parking, job: ParkedJob): Promise<Uint8Array> {
  const record = await parking.lot.get(job.jobId).catch((error: unknown) => {
    if (error instanceof HoldpointError && error.code === 'bad_input') throw new Altered(error.message);
    throw error;
  });
  const payload = record?.payload ?? null;
  if (payload === null) throw new Altered('gone from the parking lot');
  if (payloadHash(payload) !== job.payloadSha256) throw new Altered('not the bytes that were received');
  return payload;
}

/** Moves what cannot be trusted out of the way and fails the job: it may be retried, it is never handed out. */
export async function giveUp(parking: Parking, entry: Entry, reason: string): Promise<void> {
  const { jobId, hold } = entry.job;
  const path = await parking.lot.setAside(jobId).catch(() => null);
  parking.log.error({ job: jobId, hold, path, reason }, 'a parked job was altered: it is not handed out');
  await change(parking, entry, 'soon', (job) =>
    detached(job, `its stored copy cannot be trusted (${reason})`, stamp(parking)),
  );
}
