import type Database from 'better-sqlite3';
import { type RawBuilder, type SelectQueryBuilder, type SqlBool, type SqliteDatabase, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { Subject } from '../domain/subject.ts';
import type { OrderedPage } from '../ports/listing.ts';

/**
 * Everything native that was ever made stays reachable to the end of the process. Since Node 24.19 an object of
 * better-sqlite3 that is collected as garbage ends the process (an assertion in RemoveEnvironmentCleanupHook: the
 * collector runs without an environment). There are some hundred statements to a store, and one store to a process.
 */
const KEPT_FOR_EVER: unknown[] = [];

/** The same database, which prepares each statement once: preparing takes longer than running most of them. */
export function remembering(database: Database.Database): SqliteDatabase {
  const statements = new Map<string, ReturnType<SqliteDatabase['prepare']>>();
  KEPT_FOR_EVER.push(database, statements);
  return {
    prepare(text) {
      let statement = statements.get(text);
      if (statement === undefined) {
        statement = refusingNul(database.prepare(text));
        statements.set(text, statement);
      }
      return statement;
    },
    close: () => void database.close(),
  };
}

/** Asks the statement only what both databases can keep. */
function refusingNul(native: Database.Statement): ReturnType<SqliteDatabase['prepare']> {
  KEPT_FOR_EVER.push(native);
  const asked = (parameters: readonly unknown[]): unknown[] => {
    requireNoNul(parameters);
    return [...parameters];
  };
  return {
    reader: native.reader,
    all: (parameters) => native.all(asked(parameters)),
    run: (parameters) => native.run(asked(parameters)),
    // Rows are read page by page: an iterator would be one more native object to be kept.
    iterate() {
      throw new HoldpointError('internal', 'rows are read page by page');
    },
  };
}

/**
 * Throws `bad_input` for a text with U+0000: PostgreSQL, which GitLab keeps its own in, refuses it, and SQLite takes it for the end of
 * the text where it compares. One store must not take what another refuses.
 */
export function requireNoNul(parameters: readonly unknown[]): void {
  if (parameters.some((value) => typeof value === 'string' && value.includes('\0')))
    throw new HoldpointError(
      'bad_input',
      'a text has the character U+0000 in it, which no database keeps: leave it out',
    );
}

/** The rows of one statement that is asked for once. */
export function rowsOf<T>(database: Database.Database, text: string): readonly T[] {
  const { prepare } = remembering(database);
  return prepare(text).all([]) as readonly T[];
}

/** How a list as one parameter is written for SQLite; `postgres-dialect.ts` knows it by this text. */
export const LIST_OPENS = '(select value from json_each(';

/** A list to look for with `in`, as one parameter: lists of all lengths, the empty one too, share one statement. */
export function among<T extends number | string>(values: readonly T[]) {
  return sql<T>`(select value from json_each(${JSON.stringify(values)}))`;
}

/** SQLite answers at once: without a break a walk over a long audit would keep everything else waiting to its end (T30). */
export const takeTurns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Rows of one Subject. */
export const ofSubject = (subject: Subject) =>
  sql<boolean>`instance = ${subject.instance} and project_id = ${subject.projectId} and job = ${subject.job}`;

/** Rows in one of whose columns a text stands, whatever its letter case; nothing in it is special. */
export function contains(columns: readonly string[], text: string): RawBuilder<SqlBool> {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
  const tests = columns.map((column) => sql<boolean>`lower(${sql.ref(column)}) like ${pattern} escape '\\'`);
  return sql<SqlBool>`(${sql.join(tests, sql` or `)})`;
}

/** A page of rows that are numbered: up from `after`, or with `newest` down from it. */
export function inOrder<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { after, limit, newest = false }: OrderedPage,
): SelectQueryBuilder<DB, TB, O> {
  const id = sql.ref<number>('id');
  const part = !newest
    ? query.where(sql<SqlBool>`${id} > ${after}`)
    : after === 0
      ? query
      : query.where(sql<SqlBool>`${id} < ${after}`);
  return part.orderBy(id, newest ? 'desc' : 'asc').limit(limit);
}
