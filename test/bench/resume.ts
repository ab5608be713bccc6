import { connect, type Socket } from 'node:net';
import { digestOf, RUNNER_TOKEN, sendApproval, startBenchAgent } from './agent-process.ts';
import { frames } from './framing.ts';
import { type Fill, pollOf } from './load.ts';
import { digits, duration, percentile } from './measure.ts';
import { cpuSeconds, residentMib, worker } from './processes.ts';
import { atMost, type Section } from './report.ts';

const LEVELS = [0, 1_000, 10_000] as const;
const SAMPLES = 200;
/** The parked jobs are of so many configurations: one Review each. */
const PARKED_VARIANTS = 100;
/** A token may vote 60 times a minute. */
const TOKENS = 12;

interface Poll {
  readonly answered: Promise<{ readonly at: number; readonly status: number; readonly body: string }>;
}

/** A runner's connection on which one poll at a time waits. */
function runner(port: number): { poll(): Poll; close(): void } {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let done: (answer: { at: number; status: number; body: string }) => void = () => {};
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
        socket.once('error', reject);
      });
      socket.write(asked);
      return { answered };
    },
    close: () => socket.destroy(),
  };
}

/** From the approver's click to the runner having the job, while more and more other jobs are parked. */
export async function benchResume(): Promise<Section> {
  const upstream = await worker('upstream');
  const port = await upstream.ask<number>({ kind: 'listen' });
  await upstream.ask({ kind: 'queue' });
  const load = await worker('load');
  const agent = await startBenchAgent({ gitlabPort: port, extra: 'parking: { max_holds: 100000 }\n' });
  const tokens: string[] = [];
  for (let n = 0; n < TOKENS; n++) tokens.push(await agent.token('maria'));

  const notes = new Map<number, number>();
  let parkedNotes = 0;
  let changed: () => void = () => {};
  upstream.onEvent((event) => {
    if (event.event === 'note') {
      parkedNotes += 1;
      notes.set(Number(event.job), Number(event.hold));
    }
    changed();
  });
  const until = async (what: string, look: () => boolean): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!look()) {
      if (Date.now() > deadline) throw new Error(`${what} did not come; ${parkedNotes} notes so far`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const counts = () => upstream.ask<{ jobs: number; heartbeats: number; polls: number }>({ kind: 'counts' });

  const rows: string[][] = [];
  const parking: string[] = [];
  let parked = 0;
  let variant = 1_000;
  let fast = Number.NaN;
  const p99s: number[] = [];
  for (const level of LEVELS) {
    const missing = level - parked;
    if (missing > 0) {
      const variants = Array.from({ length: missing }, (_, n) => n % PARKED_VARIANTS);
      const before = await counts();
      const began = performance.now();
      await upstream.ask({ kind: 'enqueue', variants });
      // Polls that GitLab still keeps have taken the first ones.
      const ask: Fill = {
        kind: 'fill',
        port: agent.gatewayPort,
        connections: 32,
        polls: missing - before.polls,
        runnerToken: RUNNER_TOKEN,
      };
      const wanted = parkedNotes + missing;
      await load.ask(ask);
      await until(`parking of ${missing} jobs`, () => parkedNotes >= wanted);
      parked = level;
      parking.push(
        `${digits(missing)} jobs were parked (sealed, held, note written) at ${digits((missing * 1000) / (performance.now() - began))}/s.`,
      );
    }
    const client = runner(agent.gatewayPort);
    const times: number[] = [];
    const [heard, cpu, began] = [(await counts()).heartbeats, cpuSeconds([agent.pid]), performance.now()];
    for (let sample = 0; sample < SAMPLES; sample++) {
      const own = variant++;
      const before = await counts();
      const wanted = parkedNotes + 1;
      await upstream.ask({ kind: 'enqueue', variants: [own] });
      if (before.polls === 0) {
        const { status } = await client.poll().answered;
        if (status !== 204) throw new Error(`a job that nobody approved was answered ${status}`);
      }
      await until('the note of a parked job', () => parkedNotes >= wanted);
      const [job, hold] = [...notes].at(-1)!;
      const token = tokens[sample % tokens.length]!;
      const digest = await digestOf(agent.hubUrl, token, hold);
      const waiting = (await counts()).polls + 1;
      const poll = client.poll();
      let there = (await counts()).polls;
      while (there < waiting) there = (await counts()).polls;
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
    const seconds = (performance.now() - began) / 1000;
    const p99 = percentile(times, 0.99);
    const p50 = percentile(times, 0.5);
    p99s.push(p99);
    if (Number.isNaN(fast)) fast = p50;
    rows.push([
      digits(level),
      duration(p50),
      `${(p50 / fast).toFixed(2)} ×`,
      duration(percentile(times, 0.95)),
      duration(p99),
      digits(((await counts()).heartbeats - heard) / seconds),
      `${digits(((cpuSeconds([agent.pid]) - cpu) / seconds) * 100)} %`,
      `${digits(residentMib([agent.pid]))} MiB`,
    ]);
  }
  await agent.end();
  return {
    title: 'Resume: from approve to the runner having the job',
    about:
      `A runner’s poll waits at GitLab. A person approves over the hub’s HTTP API; the time runs from sending that request to the last byte of the job (20 KB) at the runner. ${SAMPLES} times for each row, ` +
      `each with a configuration of its own. The other parked jobs are of ${PARKED_VARIANTS} configurations, and all have their heartbeats.`,
    tables: [
      {
        caption: 'Approve → runner has the job:',
        head: ['jobs parked', 'p50', '… of none', 'p95', 'p99', 'heartbeats/s', 'CPU of the agent', 'memory'],
        rows,
      },
    ],
    aims: [atMost('resume p99 with 10,000 parked', 25, p99s.at(-1)!, duration)],
    notes: parking,
  };
}

/** The runner says that the job runs and that it is over. */
async function finish(port: number, job: number): Promise<void> {
  const token = `glcbt-64_bench${job}abcdef`;
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
