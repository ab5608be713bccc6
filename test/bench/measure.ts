/** Numbers of a benchmark: medians and percentiles of what was measured, and how they are written. */

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The nearest-rank percentile; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** Three significant digits, thousands set apart. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

/** A ratio with two decimals. */
export function times(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–';
}

/** Milliseconds, from microseconds where they are small. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  return ms < 1 ? `${digits(ms * 1000)} µs` : `${digits(ms)} ms`;
}

/** Milliseconds of processor time that this process has used: what others do at the same time is not in it. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Median microseconds of processor time of one call of each function. They take turns, round after round, so that
 * whatever else the machine does meets all of them alike.
 */
export function microseconds<K extends string>(
  functions: Readonly<Record<K, () => unknown>>,
  { rounds = 11, roundMs = 50 } = {},
): Record<K, number> {
  const names = Object.keys(functions) as K[];
  const seen = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  const batch = Object.fromEntries(names.map((name) => [name, 1])) as Record<K, number>;
  let kept: unknown;
  for (const name of names) {
    // Warm until the optimizing compiler has seen enough, and learn how many calls fill a round.
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < 4 * roundMs || calls < 20) {
      kept = functions[name]();
      calls += 1;
    }
    batch[name] = Math.max(1, Math.round((calls * roundMs) / (performance.now() - start)));
  }
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const start = processorMs();
      for (let call = 0; call < batch[name]; call++) kept = functions[name]();
      seen[name].push(((processorMs() - start) * 1000) / batch[name]);
    }
  }
  if (kept === Symbol.iterator) throw new Error('no function answers that');
  return Object.fromEntries(names.map((name) => [name, median(seen[name])])) as Record<K, number>;
}
