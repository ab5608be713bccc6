import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { Store } from '../../agent/src/ports/store.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openStore } from '../../agent/src/stores/store.ts';

/** An empty store of the kind that this run of the tests is on. */
export async function testStore(): Promise<Store> {
  const server = inject('postgres');
  if (server === undefined) return openStore({ path: ':memory:' });
  const name = `t_${randomBytes(8).toString('hex')}`;
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  return openPostgresStore({ url: url.href, connections: 3 });
}
