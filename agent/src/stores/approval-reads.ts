import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import { approvalOf, denialOf, reviewOf } from './rows.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

/** Reads about Approvals that are managed, denials, and questions that no job waits on. */
export function approvalReads(
  db: Kysely<Schema>,
): Pick<
  StoreReader,
  'runnersOf' | 'endingApprovals' | 'renewalsOf' | 'denials' | 'denialWithId' | 'dueAsks' | 'openAsksOf' | 'asksAbout'
> {
  return {
    async runnersOf(approvals) {
      const rows = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .select(['holds.approval', 'attempts.runner'])
        .distinct()
        .where('holds.approval', 'in', among(approvals))
        .where('attempts.handed_out_at', 'is not', null)
        .orderBy('attempts.runner')
        .execute();
      const runners = new Map<number, string[]>();
      for (const { approval, runner } of rows) {
        if (approval !== null) runners.set(approval, [...(runners.get(approval) ?? []), runner]);
      }
      return runners;
    },
    async endingApprovals({ from, to, sight }, page) {
      let query = db
        .selectFrom('approvals')
        .selectAll()
        .where('id', '>', page.after)
        .where('revoked_at', 'is', null)
        .where('lifetime', 'like', 'until:%')
        .where('ends_at', '>', from)
        .where('ends_at', '<=', to)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('approvals as later')
                .select('later.id')
                .whereRef('later.renews', '=', 'approvals.id')
                .where('later.revoked_at', 'is', null),
            ),
          ),
        )
        .orderBy('id')
        .limit(page.limit);
      if (sight !== null) query = query.where('project_id', 'in', among(sight.projects));
      return (await query.execute()).map(approvalOf);
    },
    async renewalsOf(approval) {
      const rows = await db.selectFrom('approvals').select('id').where('renews', '=', approval).orderBy('id').execute();
      return rows.map((row) => row.id);
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
