import type { Log } from '../ports/log.ts';
import type { ParkingLot } from '../ports/parking-lot.ts';
import type { Seal } from '../ports/seal.ts';

/** A folder (mode 0700) with one sealed file (mode 0600) per job. */
export async function openParkingLot(_options: {
  readonly dir: string;
  readonly seal: Seal;
  readonly log: Log;
}): Promise<ParkingLot> {
  throw new Error('being written');
}
