import { type AuditRow, auditText, chain, EMPTY_HEAD } from '../../agent/src/domain/audit.ts';
import { hashText, leafOf, signHead } from '../../agent/src/domain/audit-head.ts';
import { envelopeJson, type Signer } from '../../agent/src/domain/dsse.ts';
import { pemOf } from '../../agent/src/domain/hub-key.ts';
import { EMPTY_TREE, grow, rootOf } from '../../agent/src/domain/merkle.ts';

/** A chain of so many rows. */
export function history(count: number): AuditRow[] {
  const rows: AuditRow[] = [];
  for (let i = 1; i <= count; i++) {
    rows.push(
      chain(rows.at(-1) ?? EMPTY_HEAD, {
        at: Date.parse('2026-11-22T10:00:00Z') + i,
        actor: 'user:7 maria',
        address: '127.0.0.1',
        event: i % 2 ? 'hold_opened' : 'vote_approve',
        hold: i,
        review: null,
        approval: null,
        digest: null,
        policy: null,
        detail: { comment: `nümber ${i}`, parked_until: null },
      }),
    );
  }
  return rows;
}

/** A row as an export has it. */
export const rowText = (row: AuditRow): string => JSON.stringify({ ...auditText(row), hash: row.hash });
/** Rows as lines of an export. */
export const lines = (rows: readonly AuditRow[]): string => rows.map((row) => `${rowText(row)}\n`).join('');

/** The last line of an export of these rows. */
export function headLine(rows: readonly AuditRow[], signer: Signer): string {
  const { seq, hash } = rows.at(-1)!;
  const tree = rows.reduce((so, row) => grow(so, leafOf(row)), EMPTY_TREE);
  const envelope = signHead(signer, {
    seq,
    hash,
    root: hashText(rootOf(tree)),
    at: Date.parse('2026-11-22T11:00:00Z'),
  });
  return `${JSON.stringify({ signed_head: envelopeJson(envelope), public_key: pemOf(signer.publicKey) })}\n`;
}
