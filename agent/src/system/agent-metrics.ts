import { statfs } from 'node:fs/promises';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { AGENT_PROBLEMS, type AgentProblem } from '../domain/agent-problem.ts';
import { type OwedReport, PARKED_JOB_STATES } from '../domain/parked-job.ts';
import type { AgentMeter, ReceiptOutcome } from '../ports/meter.ts';

/** What is looked at when somebody asks for the metrics. */
export interface AgentLook {
  /** How many jobs are in the agent's hands, by state. */
  counts(): Readonly<Record<string, number>>;
  /** Epoch ms at which the job came that waits longest; null while none waits. */
  oldestParkedAt(): number | null;
  /** Requests of runners that are not answered yet, by route. */
  openRequests(): ReadonlyMap<string, number>;
  problems(): readonly AgentProblem[];
  linked(): boolean;
  /** Whether the hub has said on this connection how it has all that is parked. */
  inStep(): boolean;
  now(): number;
  /** The folder whose disk matters. */
  readonly stateDir: string;
}

/** Metrics of an agent: counted as it happens, and looked at when asked. */
export interface AgentMetrics extends AgentMeter {
  follow(look: AgentLook): void;
}

/** From an update that GitLab answers at once to a poll that it keeps for 50 s, and a transfer of minutes. */
const REQUEST_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_200];
/** A job that is approved is a matter of milliseconds; what needs longer waits for GitLab's facts or for the hub. */
const VERDICT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];
/** From a poll that waits for the release to a runner that has no slot for an hour. */
const HAND_OVER_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 3, 10, 30, 60, 300, 1_800, 3_600];
/** An fsync of a good disk takes one millisecond, of a bad one a second. */
const WRITE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** Every event that a job can have, so that each has a series from the start. */
const EVENTS = {
  parked: true,
  detached: true,
  handed_out: true,
  confirmed: true,
  undelivered: true,
  unconfirmed: true,
  canceled: true,
  ended: true,
  refused: true,
} satisfies Record<OwedReport['event'], true>;

/** What can become of a receipt, so that each has a series from the start. */
const RECEIPT_OUTCOMES = {
  issued: true,
  spent: true,
  no_receipt: true,
  used: true,
  expired: true,
  mismatch: true,
  unreachable: true,
  not_allowed: true,
} satisfies Record<ReceiptOutcome, true>;

/** An answer's class: GitLab, and whoever stands in its place, may send any of five hundred numbers. */
function classOf(status: number | null, none: string): string {
  return status === null ? none : status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : 'other';
}

/** Registers the metrics of an agent. */
export function createAgentMetrics(registry: Registry): AgentMetrics {
  const registers = [registry];
  const requests = new Histogram({
    name: 'holdpoint_gateway_request_duration_seconds',
    help: 'Requests of runners, until the last byte of the answer; code aborted: the connection went away before',
    labelNames: ['route', 'code'],
    buckets: REQUEST_SECONDS,
    registers,
  });
  const upstream = new Histogram({
    name: 'holdpoint_upstream_request_duration_seconds',
    help: 'Calls to GitLab, until the head of the answer; code error: GitLab could not be reached',
    labelNames: ['call', 'code'],
    buckets: REQUEST_SECONDS,
    registers,
  });
  const received = new Counter({
    name: 'holdpoint_agent_jobs_received_total',
    help: 'Jobs that GitLab handed out to runners that are gated',
    registers,
  });
  const verdicts = new Histogram({
    name: 'holdpoint_agent_verdict_duration_seconds',
    help: 'Verdicts on jobs, from receipt; outcome none: the hub could not be asked, and the job is held and asked for again',
    labelNames: ['outcome'],
    buckets: VERDICT_SECONDS,
    registers,
  });
  const events = new Counter({
    name: 'holdpoint_agent_job_events_total',
    help: 'What became of jobs: parked, handed_out, confirmed, detached, canceled, ended and so on',
    labelNames: ['event'],
    registers,
  });
  const handOvers = new Histogram({
    name: 'holdpoint_agent_hand_over_duration_seconds',
    help: 'Jobs written to a runner, since they were free to go; way: passed at once, released after waiting, diverted',
    labelNames: ['way'],
    buckets: HAND_OVER_SECONDS,
    registers,
  });
  const heartbeats = new Counter({
    name: 'holdpoint_agent_heartbeats_total',
    help: 'Heartbeats of parked jobs to GitLab',
    labelNames: ['outcome'],
    registers,
  });
  const writes = new Histogram({
    name: 'holdpoint_agent_seal_duration_seconds',
    help: 'Jobs sealed and written to the parking lot, fsync included',
    labelNames: ['outcome'],
    buckets: WRITE_SECONDS,
    registers,
  });
  const receipts = new Counter({
    name: 'holdpoint_agent_receipts_total',
    help: 'Receipts of jobs: issued at hand-over, spent by the executor; any other outcome is a job that was refused on the host',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of Object.keys(RECEIPT_OUTCOMES)) receipts.inc({ outcome }, 0);
  const damaged = new Counter({
    name: 'holdpoint_agent_damaged_files_total',
    help: 'Files of the parking lot that could not be trusted and were set aside',
    registers,
  });
  const link = new Counter({
    name: 'holdpoint_link_events_total',
    help: 'Times that the hub welcomed this agent, and that the link ended',
    labelNames: ['event'],
    registers,
  });
  // What has not happened yet is 0 and not absent: an alert on its rate must see the first one.
  for (const event of ['welcome', 'drop']) link.inc({ event }, 0);
  for (const event of Object.keys(EVENTS)) events.inc({ event }, 0);
  for (const outcome of ['pass', 'hold', 'refuse', 'divert', 'none']) verdicts.zero({ outcome });
  for (const way of ['passed', 'released', 'diverted']) handOvers.zero({ way });
  for (const outcome of ['ok', 'failed']) writes.zero({ outcome });
  for (const code of ['2xx', '5xx', 'error']) upstream.zero({ call: 'jobs_request', code });
  for (const code of ['2xx', '5xx']) requests.zero({ route: 'jobs_request', code });
  for (const outcome of ['ok', 'failed']) heartbeats.inc({ outcome }, 0);
  return {
    request: (route, status, seconds) => requests.observe({ route, code: classOf(status, 'aborted') }, seconds),
    upstream: (call, status, seconds) => upstream.observe({ call, code: classOf(status, 'error') }, seconds),
    received: () => received.inc(),
    verdict: (outcome, seconds) => verdicts.observe({ outcome }, seconds),
    event: (event) => events.inc({ event }),
    handOver: (way, seconds) => handOvers.observe({ way }, seconds),
    heartbeat: (ok) => heartbeats.inc({ outcome: ok ? 'ok' : 'failed' }),
    stored: (ok, seconds) => writes.observe({ outcome: ok ? 'ok' : 'failed' }, seconds),
    damaged: () => damaged.inc(),
    receipt: (outcome) => receipts.inc({ outcome }),
    link: (event) => link.inc({ event }),
    follow: (look) => followAgent(registers, look),
  };
}

function followAgent(registers: Registry[], look: AgentLook): void {
  new Gauge({
    name: 'holdpoint_agent_jobs',
    help: 'Jobs in the hands of this agent, by state; received, parked and released are kept alive at GitLab',
    labelNames: ['state'],
    registers,
    collect() {
      const counts = look.counts();
      for (const state of PARKED_JOB_STATES) this.set({ state }, counts[state] ?? 0);
    },
  });
  new Gauge({
    name: 'holdpoint_agent_oldest_parked_seconds',
    help: 'For how long the oldest job that is kept alive has waited; 0 while none waits',
    registers,
    collect() {
      const at = look.oldestParkedAt();
      this.set(at === null ? 0 : Math.max(0, look.now() - at) / 1_000);
    },
  });
  new Gauge({
    name: 'holdpoint_gateway_open_requests',
    help: 'Requests of runners that are not answered yet, transfers included',
    labelNames: ['route'],
    registers,
    collect() {
      this.set({ route: 'jobs_request' }, 0);
      this.set({ route: 'artifacts' }, 0);
      for (const [route, count] of look.openRequests()) this.set({ route }, count);
    },
  });
  new Gauge({
    name: 'holdpoint_agent_problem',
    help: '1 while this is wrong with the agent',
    labelNames: ['code'],
    registers,
    collect() {
      const found = new Set(look.problems().map(({ code }) => code));
      for (const code of AGENT_PROBLEMS) this.set({ code }, found.has(code) ? 1 : 0);
    },
  });
  new Gauge({
    name: 'holdpoint_link_up',
    help: '1 while the hub has welcomed this agent',
    registers,
    collect() {
      this.set(look.linked() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'holdpoint_link_in_step',
    help: '1 while the hub has said how it has all that is parked; nothing parked is handed out before',
    registers,
    collect() {
      this.set(look.inStep() ? 1 : 0);
    },
  });
  for (const [name, help, of] of [
    ['holdpoint_state_dir_free_bytes', 'Room on the disk of state_dir, for this user', 'bavail'],
    ['holdpoint_state_dir_size_bytes', 'Size of the disk of state_dir', 'blocks'],
  ] as const) {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const disk = await statfs(look.stateDir).catch(() => null);
        if (disk === null) this.reset();
        else this.set(disk[of] * disk.bsize);
      },
    });
  }
}
