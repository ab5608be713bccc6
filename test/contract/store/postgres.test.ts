import { afterAll, beforeAll } from 'vitest';
import { openPostgresStore } from '../../../agent/src/stores/postgres.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { storeContract } from './store-contract.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

storeContract({
  name: 'PostgreSQL',
  async create() {
    const { url, drop } = await server.database();
    return { open: () => openPostgresStore({ url, connections: 3 }), remove: drop };
  },
});
