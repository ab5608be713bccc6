import { startPostgres } from '../support/postgres.ts';
import { LEVELS, settle, VOTES } from './link.ts';
import { type BenchHub, enrolAll, type HubFolder, hubFolder, startBenchHub, voterTokens } from './link-hub.ts';
import { type Crowd, crowdOf, type DecisionTimes, decisions } from './link-measures.ts';
import { digits, duration, median, percentile, times } from './measure.ts';
import { atEnd, cpuSeconds } from './processes.ts';
import { atMost, type Section } from './report.ts';

/** Agents of this bench: the step in the middle of the other. */
const AGENTS = LEVELS.at(-2) ?? LEVELS.at(-1)!;
/** Each way has agents of its own: a job that was released once passes from then on. */
const EACH = Math.min(VOTES, Math.floor(AGENTS / 4));

interface Way extends DecisionTimes {
  readonly name: string;
}

/** What one hub works for its agents while nobody asks anything, in shares of a core. */
async function idle(pid: number): Promise<number> {
  const [before, began] = [cpuSeconds([pid]), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  return ((cpuSeconds([pid]) - before) * 1000) / (performance.now() - began);
}

async function ofOne(hub: BenchHub, crowd: Crowd, voters: readonly string[]): Promise<Way> {
  const holds = await crowd.ask(AGENTS - EACH, AGENTS);
  return { name: 'one hub', ...(await decisions(hub, crowd, holds, voters)) };
}

/** Half of the agents at each hub; all votes at the first. */
async function ofTwo(
  [hub, other]: readonly [BenchHub, BenchHub],
  voters: readonly string[],
): Promise<{ readonly ways: readonly Way[]; readonly idle: number }> {
  const half = Math.floor(AGENTS / 2);
  const [here, there] = [await crowdOf(), await crowdOf()];
  await here.come(half, hub);
  await there.come(AGENTS, other, half);
  await settle(AGENTS);
  const share = (await Promise.all([idle(hub.pid), idle(other.pid)])).reduce((sum, each) => sum + each, 0);
  const near = await here.ask(0, EACH);
  const far = await there.ask(half, half + EACH);
  const ways = [
    { name: 'two hubs, agent at the hub of the vote', ...(await decisions(hub, here, near, voters)) },
    { name: 'two hubs, agent at the other (NOTIFY)', ...(await decisions(hub, there, far, voters)) },
  ];
  await Promise.all([here.end(), there.end()]);
  return { ways, idle: share };
}

/** Decisions on PostgreSQL: with one hub, and with two on one database. */
export async function benchLinkHubs(): Promise<Section> {
  const postgres = await startPostgres({ durable: true });
  atEnd(() => void postgres.remove());
  const { url } = await postgres.database();
  const folder: HubFolder = await hubFolder(url);
  await enrolAll(url, folder, AGENTS);
  const hub = await startBenchHub(folder);
  const voters = await voterTokens(hub.url, hub.bootstrapToken ?? '');
  const crowd = await crowdOf();
  await crowd.come(AGENTS, hub);
  await settle(AGENTS);
  const alone = await idle(hub.pid);
  const one = await ofOne(hub, crowd, voters);
  await crowd.end();
  const other = await startBenchHub(await hubFolder(url, folder));
  const two = await ofTwo([hub, other], voters);
  await Promise.all([hub.kill('SIGTERM'), other.kill('SIGTERM')]);
  const ways = [one, ...two.ways];
  return {
    title: 'The link on PostgreSQL: one hub, and two on one database',
    about:
      `${digits(AGENTS)} agents as above; a PostgreSQL of its own with synchronous commits on the same machine, hubs of the built program. ` +
      'With two hubs half of the agents are linked to each, and all votes are given at one: what it decides for agents of the other goes to them through NOTIFY.',
    tables: [
      {
        caption: 'Decision → agent:',
        head: ['', 'p50', '… of one hub', 'p99', '… of one hub', 'push p50', 'push p99'],
        rows: ways.map(({ name, decision, push }) => [
          name,
          duration(median(decision)),
          times(median(decision) / median(one.decision)),
          duration(percentile(decision, 0.99)),
          times(percentile(decision, 0.99) / percentile(one.decision, 0.99)),
          duration(median(push)),
          duration(percentile(push, 0.99)),
        ]),
      },
    ],
    aims: [
      atMost(`decision to agent p99, ${digits(AGENTS)}, PostgreSQL`, 25, percentile(one.decision, 0.99), duration),
      atMost(
        `decision to agent p99, ${digits(AGENTS)}, at the other of two hubs`,
        25,
        percentile(two.ways[1]!.decision, 0.99),
        duration,
      ),
    ],
    notes: [
      `With nobody asking anything one hub takes ${(alone * 100).toFixed(1)} % of a core for these agents, two take ${(two.idle * 100).toFixed(1)} % together.`,
      'Push: from the commit to the frame at the agent; between two hubs there is no one clock for it, since the commit is the one’s and the frame the other’s.',
    ],
  };
}
