import { type Expression, expressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { OrderedPage } from '../ports/store.ts';
import type { Schema } from './schema.ts';
import { among, takeTurns } from './statements.ts';

/** Tables whose rows are numbered, of projects, and in states. */
type Listed = 'holds' | 'reviews' | 'approvals';
/** Part of what a list has: a row is in it that meets all of these. */
type Branch = readonly Expression<SqlBool>[];

/** So many parts are looked through one by one; who sees more projects sees a good part of all rows, which are read in order. */
const MAX_ONE_BY_ONE = 64;

/** What somebody may see of a table. */
export interface Seen {
  readonly projects: readonly number[];
  /** Rows of other projects; few. */
  readonly own: Expression<SqlBool>;
}

/**
 * The branches of a list: of each state and, for who sees few projects, each project one. Every one of them leads over an index that
 * gives its rows in order, so that a page costs about a page, whatever the number of rows in the store (T30).
 */
export function branchesOf(
  table: Listed,
  meeting: Branch,
  states: readonly Expression<SqlBool>[] | undefined,
  seen: Seen | null,
): readonly Branch[] {
  // A list of no states has no rows.
  if (states?.length === 0) return [[sql<SqlBool>`1 = 0`]];
  const eb = expressionBuilder<Schema, Listed>();
  const whose: readonly Expression<SqlBool>[] =
    seen === null
      ? []
      : seen.projects.length * (states?.length ?? 1) > MAX_ONE_BY_ONE
        ? // As a sum, which no index has: most rows are theirs, and a planner would collect all of them before it takes a page.
          [eb.or([eb(sql<number>`${sql.ref(`${table}.project_id`)} + 0`, 'in', among(seen.projects)), seen.own])]
        : [...seen.projects.map((project) => eb(`${table}.project_id`, '=', project)), seen.own];
  const of = (narrowed: readonly Branch[], by: readonly Expression<SqlBool>[]): readonly Branch[] =>
    by.length === 0 ? narrowed : narrowed.flatMap((branch) => by.map((one) => [...branch, one]));
  return of(of([meeting], states ?? []), whose);
}

/**
 * Numbers of the rows of one page of these branches together, in order. Asked for by themselves: with the rows around them PostgreSQL
 * may go along all rows, to look for each in here.
 */
export async function pageOf(
  db: Kysely<Schema>,
  table: Listed,
  branches: readonly Branch[],
  { after, limit, newest = false }: OrderedPage,
): Promise<readonly number[]> {
  const id = sql.ref(`${table}.id`);
  const from = newest && after === 0 ? Number.MAX_SAFE_INTEGER : after;
  const bound = sql<SqlBool>`${id} ${sql.raw(newest ? '<' : '>')} ${from}`;
  const order = sql.raw(newest ? 'desc' : 'asc');
  const pages = branches.map((branch) => {
    const where = sql.join([...branch, bound], sql` and `);
    return sql`select id from (select ${id} from ${sql.table(table)} where ${where} order by ${id} ${order} limit ${limit}) as page`;
  });
  const { rows } = await sql<{ id: number }>`${sql.join(pages, sql` union all `)}`.execute(db);
  const found = [...new Set(rows.map((row) => row.id))].sort((a, b) => (newest ? b - a : a - b));
  return found.slice(0, limit);
}

/** So many numbers of rows are one statement of a look through all rows: some ten milliseconds. */
const STEP = 20_000;

/**
 * The same of branches that no index leads over: all rows are looked through, step by step, so that SQLite, which answers at once, does
 * not keep everything else waiting to the end of it (T30).
 */
export async function pageOfAll(
  db: Kysely<Schema>,
  table: Listed,
  branches: readonly Branch[],
  { after, limit, newest = false }: OrderedPage,
): Promise<readonly number[]> {
  const { rows } = await sql<{ last: number | null }>`select max(id) as last from ${sql.table(table)}`.execute(db);
  const last = rows[0]?.last ?? 0;
  const id = sql.ref(`${table}.id`);
  const found: number[] = [];
  let from = newest && (after === 0 || after > last) ? last + 1 : after;
  while (found.length < limit && (newest ? from > 1 : from < last)) {
    const to = newest ? from - STEP : from + STEP;
    const within = newest ? sql<SqlBool>`${id} >= ${to}` : sql<SqlBool>`${id} <= ${to}`;
    const step = branches.map((branch) => [...branch, within]);
    found.push(...(await pageOf(db, table, step, { after: from, limit: limit - found.length, newest })));
    from = to;
    await takeTurns();
  }
  return found;
}
