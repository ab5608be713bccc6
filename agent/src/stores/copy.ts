import { type Kysely, type SqlBool, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { DialectName } from './dialect.ts';

/** A database with our tables, past the store's own reads and writes. */
export interface RawStore {
  readonly dialect: DialectName;
  /** As people know it, without password. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: tables are read from the database itself, so that none is forgotten.
  readonly db: Kysely<any>;
}
type Row = Record<string, unknown>;
interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** Its primary key, along which it is read. */
  readonly key: readonly string[];
}

/** Rows that are read and written at a time; PostgreSQL takes 65,535 values in one statement. */
const ROWS = 500;
/** The schema's own number: both have the same before the copy. */
const NOT_COPIED = ['schema_version'];

/** Copies all rows into a store that has none, whole or not at all. Answers how many rows of each table there are. */
export async function copyRows(from: RawStore, to: RawStore): Promise<ReadonlyMap<string, number>> {
  const [tables, theirs] = [await tablesOf(from), await tablesOf(to)];
  const known = new Map(theirs.map((table) => [table.name, table]));
  for (const { name, columns } of tables) {
    const there = known.get(name)?.columns ?? [];
    if (columns.length === there.length && columns.every((column) => there.includes(column))) continue;
    throw new HoldpointError('internal', `table ${name} of ${from.name} has no like in ${to.name}: nothing was copied`);
  }
  const copied = new Map<string, number>();
  await to.db.transaction().execute(async (tx) => {
    await sql
      .raw(to.dialect === 'sqlite' ? 'pragma defer_foreign_keys = on' : 'set constraints all deferred')
      .execute(tx);
    for (const { name } of theirs) {
      if ((await tx.selectFrom(name).selectAll().limit(1).execute()).length === 0) continue;
      throw new HoldpointError(
        'wrong_state',
        `store ${to.name} is not empty (table ${name} has rows): name one that nothing was written to`,
      );
    }
    for (const table of tables) {
      let count = 0;
      for await (const rows of rowsOf(from.db, table)) {
        await tx.insertInto(table.name).values(rows).execute();
        count += rows.length;
      }
      copied.set(table.name, count);
    }
    for (const [table, last] of await givenIds(from, tables)) await continueIds(tx, to.dialect, table, last);
  });
  return copied;
}

async function* rowsOf(db: RawStore['db'], { name, columns, key }: Table): AsyncGenerator<Row[]> {
  for (let after: Row | null = null; ; ) {
    let query = db
      .selectFrom(name)
      .select([...columns])
      .limit(ROWS);
    for (const column of key) query = query.orderBy(column);
    if (after !== null) {
      const refs = sql.join(key.map((column) => sql.ref(column)));
      const values = sql.join(key.map((column) => sql`${after?.[column]}`));
      query = query.where(sql<SqlBool>`(${refs}) > (${values})`);
    }
    const rows = (await query.execute()) as Row[];
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS) return;
    after = rows.at(-1) as Row;
  }
}

async function tablesOf({ db, dialect }: RawStore): Promise<readonly Table[]> {
  const text =
    dialect === 'sqlite'
      ? sql<{ name: string; column: string; key: number }>`
          select m.name as name, c.name as "column", c.pk as key from sqlite_master m, pragma_table_info(m.name) c
          where m.type = 'table' and m.name not like 'sqlite_%' order by m.name, c.cid`
      : sql<{ name: string; column: string; key: number }>`
          select c.table_name as name, c.column_name as "column", coalesce(k.ordinal_position, 0)::int as key
          from information_schema.columns c
          left join information_schema.table_constraints t on t.table_schema = c.table_schema
            and t.table_name = c.table_name and t.constraint_type = 'PRIMARY KEY'
          left join information_schema.key_column_usage k on k.constraint_schema = t.constraint_schema
            and k.constraint_name = t.constraint_name and k.table_name = c.table_name and k.column_name = c.column_name
          where c.table_schema = current_schema() order by c.table_name, c.ordinal_position`;
  const { rows } = await text.execute(db);
  const byName = new Map<string, typeof rows>();
  for (const row of rows) byName.set(row.name, [...(byName.get(row.name) ?? []), row]);
  return [...byName]
    .filter(([name]) => !NOT_COPIED.includes(name))
    .map(([name, columns]) => ({
      name,
      columns: columns.map(({ column }) => column),
      key: columns
        .filter(({ key }) => key > 0)
        .sort((a, b) => a.key - b.key)
        .map(({ column }) => column),
    }));
}

/** The last id that each table has given, rows that are gone since included: an id is given once and for ever. */
async function givenIds({ db, dialect }: RawStore, tables: readonly Table[]): Promise<readonly [string, number][]> {
  if (dialect === 'sqlite') {
    const { rows } = await sql<{ name: string; seq: number }>`select name, seq from sqlite_sequence`.execute(db);
    return rows.map(({ name, seq }) => [name, seq]);
  }
  const found: [string, number][] = [];
  for (const { name, columns } of tables) {
    if (!columns.includes('id')) continue;
    const { rows } = await sql<{ last: number | null }>`
      select pg_sequence_last_value(pg_get_serial_sequence(${name}, 'id')::regclass) as last`.execute(db);
    if (rows[0]?.last != null) found.push([name, rows[0].last]);
  }
  return found;
}

async function continueIds(tx: RawStore['db'], dialect: DialectName, table: string, last: number): Promise<void> {
  if (dialect === 'postgres') {
    await sql`select setval(pg_get_serial_sequence(${table}, 'id'), ${last})`.execute(tx);
    return;
  }
  // That table knows no types of its own.
  const whole = sql`cast(${last} as integer)`;
  const { numAffectedRows } = await sql`update sqlite_sequence set seq = ${whole} where name = ${table}`.execute(tx);
  if (numAffectedRows === 0n)
    await sql`insert into sqlite_sequence (name, seq) values (${table}, ${whole})`.execute(tx);
}
