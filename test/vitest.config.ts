import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What asks most of a store: decisions that race, and every kind of row. */
const DECISIONS = [
  'test/contract/gatekeeper/*.test.ts',
  'test/hub/{approvals,deployments,lists,voting}.test.ts',
  'test/scenarios/{break-glass,deployments-rules,quorum-votes,tokens,uses}.test.ts',
];
/** Tests of one file each. */
const UNITS = ['test/unit/**/*.test.ts'];
/** With HOLDPOINT_TEST_STORES=all the whole hub runs on both databases: some minutes more. */
const everyStore = process.env.HOLDPOINT_TEST_STORES === 'all';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/!(unit)/**/*.test.ts'] } },
      // They own nothing but what they make: read once for all of them, the sources cost half a minute less.
      { extends: true, test: { name: 'unit', include: UNITS, isolate: false } },
      // Whatever people and agents do, once more with a hub on the other database.
      {
        extends: true,
        test: {
          name: 'postgres',
          include: everyStore ? ['test/{hub,scenarios}/**/*.test.ts', ...DECISIONS] : DECISIONS,
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
