import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/source-files.ts';
import { MUTANTS } from './mutant-table.ts';
import { mutated } from './mutants.ts';
import type { Step } from './schedule.ts';
import { shrunk } from './shrink.ts';

const step = (at: number): Step => ({ at, kind: 'agent killed', target: 0, forMs: 0, amount: 0 });

describe('shrinking', () => {
  it('finds the two faults that break a rule together, among forty', async () => {
    const steps = Array.from({ length: 40 }, (_, at) => step(at));
    const breaks = async (part: readonly Step[]) => [7, 31].every((at) => part.some((one) => one.at === at));
    expect((await shrunk(steps, breaks)).map(({ at }) => at)).toEqual([7, 31]);
  });

  it('tries more than once what does not break at once, and stops when its time is over', async () => {
    let asked = 0;
    const moody = async (part: readonly Step[]) => part.some(({ at }) => at === 3) && ++asked % 2 === 0;
    expect((await shrunk([0, 1, 2, 3, 4, 5].map(step), moody)).map(({ at }) => at)).toEqual([3]);
    let clock = 0;
    const slow = async () => {
      clock += 60;
      return true;
    };
    const left = await shrunk(
      Array.from({ length: 64 }, (_, at) => step(at)),
      slow,
      { within: 100, now: () => clock },
    );
    expect(left.length).toBe(16);
  });
});

describe('the mutants', () => {
  it.each(MUTANTS)('$name: its line stands once in $file', (mutant) => {
    const source = readFileSync(join(ROOT, mutant.file), 'utf8');
    expect(mutated(mutant, source)).not.toBe(source);
    for (const test of mutant.tests) expect(readFileSync(join(ROOT, test), 'utf8').length).toBeGreaterThan(0);
  });

  it('are of every part that decides', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(10);
    expect(new Set(MUTANTS.map(({ part }) => part)).size).toBe(7);
  });
});
