import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import { reviewOf } from './review-rows.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

/** Reads about questions that people put apart from any job. */
export function askReads(db: Kysely<Schema>): Pick<StoreReader, 'dueAsks' | 'openAsksOf' | 'asksAbout'> {
  return {
    async dueAsks(before, limit) {
      const rows = await db
        .selectFrom('reviews')
        .selectAll()
        .where('state', '=', 'open')
        .where('kind', '<>', 'job')
        .where('opened_at', '<=', before)
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(reviewOf);
    },
    async openAsksOf(person) {
      const { count } = await db
        .selectFrom('reviews')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('state', '=', 'open')
        .where('kind', '<>', 'job')
        .where('ask_by', '=', person)
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async asksAbout(approvals) {
      const rows = await db
        .selectFrom('reviews')
        .selectAll()
        .where('state', '=', 'open')
        .where('ask_approval', 'in', among(approvals))
        .orderBy('id')
        .execute();
      return rows.map(reviewOf);
    },
  };
}
