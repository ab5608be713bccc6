import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import { denialOf } from './review-rows.ts';
import type { Schema } from './schema.ts';
import { among, ofSubject } from './statements.ts';

/** Reads about what people said no to. */
export function denialReads(
  db: Kysely<Schema>,
): Pick<StoreReader, 'denial' | 'deniedAmong' | 'denials' | 'denialWithId'> {
  return {
    async denial(subject, digest, now) {
      const row = await db
        .selectFrom('denials')
        .selectAll()
        .where(ofSubject(subject))
        .where('digest', '=', digest)
        .where('until', '>', now)
        .where('lifted_at', 'is', null)
        .orderBy('until', 'desc')
        .executeTakeFirst();
      return row === undefined ? null : denialOf(row);
    },
    async deniedAmong(subject, digests, now) {
      const rows = await db
        .selectFrom('denials')
        .select('digest')
        .where(ofSubject(subject))
        .where('digest', 'in', among(digests))
        .where('until', '>', now)
        .where('lifted_at', 'is', null)
        .execute();
      return new Set(rows.map(({ digest }) => digest));
    },
    async denials({ project, sight }, page) {
      let query = db.selectFrom('denials').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (project !== undefined) query = query.where('project_id', '=', project);
      if (sight !== null) query = query.where('project_id', 'in', among(sight.projects));
      return (await query.execute()).map(denialOf);
    },
    async denialWithId(id) {
      const row = await db.selectFrom('denials').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : denialOf(row);
    },
  };
}
