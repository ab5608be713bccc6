import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { everyMetric, metricsPage } from '../support/metrics-page.ts';
import { ROOT } from '../support/source-files.ts';

describe('the page of metrics', () => {
  it('is what the registry has', async () => {
    const path = join(ROOT, 'agent/docs/metrics.md');
    const wanted = await metricsPage();
    if (process.env.UPDATE_DOCS === '1') writeFileSync(path, wanted);
    expect(readFileSync(path, 'utf8')).toBe(wanted);
  });

  it('T30 T32 labels are a closed list of words, none of which names a project, a job or a person', () => {
    const labels = new Set(
      everyMetric()
        .getMetricsAsArray()
        .flatMap((metric) => (metric as unknown as { labelNames?: readonly string[] }).labelNames ?? []),
    );
    expect([...labels].sort()).toEqual(
      [
        'call',
        'code',
        'event',
        'kind',
        'limit',
        'major',
        'minor',
        'node',
        'operation',
        'outcome',
        'patch',
        'route',
        'space',
        'stage',
        'state',
        'surface',
        'type',
        'version',
        'way',
      ].sort(),
    );
  });
});
