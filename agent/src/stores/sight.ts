import { type Expression, type ExpressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { NamedRow, Sight, StoreReader } from '../ports/store.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

/** Reviews or Holds whose rules name this person, or a group of theirs: what they may decide, they see. */
export function namedIds(db: Kysely<Schema>, about: 'review' | 'hold', { named }: Sight) {
  const groups = named?.groups ?? [];
  const direct = groups.filter(({ inherited }) => !inherited).map(({ id }) => id);
  return (
    db
      .selectFrom('named_principals')
      .select('about_id')
      .where('about', '=', about)
      // Four looks into the primary key, whatever the number of Reviews.
      .where((eb) =>
        eb.or([
          eb.and([eb('kind', '=', 'user'), eb('principal', '=', named?.user ?? 0)]),
          eb.and([eb('kind', '=', 'group'), eb('principal', 'in', among(direct))]),
          eb.and([eb('kind', '=', 'group_inherited'), eb('principal', 'in', among(groups.map(({ id }) => id)))]),
          eb.and([eb('kind', '=', 'admin'), eb('principal', '=', named?.admin === true ? 0 : -1)]),
        ]),
      )
  );
}

/**
 * Holds outside the person's projects that they may see: they triggered them, or rules name them. Three looks into three indexes:
 * in one with "or" PostgreSQL would read all Holds.
 */
function ownOrNamedIds(db: Kysely<Schema>, sight: Sight) {
  const triggered = db
    .selectFrom('holds as own')
    .select('own.id')
    .where('own.trigger_id', '=', sight.trigger)
    // What a variable alone claims gives nobody sight (T17).
    .where('own.trigger_verified', '<>', 'unverified');
  if (sight.named === undefined) return triggered;
  return triggered
    .union(
      db
        .selectFrom('holds as own')
        .select('own.id')
        .where('own.review', 'in', namedIds(db, 'review', sight)),
    )
    .union(
      db
        .selectFrom('holds as own')
        .select('own.id')
        .where('own.id', 'in', namedIds(db, 'hold', sight)),
    );
}

/** True for a Hold outside the person's projects that they may see: they triggered it, or its rules name them. */
export function ownOrNamed(db: Kysely<Schema>, sight: Sight) {
  return (eb: ExpressionBuilder<Schema, 'holds'>): Expression<SqlBool> =>
    eb('holds.id', 'in', ownOrNamedIds(db, sight));
}

/** Reviews outside the person's projects that they may see: of such Holds, or that name them themselves. */
export function ownReviews(db: Kysely<Schema>, sight: Sight) {
  return db
    .selectFrom('holds')
    .select('holds.review as id')
    .where('holds.review', 'is not', null)
    .where(ownOrNamed(db, sight))
    .$castTo<{ id: number }>()
    .union(namedIds(db, 'review', sight).clearSelect().select('about_id as id'));
}

/** True for a Hold that somebody may see: of their projects, or one that they triggered or that rules ask them about. */
export function visible(db: Kysely<Schema>, sight: Sight) {
  return (eb: ExpressionBuilder<Schema, 'holds'>) =>
    eb.or([eb('holds.project_id', 'in', among(sight.projects)), ownOrNamed(db, sight)(eb)]);
}

/** Whom rules name, and of what the hub has anything. */
export function sightReads(db: Kysely<Schema>): Pick<StoreReader, 'namedFor' | 'namedGroups' | 'knownProjects'> {
  return {
    async namedFor({ hold, review }) {
      const rows = await db
        .selectFrom('named_principals')
        .select(['kind', 'principal'])
        .where((eb) =>
          eb.or([
            eb.and([eb('about', '=', 'hold'), eb('about_id', '=', hold ?? 0)]),
            eb.and([eb('about', '=', 'review'), eb('about_id', '=', review ?? 0)]),
          ]),
        )
        .execute();
      return rows as NamedRow[];
    },
    async namedGroups() {
      const rows = await db
        .selectFrom('named_principals')
        .select('principal')
        .distinct()
        .where('kind', 'in', ['group', 'group_inherited'])
        .execute();
      return rows.map(({ principal }) => principal);
    },
    async knownProjects() {
      const known = new Set<number>();
      for (const table of ['holds', 'approvals'] as const)
        for (const project of await projectsIn(db, table)) known.add(project);
      return [...known];
    },
  };
}

/** The projects of a table by one step through its index for each of them, however many rows each has. */
async function projectsIn(db: Kysely<Schema>, table: 'holds' | 'approvals'): Promise<readonly number[]> {
  const least = sql`select min(project_id) from ${sql.table(table)}`;
  const { rows } = await sql<{ project: number }>`with recursive known(project) as (
      select (${least}) union all
      select (${least} where project_id > known.project) from known where known.project is not null
    ) select project from known where project is not null`.execute(db);
  return rows.map(({ project }) => project);
}
