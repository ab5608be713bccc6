import { type Kysely, sql } from 'kysely';
import { type AuditEntry, type AuditHead, type AuditRow, chain } from '../domain/audit.ts';
import { peopleOfEntry } from '../domain/audit-events.ts';
import type { StoreReader, StoreWriter } from '../ports/store.ts';
import { auditReads } from './audit-reads.ts';
import type { Schema } from './schema.ts';

type AuditWrites = Pick<StoreWriter, 'audit' | 'putTreeHash' | 'putCheckpoint' | 'noteTokenPlace'>;
type RowReads = Pick<StoreReader, 'auditRows' | 'auditOfApprovals' | 'auditHead' | 'auditHashes'>;
/** What every transaction ends with. */
interface Ends {
  /** Writes the rows that were given and not written yet. */
  putAudit(): Promise<void>;
}

/** A token that is used from more places than this is used by a program that changes its name: no more rows for it. */
const MAX_PLACES_PER_TOKEN = 200;
/** Rows in one statement: a decision has four or five. Few lengths are few statements to be prepared. */
const ROWS_AT_ONCE = 8;
/** Rows that wait to be written: what a transaction over thousands of Holds leaves is not kept in memory. */
const MAX_WAITING = 64;

/** The project that a row is about, so that it is found and seen by it; of the first thing that says so. */
function projectOf({ hold, review, approval, detail }: AuditEntry) {
  const of = (table: string, id: number | null) => sql`(select project_id from ${sql.table(table)} where id = ${id})`;
  const named = detail.project_id;
  const told = typeof named === 'number' && Number.isSafeInteger(named) ? named : null;
  return sql<
    number | null
  >`coalesce(${of('holds', hold)}, ${of('reviews', review)}, ${of('approvals', approval)}, ${told})`;
}

function* parts<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let from = 0; from < all.length; from += ROWS_AT_ONCE) yield all.slice(from, from + ROWS_AT_ONCE);
}

/**
 * Writes of the audit, within one transaction. Rows are chained when they are given and written together, at its end or before
 * they are read: nobody else can add to the chain meanwhile, and each statement less is a way to the database less that all wait for.
 */
export function auditWrites(db: Kysely<Schema>): AuditWrites & RowReads & Ends {
  const reads = auditReads(db);
  let head: AuditHead | null = null;
  let waiting: AuditRow[] = [];
  async function putAudit(): Promise<void> {
    const rows = waiting;
    const last = rows.at(-1);
    if (last === undefined) return;
    waiting = [];
    for (const some of parts(rows)) {
      const values = some.map((row) => ({
        ...row,
        client: row.client ?? null,
        deployment: row.deployment ?? null,
        project: projectOf(row),
        detail: JSON.stringify(row.detail),
      }));
      await db.insertInto('audit').values(values).execute();
    }
    const people = rows.flatMap((row) => peopleOfEntry(row).map((person) => ({ person, seq: row.seq })));
    for (const some of parts(people)) await db.insertInto('audit_people').values(some).execute();
    const now = { seq: last.seq, hash: last.hash };
    await db
      .insertInto('audit_head')
      .values({ one: 1, ...now })
      .onConflict((conflict) => conflict.column('one').doUpdateSet(now))
      .execute();
  }
  const written =
    <A extends unknown[], R>(read: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await putAudit();
      return read(...args);
    };
  return {
    putAudit,
    auditRows: written(reads.auditRows),
    auditOfApprovals: written(reads.auditOfApprovals),
    auditHead: written(reads.auditHead),
    auditHashes: written(reads.auditHashes),
    async audit(entry) {
      const stored = head ?? (await reads.auditHead());
      // Whoever asked for it at the same time may have gone on from it.
      const row = chain(head ?? stored, entry);
      head = row;
      waiting.push(row);
      if (waiting.length >= MAX_WAITING) await putAudit();
      return row;
    },
    async putTreeHash(level, position, hash) {
      await db
        .insertInto('audit_tree')
        .values({ level, position, hash })
        .onConflict((conflict) => conflict.columns(['level', 'position']).doNothing())
        .execute();
    },
    async putCheckpoint({ seq, at, keyid, envelope }) {
      await db
        .insertInto('audit_checkpoints')
        .values({ seq, at, keyid, envelope })
        .onConflict((conflict) => conflict.column('seq').doNothing())
        .execute();
    },
    async noteTokenPlace({ token, address, client, at }) {
      const { count } = await db
        .selectFrom('token_places')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('token', '=', token)
        .executeTakeFirstOrThrow();
      if (Number(count) >= MAX_PLACES_PER_TOKEN) return false;
      const result = await db
        .insertInto('token_places')
        .values({ token, address: address ?? '', client: client ?? '', at })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
  };
}
