import { expect, it, vi } from 'vitest';

it('the benchmark of a store with a year in it fills PostgreSQL so that a hub starts on it, finds its audit whole and answers all that it is asked', async () => {
  vi.stubEnv('HOLDPOINT_BENCH_SCALE', '0.0005');
  vi.stubEnv('HOLDPOINT_BENCH_WRITES', '4');
  vi.stubEnv('HOLDPOINT_BENCH_READ_MS', '1');
  // Of the two it is the one that is strict about types.
  vi.stubEnv('HOLDPOINT_BENCH_STORE', 'postgres');
  const { benchRows } = await import('../bench/rows.ts');
  const { endAll } = await import('../bench/processes.ts');
  try {
    const { tables, notes } = await benchRows();
    expect(notes).toEqual([]);
    expect(tables.map(({ rows }) => rows.length)).toEqual([35, 10]);
    expect(tables.flatMap(({ rows }) => rows.flat())).not.toContain('not measured');
  } finally {
    vi.unstubAllEnvs();
    await endAll();
  }
}, 120_000);
