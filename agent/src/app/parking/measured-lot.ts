import type { AgentMeter } from '../../ports/meter.ts';
import type { ParkingLot } from '../../ports/parking-lot.ts';

/** The same lot; every write of it is counted, and every file of it that cannot be trusted. */
export function measuredLot(lot: ParkingLot, meter: Pick<AgentMeter, 'stored' | 'damaged'>): ParkingLot {
  return {
    async put(record) {
      const began = performance.now();
      const took = (ok: boolean): void => meter.stored(ok, (performance.now() - began) / 1_000);
      try {
        await lot.put(record);
      } catch (error) {
        took(false);
        throw error;
      }
      took(true);
    },
    get: (jobId) => lot.get(jobId),
    remove: (jobId) => lot.remove(jobId),
    async load() {
      const loaded = await lot.load();
      for (const _ of loaded.damaged) meter.damaged();
      return loaded;
    },
    async setAside(jobId) {
      meter.damaged();
      return lot.setAside(jobId);
    },
    close: () => lot.close(),
  };
}
