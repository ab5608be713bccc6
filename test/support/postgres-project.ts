import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Address of a PostgreSQL where each store of a test gets a database of its own; undefined: SQLite in memory. */
    postgres: string;
  }
}

/** Starts one PostgreSQL for all files of a project, and ends it after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres();
  project.provide('postgres', (await server.database()).url);
  return () => server.remove();
}
