import { type AuditHead, CHAIN_START, type ChainReport, checkEnd, checkHead, checkRow } from '../domain/audit.ts';
import type { StoreReader } from '../ports/store.ts';

/** Rows read at a time: some megabytes at most. */
const ROWS_AT_A_TIME = 1_000;

/**
 * Reads the whole chain of a store that may be in use, and says where it breaks, if it does (T34). `signed` are heads that
 * it must have had: of a chain that was written anew or cut short, they are not part.
 */
export async function verifyAudit(
  store: Pick<StoreReader, 'auditRows' | 'auditHead'>,
  signed: readonly AuditHead[] = [],
): Promise<ChainReport> {
  const heads = new Map(signed.map((head) => [head.seq, head]));
  const furthest = signed.reduce<AuditHead | null>((most, head) => (head.seq > (most?.seq ?? 0) ? head : most), null);
  let progress = CHAIN_START;
  for (;;) {
    const rows = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: ROWS_AT_A_TIME });
    for (const row of rows) {
      const next = checkRow(progress, row);
      if ('ok' in next) return next;
      const head = heads.get(row.seq);
      const unlike = head === undefined ? null : checkHead(row, head);
      if (unlike !== null) return unlike;
      progress = next;
    }
    if (rows.length > 0) continue;
    const head = await store.auditHead();
    const more = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: 1 });
    // A row that was written between the two reads: go on with it.
    if (more.length === 0 || head.seq < progress.last.seq) {
      const report = checkEnd(progress, head);
      return report.ok && furthest !== null && furthest.seq > head.seq ? checkEnd(progress, furthest) : report;
    }
  }
}
