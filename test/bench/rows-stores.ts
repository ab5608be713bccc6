import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { startPostgres } from '../support/postgres.ts';
import { durableInsert } from './disk.ts';
import { atEnd } from './processes.ts';

/** Values that stand in a row; lists of them, one for each column, are inserted at once. */
type Value = string | number | null;

/** A database past the product's own reads and writes: to fill it, and to measure what it does by itself. */
export interface Bulk {
  run(text: string): Promise<void>;
  /** The rows of one statement. */
  rows<T>(text: string): Promise<readonly T[]>;
  columns(table: string): Promise<readonly string[]>;
  insert(table: string, columns: readonly string[], rows: readonly (readonly Value[])[]): Promise<void>;
  /** What the least of each kind takes, in ms: a lookup by primary key, and a durable insert of one row. */
  lookup(): Promise<number>;
  durable(): Promise<number>;
  close(): Promise<void>;
}

/** One kind of store: where it is, and how it is reached by hand. */
export interface StoreKind {
  readonly name: 'SQLite' | 'PostgreSQL';
  /** Numbers from 1 to n as a table of one column, `i`; and a number as 64 hex digits. */
  series(n: number): string;
  hex(number: string): string;
  /** What stands in hub.yml. */
  readonly config: string;
  bulk(folder: string): Promise<Bulk>;
  /** Bytes of all of it. */
  bytes(bulk: Bulk): Promise<number>;
  end(): Promise<void>;
}

const timed = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** SQLite as the hub has it: a file in its state_dir. */
export function sqliteKind(): StoreKind {
  return {
    name: 'SQLite',
    series: (n) => `(with recursive n(i) as (select 1 union all select i + 1 from n where i < ${n}) select i from n)`,
    hex: (number) => `printf('%064x', ${number})`,
    config: '',
    async bulk(folder) {
      const db = new Database(join(folder, 'state/hub.sqlite'));
      // What is lost with the machine is filled again.
      db.exec('pragma synchronous = OFF; pragma foreign_keys = OFF; pragma cache_size = -500000');
      const insertDurably = durableInsert(folder);
      const find = db.prepare('select * from approvals where id = ?');
      const most = db.prepare('select max(id) from approvals').pluck();
      return {
        run: async (text) => void db.exec(text),
        rows: async <T>(text: string) => db.prepare(text).all() as readonly T[],
        columns: async (table) => (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name),
        async insert(table, columns, rows) {
          const places = columns.map(() => '?').join(', ');
          const statement = db.prepare(`insert into ${table} (${columns.join(', ')}) values (${places})`);
          db.transaction(() => {
            for (const row of rows) statement.run(...row);
          })();
        },
        lookup: () => timed(() => find.get(Math.ceil(Math.random() * Number(most.get())))),
        durable: async () => insertDurably(),
        close: async () => void db.close(),
      };
    },
    bytes: async (bulk) => {
      const [row] = await bulk.rows<{ bytes: number }>(
        'select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()',
      );
      return row!.bytes;
    },
    end: async () => {},
  };
}

/** PostgreSQL on a port of this machine, as it is installed: what was committed is on the disk. */
export async function postgresKind(): Promise<StoreKind> {
  const server = await startPostgres({ durable: true });
  let removed: Promise<void> | null = null;
  const remove = (): Promise<void> => {
    removed ??= server.remove();
    return removed;
  };
  atEnd(() => void remove());
  const { url } = await server.database();
  return {
    name: 'PostgreSQL',
    series: (n) => `(select i from generate_series(1::bigint, ${n}) as i)`,
    hex: (number) => `lpad(to_hex(${number}), 64, '0')`,
    config: `store: ${url}\n`,
    async bulk() {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const durable = new pg.Client({ connectionString: url });
      await durable.connect();
      // What became of a connection is told by the statement that meets it.
      for (const each of [client, durable]) each.on('error', () => {});
      await durable.query('create table if not exists public.bench_floor (id serial primary key, text text)');
      // For the session that fills: what is lost with the machine is filled again.
      await client.query(
        "set synchronous_commit = off; set session_replication_role = replica; set maintenance_work_mem = '256MB'",
      );
      const rows = async <T>(text: string) => (await client.query(text)).rows as readonly T[];
      const [{ most = 1 } = {}] = await rows<{ most: string }>('select max(id) as most from approvals');
      return {
        run: async (text) => void (await client.query(text)),
        rows,
        columns: async (table) =>
          (
            await rows<{ name: string }>(
              `select column_name as name from information_schema.columns where table_name = '${table}'
               and table_schema = current_schema() order by ordinal_position`,
            )
          ).map(({ name }) => name),
        async insert(table, columns, all) {
          const types = await rows<{ name: string; type: string }>(
            `select column_name as name, data_type as type from information_schema.columns where table_name = '${table}'`,
          );
          const lists = columns.map(
            (column, at) => `$${at + 1}::${types.find(({ name }) => name === column)?.type ?? 'text'}[]`,
          );
          await client.query(
            `insert into ${table} (${columns.join(', ')}) select * from unnest(${lists.join(', ')})`,
            columns.map((_, at) => all.map((row) => row[at])),
          );
        },
        lookup: () =>
          timed(() =>
            client.query({
              name: 'lookup',
              text: 'select * from approvals where id = $1',
              values: [Math.ceil(Math.random() * Number(most))],
            }),
          ),
        durable: () =>
          timed(() =>
            durable.query({
              name: 'durable',
              text: 'insert into public.bench_floor (text) values ($1)',
              values: ['x'.repeat(200)],
            }),
          ),
        close: async () => {
          await client.end();
          await durable.end();
        },
      };
    },
    bytes: async (bulk) => {
      const [row] = await bulk.rows<{ bytes: string }>('select pg_database_size(current_database()) as bytes');
      return Number(row!.bytes);
    },
    end: remove,
  };
}

/** A folder of temporary files that goes with the run. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-rows-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
