import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/**/*.test.ts'] } },
      // Whatever people and agents do, once more with a hub on the other database.
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/hub/**/*.test.ts', 'test/scenarios/**/*.test.ts', 'test/contract/gatekeeper/*.test.ts'],
          globalSetup: ['test/support/postgres-project.ts'],
        },
      },
    ],
    // Two cores and real sockets: more files at once only make each other slow.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Suites that own processes and ports start them themselves and stop them; nothing is shared between files.
    isolate: true,
  },
});
