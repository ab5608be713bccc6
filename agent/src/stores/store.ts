import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { open as openFile, rm } from 'node:fs/promises';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import { migrate } from './migrate.ts';
import { reader } from './reader.ts';
import type { Schema } from './schema.ts';
import { remembering, rowsOf } from './statements.ts';
import { type Faults, translated, translating } from './store-errors.ts';
import { together } from './together.ts';

/** Where the store is. */
export interface StoreOptions {
  /** Path of the database file; `:memory:` for one that ends with the process. */
  readonly path: string;
}

/** Opening waits for another process that opens or migrates the same file. */
const OPEN_TIMEOUT_MS = 5_000;
/** How long a write waits for another process that writes to the same file. */
const BUSY_MS = 10_000;
/** Between two tries; SQLite's own waiting would stop the whole process, heartbeats included. */
const BUSY_PAUSE_MS = 10;

/** Pages that are given back at once: 4 MiB, some milliseconds. */
const PAGES_BACK = 1_024;

/** Opens (and where needed creates or migrates) the store. Rejects with `store_unavailable` in words when it cannot. */
export async function openStore({ path }: StoreOptions): Promise<Store> {
  const { db, database } = await openSqlite(path);
  const alone = oneAtATime();
  const writes = together(
    (work) =>
      whenFree(BUSY_MS, () =>
        db
          .connection()
          .execute((connection) =>
            withoutFiles(database, () => transact(database, connection, () => work(connection))),
          ),
      ),
    () => database.inTransaction,
  );
  /** A write failed and none has gone well since: what is small may still fit where nothing else does. */
  let failed = false;
  return {
    ...translating(faultsOf(path), reader(db)),
    alone,
    agentsToWake: async () => [],
    others: async () => [],
    async write(work) {
      try {
        const result = await writes.write(work);
        failed = false;
        return result;
      } catch (cause) {
        failed = failed || isOfTheDisk(cause);
        throw translated(faultsOf(path), cause);
      }
    },
    async giveBack() {
      try {
        database.exec(`pragma incremental_vacuum(${PAGES_BACK})`);
      } catch (cause) {
        if (!codeOf(cause).startsWith('SQLITE_BUSY')) throw translated(faultsOf(path), cause);
      }
    },
    async probe() {
      try {
        await db.connection().execute(async (connection) => {
          // The number that is there once more: the page is written and synced like any other, and nothing is changed.
          const { rows } = await sql<{ user_version: number }>`pragma user_version`.execute(connection);
          await sql.raw(`pragma user_version = ${Number(rows[0]?.user_version ?? 0)}`).execute(connection);
        });
        if (failed && path !== ':memory:') await requireRoom(path);
        failed = false;
      } catch (cause) {
        if (cause instanceof HoldpointError) throw cause;
        // Another process writes at this moment, so it can be written.
        if (!codeOf(cause).startsWith('SQLITE_BUSY')) throw translated(faultsOf(path), cause);
      }
    },
    async close() {
      await writes.idle();
      await db.destroy();
    },
  };
}

/** The file itself, its schema up to date. Rejects with `store_unavailable` in words. */
export async function openSqlite(path: string) {
  const database = open(path);
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: remembering(database) }) });
  try {
    // SQLite's own waiting would stop the process, which may be the one that is waited for.
    database.exec('pragma busy_timeout = 0');
    await whenFree(OPEN_TIMEOUT_MS, () =>
      db
        .connection()
        .execute((connection) => transact(database, connection, () => migrate(connection, 'sqlite', path))),
    );
  } catch (cause) {
    await db.destroy();
    throw translated(faultsOf(path), cause);
  }
  return { db, database };
}

/** The hub has its SQLite to itself, so there is nobody else to keep from the work but an earlier turn of its own. */
function oneAtATime(): Store['alone'] {
  const busy = new Set<string>();
  return async (name, work) => {
    if (busy.has(name)) return null;
    busy.add(name);
    try {
      return await work();
    } finally {
      busy.delete(name);
    }
  };
}

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
    const [row] = rowsOf<{ version: number }>(database, 'select max(version) as version from schema_version');
    // One read transaction of SQLite's: no page of it is of another moment.
    database.exec(`vacuum into '${to.replaceAll("'", "''")}'`);
    chmodSync(to, 0o600);
    ableToGiveBack(to);
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

/** The newest step of the schema of a file that is only read; 0 where nothing is in it. Throws `store_unavailable` in words. */
export function schemaIn(path: string): number {
  let database: Database.Database | null = null;
  try {
    database = new Database(path, { readonly: true, timeout: OPEN_TIMEOUT_MS });
    const tables = "select count(*) as tables from sqlite_master where type = 'table' and name = 'schema_version'";
    if (rowsOf<{ tables: number }>(database, tables)[0]?.tables !== 1) return 0;
    const [row] = rowsOf<{ version: number }>(database, 'select max(version) as version from schema_version');
    return Number(row?.version ?? 0);
  } catch (cause) {
    throw translated(faultsOf(path), cause);
  } finally {
    database?.close();
  }
}

/** Makes the copy of a store that is older than retention one that can give space back: only an empty file takes that by a word. */
function ableToGiveBack(path: string): void {
  const copy = new Database(path);
  try {
    const [row] = rowsOf<{ auto_vacuum: number }>(copy, 'pragma auto_vacuum');
    if (row?.auto_vacuum === 0) copy.exec('pragma auto_vacuum = INCREMENTAL; vacuum');
  } finally {
    copy.close();
  }
}

/** Another process was writing when the transaction was to begin: nothing was done. */
class Busy extends HoldpointError {}

/** Tries again while another process writes; rejects with `Busy` when it does all the time. */
async function whenFree<T>(withinMs: number, work: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + withinMs; ; ) {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof Busy) || performance.now() > until) throw cause;
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
  }
}

async function transact<T>(
  database: Database.Database,
  connection: Kysely<Schema>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    // Immediate: the one writer is chosen before the first read, so nothing that was read can change before the write.
    await sql`begin immediate`.execute(connection);
  } catch (cause) {
    if (codeOf(cause).startsWith('SQLITE_BUSY')) {
      throw new Busy('hold_conflict', 'another process writes to the store all the time: try again', { cause });
    }
    throw cause;
  }
  try {
    const result = await work();
    await sql`commit`.execute(connection);
    return result;
  } catch (cause) {
    if (database.inTransaction) await sql`rollback`.execute(connection);
    throw cause;
  }
}

/**
 * What would be taken back with a part of a transaction is kept in memory meanwhile: beside the store there may be no place that can
 * be written to. Sorting goes on to use files, for what people ask for can be more than memory holds.
 */
async function withoutFiles<T>(database: Database.Database, work: () => Promise<T>): Promise<T> {
  database.exec('pragma temp_store = MEMORY');
  try {
    return await work();
  } finally {
    database.exec('pragma temp_store = DEFAULT');
  }
}

/** More than any decision writes. */
const ROOM_BYTES = 256 * 1024;

/** Writes a file of some size beside the store and takes it away again; rejects with `store_unavailable` where that does not go. */
async function requireRoom(path: string): Promise<void> {
  const beside = `${path}-room`;
  try {
    const file = await openFile(beside, 'w', 0o600);
    try {
      await file.write(randomBytes(ROOM_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = codeOf(cause) === 'ENOSPC' ? 'SQLITE_FULL' : codeOf(cause);
    throw new HoldpointError('store_unavailable', `store ${path} cannot be used (${code}): ${lookAt(code)}`, { cause });
  } finally {
    await rm(beside, { force: true }).catch(() => {});
  }
}

/** What SQLite says where the disk, or the way to it, is at fault. */
const isOfTheDisk = (cause: unknown): boolean => /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN)/.test(codeOf(cause));

const codeOf = (cause: unknown): string => (cause instanceof Error && 'code' in cause ? String(cause.code) : '');

/** 16 MiB that a decision has to take over once in some hundred. */
const CHECKPOINT_PAGES = 4_000;

function open(path: string): Database.Database {
  try {
    if (path !== ':memory:') {
      // Created by us first: SQLite would make it readable for everybody.
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
    }
    const database = new Database(path, { timeout: OPEN_TIMEOUT_MS });
    // Only a file that is still empty takes it: space of what is removed can be given back. One that is older keeps it for new rows.
    database.exec('pragma auto_vacuum = INCREMENTAL');
    database.exec('pragma journal_mode = WAL');
    // SQLite's own 1,000 pages would be taken over into the file, for some ten milliseconds, with every fiftieth to hundredth decision.
    database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    // A vote that was answered must survive a power cut.
    database.exec('pragma synchronous = FULL');
    database.exec('pragma foreign_keys = ON');
    database.exec('pragma trusted_schema = OFF');
    return database;
  } catch (cause) {
    if (codeOf(cause) === 'ERR_DLOPEN_FAILED') {
      // Neither the disk nor the file: a Node of another version than npm installed for.
      const mend = 'run "npm rebuild better-sqlite3" with the Node that runs Holdpoint';
      throw new HoldpointError(
        'store_unavailable',
        `better-sqlite3 is not built for Node ${process.version}: ${mend}`,
        {
          cause,
        },
      );
    }
    throw translated(faultsOf(path), cause);
  }
}

const faultsOf = (path: string): Faults => ({
  name: path,
  codeOf: (cause) => codeOf(cause) || null,
  refusal: (code) =>
    /^SQLITE_(BUSY|CONSTRAINT_(UNIQUE|PRIMARYKEY))/.test(code)
      ? 'taken'
      : code.startsWith('SQLITE_CONSTRAINT')
        ? 'constraint'
        : 'other',
  lookAt,
});

function lookAt(code: string): string {
  return code === 'SQLITE_FULL'
    ? 'its disk is full; make room, and it goes on by itself'
    : 'check the disk, the file and its owner';
}
