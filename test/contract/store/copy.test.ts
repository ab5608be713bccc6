import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { copyStore, openStoreAt, type StorePlace } from '../../../agent/src/stores/places.ts';
import { deploymentWorld, PRODUCTION } from '../../support/deployment-world.ts';
import { hubWorld } from '../../support/hub-world.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { rawDatabase } from '../../support/raw-database.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

describe('a store that is copied', () => {
  let folder: string;
  let database: Awaited<ReturnType<TestPostgres['database']>>;
  const sqlite = (name: string): StorePlace & { kind: 'sqlite' } => ({ kind: 'sqlite', path: join(folder, name) });
  const postgres = (): StorePlace => ({ kind: 'postgres', url: database.url });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-copy-'));
    database = await server.database();
    const store = await openStoreAt(sqlite('a.db'));
    const world = await deploymentWorld(PRODUCTION, { store });
    const run = await world.deploy({ id: 1, pipeline: 1 });
    await world.admit({ id: 2, pipeline: 2, name: 'other' });
    await world.approve('jonas', run.hold!);
    await world.reject('jonas', 2, { remember: true });
    await store.close();
    // An id that was given and is gone is never given again.
    const raw = rawDatabase(join(folder, 'a.db'));
    raw.exec("update sqlite_sequence set seq = 70 where name = 'holds'");
    raw.close();
  });
  afterEach(async () => {
    await database.drop();
    rmSync(folder, { recursive: true });
  });
  /** Every row of every table, as text. */
  function dump(name: string): Record<string, unknown> {
    const raw = rawDatabase(join(folder, name));
    const tables = String(
      raw.value("select group_concat(name) from (select name from sqlite_master where type = 'table' order by name)"),
    );
    const rows = tables.split(',').map((table) => {
      const columns = String(raw.value(`select group_concat(name) from pragma_table_info('${table}')`)).split(',');
      const row = columns.map((column) => `'${column}', "${column}"`).join();
      return [
        table,
        raw.value(`select json_group_array(r) from (select json_object(${row}) r from ${table} order by r)`),
      ];
    });
    raw.close();
    return Object.fromEntries(rows);
  }

  it('has every row of every table, to PostgreSQL and back', async () => {
    const there = await copyStore(sqlite('a.db'), postgres());
    expect(there.rows).toBeGreaterThan(20);
    const back = await copyStore(postgres(), sqlite('b.db'));
    expect(back).toEqual(there);
    expect(dump('b.db')).toEqual(dump('a.db'));
  });

  it('goes on where it was left, with ids that nobody was given before', async () => {
    await copyStore(sqlite('a.db'), postgres());
    const store = await openStoreAt(postgres());
    const world = await hubWorld({ store });
    const { hold } = await world.admit({ id: 30, pipeline: 30, name: 'third' });
    expect(hold).toBe(71);
    await store.close();
  });

  it('is refused where something is already, and nothing of it is touched', async () => {
    await copyStore(sqlite('a.db'), sqlite('b.db'));
    const before = dump('b.db');
    await expect(copyStore(sqlite('a.db'), sqlite('b.db'))).rejects.toMatchObject({
      code: 'wrong_state',
      message: expect.stringContaining('is not empty'),
    });
    expect(dump('b.db')).toEqual(before);
  });

  it('T34 is refused when its audit is broken, and nothing is written', async () => {
    const raw = rawDatabase(join(folder, 'a.db'));
    raw.exec("drop trigger audit_no_update; update audit set actor = 'user:22 jonas' where seq = 2");
    raw.close();
    await expect(copyStore(sqlite('a.db'), postgres())).rejects.toMatchObject({ code: 'audit_broken' });
    expect(await server.run(database.url, 'select count(*)::int as rows from holds')).toEqual([{ rows: 0 }]);
  });

  it('says that there is none to copy, and makes none', async () => {
    await expect(copyStore(sqlite('none.db'), postgres())).rejects.toMatchObject({ code: 'not_found' });
  });
});
