import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agentFolder, PROGRAM, startBenchAgent } from './agent-process.ts';
import { digits, duration, median, times } from './measure.ts';
import { residentMib, worker } from './processes.ts';
import { atMost, type Section } from './report.ts';

const ROUNDS = 11;
const AGENT_ROUNDS = 7;
/** What starting leaves behind has been collected by then. */
const IDLE_MS = 3_000;

function run(args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`);
  return performance.now() - start;
}

/** Time and memory to start. */
export async function benchStart(): Promise<Section> {
  const upstream = await worker('upstream');
  const gitlabPort = await upstream.ask<number>({ kind: 'listen' });
  await upstream.ask({ kind: 'queue' });
  const folder = agentFolder(gitlabPort);
  const empty = join(folder, 'empty.mjs');
  writeFileSync(empty, '');
  const commands: Readonly<Record<string, readonly string[]>> = {
    'node of an empty module': [empty],
    'holdpoint --help': [PROGRAM, '--help'],
    'holdpoint --version': [PROGRAM, '--version'],
    'holdpoint agent --help': [PROGRAM, 'agent', '--help'],
  };
  const seen = new Map<string, number[]>(Object.keys(commands).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const ms = run(args);
      if (round > 0) seen.get(name)!.push(ms);
    }
  }
  const ready: number[] = [];
  const idle: number[] = [];
  for (let round = 0; round < AGENT_ROUNDS; round++) {
    const agent = await startBenchAgent({ gitlabPort, folder });
    // The first one also makes keys and database.
    if (round > 0) ready.push(agent.readyMs);
    if (round >= AGENT_ROUNDS - 3) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      idle.push(residentMib([agent.pid]));
    }
    await agent.end();
  }
  const bare = median(seen.get('node of an empty module')!);
  const help = median(seen.get('holdpoint --help')!);
  const mib = (value: number) => `${digits(value)} MiB`;
  const rows = [...seen].map(([name, all]) => [name, duration(median(all)), times(median(all) / bare)]);
  rows.push(['holdpoint agent, until ready', duration(median(ready)), times(median(ready) / bare)]);
  return {
    title: 'Start',
    about: `Medians of ${ROUNDS} starts in turns (agent: ${AGENT_ROUNDS - 1}, on a folder that has its keys and database). Idle memory ${IDLE_MS / 1000} s after ready.`,
    tables: [{ caption: 'Time to start:', head: ['', 'time', '… of bare Node'], rows }],
    aims: [
      atMost('--help against bare Node', 1.3, help / bare, times),
      atMost('agent ready', 400, median(ready), duration),
      atMost('agent idle', 110, median(idle), mib),
    ],
    notes: [],
  };
}
