import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
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
    faults: { type: 'string', default: '36' },
    storm: { type: 'string', default: '30' },
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

async function storms(): Promise<boolean> {
  const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  const end = Date.now() + Number(values.minutes) * 60_000;
  const rounds: Round[] = [];
  for (let seed = first; rounds.length === 0 || Date.now() < end; seed++) {
    const options = roundOf(seed);
    const round = await runRound(options);
    rounds.push(round);
    const injected = Object.values(round.injected).reduce((a, b) => a + b, 0);
    const { store, tls, hubs, agents } = options.shape;
    const world = `${store}, ${hubs} hub${hubs > 1 ? 's' : ''}, ${agents} agents${tls ? ', TLS' : ''}`;
    say(
      `seed ${seed} (${world}): ${injected} faults, ${round.history.queued.length} jobs, at rest after ${((round.history.restMs ?? Number.NaN) / 1_000).toFixed(1)} s, ${round.violations.length === 0 ? 'every rule kept' : 'BROKEN'}`,
    );
    for (const { rule, words } of round.violations) say(`  BROKEN ${rule}: ${words}`);
    if (round.violations.length > 0) {
      say(`  what was said and done: ${options.evidence}`);
      say(`  again: npm run faults -- --minutes 0 --seed ${seed} --storm ${values.storm} --faults ${values.faults}`);
      if (values.shrink) await minimal(options, round);
    }
  }
  say(reportOf(rounds));
  return rounds.every(({ violations }) => violations.length === 0);
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

const fine = values.mutants || values.mutant !== undefined ? await mutants() : await storms();
process.exit(fine ? 0 : 1);
