import { canonicalJson } from './canonical-json.ts';
import { digestOfText } from './digest.ts';
import type { JsonObject } from './json.ts';

/** One thing that happened, before it has its place in the chain. Never a secret. */
export interface AuditEntry {
  /** Epoch ms. */
  readonly at: number;
  /** `user:12 alice`, `agent:build-host`, `token:bootstrap` or `system`. */
  readonly actor: string;
  /** Network address of who asked, null for agents and the system itself. */
  readonly address: string | null;
  /** Program that asked, as it named itself (User-Agent, cut, printable). */
  readonly client?: string | null | undefined;
  readonly event: string;
  readonly hold: number | null;
  readonly review: number | null;
  readonly approval: number | null;
  readonly deployment?: number | null | undefined;
  readonly digest: string | null;
  /** Version of the policy that was applied. */
  readonly policy: string | null;
  /** Facts of the event, keys in snake_case. */
  readonly detail: JsonObject;
  /** The request that it came of, for the log beside it; not written down. */
  readonly request?: string | null | undefined;
}
/** An entry with its number and the hashes that tie it to the row before. */
export interface AuditRow extends AuditEntry {
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
}
/** The last row of a chain, kept apart from it, so that a chain that was cut short is noticed. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** What the first row has as `prev`. */
export const EMPTY_HEAD: AuditHead = { seq: 0, hash: digestOfText('holdpoint.audit/v1') };

/**
 * A row as it is written down and hashed, its hash left out. `client` and `deployment` came later: they stand in it only
 * where they are set, so that every row from before has the text, and the hash, that it always had.
 */
export function auditText(row: Omit<AuditRow, 'hash'>) {
  const { seq, at, actor, address, client, event, hold, review, approval, deployment, digest, policy, detail, prev } =
    row;
  return {
    seq,
    at: new Date(at).toISOString(),
    actor,
    address,
    ...(client == null ? {} : { client }),
    event,
    hold,
    review,
    approval,
    ...(deployment == null ? {} : { deployment }),
    digest,
    policy,
    detail,
    prev,
  };
}

/** SHA-256 of a row's canonical text. */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  return digestOfText(canonicalJson(auditText(row)));
}

/** The row that continues the chain. */
export function chain(head: AuditHead, { request: _, ...entry }: AuditEntry): AuditRow {
  const row = { ...entry, seq: head.seq + 1, prev: head.hash };
  return { ...row, hash: auditHash(row) };
}

/** What was done to a chain. */
export type AuditFault = 'changed' | 'removed' | 'inserted' | 'truncated';
/** The outcome of a check: the last row, or where the chain breaks first and how. */
export type ChainReport =
  | { readonly ok: true; readonly head: AuditHead }
  | { readonly ok: false; readonly fault: AuditFault; readonly seq: number; readonly message: string };

function broken(fault: AuditFault, seq: number, why: string): ChainReport & { ok: false } {
  return {
    ok: false,
    fault,
    seq,
    message: `audit row ${seq} was ${fault === 'truncated' ? 'the last before the chain was truncated' : fault}: ${why}`,
  };
}

/** How far a chain has been checked. */
export interface ChainProgress {
  readonly last: AuditHead;
  readonly beforeLast: AuditHead | null;
}
/** Progress before the first row. */
export const CHAIN_START: ChainProgress = { last: EMPTY_HEAD, beforeLast: null };

/** Checks the next row; the progress, or where the chain breaks. */
export function checkRow(
  { last, beforeLast }: ChainProgress,
  row: AuditRow,
): ChainProgress | (ChainReport & { ok: false }) {
  if (row.seq > last.seq + 1) return broken('removed', last.seq + 1, `row ${row.seq} follows row ${last.seq}`);
  if (row.seq <= last.seq) return broken('inserted', row.seq, `row ${row.seq} follows row ${last.seq}`);
  if (auditHash(row) !== row.hash) return broken('changed', row.seq, 'it does not have the hash that stands in it');
  if (row.prev !== last.hash) {
    if (beforeLast !== null && row.prev === beforeLast.hash) {
      return broken('inserted', last.seq, `row ${row.seq} does not continue it`);
    }
    return broken('changed', Math.max(last.seq, 1), `row ${row.seq} continues another row`);
  }
  return { last: { seq: row.seq, hash: row.hash }, beforeLast: last };
}

/** Compares a row with a head that was signed when it was the last; null when it is that row. */
export function checkHead(row: AuditHead, head: AuditHead): (ChainReport & { ok: false }) | null {
  return row.hash === head.hash ? null : broken('changed', row.seq, 'the hub has signed another row in its place');
}

/** The outcome for rows that are sound and a hash tree over them that is not: it was changed, and can be computed again. */
export function treeBroken(seq: number): ChainReport {
  const message = 'the rows of the audit are sound, but the hash tree kept beside them is not theirs: empty audit_tree';
  return { ok: false, fault: 'changed', seq, message };
}

/** Compares the end of a chain with the last row as kept elsewhere; null when nothing else is known. */
export function checkEnd({ last }: ChainProgress, head: AuditHead | null): ChainReport {
  if (head !== null && head.seq > last.seq) {
    return broken('truncated', last.seq, `the chain once had ${head.seq} rows`);
  }
  if (head !== null && head.seq < last.seq) {
    return broken('inserted', head.seq + 1, `the chain ends at row ${head.seq}`);
  }
  if (head !== null && head.hash !== last.hash)
    return broken('changed', last.seq, 'the chain once ended in another row');
  return { ok: true, head: last };
}

/**
 * Checks a chain from its first row on, in the order given, and says where it breaks first (T34).
 * Without a `head` kept elsewhere a missing end cannot be noticed.
 */
export function verifyChain(rows: Iterable<AuditRow>, head: AuditHead | null): ChainReport {
  let progress = CHAIN_START;
  for (const row of rows) {
    const next = checkRow(progress, row);
    if ('ok' in next) return next;
    progress = next;
  }
  return checkEnd(progress, head);
}
