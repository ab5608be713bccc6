import { describe, expect, it } from 'vitest';
import type { Parking } from '../../agent/src/app/parking/parking.ts';
import { Altered, payloadHash, storedPayload } from '../../agent/src/app/parking/stored.ts';
import type { ParkedJob } from '../../agent/src/domain/parked-job.ts';

const received = new TextEncoder().encode('{"id":7,"script":"make"}');
const job = { jobId: 7, payloadSha256: payloadHash(received) } as ParkedJob;
/** A lot whose seal is whole, whatever it holds: a job sealed again by somebody who has the key, or put in place of another. */
const holding = (payload: Uint8Array | null): Parking =>
  ({ lot: { get: async () => (payload === null ? null : { job, payload }) } }) as unknown as Parking;

describe('T13: what is stored', () => {
  it('is handed out where it is what was received, and nothing else is, however well it is sealed', async () => {
    expect(await storedPayload(holding(received), job)).toBe(received);
    const other = new TextEncoder().encode('{"id":7,"script":"rm -r"}');
    await expect(storedPayload(holding(other), job)).rejects.toThrow(Altered);
    await expect(storedPayload(holding(null), job)).rejects.toThrow(Altered);
  });
});
