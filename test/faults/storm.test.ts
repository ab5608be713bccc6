/** One short storm of a fixed seed over real processes; `npm run faults` has the long ones, and other seeds. */
import { expect, it } from 'vitest';
import { runRound } from './round.ts';

it('a storm of a fixed seed breaks no rule: nothing is lost, runs twice or unapproved, and all comes to rest', async () => {
  const shape = { store: 'sqlite', hubs: 1, agents: 2, tls: true } as const;
  const { violations, steps, injected, outcomes, history } = await runRound({
    seed: 20,
    shape,
    stormMs: 14_000,
    faults: 14,
  });
  expect(violations, `seed 20, ${JSON.stringify(steps)}`).toEqual([]);
  // Else it would prove nothing.
  expect(Object.values(injected).reduce((a, b) => a + b, 0)).toBeGreaterThan(9);
  expect(outcomes['handed over, success'] ?? 0).toBeGreaterThan(5);
  expect(history.asked.filter(({ answer }) => answer === 'taken').length).toBeGreaterThan(5);
}, 180_000);
