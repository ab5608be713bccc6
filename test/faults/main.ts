import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endAll, stormApart } from './lanes.ts';
import { tryMutants } from './mutants.ts';
import { reportOf } from './report.ts';
import { type Round, type RoundOptions, runRound } from './round.ts';
import { FAULTS, type FaultKind, type Shape } from './schedule.ts';
import { shrunk } from './shrink.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    store: { type: 'string' },
    only: { type: 'string' },
    faults: { type: 'string', default: '54' },
    storm: { type: 'string', default: '45' },
    side: { type: 'string' },
    into: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    tests: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const only = values.only?.split(',').map((kind) => kind.trim()) as FaultKind[] | undefined;
for (const kind of only ?? []) if (!(kind in FAULTS)) throw new Error(`there is no fault ${kind}`);

/** What a seed stands for: its world changes with it, so that a long run meets all of them. */
function roundOf(seed: number): RoundOptions {
  const store = (values.store ?? (seed % 2 === 0 ? 'sqlite' : 'postgres')) as Shape['store'];
  const shape: Shape = { store, hubs: store === 'postgres' ? 2 : 1, agents: 2 + (seed % 2), tls: seed % 3 !== 1 };
  const evidence = join(process.cwd(), 'dist-faults', `seed-${seed}`);
  rmSync(evidence, { recursive: true, force: true });
  mkdirSync(evidence, { recursive: true });
  const from = Date.now();
  const tell = (line: string): void =>
    void process.stderr.write(`  ${((Date.now() - from) / 1_000).toFixed(1)} s: ${line}\n`);
  return {
    seed,
    shape,
    stormMs: Number(values.storm) * 1_000,
    faults: Number(values.faults),
    ...(only === undefined ? {} : { only }),
    evidence,
    ...(values.verbose ? { tell } : {}),
  };
}

/** Half an hour at most: then what is left is small enough to be read. */
const SHRINK_MS = 30 * 60_000;

async function minimal(options: RoundOptions, { steps, violations }: Round): Promise<void> {
  const rules = new Set(violations.map(({ rule }) => rule));
  const breaks = async (part: RoundOptions['steps'] & object) => {
    const again = await runRound({ ...options, steps: part });
    return again.violations.some(({ rule }) => rules.has(rule));
  };
  const left = await shrunk(steps, breaks, { within: SHRINK_MS });
  say(`seed ${options.seed}, shrunk from ${steps.length} faults to ${left.length}:`);
  for (const { at, kind, target, forMs, amount } of left)
    say(`  at ${at} ms: ${kind}, target ${target}, for ${forMs} ms, amount ${amount}`);
}

function restOf({ restMs, restWallMs }: Round['history']): string {
  if (restMs === null || restWallMs === null) return 'more than its time';
  return `${(restMs / 1_000).toFixed(1)} s (${(restWallMs / 1_000).toFixed(1)} s by the wall)`;
}

function tellOf({ options, injected, history, violations }: Round): void {
  const count = Object.values(injected).reduce((a, b) => a + b, 0);
  const { store, tls, hubs, agents } = options.shape;
  const world = `${store}, ${hubs} hub${hubs > 1 ? 's' : ''}, ${agents} agents${tls ? ', TLS' : ''}`;
  say(
    `seed ${options.seed} (${world}): ${count} faults, ${history.queued.length} jobs, at rest after ${restOf(history)}, ${violations.length === 0 ? 'every rule kept' : 'BROKEN'}`,
  );
  for (const { rule, words } of violations) say(`  BROKEN ${rule}: ${words}`);
  if (violations.length === 0) return;
  say(`  what was said and done: ${options.evidence}`);
  say(`  again: npm run faults -- --minutes 0 --seed ${options.seed} ${shared().join(' ')}`);
}

/** What a storm of a process of its own has to be told of this command, and what runs it again. */
const shared = (): readonly string[] => [
  ...['--storm', values.storm, '--faults', values.faults],
  ...(values.store === undefined ? [] : ['--store', values.store]),
  ...(values.only === undefined ? [] : ['--only', values.only]),
];

/** One storm, here; what came of it goes to a file, but for the audit, which was looked at. */
async function oneInto(file: string): Promise<boolean> {
  const round = await runRound(roundOf(Number(values.seed)));
  writeFileSync(file, JSON.stringify({ ...round, history: { ...round.history, audit: [] } }));
  return true;
}

async function storms(): Promise<boolean> {
  const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  const minutes = Number(values.minutes);
  // Most of a storm is waiting: two share the cores of a small machine.
  const side = Number(values.side ?? (minutes > 1 ? 2 : 1));
  const from = Date.now();
  const rounds: Round[] = [];
  const lost: number[] = [];
  let seed = first;
  const lane = async (): Promise<void> => {
    while (seed === first || Date.now() < from + minutes * 60_000) {
      const mine = seed++;
      const more = values.verbose ? ['--verbose'] : [];
      const into = join(process.cwd(), 'dist-faults', `round-${mine}.json`);
      const round = await stormApart(['--seed', String(mine), ...shared(), ...more], into);
      if (round === null) {
        lost.push(mine);
        say(`seed ${mine}: the storm did not come to its end`);
        continue;
      }
      rounds.push(round);
      tellOf(round);
      if (round.violations.length > 0 && values.shrink) await minimal(roundOf(mine), round);
    }
  };
  await Promise.all(Array.from({ length: side }, lane));
  if (rounds.length > 0) say(reportOf(rounds));
  say(`${((Date.now() - from) / 60_000).toFixed(1)} minutes, ${side} storm${side > 1 ? 's' : ''} at a time`);
  if (lost.length > 0) say(`BROKEN: storms of seeds ${lost.join(', ')} did not come to their end`);
  return lost.length === 0 && rounds.every(({ violations }) => violations.length === 0);
}

async function mutants(): Promise<boolean> {
  say('| part | taken out | rule that a storm found broken | test that failed |');
  say('| --- | --- | --- | --- |');
  const caught = await tryMutants(say, { only: values.mutant ?? null, storms: !values.tests });
  const missed = caught.filter(({ storm, test }) => storm === null && test === null);
  for (const { mutant } of missed) say(`MISSED: ${mutant.name}`);
  say(`${caught.length} mutants, ${caught.length - missed.length} caught`);
  return missed.length === 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    endAll();
    process.exit(1);
  });
const isMutants = values.mutants || values.mutant !== undefined;
const fine = await (values.into !== undefined ? oneInto(values.into) : isMutants ? mutants() : storms());
process.exit(fine ? 0 : 1);
