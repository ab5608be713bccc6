import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withScale, withSection } from '../bench/pages.ts';
import { atMost, type Section } from '../bench/report.ts';
import { createSteps } from '../bench/steps.ts';
import { ROOT } from '../support/source-files.ts';

const MACHINE = 'Measured 2026-11-22 14:00 UTC at commit 0123456: a machine.';
const section = (got: number): Section => ({
  title: 'The link',
  about: `What was done, ${got}.`,
  tables: [],
  aims: [atMost('push', 2, got, String)],
  notes: [],
});

describe('what a benchmark writes', () => {
  it('takes the place of what it wrote before, and leaves every other section as it is', () => {
    const page = '# Benchmarks\n\n## Start\n\nold start\n\n## Where the time goes, and more\n\nby hand\n';
    const once = withSection(page, section(1), MACHINE);
    expect(once.match(/^## .*$/gm)).toEqual(['## Start', '## The link', '## Where the time goes, and more']);
    expect(once).toContain('Measured apart from the rest, 2026-11-22 14:00 UTC');
    const twice = withSection(once, section(3), MACHINE);
    expect(twice.match(/^## .*$/gm)).toEqual(once.match(/^## .*$/gm));
    expect(twice).toContain('What was done, 3.');
    expect(twice).not.toContain('What was done, 1.');
    expect(twice).toContain('old start');
    expect(twice).toContain('by hand');
    expect(withSection(twice, section(3), MACHINE)).toBe(twice);
  });

  it('puts its aims between its own marks of a page, and changes no page without them', () => {
    const page = 'a\n<!-- scale link -->\nold\n<!-- /scale link -->\nb\n';
    const written = withScale(page, 'link', section(3), MACHINE);
    expect(written).toBe(
      `a\n<!-- scale link -->\n${MACHINE}\n\n| Aim | wanted | measured |  |\n| --- | ---: | ---: | ---: |\n| push | ≤ 2 | 3 | **missed** |\n<!-- /scale link -->\nb\n`,
    );
    expect(withScale(written, 'link', section(3), MACHINE)).toBe(written);
    expect(withScale(page, 'rows', section(3), MACHINE)).toBe(page);
  });

  it.each(['link', 'link-hubs', 'rows'])('has its marks for %s in the README', (name) => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect(withScale(readme, name, section(3), MACHINE)).toContain('| push | ≤ 2 | 3 | **missed** |');
  });
});

describe('steps of a long benchmark', () => {
  it('say that they begin and how they ended, and one that fails or takes too long takes no other with it', async () => {
    const said: string[] = [];
    const steps = createSteps((line) => said.push(line.replace(/[\d.]+ s/g, 'N s')), 60_000);
    expect(await steps.take('quick', 10_000, async () => 7)).toBe(7);
    expect(await steps.take('broken', 10_000, () => Promise.reject(new Error('no such table')))).toBeNull();
    expect(await steps.take('slow', 10, () => new Promise(() => {}))).toBeNull();
    expect(await steps.take('after', 10_000, async () => 8)).toBe(8);
    expect(steps.failures).toEqual(['broken: no such table', 'slow: not done within 0.01 s']);
    expect(said.slice(0, 4)).toEqual([
      '[N s] quick …',
      '[N s] quick: N s',
      '[N s] broken …',
      '[N s] broken: no such table',
    ]);
  });

  it('do not begin once the time for all of them is over', async () => {
    const steps = createSteps(() => {}, -1);
    let begun = false;
    expect(await steps.take('late', 10_000, async () => (begun = true))).toBeNull();
    expect(begun).toBe(false);
    expect(steps.failures).toEqual(['late: not begun, -0.001 s were over']);
  });
});
