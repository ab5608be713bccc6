import type { Kysely } from 'kysely';
import type { StoreReader, StoreWriter } from '../ports/store.ts';
import type { Schema } from './schema.ts';

/** What tells the keys that a store was written with. */
export function keyCheckReads(db: Kysely<Schema>): Pick<StoreReader, 'keyCheck'> {
  return {
    async keyCheck(kind) {
      const row = await db.selectFrom('key_checks').select('fingerprint').where('kind', '=', kind).executeTakeFirst();
      return row?.fingerprint ?? null;
    },
  };
}

/** Writing it, within one transaction. */
export function keyCheckWrites(db: Kysely<Schema>): Pick<StoreWriter, 'putKeyCheck'> {
  return {
    async putKeyCheck(kind, fingerprint) {
      await db
        .insertInto('key_checks')
        .values({ kind, fingerprint })
        .onConflict((conflict) => conflict.column('kind').doUpdateSet({ fingerprint }))
        .execute();
    },
  };
}
