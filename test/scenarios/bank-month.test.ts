import { describe, expect, it } from 'vitest';
import { simulateBank } from '../bench/bank.ts';

/** Smaller than what is measured, so how often people are asked in a thousand jobs says nothing here: how often for a change does. */
const SMALL = { projects: 7, jobsPerProject: 7, pipelinesPerWorkday: 2, nightlyJobs: 1, watchedDays: 2, days: 30 };

describe('thirty days of a bank, after some of watching', () => {
  it('ask people once for what people changed, and for nothing else', { timeout: 180_000 }, async () => {
    const month = await simulateBank(SMALL);
    const told = [...month.causes].map(([cause, holds]) => `${holds} × ${cause}`).join(', ');
    expect(month.jobs).toBeGreaterThan(1_500);
    expect([...month.pairs], 'held although nobody had changed anything').toEqual([]);
    // A change shows at two refs where a job runs on two; GitLab's upgrade is answered once by the operator.
    expect(month.holds, told).toBeLessThan(month.changes * 1.3 + 5);
    expect(month.holds, told).toBeGreaterThan(month.changes / 3);
  });
});
