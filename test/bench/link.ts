import { type Broker, broker } from './brokers.ts';
import { type BenchHub, enrolAll, type HubFolder, hubFolder, startBenchHub, voterTokens } from './link-hub.ts';
import {
  type Crowd,
  crowdOf,
  type DecisionTimes,
  decisions,
  type Listeners,
  listeners,
  rawPushes,
  spreadMicros,
  until,
} from './link-measures.ts';
import { digits, duration, median, percentile, times } from './measure.ts';
import { cpuSeconds, residentMib, type Worker, worker } from './processes.ts';
import type { RawQuestion } from './raw-ws.ts';
import { type Aim, atMost, type Section, type Table } from './report.ts';
import { type Storm, storm, stormTables } from './storm.ts';

/** Agents that are linked at the same time, step by step; `HOLDPOINT_BENCH_AGENTS=200,1000` for a quick look. */
export const LEVELS: readonly number[] = (process.env.HOLDPOINT_BENCH_AGENTS ?? '1000,5000,10000')
  .split(',')
  .map(Number);
/** Decisions and pushes at each step. */
export const VOTES = 250;
/** What connecting leaves behind has been collected by then, and everybody has been pinged. */
const SETTLE_MS = 20_000;
const QUICK_SETTLE_MS = 3_000;
const BROADCAST_MS = 60_000;
const KIB = 1_024;

/** At a step with few agents nobody waits for the memory of thousands. */
export const settle = (agents: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, agents >= 5_000 ? SETTLE_MS : QUICK_SETTLE_MS));

interface Level extends DecisionTimes {
  readonly agents: number;
  readonly comeMs: number;
  /** Resident, after a collection of garbage before and after the step. */
  readonly hubKib: number;
  /** Of that what objects and buffers take. */
  readonly liveKib: number;
  /** Resident as it was found. */
  readonly foundKib: number;
  readonly rawKib: number;
  readonly idleCpu: number;
  readonly raw: readonly number[];
}
interface Broadcast {
  readonly name: string;
  readonly micros: number;
  readonly cpuMicros: number;
}

/** Seconds of the processor per second, over some seconds in which nobody asks anything. */
async function idleCpu(pid: number): Promise<number> {
  const [before, began] = [cpuSeconds([pid]), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  return ((cpuSeconds([pid]) - before) * 1000) / (performance.now() - began);
}

/** One message to all `count` that listen, told by how they heard it and what the server worked for it. */
async function broadcast(
  name: string,
  pid: number,
  count: number,
  publish: () => void,
  heard: () => Promise<readonly string[]>,
): Promise<Broadcast> {
  const before = cpuSeconds([pid]);
  publish();
  const at = await until(heard, (all) => all.length >= count, BROADCAST_MS);
  // What comes after the last frame, as acknowledgements do, is work for the same message.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const cpuMicros = ((cpuSeconds([pid]) - before) * 1e6) / count;
  const sorted = [...at].sort((a, b) => Number(BigInt(a) - BigInt(b))).slice(0, count);
  return { name, micros: spreadMicros(sorted), cpuMicros };
}

async function ofBroker(which: Broker, count: number, text: string): Promise<Broadcast> {
  const clients = await listeners();
  await clients.subscribe(which.name, which.port, count);
  await clients.forgetHeard();
  const at = async () => (await clients.heard()).map((each) => each.at);
  const found = await broadcast(which.name, which.pid, count, () => which.publish(text), at);
  await clients.end();
  return found;
}

interface Scene {
  readonly folder: HubFolder;
  readonly hub: BenchHub;
  readonly crowd: Crowd;
  readonly voters: readonly string[];
  readonly raw: { readonly server: Worker; readonly port: number; readonly clients: Listeners };
}

async function measure({ hub, crowd, voters, raw }: Scene, agents: number, before: number): Promise<Level> {
  await settle(0);
  const found = residentMib([hub.pid]);
  const { liveBytes } = await hub.noted();
  const base = { hub: residentMib([hub.pid]), raw: residentMib([raw.server.pid]) };
  const began = performance.now();
  await crowd.come(agents, hub);
  const comeMs = performance.now() - began;
  await raw.clients.subscribe('ws', raw.port, agents - before);
  await settle(agents);
  const each = (much: number): number => much / (agents - before);
  const foundKib = each((residentMib([hub.pid]) - found) * KIB);
  const rawKib = ((residentMib([raw.server.pid]) - base.raw) * KIB) / (agents - before);
  const idle = await idleCpu(hub.pid);
  const liveKib = each(((await hub.noted()).liveBytes - liveBytes) / KIB);
  const hubKib = each((residentMib([hub.pid]) - base.hub) * KIB);
  const holds = await crowd.ask(agents - Math.min(VOTES, agents - before), agents);
  const half = Math.floor(VOTES / 2);
  const first = await rawPushes(raw.server, raw.clients, agents, half);
  const { decision, push } = await decisions(hub, crowd, holds, voters);
  const second = await rawPushes(raw.server, raw.clients, agents, VOTES - half);
  const memory = { hubKib, liveKib, foundKib, rawKib };
  return { agents, comeMs, ...memory, idleCpu: idle, decision, push, raw: [...first, ...second] };
}

async function broadcasts({ folder, hub, crowd, raw }: Scene, agents: number, notes: string[]): Promise<Broadcast[]> {
  await crowd.forgetHeard();
  const heard = async () => (await crowd.heard()).at;
  const ours = await broadcast('hub: signed snapshots', hub.pid, agents, folder.changePolicy, heard);
  const { bytes } = await crowd.heard();
  const text = JSON.stringify({ n: 0, text: 'x'.repeat(Math.max(0, bytes - 20)) });
  await raw.clients.forgetHeard();
  const found = [ours];
  const rawHeard = async () => (await raw.clients.heard()).map(({ at }) => at);
  const send = () => void raw.server.ask({ kind: 'broadcast', text } satisfies RawQuestion);
  found.push(await broadcast('raw ws', raw.server.pid, agents, send, rawHeard));
  for (const name of ['redis', 'nats'] as const) {
    const which = await broker(name);
    if (which === null)
      notes.push(`${name}-server is not installed here: not compared. \`apt-get install ${name}-server\``);
    else found.push(await ofBroker(which, agents, text));
  }
  notes.push(`A message of the broadcast has ${digits(bytes)} bytes.`);
  return found;
}

/** A hub of the built program with more and more agents linked, on SQLite. */
export async function benchLink(): Promise<Section> {
  const most = LEVELS.at(-1)!;
  const folder = await hubFolder('sqlite');
  await enrolAll('sqlite', folder, most);
  const server = await worker('raw-ws');
  const port = await server.ask<number>({ kind: 'listen' });
  const clients = await listeners();
  const hub = await startBenchHub(folder);
  const voters = await voterTokens(hub.url, hub.bootstrapToken ?? '');
  const scene: Scene = { folder, hub, crowd: await crowdOf(), voters, raw: { server, port, clients } };
  const levels: Level[] = [];
  const notes: string[] = [];
  for (const agents of LEVELS) levels.push(await measure(scene, agents, levels.at(-1)?.agents ?? 0));
  const heard = await broadcasts(scene, most, notes);
  await clients.end();
  await server.end();
  const came = await storm(scene, most);
  return section(levels, heard, came, notes);
}

const ratioOf = (values: readonly number[], baseline: readonly number[], share: number): number =>
  percentile(values, share) / percentile(baseline, share);
const kib = (value: number): string => `${digits(value)} KiB`;

function levelTable(levels: readonly Level[]): Table {
  return {
    caption: 'With so many agents linked:',
    head: [
      'agents',
      'memory of the hub, each further one',
      '… its objects',
      '… of raw ws',
      'idle CPU',
      'push p50',
      '… of raw ws',
      'push p99',
      '… of raw ws',
      'decision → agent p50',
      'p99',
    ],
    rows: levels.map((level) => [
      digits(level.agents),
      kib(level.hubKib),
      kib(level.liveKib),
      kib(level.rawKib),
      `${(level.idleCpu * 100).toFixed(1)} %`,
      duration(median(level.push)),
      times(ratioOf(level.push, level.raw, 0.5)),
      duration(percentile(level.push, 0.99)),
      times(ratioOf(level.push, level.raw, 0.99)),
      duration(median(level.decision)),
      duration(percentile(level.decision, 0.99)),
    ]),
  };
}

function broadcastTable(found: readonly Broadcast[], agents: number): Table {
  const against = found.find(({ name }) => name === 'redis') ?? found.find(({ name }) => name === 'raw ws');
  return {
    caption: `One message to ${digits(agents)}, for each of them:`,
    head: ['', 'between two that hear it', `… of ${against?.name}`, 'CPU of the server', `… of ${against?.name}`],
    rows: found.map(({ name, micros, cpuMicros }) => [
      name,
      `${digits(micros)} µs`,
      times(micros / (against?.micros ?? Number.NaN)),
      `${digits(cpuMicros)} µs`,
      times(cpuMicros / (against?.cpuMicros ?? Number.NaN)),
    ]),
  };
}

function aimsOf(levels: readonly Level[], heard: readonly Broadcast[], came: Storm): Aim[] {
  const last = levels.at(-1)!;
  const middle = levels.at(-2) ?? last;
  const named = (name: string) => heard.find((each) => each.name === name)?.micros ?? Number.NaN;
  const ours = heard[0]!.micros;
  const redis = named('redis');
  return [
    atMost(`memory of the hub for a further idle agent, up to ${digits(last.agents)}`, 25, last.hubKib, kib),
    atMost(`push p50 against raw ws, ${digits(last.agents)}`, 2, ratioOf(last.push, last.raw, 0.5), times),
    atMost(`push p99 against raw ws, ${digits(last.agents)}`, 2, ratioOf(last.push, last.raw, 0.99), times),
    atMost(`decision to agent p99, ${digits(middle.agents)}, SQLite`, 25, percentile(middle.decision, 0.99), duration),
    ...(Number.isFinite(redis) ? [atMost('a broadcast for each agent against Redis', 1.3, ours / redis, times)] : []),
    atMost(`all ${digits(came.agents)} back after a hub was killed`, 60, came.answeredS, (s) => `${digits(s)} s`),
    atMost('questions lost by that', 0, came.left, String),
  ];
}

function section(
  levels: readonly Level[],
  heard: readonly Broadcast[],
  came: Storm,
  notes: readonly string[],
): Section {
  const last = levels.at(-1)!;
  return {
    title: 'The link: one hub and its agents',
    about:
      'One `holdpoint hub` of the built program on SQLite, and agents that are the agent’s own end of the link, each with its own key, in two other processes; ' +
      `beside it a server of ws alone with as many connections. Push: from the commit of a vote to the frame at the one agent, ${VOTES} times; raw ws: the same bytes to one connection. ` +
      'Decision → agent: from the approver’s HTTP request, the durable write included, to the frame at the agent.',
    tables: [levelTable(levels), broadcastTable(heard, last.agents), ...stormTables(came)],
    aims: aimsOf(levels, heard, came),
    notes: [
      'Memory is what is resident more after the step than before it, both after a collection of garbage that the bench asks for.',
      ...levels.map(
        ({ agents, comeMs, raw, foundKib }) =>
          `${digits(agents)} were linked, one after the other with 64 on their way, after ${duration(comeMs)} for this step, and the hub took ${kib(foundKib)} for each before that collection; raw ws pushes in ${duration(median(raw))} / ${duration(percentile(raw, 0.99))} (p50 / p99).`,
      ),
      ...notes,
    ],
  };
}
