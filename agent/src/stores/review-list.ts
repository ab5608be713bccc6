import { type Expression, expressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { Review } from '../domain/review.ts';
import type { Page, ReviewFilter, Sight } from '../ports/store.ts';
import { branchesOf, pageOf } from './branches.ts';
import { reviewOf } from './review-rows.ts';
import type { Schema } from './schema.ts';
import { ownReviews } from './sight.ts';
import { among, contains } from './statements.ts';

/** One page of Reviews in order of their number. */
export async function reviewList(db: Kysely<Schema>, filter: ReviewFilter, page: Page): Promise<readonly Review[]> {
  const { states, project, environment, text, openedBy, sight } = filter;
  const eb = expressionBuilder<Schema, 'reviews'>();
  const meeting: Expression<SqlBool>[] = [];
  if (typeof project === 'number') meeting.push(eb('project_id', '=', project));
  if (typeof project === 'string') meeting.push(sql<SqlBool>`lower(project_path) = ${project.toLowerCase()}`);
  if (environment !== undefined) meeting.push(eb('environment', '=', environment));
  if (openedBy !== undefined) meeting.push(eb('opened_by', '=', openedBy));
  // A row from before its words were kept has to be looked at by whoever asks.
  if (text !== undefined) meeting.push(eb.or([eb('words', 'is', null), contains(['words'], text)]));
  // Written out, as the partial indexes have it: of a parameter no planner knows that they have all that is asked for.
  const inStates = states?.map((state) => sql<SqlBool>`state = ${sql.lit(state)}`);
  const own = sight && eb('id', 'in', ownReviews(db, sight));
  const branches = branchesOf('reviews', meeting, inStates, sight && own && { projects: sight.projects, own });
  const ids = await pageOf(db, 'reviews', branches, page);
  const rows = await db.selectFrom('reviews').selectAll().where('id', 'in', among(ids)).orderBy('id').execute();
  return rows.map(reviewOf);
}

/** How many are open, up to `most`, and since when the oldest of those waits. */
export async function openQuestions(
  db: Kysely<Schema>,
  sight: Sight | null,
  most: number,
): Promise<{ readonly open: number; readonly oldestAt: number | null }> {
  let open = db.selectFrom('reviews').select('opened_at').where(sql<SqlBool>`state = 'open'`);
  if (sight !== null)
    open = open.where((eb) =>
      eb.or([eb('project_id', 'in', among(sight.projects)), eb('id', 'in', ownReviews(db, sight))]),
    );
  const { count, oldest } = await db
    .selectFrom(open.orderBy('id').limit(most).as('open'))
    .select((eb) => [eb.fn.countAll<number>().as('count'), eb.fn.min('opened_at').as('oldest')])
    .executeTakeFirstOrThrow();
  return { open: Number(count), oldestAt: oldest === null ? null : Number(oldest) };
}
