import {
  type AuditHead,
  CHAIN_START,
  type ChainReport,
  checkEnd,
  checkHead,
  checkRow,
  treeBroken,
} from '../domain/audit.ts';
import { hashText, leafOf } from '../domain/audit-head.ts';
import { EMPTY_TREE, grow, rootOf } from '../domain/merkle.ts';
import type { StoreReader } from '../ports/store.ts';

/** Rows read at a time: some milliseconds, after which others have their turn (T30). */
const ROWS_AT_A_TIME = 200;

/**
 * Reads the whole chain of a store that may be in use, and says where it breaks, if it does (T34). `signed` are heads that
 * it must have had: of a chain that was written anew or cut short, they are not part. `rootOfRows` is the root of the hash
 * tree that the store keeps: what is signed with a wrong one verifies nowhere.
 */
export async function verifyAudit(
  store: Pick<StoreReader, 'auditRows' | 'auditHead'>,
  signed: readonly AuditHead[] = [],
  rootOfRows: ((size: number) => Promise<string>) | null = null,
): Promise<ChainReport> {
  const heads = new Map(signed.map((head) => [head.seq, head]));
  const furthest = signed.reduce<AuditHead | null>((most, head) => (head.seq > (most?.seq ?? 0) ? head : most), null);
  let [progress, tree] = [CHAIN_START, EMPTY_TREE];
  for (;;) {
    const rows = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: ROWS_AT_A_TIME });
    for (const row of rows) {
      const next = checkRow(progress, row);
      if ('ok' in next) return next;
      const head = heads.get(row.seq);
      const unlike = head === undefined ? null : checkHead(row, head);
      if (unlike !== null) return unlike;
      progress = next;
      if (rootOfRows !== null) tree = grow(tree, leafOf(row));
    }
    if (rows.length > 0) continue;
    const head = await store.auditHead();
    const more = await store.auditRows({ sight: null }, { after: progress.last.seq, limit: 1 });
    // A row that was written between the two reads: go on with it.
    if (more.length === 0 || head.seq < progress.last.seq) {
      const report = checkEnd(progress, head);
      if (!report.ok) return report;
      if (furthest !== null && furthest.seq > head.seq) return checkEnd(progress, furthest);
      const isKept = rootOfRows === null || (await rootOfRows(tree.size)) === hashText(rootOf(tree));
      return isKept ? report : treeBroken(tree.size);
    }
  }
}
