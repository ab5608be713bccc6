import { Kysely, type RawBuilder, sql } from 'kysely';
import pg from 'pg';
import { HoldpointError } from '../domain/errors.ts';
import type { Store, StoreWriter } from '../ports/store.ts';
import { migrate } from './migrate.ts';
import { ListsAsArrays } from './postgres-dialect.ts';
import { HINTS_NAME } from './postgres-hints.ts';
import { reader } from './reader.ts';
import type { Schema } from './schema.ts';
import { requireNoNul } from './statements.ts';
import { type Faults, translated, translating } from './store-errors.ts';
import { written } from './writer.ts';

/** Where the store is. */
export interface PostgresOptions {
  /** `postgres://user@host:port/database`; a password may stand in it, in PGPASSWORD or in ~/.pgpass. */
  readonly url: string;
  /** Connections of this hub at most, beside the few of what one hub does at a time; default 10. One of them writes. */
  readonly connections?: number;
}

const CONNECTIONS = 10;
/**
 * Connections that hold what one hub does at a time, beside those: whoever holds one needs another for the work itself, and
 * with all of them from one pool, works that begin together would each wait for the others. One for each name there is.
 */
const ALONE_CONNECTIONS = 6;
/** Opening waits for a server that is starting, and for another hub that migrates. */
const CONNECT_MS = 5_000;
const MIGRATE_MS = 60_000;
/** How long a write waits for those of other hubs. */
const BUSY_MS = 10_000;
/** A hub that stops in the middle of a transaction (SIGSTOP, a dead host) holds the others up for as long as this. */
const IDLE_IN_TRANSACTION_MS = 10_000;
/** SQLSTATE disk_full, read_only_sql_transaction. */
const DISK_FULL = '53100';
const READ_ONLY = '25006';
/** SQLSTATE warning: all that PostgreSQL says of a commit that no standby has. */
const WARNING = '01000';
const NOT_REPLICATED = 'not replicated';
/** SQLSTATE feature_not_supported: the columns that a prepared statement answers are no longer those of its table. */
const CHANGED_TABLES = '0A000';
/** No question that the hub asks takes as long as this. */
const STATEMENT_MS = 30_000;
/** Of the locks that all hubs on this schema share: one writes at a time, one migrates at a time. */
const WRITE = 1;
const LOCK = sql`pg_advisory_xact_lock(hashtext('holdpoint ' || current_schema()), ${sql.lit(WRITE)})`;

/**
 * Opens (and where needed creates or migrates) a store in PostgreSQL 14 or later. Transactions that write run one after the other,
 * of all hubs together: each adds to the one chain of the audit, so they could not be side by side, and nothing that was read
 * can change before the write. Rejects with `store_unavailable` in words when it cannot.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { db, faults, prepared } = await openPostgres(options);
  const { db: holding } = openPostgresAsItIs({ ...options, connections: ALONE_CONNECTIONS });
  let last: Promise<unknown> = Promise.resolve();
  /** Its disk was full, and no probe has found room since. */
  let full = false;
  return {
    ...translating(faults, reader(db)),
    async write<T>(work: (tx: StoreWriter) => Promise<T>): Promise<T> {
      const once = () =>
        db.connection().execute((connection) => atOnce(connection, BUSY_MS, (tx) => written(tx, work)));
      // One connection of this hub waits for the lock, and the others are left to those who read.
      const mine = last.then(once).catch((cause: unknown) => {
        if (faults.codeOf(cause) !== CHANGED_TABLES) throw cause;
        // Nothing of it was written: a hub of a newer version has added columns since these statements were prepared.
        prepared.renew();
        return once();
      });
      last = mine.catch(() => {});
      try {
        return await mine;
      } catch (cause) {
        full = full || faults.codeOf(cause) === DISK_FULL;
        throw translated(faults, cause);
      }
    },
    alone: (name, work) =>
      holding
        .connection()
        .execute(async (connection) => {
          const key = sql`hashtext('holdpoint ' || current_schema()), hashtext(${name})`;
          const { rows } = await sql<{ mine: boolean }>`select pg_try_advisory_lock(${key}) as mine`.execute(
            connection,
          );
          if (rows[0]?.mine !== true) return null;
          try {
            return await work();
          } finally {
            // Where the connection is lost the server has let go of it already.
            await sql`select pg_advisory_unlock(${key})`.execute(connection).catch(() => {});
          }
        })
        .catch((cause: unknown) => {
          throw translated(faults, cause);
        }),
    async agentsToWake() {
      try {
        const rows = await db.selectFrom('outbox').select('agent').distinct().execute();
        return rows.map(({ agent }) => agent);
      } catch (cause) {
        throw translated(faults, cause);
      }
    },
    async others() {
      try {
        // Each hub that runs listens for the others, on one connection from its start to its end.
        const { rows } = await sql<{ who: string }>`
          select distinct coalesce(host(client_addr), 'this machine') as who from pg_stat_activity
          where datname = current_database() and application_name = ${HINTS_NAME} order by 1`.execute(db);
        return rows.map(({ who }) => who);
      } catch (cause) {
        throw translated(faults, cause);
      }
    },
    async serverTime() {
      try {
        const { rows } = await sql<{ ms: number }>`
          select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(db);
        return rows[0]!.ms;
      } catch (cause) {
        throw translated(faults, cause);
      }
    },
    // PostgreSQL's own autovacuum does.
    giveBack: async () => {},
    async probe() {
      try {
        // A record in the log of the database that no table has: a standby and a full disk say so. A read-only session takes it, and is asked.
        const { rows } = await sql<{ closed: string }>`
          select pg_logical_emit_message(true, 'holdpoint', 'probe'), current_setting('transaction_read_only') as closed`.execute(
          db,
        );
        if (rows[0]?.closed === 'on')
          throw new DatabaseFault(Object.assign(new Error('takes no writes'), { code: READ_ONLY }));
        if (full) await requireRoom(db);
        full = false;
      } catch (cause) {
        throw translated(faults, cause);
      }
    },
    async close() {
      await Promise.all([db.destroy(), holding.destroy()]);
    },
  };
}

/** Its log may have room where its tables have none: a table for a moment, as long as what a decision writes. */
async function requireRoom(db: Kysely<Schema>): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`create temporary table holdpoint_room on commit drop as
      select md5(random()::text || line) as filler from generate_series(1, 4000) as line`.execute(tx);
  });
}

/** The database itself, its schema up to date. Rejects with `store_unavailable` in words. */
export async function openPostgres(options: PostgresOptions) {
  const { db, faults, prepared } = openPostgresAsItIs(options);
  try {
    await db.connection().execute(async (connection) => {
      await atOnce(connection, MIGRATE_MS, (tx) => migrate(tx, 'postgres', faults.name));
    });
  } catch (cause) {
    await db.destroy();
    throw translated(faults, cause);
  }
  return { db, faults, prepared };
}

/** The database itself, whatever is in it. */
export function openPostgresAsItIs(options: PostgresOptions) {
  const faults = faultsOf(postgresName(options.url));
  const prepared = preparedStatements();
  return {
    db: new Kysely<Schema>({ dialect: new ListsAsArrays({ pool: openPool(options, prepared) }) }),
    faults,
    prepared,
  };
}

/**
 * Runs the work in a transaction of its own that begins when all others that write have ended. All that comes before the work goes
 * there in one text: everybody else waits for each way there and back.
 */
async function atOnce<T>(
  connection: Kysely<Schema>,
  waitMs: number,
  work: (tx: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  const run = (text: RawBuilder<unknown>) => text.execute(connection);
  try {
    const limit = (ms: number) => sql`set local lock_timeout = ${sql.lit(ms)}`;
    await run(sql`begin; ${limit(waitMs)}; select ${LOCK}; ${limit(0)}`);
    const result = await work(connection);
    await run(sql`commit`);
    return result;
  } catch (cause) {
    // A connection that does not even do this is closed.
    await run(sql`rollback`).catch(() => {});
    throw cause;
  }
}

/** What PostgreSQL or the way to it said; `code`: SQLSTATE, or what the network said, or a word. */
class DatabaseFault extends Error {
  readonly code: string;
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.code = cause instanceof Error && 'code' in cause && cause.code ? String(cause.code) : 'connection lost';
  }
}
const faulty = (cause: unknown): never => {
  throw cause instanceof DatabaseFault ? cause : new DatabaseFault(cause);
};

/** Ids, times and counts are numbers everywhere: all of them are far below 2^53. */
const numbers: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)),
};

/**
 * The address, and what sessions are begun with, beside what the address says itself. JIT: where a question is thought to read a lot, to
 * compile it takes longer than to answer it, tens to hundreds of milliseconds each time, and every question here is a short one.
 */
function sessionOf(url: string): { readonly connectionString: string; readonly options: string } {
  const address = new URL(url);
  const theirs = address.searchParams.get('options');
  // pg would take what stands there in the place of ours.
  if (theirs !== null) address.searchParams.delete('options');
  return { connectionString: theirs === null ? url : address.href, options: `-c jit=off ${theirs ?? ''}`.trim() };
}

/** Connections whose errors say that they are the database's, so that an error of ours is never taken for one. */
function openPool({ url, connections }: PostgresOptions, prepared: Prepared) {
  const pool = new pg.Pool({
    ...sessionOf(url),
    max: connections ?? CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    statement_timeout: STATEMENT_MS,
    keepAlive: true,
    application_name: 'holdpoint',
    types: numbers,
  });
  // A connection that breaks is replaced; whoever asks with it, or next, is told if there is none.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    options: pool.options,
    async connect() {
      const client = await pool.connect().catch(faulty);
      let usable = true;
      let writing = false;
      return {
        query: async (text: string, values: unknown[]) => {
          requireNoNul(values);
          const bounds = text === 'commit' || text === 'rollback';
          // A text without values may be several statements, as a migration has them: those cannot be prepared.
          const isOne = values.length > 0 || text.startsWith('select ');
          const name = writing && isOne ? prepared.nameOf(text) : undefined;
          writing = bounds ? false : writing || text.startsWith('begin');
          const ask = () => client.query({ text, values, ...(name === undefined ? {} : { name }) }).catch(faulty);
          if (!bounds) return ask();
          if (text === 'commit') return keptEverywhere(client, ask);
          return ask().catch((cause: unknown) => {
            usable = false;
            throw cause;
          });
        },
        // One that is still in a transaction must not be handed to anybody else.
        release: () => client.release(!usable),
      } as never;
    },
    end: () => pool.end(),
  };
}

/** Statements that connections keep the plans of; there are some hundred, and those of lists of many lengths are not needed. */
const MAX_PREPARED = 1_000;

/**
 * Names of what is asked within transactions that write, which everybody waits for: planning these statements takes longer than running
 * them. What only reads is planned each time, by what it asks for.
 */
function preparedStatements() {
  const names = new Map<string, string>();
  let generation = 1;
  return {
    nameOf(text: string): string | undefined {
      const known = names.get(text);
      if (known !== undefined || names.size >= MAX_PREPARED) return known;
      const name = `s${generation}_${names.size + 1}`;
      names.set(text, name);
      return name;
    },
    /** A newer hub has changed the tables: every connection makes them anew. */
    renew(): void {
      generation += 1;
      names.clear();
    },
  };
}
type Prepared = ReturnType<typeof preparedStatements>;

/**
 * A commit that stops waiting for a synchronous standby, for its time is over or somebody canceled it, is told as a success with a
 * warning: what a failover may lose is not acknowledged.
 */
async function keptEverywhere(client: pg.PoolClient, commit: () => Promise<unknown>): Promise<unknown> {
  let warned = false;
  const hear = ({ code }: { code?: string | undefined }): void => {
    warned ||= code === WARNING;
  };
  client.on('notice', hear);
  try {
    const done = await commit();
    if (warned) throw new DatabaseFault(Object.assign(new Error('no standby has it'), { code: NOT_REPLICATED }));
    return done;
  } finally {
    client.off('notice', hear);
  }
}

/** The address without what is secret in it. */
export function postgresName(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `postgres://${host}${pathname}`;
  } catch {
    throw new HoldpointError(
      'bad_config',
      'the store is no address of PostgreSQL: write postgres://user@host:5432/database',
    );
  }
}

const LOOK_AT: Readonly<Record<string, string>> = {
  [DISK_FULL]: 'the disk of PostgreSQL is full; make room there, and it goes on by itself',
  [NOT_REPLICATED]:
    'its synchronous standby is away; what was just asked for may have happened: look, and ask again when the standby is back',
  [READ_ONLY]: 'PostgreSQL takes no writes; name the server that does, or end its read-only mode',
};

const faultsOf = (name: string): Faults => ({
  name,
  codeOf: (cause) => (cause instanceof DatabaseFault ? cause.code : null),
  refusal: (code) => {
    // unique_violation; lock_not_available, serialization_failure, deadlock_detected: others were first.
    if (['23505', '55P03', '40001', '40P01'].includes(code)) return 'taken';
    return code.startsWith('23') ? 'constraint' : 'other';
  },
  lookAt: (code) => LOOK_AT[code] ?? 'check that PostgreSQL runs, is reached from here and lets this user in',
});
