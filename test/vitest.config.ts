import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores and real sockets: more files at once only make each other slow.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Suites that own processes and ports start them themselves and stop them; nothing is shared between files.
    isolate: true,
  },
});
