import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openPostgresStore } from '../../../agent/src/stores/postgres.ts';
import { openStore } from '../../../agent/src/stores/store.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { noticesContract } from './notices-contract.ts';

noticesContract({
  name: 'SQLite',
  async create() {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-store-'));
    return {
      open: () => openStore({ path: join(folder, 'hub.db') }),
      remove: async () => rmSync(folder, { recursive: true }),
    };
  },
});

describe('on a server of its own', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  noticesContract({
    name: 'PostgreSQL',
    async create() {
      const { url, drop } = await server.database();
      return { open: () => openPostgresStore({ url, connections: 3 }), remove: drop };
    },
  });
});
