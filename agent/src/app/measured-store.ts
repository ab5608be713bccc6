import type { AuditEntry } from '../domain/audit.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Store, StoreReader, StoreWriter } from '../ports/store.ts';
import { breathe } from './breathe.ts';

/** What is counted of a store. */
export interface StoreMeter {
  /** `conflict`: somebody else was first, and it is tried again. */
  took(what: 'read' | 'write', outcome: 'ok' | 'conflict' | 'failed', seconds: number): void;
  /** A row of the audit is in the store for good. */
  audited(entry: AuditEntry): void;
}

/** The same store; every read and write of it is counted, and so is every row of the audit once its transaction stays. */
export function measuredStore(store: Store, meter: StoreMeter): Store {
  const measure = async <T>(what: 'read' | 'write', work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const took = (outcome: 'ok' | 'conflict' | 'failed'): void =>
      meter.took(what, outcome, (performance.now() - began) / 1_000);
    try {
      const result = await work();
      took('ok');
      return result;
    } catch (error) {
      const failed =
        !(error instanceof HoldpointError) || error.code === 'store_unavailable' || error.code === 'internal';
      took(failed ? 'failed' : error.code === 'hold_conflict' ? 'conflict' : 'ok');
      throw error;
    }
  };
  const { write, probe, close, alone, agentsToWake, giveBack, others, ...reads } = store;
  const measured: Record<string, unknown> = {};
  for (const [name, read] of Object.entries(reads) as [string, (...args: unknown[]) => Promise<unknown>][])
    measured[name] = (...args: unknown[]) => measure('read', () => read(...args));
  return {
    ...(measured as unknown as StoreReader),
    async write(work) {
      let entries: AuditEntry[] = [];
      const result = await measure('write', () =>
        write((tx) => {
          // A transaction that is run again begins anew.
          entries = [];
          return work(watching(tx, (entry) => entries.push(entry)));
        }),
      );
      // To count and to log takes longer than to tell an agent: whoever waits for this write goes first.
      const told = entries;
      if (told.length > 0)
        void breathe().then(() => {
          for (const entry of told) meter.audited(entry);
        });
      return result;
    },
    // How long the work of one hub takes says nothing of the store.
    alone,
    agentsToWake: () => measure('read', () => agentsToWake()),
    others: () => measure('read', () => others()),
    giveBack: () => measure('write', () => giveBack()),
    probe: () => measure('write', () => probe()),
    close: () => close(),
  };
}

/** The same writer; each row that it puts into the audit is told. */
function watching(tx: StoreWriter, tell: (entry: AuditEntry) => void): StoreWriter {
  const watched: StoreWriter = Object.create(tx);
  return Object.assign(watched, {
    audit: (entry: AuditEntry) => {
      tell(entry);
      return tx.audit(entry);
    },
  });
}

/** The same store; whatever it writes into the audit is told to have come of this request. */
export function correlated(store: Store, request: string | null): Store {
  if (request === null) return store;
  return {
    ...store,
    write: (work) =>
      store.write((tx) => {
        const tagged: StoreWriter = Object.create(tx);
        return work(Object.assign(tagged, { audit: (entry: AuditEntry) => tx.audit({ ...entry, request }) }));
      }),
  };
}
