import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import Database from 'better-sqlite3';
import { HoldpointError } from '../domain/errors.ts';
import { remembering } from './statements.ts';

/**
 * Writes the store as it is at one moment into a new file (mode 0600), while others may write to it. Answers its schema.
 * Rejects with `store_unavailable` in words.
 */
export async function snapshot(path: string, to: string): Promise<number> {
  if (!existsSync(path)) {
    throw new HoldpointError('bad_config', `store ${path} is not there: is this the configuration of the agent?`);
  }
  let database: Database.Database | null = null;
  try {
    database = new Database(path, { readonly: true, timeout: 10_000 });
    const [row] = remembering(database).prepare('select max(version) as version from schema_version').all([]) as {
      version: number;
    }[];
    // One read transaction of SQLite's: no page of it is of another moment.
    database.exec(`vacuum into '${to.replaceAll("'", "''")}'`);
    await chmod(to, 0o600);
    return Number(row?.version ?? 0);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
    throw new HoldpointError('store_unavailable', `store ${path} cannot be copied (${code}): check disk and owner`, {
      cause,
    });
  } finally {
    database?.close();
  }
}
