import Database from 'better-sqlite3';
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { Schema } from '../../agent/src/stores/schema.ts';

/** Kept to the end of the process: since Node 24.19 an object of better-sqlite3 that is collected as garbage ends it. */
const kept: unknown[] = [];

/** Writes queries down and asks nobody: for a look at how the database would go about them. */
export function queryWriter(): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (of) => new SqliteIntrospector(of),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** The store's file as somebody has it who reaches past the program. */
export function rawDatabase(path: string) {
  const database = new Database(path);
  kept.push(database);
  return {
    exec: (text: string): void => void database.exec(text),
    /** The one value of the one row that a statement gives. */
    value(text: string): unknown {
      const statement = database.prepare(text).pluck();
      kept.push(statement);
      return statement.get();
    },
    /** How the database goes about a query, step by step. */
    plan(text: string, parameters: readonly unknown[]): string[] {
      const statement = database.prepare(`explain query plan ${text}`);
      kept.push(statement);
      return (statement.all(...parameters) as { detail: string }[]).map((step) => step.detail);
    },
    close: (): void => void database.close(),
  };
}
