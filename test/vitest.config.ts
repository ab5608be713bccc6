import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What asks most of a store: decisions that race, and every kind of row. */
const DECISIONS = [
  'test/contract/gatekeeper/*.test.ts',
  'test/hub/{approvals,deployments,lists,voting}.test.ts',
  'test/scenarios/{break-glass,deployments-rules,quorum-votes,tokens,uses}.test.ts',
];
/**
 * Suites that own nothing but what they make and end what they start: files that one worker runs one after the other
 * read the sources once, which is a third of their time. The others start programs, or change what is around them.
 */
const SHARED = 'unit|hub|contract|gateway|hostile|notify|page|scenarios';
/** With HOLDPOINT_TEST_STORES=all the whole hub runs on both databases: some minutes more. */
const everyStore = process.env.HOLDPOINT_TEST_STORES === 'all';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    projects: [
      { extends: true, test: { name: 'alone', include: [`test/!(${SHARED})/**/*.test.ts`] } },
      { extends: true, test: { name: 'shared', include: [`test/@(${SHARED})/**/*.test.ts`], isolate: false } },
      // Whatever people and agents do, once more with a hub on the other database.
      {
        extends: true,
        test: {
          name: 'postgres',
          isolate: false,
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
