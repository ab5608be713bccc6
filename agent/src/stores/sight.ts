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

/** True for a Hold outside the person's projects that they may see: they triggered it, or its rules name them. */
export function ownOrNamed(db: Kysely<Schema>, sight: Sight) {
  return (eb: ExpressionBuilder<Schema, 'holds'>): Expression<SqlBool> =>
    eb.or([
      // What a variable alone claims gives nobody sight (T17).
      eb.and([eb('holds.trigger_id', '=', sight.trigger), eb('holds.trigger_verified', '<>', 'unverified')]),
      ...(sight.named === undefined
        ? []
        : [eb('holds.review', 'in', namedIds(db, 'review', sight)), eb('holds.id', 'in', namedIds(db, 'hold', sight))]),
    ]);
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
      const { rows } = await sql<{ project_id: number }>`
        select project_id from holds union select project_id from approvals`.execute(db);
      return rows.map((row) => row.project_id);
    },
  };
}
