import { approve, type BenchAgent, RUNNER_TOKEN, startBenchAgent } from './agent-process.ts';
import { diskNote, MEMORY_FOLDER } from './disk.ts';
import type { Fill, Steady, SteadyResult } from './load.ts';
import { digits, duration, median, times } from './measure.ts';
import { type Nginx, startNginx } from './nginx.ts';
import { cpuSeconds, type Worker, worker } from './processes.ts';
import { type Aim, atLeast, atMost, type Section, type Table } from './report.ts';

const CONNECTIONS = [1, 32, 256] as const;
const ROUNDS = 2;
const ROUND_MS = 800;
/** A gated job costs more than a request: fewer of them make a round. */
const JOB_ROUND_MS = 1_000;

type Way = 'direct' | 'nginx' | 'gateway' | 'gateway, disk in memory';
type Kind = Steady['kind'];
const WHAT: Readonly<Record<Kind, string>> = {
  put: 'PUT of a job’s state',
  patch: 'PATCH of its log (1 KB)',
  job: 'poll that is answered with a job of 20 KB',
};

interface Cell {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of processor time of the proxy per timed request. */
  readonly cpu: number;
}

/** Opens the gate for the job of the benchmark: it is held once, approved, and every one after it passes. */
export async function openGate(agent: BenchAgent, upstream: Worker, load: Worker): Promise<void> {
  const noted = new Promise<number>((resolve) => {
    upstream.onEvent((event) => {
      if (event.event === 'note') resolve(Number(event.hold));
    });
  });
  const ask: Fill = { kind: 'fill', port: agent.gatewayPort, connections: 1, polls: 1, runnerToken: RUNNER_TOKEN };
  const statuses = await load.ask<Record<number, number>>(ask);
  if (statuses[204] !== 1) throw new Error(`the first job was not held: ${JSON.stringify(statuses)}`);
  await approve(agent.hubUrl, await agent.token('maria'), await noted);
}

async function measured(load: Worker, wanted: Steady, pids: readonly number[]): Promise<Cell> {
  const before = cpuSeconds(pids);
  const result = await load.ask<SteadyResult>(wanted);
  const warm = wanted.warm * wanted.connections;
  const cpu = ((cpuSeconds(pids) - before) * 1e6) / (result.count + warm);
  if (result.odd > 0) throw new Error(`${result.odd} of ${result.count} requests were answered with another status`);
  return { perSecond: result.perSecond, p50: result.p50, p99: result.p99, cpu };
}

function middle(cells: readonly Cell[]): Cell {
  const of = (pick: (cell: Cell) => number) => median(cells.map(pick));
  return { perSecond: of((c) => c.perSecond), p50: of((c) => c.p50), p99: of((c) => c.p99), cpu: of((c) => c.cpu) };
}

type Results = Map<string, Cell>;
/** An agent like the other, whose folder costs no disk. */
async function agentIn(folder: string, gitlabPort: number): Promise<BenchAgent> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    return await startBenchAgent({ gitlabPort });
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

const key = (kind: Kind, connections: number, way: Way) => `${kind} ${connections} ${way}`;

function tableOf(kind: Kind, ways: readonly Way[], results: Results): Table {
  const rows = CONNECTIONS.flatMap((connections) =>
    ways.flatMap((way) => {
      const cell = results.get(key(kind, connections, way));
      if (cell === undefined) return [];
      const direct = results.get(key(kind, connections, 'direct'))!;
      const nginx = results.get(key(kind, connections, 'nginx'));
      const against = (pick: (c: Cell) => number) => (nginx === undefined ? '–' : times(pick(cell) / pick(nginx)));
      const added = (pick: (c: Cell) => number) =>
        way === 'direct' ? '–' : duration(Math.max(0, pick(cell) - pick(direct)));
      return [
        [
          `${connections} × ${way}`,
          digits(cell.perSecond),
          against((c) => c.perSecond),
          duration(cell.p50),
          added((c) => c.p50),
          against((c) => c.p50),
          duration(cell.p99),
          added((c) => c.p99),
          way === 'direct' ? '–' : `${digits(cell.cpu)} µs`,
        ],
      ];
    }),
  );
  const head = ['connections', '1/s', '… of nginx', 'p50', 'added', '… of nginx', 'p99', 'added', 'CPU each'];
  return { caption: `${WHAT[kind]}:`, head, rows };
}

/** Requests per second and latency of the gateway against nginx and against no proxy at all. */
export async function benchGateway(): Promise<Section> {
  const upstream = await worker('upstream');
  const upstreamPort = await upstream.ask<number>({ kind: 'listen' });
  const load = await worker('load');
  const nginx: Nginx | null = await startNginx(upstreamPort);
  const agent = await startBenchAgent({ gitlabPort: upstreamPort });
  await openGate(agent, upstream, load);
  const inMemory = MEMORY_FOLDER === null ? null : await agentIn(MEMORY_FOLDER, upstreamPort);
  if (inMemory !== null) await openGate(inMemory, upstream, load);
  const take = { kind: 'take', port: agent.gatewayPort, connections: 1, polls: 64, runnerToken: RUNNER_TOKEN };
  const jobs = await load.ask<number[]>(take);
  const ports: [Way, number, () => readonly number[]][] = [['direct', upstreamPort, () => [upstream.pid]]];
  if (nginx !== null) ports.push(['nginx', nginx.port, () => nginx.pids()]);
  ports.push(['gateway', agent.gatewayPort, () => [agent.pid]]);
  if (inMemory !== null) ports.push(['gateway, disk in memory', inMemory.gatewayPort, () => [inMemory.pid]]);

  const all = new Map<string, Cell[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const kind of ['put', 'patch', 'job'] as const) {
      for (const connections of CONNECTIONS) {
        for (const [way, port, pids] of ports) {
          // Only the gate writes.
          if (way === 'gateway, disk in memory' && kind !== 'job') continue;
          const warm = kind === 'job' ? (connections > 32 ? 0 : 1) : 2;
          const ms = round === 0 ? 400 : kind === 'job' ? JOB_ROUND_MS : ROUND_MS;
          const wanted = { kind, port, connections, ms, warm, runnerToken: RUNNER_TOKEN, jobs };
          if (round === 0 && kind === 'job' && connections > 32) continue;
          const cell = await measured(load, wanted, pids());
          // The first round only warms: compilers and connections.
          if (round > 0) all.set(key(kind, connections, way), [...(all.get(key(kind, connections, way)) ?? []), cell]);
        }
      }
    }
  }
  const results: Results = new Map([...all].map(([name, cells]) => [name, middle(cells)]));
  await agent.end();
  await inMemory?.end();
  const get = (kind: Kind, connections: number, way: Way) => results.get(key(kind, connections, way))!;
  const aims: Aim[] = [
    atMost('CPU of a gated 20 KB job, poll to end', 400, get('job', 32, 'gateway').cpu, (us) => `${digits(us)} µs`),
  ];
  if (nginx !== null) {
    for (const kind of ['put', 'patch'] as const) {
      const p50 = get(kind, 1, 'gateway').p50 / get(kind, 1, 'nginx').p50;
      const rate = get(kind, 32, 'gateway').perSecond / get(kind, 32, 'nginx').perSecond;
      aims.push(atMost(`p50 of ${kind.toUpperCase()} against nginx, 1 connection`, 1.4, p50, times));
      aims.push(atLeast(`requests/s of ${kind.toUpperCase()} against nginx, 32 connections`, 0.45, rate, times));
    }
    const p50 = get('job', 1, 'gateway').p50 / get('job', 1, 'nginx').p50;
    aims.push(atMost('p50 of a gated 20 KB job against nginx’s plain pass-through', 3, p50, times));
  }
  const ways = ports.map(([way]) => way);
  return {
    title: 'Gateway: requests per second and latency',
    about:
      'Keep-alive connections, each with one request at a time, from a load generator of its own to a small upstream of its own; ' +
      'between them nothing, nginx (`worker_processes auto`, connections to the upstream kept open, else as it comes) or the agent. ' +
      'The requests are about jobs that run and went through the gate. A gated job passes on a stored approval: it is sealed, read, ' +
      'verified with two questions to the upstream, admitted by the embedded hub on SQLite and handed out; its runner then says twice how it stands, ' +
      'which its CPU includes.',
    tables: (['put', 'patch', 'job'] as const).map((kind) => tableOf(kind, ways, results)),
    aims,
    notes: [diskNote(), ...(nginx === null ? ['nginx is not on this machine: `apt-get install nginx-light`.'] : [])],
  };
}
