import { CHAIN_START, type ChainReport, checkEnd, checkRow } from '../domain/audit.ts';
import type { StoreReader } from '../ports/store.ts';

/** Rows read at a time: some megabytes at most. */
const ROWS_AT_A_TIME = 1_000;

/** Reads the whole chain of a store that may be in use, and says where it breaks, if it does (T34). */
export async function verifyAudit(store: Pick<StoreReader, 'auditRows' | 'auditHead'>): Promise<ChainReport> {
  let progress = CHAIN_START;
  for (;;) {
    const rows = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: ROWS_AT_A_TIME });
    for (const row of rows) {
      const next = checkRow(progress, row);
      if ('ok' in next) return next;
      progress = next;
    }
    if (rows.length > 0) continue;
    const head = await store.auditHead();
    const more = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: 1 });
    // A row that was written between the two reads: go on with it.
    if (more.length === 0 || head.seq < progress.last.seq) return checkEnd(progress, head);
  }
}
