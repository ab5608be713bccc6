import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { gatewayTarget, linkTarget } from './sockets.ts';

/** Minutes for each target; without it a second and a half, so that the suite stays quick. */
const MINUTES = Number(process.env.HOLDPOINT_FUZZ_MINUTES ?? 0);
const FOR_MS = MINUTES > 0 ? MINUTES * 60_000 : 1_500;
const SEED = MINUTES > 0 ? Date.now() : 1;

it.each([
  [
    'T3 T46 T47 whatever is written to the gateway, GitLab is asked only for what is on the list, and never for a terminal',
    gatewayTarget,
  ],
  ['T27 T29 T30 whatever an agent sends, the hub answers or closes, and nothing is approved by it', linkTarget],
])('%s', { timeout: FOR_MS + 60_000 }, async (_, start) => {
  const target = await start();
  try {
    const report = await fuzz(target, FOR_MS, SEED);
    if (MINUTES > 0) console.log(`${target.name}: ${report.executions} executions, ${report.ways} ways, seed ${SEED}`);
    expect(report.executions).toBeGreaterThan(target.seeds.length);
    expect(report.ways).toBeGreaterThan(1);
  } finally {
    await target.close();
  }
});
