import { type Dialect, Kysely, type LogEvent, SqliteDialect } from 'kysely';
import pg from 'pg';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { ListsAsArrays } from '../../agent/src/stores/postgres-dialect.ts';
import { reader } from '../../agent/src/stores/reader.ts';
import type { Schema } from '../../agent/src/stores/schema.ts';
import { remembering } from '../../agent/src/stores/statements.ts';
import { openSqlite } from '../../agent/src/stores/store.ts';
import type { Planning } from '../contract/store/plans-contract.ts';

type Asked = { readonly sql: string; readonly parameters: readonly unknown[] };

/** A store's reads, and every statement that they ask. */
function listening(dialect: Dialect) {
  const asked: Asked[] = [];
  const log = ({ query }: LogEvent): void => void asked.push({ sql: query.sql, parameters: query.parameters });
  const db = new Kysely<Schema>({ dialect, log });
  return { reader: reader(db), take: () => asked.splice(0), end: () => db.destroy() };
}

/** What SQLite says of the statements of a store's reads. */
export async function sqlitePlanning(): Promise<Planning & { remove(): Promise<void> }> {
  const { database } = await openSqlite(':memory:');
  const heard = listening(new SqliteDialect({ database: remembering(database) }));
  return {
    reader: heard.reader,
    async plans() {
      const plans = heard.take().map(({ sql, parameters }): [string, string] => {
        const statement = remembering(database).prepare(`explain query plan ${sql}`);
        const steps = statement.all(parameters) as { detail: string }[];
        return [sql, steps.map(({ detail }) => detail).join('\n')];
      });
      return new Map(plans);
    },
    remove: heard.end,
  };
}

/** Approvals of a few Subjects: in an empty table one index is as good as another. */
const APPROVALS = `set session_replication_role = replica;
  insert into approvals (version, review, instance, project_id, project_path, job, digest, ref, ref_protected, lifetime, scope, ends_at, votes, policy,
    created_at, times_used)
  select 1, i, 'https://gitlab.example.com', i % 100, 'a/' || i % 100, 'job-' || i % 5, 'sha256:' || lpad(to_hex(i), 64, '0'), 'refs/heads/main', 1,
    'standing', '{}', i, '[{}]', 'v1', i, 0 from generate_series(1, 9000) as i;
  analyze approvals`;

/** What PostgreSQL says of them, where it may read no table whole while an index would do: most of its tables are empty here. */
export async function postgresPlanning(url: string): Promise<Planning & { remove(): Promise<void> }> {
  await (await openPostgresStore({ url, connections: 1 })).close();
  const filling = new pg.Client({ connectionString: url });
  await filling.connect();
  await filling.query(APPROVALS);
  await filling.end();
  const pool = new pg.Pool({ connectionString: url, max: 1, options: '-c enable_seqscan=off' });
  const heard = listening(new ListsAsArrays({ pool }));
  return {
    reader: heard.reader,
    async plans() {
      const plans = new Map<string, string>();
      for (const { sql, parameters } of heard.take()) {
        const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${sql}`, [...parameters]);
        plans.set(sql, rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return plans;
    },
    remove: heard.end,
  };
}
