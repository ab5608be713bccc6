import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/source-files.ts';
import { dice, mutate } from './mutate.ts';

/** Something that reads hostile input, and what must be true of it whatever it reads. */
export interface Target {
  readonly name: string;
  readonly seeds: readonly (string | Uint8Array)[];
  /** Words that mean something to it. */
  readonly words: readonly string[];
  /** Whether its input is JSON, so that changes may keep it JSON. */
  readonly json: boolean;
  /** Throws when something is not as it must be; the answer says in a word how the input was taken, and new answers are followed. */
  run(input: Buffer): string | Promise<string>;
}

/** What a run came to. */
export interface FuzzReport {
  readonly executions: number;
  /** Ways in which input was taken. */
  readonly ways: number;
}

/** Followed inputs are small, and not without end: a long run must fit in memory. */
const MAX_INPUT_BYTES = 64 * 1024;
const MAX_POOL = 2_000;

const folderOf = (target: Target): string => join(ROOT, 'test/fuzz/corpus', target.name);

/** Inputs of former findings and of ways that are hard to reach, kept in the tree. */
export function corpusOf(target: Target): Buffer[] {
  const folder = folderOf(target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
}

async function attempt(target: Target, input: Buffer): Promise<string> {
  try {
    return await target.run(input);
  } catch (error) {
    const name = `finding-${createHash('sha256').update(input).digest('hex').slice(0, 16)}`;
    mkdirSync(folderOf(target), { recursive: true });
    writeFileSync(join(folderOf(target), name), input);
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${target.name}: test/fuzz/corpus/${target.name}/${name} (${input.length} bytes): ${why}`);
  }
}

/** Runs what is kept, then changed inputs until the time is over; input that is taken in a new way is changed further. */
export async function fuzz(target: Target, forMs: number, seed: number): Promise<FuzzReport> {
  const seeds = [...target.seeds.map((each) => Buffer.from(each)), ...corpusOf(target)];
  const pool: Buffer[] = [...seeds];
  const ways = new Set<string>();
  let executions = 0;
  for (const input of seeds) {
    ways.add(await attempt(target, input));
    executions++;
  }
  const d = dice(seed);
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    // Half of the time what came last: it is the furthest.
    const from = d.int(2) === 0 ? pool[pool.length - 1 - d.int(Math.min(20, pool.length))]! : d.pick(pool);
    const input = mutate(from, d.pick(pool), d, target.words, target.json).subarray(0, MAX_INPUT_BYTES);
    const way = await attempt(target, input);
    executions++;
    if (!ways.has(way) && ways.size < 100_000) {
      ways.add(way);
      if (pool.length < MAX_POOL) pool.push(Buffer.from(input));
      else pool[seeds.length + d.int(pool.length - seeds.length)] = Buffer.from(input);
    }
    // The event loop must turn, for timers and for whoever waits.
    if (executions % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { executions, ways: ways.size };
}
