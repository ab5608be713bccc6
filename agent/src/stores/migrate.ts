import { type Kysely, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import { type DialectName, inDialect, type Statement } from './dialect.ts';
import { statements as first } from './migrations/0001-first.ts';
import { statements as retries } from './migrations/0002-retries.ts';
import { statements as scopes } from './migrations/0003-scopes.ts';
import { statements as tokens } from './migrations/0004-tokens-approvals.ts';
import { statements as people } from './migrations/0005-people.ts';
import { statements as policy } from './migrations/0006-policy.ts';
import { statements as sightings } from './migrations/0007-sightings.ts';
import { statements as deployments } from './migrations/0008-deployments.ts';
import { statements as signIn } from './migrations/0009-sign-in.ts';
import { statements as audit } from './migrations/0010-audit.ts';
import { statements as current } from './migrations/0011-current.ts';
import { statements as agents } from './migrations/0015-agents.ts';
import { statements as notices } from './migrations/0016-notices.ts';
import { statements as retention } from './migrations/0018-retention.ts';
import { statements as watching } from './migrations/0037-watching.ts';
import { statements as keyOfRecordings } from './migrations/0042-key-of-recordings.ts';
import { statements as rows } from './migrations/0047-rows.ts';
import { statements as inForce } from './migrations/0048-in-force.ts';
import type { Schema } from './schema.ts';

/** By number, in order, forward only; a number is given once and for ever. Numbers may be left out. */
const MIGRATIONS: readonly (readonly [version: number, statements: readonly Statement[]])[] = [
  [1, first],
  [2, retries],
  [3, scopes],
  [4, tokens],
  [5, people],
  [6, policy],
  [7, sightings],
  [8, deployments],
  [9, signIn],
  [10, audit],
  [11, current],
  [15, agents],
  [16, notices],
  [18, retention],
  [37, watching],
  [42, keyOfRecordings],
  [47, rows],
  [48, inForce],
];

/** Schemas that there have been, oldest first. */
export const SCHEMAS: readonly number[] = MIGRATIONS.map(([version]) => version);

/** The schema that this program writes. */
export const SCHEMA_VERSION = Math.max(...SCHEMAS);

/**
 * Brings the schema up to date. Rejects with `store_unavailable` for a newer schema. `db` is in a transaction beside which nobody
 * writes: what another program has migrated is seen then, and all steps that are lacking are done or none is. `knows`: the newest schema of the
 * program, an earlier one's is lower.
 */
export async function migrate(
  db: Kysely<Schema>,
  dialect: DialectName,
  name: string,
  knows: number = SCHEMA_VERSION,
): Promise<void> {
  await sql`create table if not exists schema_version (version integer primary key)`.execute(db);
  const rows = await db.selectFrom('schema_version').select('version').execute();
  const done = new Set(rows.map((row) => row.version));
  const found = Math.max(0, ...done);
  if (found > knows) {
    throw new HoldpointError(
      'store_unavailable',
      `store ${name} has schema ${found}, this program knows up to ${knows}: start the newer program that wrote it, or restore the backup from before the upgrade ("holdpoint restore")`,
    );
  }
  for (const [version, statements] of MIGRATIONS) {
    if (done.has(version) || version > knows) continue;
    for (const statement of statements) {
      const text = inDialect(statement, dialect);
      if (text !== null) await sql.raw(text).execute(db);
    }
    await db.insertInto('schema_version').values({ version }).execute();
  }
}
