import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  agentFolder,
  type BenchAgent,
  digestOf,
  RUNNER_TOKEN,
  sendApproval,
  startBenchAgent,
} from './agent-process.ts';
import { copyFolder, crowd } from './crowd.ts';
import { diskNote, MEMORY_FOLDER } from './disk.ts';
import { frames } from './framing.ts';
import { type Fill, pollOf } from './load.ts';
import { digits, duration, percentile } from './measure.ts';
import { jobToken } from './payload.ts';
import { atEnd, cpuSeconds, residentMib, type Worker, worker } from './processes.ts';
import { atMost, type Section } from './report.ts';

const LEVELS = [0, 1_000, 10_000] as const;
const SAMPLES = 60;
/** The parked jobs are of so many configurations: one Review each. */
const PARKED_VARIANTS = 100;
/** A token may vote 60 times a minute. */
const TOKENS = 12;
/** The second wave of heartbeats begins 45 s after the first, which comes with the start. */
const WAVE_MS = 60_000;

interface Poll {
  readonly answered: Promise<{ readonly at: number; readonly status: number; readonly body: string }>;
}

/** A runner's connection on which one poll at a time waits. */
function runner(port: number): { poll(): Poll; close(): void } {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let done: (answer: { at: number; status: number; body: string }) => void = () => {};
  let failed: (error: Error) => void = () => {};
  socket.on('error', (error) => failed(error));
  let status = 0;
  let body = '';
  socket.on(
    'data',
    frames({
      onHead(head) {
        status = Number(head.line.slice(9, 12));
        body = '';
      },
      onBody(chunk) {
        body += chunk.toString('latin1');
      },
      onEnd: () => done({ at: performance.now(), status, body }),
    }),
  );
  const asked = pollOf(RUNNER_TOKEN);
  return {
    poll() {
      const answered = new Promise<{ at: number; status: number; body: string }>((resolve, reject) => {
        done = resolve;
        failed = reject;
      });
      socket.write(asked);
      return { answered };
    },
    close: () => socket.destroy(),
  };
}

/** What the upstream has told: which job's note names which Hold. */
class Notes {
  readonly #upstream: Worker;
  readonly #holds = new Map<number, number>();
  #changed: () => void = () => {};

  constructor(upstream: Worker) {
    this.#upstream = upstream;
    upstream.onEvent((event) => {
      if (event.event === 'note') this.#holds.set(Number(event.job), Number(event.hold));
      this.#changed();
    });
  }

  get count(): number {
    return this.#holds.size;
  }

  /** Job and Hold of the newest note. */
  get last(): readonly [number, number] {
    return [...this.#holds].at(-1)!;
  }

  counts(): Promise<{ readonly heartbeats: number; readonly polls: number }> {
    return this.#upstream.ask({ kind: 'counts' });
  }

  /** Waits until there are so many notes. */
  async until(wanted: number): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (this.count < wanted) {
      if (Date.now() > deadline) throw new Error(`wanted ${wanted} parked jobs, last seen ${this.count}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

interface Stage {
  readonly upstream: Worker;
  readonly notes: Notes;
  readonly tokens: readonly string[];
}

/** One approve after the other, each of a job of its own configuration; milliseconds until the runner has it. */
async function samples({ upstream, notes, tokens }: Stage, agent: BenchAgent, firstVariant: number): Promise<number[]> {
  const client = runner(agent.gatewayPort);
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const { polls } = await notes.counts();
    const wanted = notes.count + 1;
    await upstream.ask({ kind: 'enqueue', variants: [firstVariant + sample] });
    // A poll that GitLab still keeps from the turn before takes it; else one has to ask.
    if (polls === 0) {
      const { status } = await client.poll().answered;
      if (status !== 204) throw new Error(`a job that nobody approved was answered ${status}`);
    }
    await notes.until(wanted);
    const [job, hold] = notes.last;
    const token = tokens[sample % tokens.length]!;
    const digest = await digestOf(agent.hubUrl, token, hold);
    const waiting = (await notes.counts()).polls + 1;
    const poll = client.poll();
    for (let there = 0; there < waiting; there = (await notes.counts()).polls);
    const start = performance.now();
    const approved = sendApproval(agent.hubUrl, token, hold, digest);
    const answer = await poll.answered;
    times.push(answer.at - start);
    await approved;
    if (answer.status !== 201 || !answer.body.startsWith(`{"id":${job},`))
      throw new Error(`the poll was answered ${answer.status}, wanted job ${job}`);
    await finish(agent.gatewayPort, job);
  }
  client.close();
  return times;
}

/** The folder of a stopped agent with as many parked jobs. */
async function folderWith(base: string, parked: number): Promise<string> {
  const made = mkdtempSync(join(MEMORY_FOLDER ?? tmpdir(), 'holdpoint-crowd-'));
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-resume-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  try {
    copyFolder(base, made);
    if (parked > 0) await crowd(made, parked);
    copyFolder(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return folder;
}

/** All heartbeats that are due at the start are over, and the next come. */
async function heartbeatsRun(notes: Notes, since: number, parked: number): Promise<void> {
  const deadline = Date.now() + WAVE_MS;
  while (parked > 0 && (await notes.counts()).heartbeats - since < parked * 1.02 && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 250));
}

/** From the approver's click to the runner having the job, while more and more other jobs are parked. */
export async function benchResume(): Promise<Section> {
  const upstream = await worker('upstream');
  const gitlabPort = await upstream.ask<number>({ kind: 'listen' });
  await upstream.ask({ kind: 'queue' });
  const load = await worker('load');
  const notes = new Notes(upstream);

  const empty = agentFolder(
    gitlabPort,
    'parking: { max_holds: 100000, max_holds_per_project: 100000, max_holds_per_trigger: 100000 }\n',
  );
  const first = await startBenchAgent({ gitlabPort, folder: empty });
  const tokens: string[] = [];
  for (let n = 0; n < TOKENS; n++) tokens.push(await first.token('maria'));
  await first.end();
  const base = mkdtempSync(join(tmpdir(), 'holdpoint-resume-'));
  atEnd(() => rmSync(base, { recursive: true, force: true }));
  copyFolder(empty, base);
  const second = await startBenchAgent({ gitlabPort, folder: base });
  const variants = Array.from({ length: PARKED_VARIANTS }, (_, n) => n);
  await upstream.ask({ kind: 'enqueue', variants });
  const { gatewayPort: port } = second;
  const fill: Fill = { kind: 'fill', port, connections: 8, polls: PARKED_VARIANTS, runnerToken: RUNNER_TOKEN };
  const filling = performance.now();
  await load.ask(fill);
  await notes.until(PARKED_VARIANTS);
  const rate = (PARKED_VARIANTS * 1000) / (performance.now() - filling);
  await second.end();

  const rows: string[][] = [];
  const failures: string[] = [];
  const results: { p50: number; p99: number }[] = [];
  for (const [index, level] of LEVELS.entries()) {
    const folder = await folderWith(level === 0 ? empty : base, level);
    const since = (await notes.counts()).heartbeats;
    const agent = await startBenchAgent({ gitlabPort, folder });
    await heartbeatsRun(notes, since, level);
    const [heard, cpu, began] = [(await notes.counts()).heartbeats, cpuSeconds([agent.pid]), performance.now()];
    const stage = { upstream, notes, tokens };
    const times = await samples(stage, agent, 1_000 * (index + 1)).catch((error: Error) => {
      failures.push(`With ${digits(level)} parked jobs: ${error.message}.`);
      return [];
    });
    const seconds = (performance.now() - began) / 1000;
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
    results.push({ p50, p99 });
    rows.push([
      digits(level),
      duration(p50),
      `${(p50 / results[0]!.p50).toFixed(2)} ×`,
      duration(percentile(times, 0.95)),
      duration(p99),
      digits(((await notes.counts()).heartbeats - heard) / seconds),
      `${digits(((cpuSeconds([agent.pid]) - cpu) / seconds) * 100)} %`,
      `${digits(residentMib([agent.pid]))} MiB`,
      duration(agent.readyMs),
    ]);
    await agent.end();
  }
  return {
    title: 'Resume: from approve to the runner having the job',
    about:
      'A runner’s poll waits at GitLab. A person approves over the hub’s HTTP API; the time runs from sending that request to the last byte of the job (20 KB) at the runner. ' +
      `${SAMPLES} times for each row, each with a configuration of its own. The other parked jobs are of ${PARKED_VARIANTS} configurations; the agent was started with them in its lot, and their heartbeats run (in a wave, since all began with that start).`,
    tables: [
      {
        caption: 'Approve → runner has the job:',
        head: ['jobs parked', 'p50', '… of none', 'p95', 'p99', 'heartbeats/s', 'CPU', 'memory', 'ready after'],
        rows,
      },
    ],
    aims: [atMost('resume p99 with 10,000 parked', 25, results.at(-1)!.p99, duration)],
    notes: [
      `${PARKED_VARIANTS} new jobs were parked (sealed, held, note written) at ${digits(rate)}/s.`,
      diskNote(),
      ...failures,
    ],
  };
}

/** The runner says that the job runs and that it is over. */
async function finish(port: number, job: number): Promise<void> {
  const token = jobToken(job);
  for (const state of ['running', 'success']) {
    const response = await fetch(`http://127.0.0.1:${port}/api/v4/jobs/${job}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'job-token': token },
      body: JSON.stringify({ token, state }),
    });
    if (response.status !== 200) throw new Error(`the end of job ${job} was answered ${response.status}`);
    await response.text();
  }
}
