import { type Kysely, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import { statements as first } from './migrations/0001-first.ts';
import { statements as retries } from './migrations/0002-retries.ts';
import { statements as scopes } from './migrations/0003-scopes.ts';
import type { Schema } from './schema.ts';

/** In order, forward only; a number is given once and for ever. */
const MIGRATIONS: readonly (readonly string[])[] = [first, retries, scopes];

/** The schema that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the schema up to date, each step whole or not at all. Rejects with `store_unavailable` for a newer schema. */
export async function migrate(db: Kysely<Schema>, path: string): Promise<void> {
  await sql`create table if not exists schema_version (version integer primary key)`.execute(db);
  const { found } = await db
    .selectFrom('schema_version')
    .select((eb) => eb.fn.coalesce(eb.fn.max('version'), eb.lit(0)).as('found'))
    .executeTakeFirstOrThrow();
  if (found > SCHEMA_VERSION) {
    throw new HoldpointError(
      'store_unavailable',
      `store ${path} has schema ${found}, this program knows up to ${SCHEMA_VERSION}: start the newer program that wrote it`,
    );
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < found) continue;
    await db.transaction().execute(async (tx) => {
      for (const statement of statements) await sql.raw(statement).execute(tx);
      await tx
        .insertInto('schema_version')
        .values({ version: index + 1 })
        .execute();
    });
  }
}
