import {
  type Expression,
  type ExpressionBuilder,
  type Kysely,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
} from 'kysely';
import { type AuditRow, EMPTY_HEAD } from '../domain/audit.ts';
import type { AuditFilter, OrderedPage, Sight, StoreReader } from '../ports/store.ts';
import type { AuditTable, Schema } from './schema.ts';
import { ownOrNamed } from './sight.ts';
import { among, takeTurns } from './statements.ts';
import type { Row } from './where-rows.ts';

/** A row of the audit as the chain has it. */
function auditOf({ project: _, ...row }: Row<AuditTable>): AuditRow {
  return { ...row, detail: JSON.parse(row.detail) as AuditRow['detail'] };
}

type AuditReads = Pick<
  StoreReader,
  | 'auditRows'
  | 'auditOfApprovals'
  | 'auditHead'
  | 'auditHashes'
  | 'treeHash'
  | 'checkpoints'
  | 'lastCheckpoint'
  | 'projectsNamed'
>;
type Rows = ExpressionBuilder<Schema, 'audit'>;
type Seqs = SelectQueryBuilder<Schema, 'audit', { seq: number }>;
/** What a query is ordered by and paged along. */
type Along = 'audit.seq' | 'audit_people.seq' | typeof BY_TIME;

/** So many projects are looked through one by one; who sees more sees a good part of all rows, which are read in order. */
const MAX_PROJECTS_ONE_BY_ONE = 64;
/** Things whose rows are few and found by an index of their own. */
const THINGS = ['hold', 'deployment', 'review', 'approval', 'project'] as const;
/** The number of a row as a sum, which no index has: the planner takes the index on the time then, and sorts numbers. */
const BY_TIME = sql<number>`audit.seq + 0`;

/** Holds of others' projects that this person triggered, or whose rules name them. */
const ownHold =
  (db: Kysely<Schema>, sight: Sight) =>
  (eb: Rows): Expression<SqlBool> =>
    eb(
      'audit.hold',
      'in',
      db
        .selectFrom('holds')
        .select('holds.id')
        .where(ownOrNamed(db, sight))
        .where('holds.project_id', 'not in', among(sight.projects)),
    );
/** What this person did that is about no project: tokens, signing in. */
const ownDeed =
  (db: Kysely<Schema>, sight: Sight) =>
  (eb: Rows): Expression<SqlBool> =>
    eb.and([
      eb('audit.project', 'is', null),
      eb('audit.actor', 'like', `user:${sight.trigger} %`),
      eb('audit.seq', 'in', db.selectFrom('audit_people').select('seq').where('person', '=', sight.trigger)),
    ]);
/** Who sees much meets most rows: they are gone along, and the project as a sum keeps planners from collecting all of them first. */
const visible =
  (db: Kysely<Schema>, sight: Sight) =>
  (eb: Rows): Expression<SqlBool> =>
    eb.or([
      eb(sql<number>`audit.project + 0`, 'in', among(sight.projects)),
      ownHold(db, sight)(eb),
      ownDeed(db, sight)(eb),
    ]);

/** Rows that meet everything that the filter says of a row by itself. */
function meeting(db: Kysely<Schema>, filter: AuditFilter): Seqs {
  let query = db.selectFrom('audit').select('audit.seq');
  for (const thing of THINGS) {
    const id = filter[thing];
    if (id !== undefined) query = query.where(`audit.${thing}`, '=', id);
  }
  if (filter.since !== undefined) query = query.where('audit.at', '>=', filter.since);
  if (filter.until !== undefined) query = query.where('audit.at', '<', filter.until);
  return query;
}

/** One page of a query, along what it is read. */
function paged(query: Seqs, along: Along, { after, limit, newest }: OrderedPage): Seqs {
  const from = newest === true && after === 0 ? Number.MAX_SAFE_INTEGER : after;
  const bounded = query.where(sql<SqlBool>`${ref(along)} ${compare(newest)} ${from}`);
  return bounded.orderBy(sql`${ref(along)}`, newest === true ? 'desc' : 'asc').limit(limit);
}
const ref = (along: Along) => (typeof along === 'string' ? sql.ref(along) : along);
const compare = (newest: boolean | undefined) => sql.raw(newest === true ? '<' : '>');

/**
 * The queries whose rows together are looked for. Each leads over an index that gives its rows in order, so that a page
 * costs about a page, whatever the number of rows in the store (T30).
 */
function queriesOf(db: Kysely<Schema>, filter: AuditFilter, page: OrderedPage): readonly Seqs[] {
  const { sight, person, events } = filter;
  const rows = meeting(db, filter);
  const within = events === undefined ? rows : rows.where('audit.event', 'in', among(events));
  const seen = sight === null ? within : within.where(visible(db, sight));
  if (person !== undefined && THINGS.some((thing) => filter[thing] !== undefined)) {
    // From the rows of the thing, which are few, to the person: who votes all day stands in a good part of the audit.
    const theirs = seen.where((eb) =>
      eb.exists(
        eb
          .selectFrom('audit_people')
          .select('audit_people.seq')
          .where('audit_people.person', '=', person)
          .whereRef('audit_people.seq', '=', 'audit.seq'),
      ),
    );
    return [paged(theirs, 'audit.seq', page)];
  }
  if (person !== undefined) {
    const theirs = seen
      .innerJoin('audit_people', 'audit_people.seq', 'audit.seq')
      .where('audit_people.person', '=', person) as unknown as Seqs;
    return [paged(theirs, 'audit_people.seq', page)];
  }
  if (THINGS.some((thing) => filter[thing] !== undefined)) return [paged(seen, 'audit.seq', page)];
  if (sight !== null && sight.projects.length <= MAX_PROJECTS_ONE_BY_ONE) {
    return [
      ...sight.projects.map((project) => within.where('audit.project', '=', project)),
      within.where(ownHold(db, sight)),
      within.where(ownDeed(db, sight)),
    ].map((query) => paged(query, 'audit.seq', page));
  }
  if (sight !== null) return [paged(seen, 'audit.seq', page)];
  if (events !== undefined)
    return events.map((event) => paged(rows.where('audit.event', '=', event), 'audit.seq', page));
  const byTime = filter.since !== undefined || filter.until !== undefined;
  return [paged(rows, byTime ? BY_TIME : 'audit.seq', page)];
}

/** The same queries, for a look at how the database goes about them. */
export function auditQueries(db: Kysely<Schema>, filter: AuditFilter, page: OrderedPage) {
  return queriesOf(db, filter, page).map((query) => query.compile());
}

/** A page of so many rows is one of a walk over the whole audit. */
const WALK_ROWS = 200;
/** Reads of the audit. */
export function auditReads(db: Kysely<Schema>): AuditReads {
  return {
    async auditRows(filter, page) {
      const direction = page.newest === true ? -1 : 1;
      const found = new Set<number>();
      for (const query of queriesOf(db, filter, page)) for (const { seq } of await query.execute()) found.add(seq);
      const seqs = [...found].sort((a, b) => (a - b) * direction).slice(0, page.limit);
      const rows = await db
        .selectFrom('audit')
        .selectAll()
        .where('seq', 'in', among(seqs))
        .orderBy('seq', page.newest === true ? 'desc' : 'asc')
        .execute();
      if (rows.length >= WALK_ROWS) await takeTurns();
      return rows.map(auditOf);
    },
    async auditOfApprovals(approvals) {
      const rows = await db
        .selectFrom('audit')
        .selectAll()
        .where('approval', 'in', among(approvals))
        .where('event', 'in', among(['approval_created', 'approval_revoked', 'break_glass_used']))
        .orderBy('seq')
        .execute();
      return rows.map(auditOf);
    },
    async auditHead() {
      const row = await db.selectFrom('audit_head').select(['seq', 'hash']).executeTakeFirst();
      return row ?? EMPTY_HEAD;
    },
    async auditHashes(from, count) {
      const rows = await db
        .selectFrom('audit')
        .select('hash')
        .where('seq', '>=', from)
        .where('seq', '<', from + count)
        .orderBy('seq')
        .execute();
      if (rows.length >= WALK_ROWS) await takeTurns();
      return rows.map((row) => row.hash);
    },
    async treeHash(level, position) {
      const row = await db
        .selectFrom('audit_tree')
        .select('hash')
        .where('level', '=', level)
        .where('position', '=', position)
        .executeTakeFirst();
      return row?.hash ?? null;
    },
    async checkpoints(after, limit) {
      const rows = await db
        .selectFrom('audit_checkpoints')
        .select(['seq', 'at', 'keyid', 'envelope'])
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return rows;
    },
    async lastCheckpoint() {
      const row = await db
        .selectFrom('audit_checkpoints')
        .select(['seq', 'at', 'keyid', 'envelope'])
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row ?? null;
    },
    async projectsNamed(path) {
      const rows = await db
        .selectFrom('holds')
        .select('project_id')
        .distinct()
        .where('project_path', '=', path)
        .limit(10)
        .execute();
      return rows.map((row) => row.project_id);
    },
  };
}
