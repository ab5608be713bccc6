import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runRound } from './round.ts';
import { FAULTS, type FaultKind, type Shape } from './schedule.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    store: { type: 'string' },
    only: { type: 'string' },
    faults: { type: 'string', default: '28' },
    storm: { type: 'string', default: '25' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
const only = values.only?.split(',').map((kind) => kind.trim()) as FaultKind[] | undefined;
for (const kind of only ?? []) if (!(kind in FAULTS)) throw new Error(`there is no fault ${kind}`);
const end = Date.now() + Number(values.minutes) * 60_000;
let failed = 0;
for (let seed = first, n = 0; n === 0 || Date.now() < end; seed++, n++) {
  const store = (values.store ?? (seed % 2 === 0 ? 'sqlite' : 'postgres')) as Shape['store'];
  const shape: Shape = { store, hubs: store === 'postgres' ? 2 : 1, agents: 2, tls: seed % 3 === 0 };
  const evidence = join(process.cwd(), 'dist-faults', `seed-${seed}`);
  mkdirSync(evidence, { recursive: true });
  const from = Date.now();
  const round = await runRound({
    seed,
    shape,
    stormMs: Number(values.storm) * 1_000,
    faults: Number(values.faults),
    ...(only === undefined ? {} : { only }),
    evidence,
  });
  const injected = Object.values(round.injected).reduce((a, b) => a + b, 0);
  say(
    `seed ${seed} ${store}${shape.tls ? ' tls' : ''}: ${injected} faults, ${round.history.queued.length} jobs ${JSON.stringify(round.outcomes)}, ${round.history.asked.length} asked, rest after ${round.history.restMs} ms, ${JSON.stringify(round.shuffled)}, ${Date.now() - from} ms`,
  );
  for (const { rule, words } of round.violations) say(`  BROKEN ${rule}: ${words}`);
  failed += round.violations.length;
}
process.exit(failed === 0 ? 0 : 1);
