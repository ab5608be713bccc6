import { type Expression, expressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { OrderedPage } from '../ports/store.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

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
        ? [eb.or([eb(`${table}.project_id`, 'in', among(seen.projects)), seen.own])]
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
  const bound = !newest ? sql<SqlBool>`${id} > ${after}` : after === 0 ? null : sql<SqlBool>`${id} < ${after}`;
  const order = sql.raw(newest ? 'desc' : 'asc');
  const pages = branches.map((branch) => {
    const all = bound === null ? branch : [...branch, bound];
    const where = all.length === 0 ? sql`` : sql`where ${sql.join(all, sql` and `)}`;
    return sql`select id from (select ${id} from ${sql.table(table)} ${where} order by ${id} ${order} limit ${limit}) as page`;
  });
  const { rows } = await sql<{ id: number }>`${sql.join(pages, sql` union all `)}`.execute(db);
  const found = [...new Set(rows.map((row) => row.id))].sort((a, b) => (newest ? b - a : a - b));
  return found.slice(0, limit);
}
