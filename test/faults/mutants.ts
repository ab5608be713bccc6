import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MUTANTS, type Mutant } from './mutant-table.ts';
import { runRound } from './round.ts';
import type { FaultKind } from './schedule.ts';

/** How a mutant was missed: the rule that a storm found broken, or the test that failed; null: by nobody. */
export interface Caught {
  readonly mutant: Mutant;
  readonly storm: string | null;
  readonly test: string | null;
}

const ROOT = process.cwd();

/** The source with the check taken out; throws where it does not stand there exactly once. */
export function mutated({ file, find, put, name }: Mutant, source: string): string {
  const [before, after, ...more] = source.split(find);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${name}: ${file} does not have its line exactly once`);
  return before + put + after;
}

/** A tree of its own with the mutant in it, compiled, without the page. */
function treeOf(mutant: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-mutant-'));
  for (const part of ['agent', 'policy', 'test', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const file = join(folder, mutant.file);
  writeFileSync(file, mutated(mutant, readFileSync(file, 'utf8')));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  // Types may be broken by a mutant; what counts is what runs.
  spawnSync(process.execPath, [tsc, '-p', 'agent/tsconfig.build.json', '--noEmitOnError', 'false'], { cwd: folder });
  if (!existsSync(join(folder, 'dist/agent/src/main.js'))) throw new Error(`${mutant.name}: it does not compile`);
  return folder;
}

/** Without the clock and the disk: what those bring is told apart less surely from what a mutant brings. */
const PLAIN: readonly FaultKind[] = [
  'agent killed',
  'hub killed',
  'runner killed',
  'runner rests',
  'link partition',
  'link deaf',
  'link cut',
  'link shuffled',
  'gitlab nonsense',
  'runner cut',
];

/** Takes one check after the other out, lets a storm rage over what is left, and runs the tests that are named for it. */
export async function tryMutants(
  say: (line: string) => void,
  { only, storms }: { readonly only: string | null; readonly storms: boolean },
): Promise<readonly Caught[]> {
  const out: Caught[] = [];
  for (const mutant of MUTANTS.filter(({ name }) => only === null || name.includes(only))) {
    const folder = treeOf(mutant);
    try {
      const program = join(folder, 'dist/agent/src/main.js');
      const shape = { store: 'sqlite', hubs: 1, agents: 2, tls: false } as const;
      const raged = storms && runRound({ seed: 11, shape, stormMs: 18_000, faults: 10, only: PLAIN, program });
      const storm = raged === false ? null : ((await raged).violations[0]?.rule ?? null);
      const vitest = join(folder, 'node_modules/vitest/vitest.mjs');
      const args = [
        vitest,
        'run',
        '--config',
        'test/vitest.config.ts',
        '--project',
        'alone',
        '--project',
        'shared',
        '--maxWorkers',
        '1',
      ];
      let test: string | null = null;
      for (const file of mutant.tests) {
        if (spawnSync(process.execPath, [...args, file], { cwd: folder, stdio: 'ignore' }).status === 0) continue;
        test = file;
        break;
      }
      out.push({ mutant, storm, test });
      say(`| ${mutant.part} | ${mutant.name} | ${storm ?? '–'} | ${test ?? '–'} |`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return out;
}
