import Database from 'better-sqlite3';

/** Kept to the end of the process: since Node 24.19 an object of better-sqlite3 that is collected as garbage ends it. */
const kept: unknown[] = [];

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
