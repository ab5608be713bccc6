import type { Kysely } from 'kysely';
import { type AuditEntry, chain } from '../domain/audit.ts';
import { peopleOfEntry } from '../domain/audit-events.ts';
import type { StoreWriter } from '../ports/store.ts';
import { auditReads } from './audit-reads.ts';
import type { Schema } from './schema.ts';

type AuditWrites = Pick<StoreWriter, 'audit' | 'putTreeHash' | 'putCheckpoint' | 'noteTokenPlace'>;

/** A token that is used from more places than this is used by a program that changes its name: no more rows for it. */
const MAX_PLACES_PER_TOKEN = 200;

/** Writes of the audit, within one transaction. */
export function auditWrites(db: Kysely<Schema>): AuditWrites {
  /** The project that a row is about, so that it is found and seen by it; of the first thing that says so. */
  const projectOf = async ({ hold, review, approval, detail }: AuditEntry): Promise<number | null> => {
    for (const [table, id] of [
      ['holds', hold],
      ['reviews', review],
      ['approvals', approval],
    ] as const) {
      if (id === null) continue;
      const row = await db.selectFrom(table).select('project_id').where('id', '=', id).executeTakeFirst();
      if (row !== undefined) return row.project_id;
    }
    const named = detail.project_id;
    return typeof named === 'number' && Number.isSafeInteger(named) ? named : null;
  };
  return {
    async audit(entry) {
      const row = chain(await auditReads(db).auditHead(), entry);
      await db
        .insertInto('audit')
        .values({
          ...row,
          client: row.client ?? null,
          deployment: row.deployment ?? null,
          project: await projectOf(entry),
          detail: JSON.stringify(row.detail),
        })
        .execute();
      const people = peopleOfEntry(entry).map((person) => ({ person, seq: row.seq }));
      if (people.length > 0) await db.insertInto('audit_people').values(people).execute();
      const head = { seq: row.seq, hash: row.hash };
      await db
        .insertInto('audit_head')
        .values({ one: 1, ...head })
        .onConflict((conflict) => conflict.column('one').doUpdateSet(head))
        .execute();
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
