import { type Kysely, type Selectable, sql } from 'kysely';
import type { Hold } from '../domain/hold.ts';
import type { StoreReader } from '../ports/store.ts';
import type { HoldTable, Schema } from './schema.ts';

/** Reads of what has run before: what approvers compare with, and whether somebody is new. */
export function runReads(
  db: Kysely<Schema>,
  withAttempts: (rows: readonly Selectable<HoldTable>[]) => Promise<Hold[]>,
): Pick<StoreReader, 'lastRun' | 'ranFacts'> {
  return {
    async lastRun(subject, before) {
      const row = await db
        .selectFrom('holds')
        .selectAll()
        .where(
          sql<boolean>`instance = ${subject.instance} and project_id = ${subject.projectId} and job = ${subject.job}`,
        )
        .where('id', '<', before)
        .where('state', 'in', ['running', 'success', 'failed'])
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : ((await withAttempts([row]))[0] ?? null);
    },
    async ranFacts(instance, projectId, before, limit) {
      const rows = await db
        .selectFrom('attempts')
        .select('facts')
        .where('instance', '=', instance)
        .where('project_id', '=', projectId)
        .where('hold', '<', before)
        .where('handed_out_at', 'is not', null)
        .where('facts', '<>', 'null')
        .orderBy('hold', 'desc')
        .limit(limit)
        .execute();
      return rows.map((row) => JSON.parse(row.facts));
    },
  };
}
