import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StoreMeter } from '../app/measured-store.ts';
import { AUDIT_EVENTS } from '../domain/audit-events.ts';
import type { OutboxFigures } from '../ports/notice-store.ts';
import type { PolicyStatus } from '../ports/policy-status.ts';
import type { ChangedEvent } from '../ports/push.ts';
import type { Census } from '../ports/store.ts';
import type { Count } from './notifications.ts';

/** What a request is counted under: parts of the hub, since each of its hundred routes would be a dozen series. */
export type Surface = 'api' | 'gitlab_api' | 'health' | 'page';

/** Counts what happens, and tells it to Prometheus. */
export interface HubMetrics extends StoreMeter {
  changed(event: ChangedEvent): void;
  request(surface: Surface, status: number, seconds: number): void;
  /** Somebody was told to come again later: because of wrong tokens, votes or requests. */
  limited(what: string): void;
  notification: Count;
  /** Begins to look at these when somebody asks. */
  follow(look: HubLook): void;
  text(): Promise<string>;
}

/** What is looked at when somebody asks for the metrics. */
export interface HubLook {
  agents(): number;
  /** How far the clock of the agent that is off most is off, and the age of the oldest snapshot, ms; null where none tells. */
  skew(): number | null;
  /** Why the renewed certificate cannot be used; null while the newest is in use. */
  tlsProblem(): string | null;
  snapshotAge(): number | null;
  viewers(): number;
  /** Null: what is shipped holds. */
  policy(): PolicyStatus | null;
  /** How many runs without an approval nobody else has looked at in time. */
  overdue(): Promise<number>;
  census(): Promise<Census>;
  /** Whether the store takes a write at this moment. */
  writable(): Promise<boolean>;
  /** What waits to be told to people and programs. */
  outbox(): Promise<OutboxFigures>;
  /** Rows of the audit. */
  auditRows(): Promise<number>;
  /** What the last look at the whole audit found; null before the first. */
  auditIntact(): boolean | null;
  /** Why people cannot be read as they are now; null while they can. */
  people(): string | null;
  now(): number;
}

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A read of SQLite takes a tenth of a millisecond, a write an fsync. */
const STORE_SECONDS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const OPEN_STATES = ['waiting_for_approval', 'pending', 'running'] as const;

/** Metrics of a hub. Labels are closed sets of words: no project, job or person ever stands in one (T32). */
export function createMetrics(registry: Registry = new Registry()): HubMetrics {
  const registers = [registry];
  const changes = new Counter({
    name: 'holdpoint_hub_changes_total',
    help: 'Moves of holds, reviews, approvals and agents, by the state that was reached',
    labelNames: ['type', 'state'],
    registers,
  });
  const audited = new Counter({
    name: 'holdpoint_hub_audit_events_total',
    help: 'What happened, as the audit has it: votes, approvals, denials, passes, revocations and everything else',
    labelNames: ['event'],
    registers,
  });
  // What has not happened yet is 0 and not absent: a rate must see the first vote.
  for (const event of Object.keys(AUDIT_EVENTS)) audited.inc({ event }, 0);
  const store = new Histogram({
    name: 'holdpoint_hub_store_duration_seconds',
    help: 'Reads and transactions of the store; outcome conflict: somebody else was first, and it is tried again',
    labelNames: ['operation', 'outcome'],
    buckets: STORE_SECONDS,
    registers,
  });
  for (const operation of ['read', 'write']) for (const outcome of ['ok', 'failed']) store.zero({ operation, outcome });
  const requests = new Histogram({
    name: 'holdpoint_hub_request_duration_seconds',
    help: 'HTTP requests of people and programs, by the part of the hub',
    labelNames: ['surface', 'code'],
    buckets: REQUEST_SECONDS,
    registers,
  });
  for (const surface of ['api', 'gitlab_api', 'health', 'page'])
    for (const code of ['2xx', '5xx']) requests.zero({ surface, code });
  const limited = new Counter({
    name: 'holdpoint_hub_rate_limited_total',
    help: 'Requests that were told to come again later, by what there was too much of',
    labelNames: ['limit'],
    registers,
  });
  for (const limit of ['wrong tokens', 'votes', 'requests']) limited.inc({ limit }, 0);
  const sent = new Counter({
    name: 'holdpoint_hub_notification_sends_total',
    help: 'Tries to send notifications, by kind of channel and outcome',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  return {
    changed: ({ type, state }) => changes.inc({ type, state }),
    // Only words of the table: an event of a later version is counted, and makes no series of its own.
    audited: ({ event }) => audited.inc({ event: Object.hasOwn(AUDIT_EVENTS, event) ? event : 'other' }),
    took: (operation, outcome, seconds) => store.observe({ operation, outcome }, seconds),
    request: (surface, status, seconds) =>
      requests.observe({ surface, code: `${Math.floor(status / 100)}xx` }, seconds),
    limited: (limit) => limited.inc({ limit }),
    notification: (kind, outcome) => sent.inc({ kind, outcome }),
    follow: (look) => followHub(registers, look),
    text: () => registry.metrics(),
  };
}

/** A gauge that is asked when it is read; one that cannot be told has no value then, and the others have theirs. */
function gauge(registers: Registry[], name: string, help: string, read: () => number | null | Promise<number | null>) {
  new Gauge({
    name,
    help,
    registers,
    async collect() {
      const value = await Promise.resolve()
        .then(read)
        .catch(() => null);
      if (value === null) this.remove();
      else this.set(value);
    },
  });
}

function followHub(registers: Registry[], look: HubLook): void {
  const add = (name: string, help: string, read: () => number | null | Promise<number | null>): void =>
    gauge(registers, `holdpoint_hub_${name}`, help, read);
  add('agents_connected', 'Agents whose link stands', look.agents);
  const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);
  add('agent_clock_skew_seconds', 'How far the clock of a linked agent is off at most, ahead or behind', () =>
    seconds(look.skew()),
  );
  add('agent_snapshot_age_seconds', 'Age of the oldest snapshot that a linked agent goes by without the hub', () =>
    seconds(look.snapshotAge()),
  );
  add('tls_problem', '1 while the certificate was renewed and cannot be used, and the last good one is served', () =>
    look.tlsProblem() === null ? 0 : 1,
  );
  add('viewers', 'Viewers that follow', look.viewers);
  add('policy_problem', '1 while the policy file cannot be read as it is and the last good one is in force', () =>
    look.policy()?.problem == null ? 0 : 1,
  );
  add(
    'policy_loaded_timestamp_seconds',
    'When the policy in force was read; 0 where what is shipped holds',
    () => (look.policy()?.loadedAt ?? 0) / 1_000,
  );
  add('people_problem', '1 while who belongs to what cannot be read as it is now', () =>
    look.people() === null ? 0 : 1,
  );
  add('break_glass_overdue', 'Runs without an approval that nobody else has looked at in time', look.overdue);
  add('store_writable', '1 while the store takes writes', async () => ((await look.writable()) ? 1 : 0));
  add('notifications_waiting', 'Notifications that wait to be sent', async () => (await look.outbox()).waiting);
  add('notifications_dead', 'Notifications that could not be sent', async () => (await look.outbox()).dead);
  add(
    'notifications_oldest_due_timestamp_seconds',
    'Since when the oldest notification that is due waits; 0 while none is',
    async () => ((await look.outbox()).oldestDue ?? 0) / 1_000,
  );
  add('audit_rows', 'Rows of the audit', look.auditRows);
  add('audit_intact', '1 when the whole audit verified at the last look, 0 when it did not', () => {
    const intact = look.auditIntact();
    return intact === null ? null : intact ? 1 : 0;
  });
  add('reviews_open', 'Questions that people have not answered', async () => (await look.census()).openReviews);
  add('denials', 'Configurations that are denied now', async () => (await look.census()).denials);
  add('outbox_pushes', 'Pushes that agents have not acknowledged', async () => (await look.census()).unacknowledged);
  add('deployments_blocked', 'Deployments that lack approvals', async () => (await look.census()).blockedDeployments);
  add(
    'oldest_waiting_seconds',
    'For how long the oldest hold has waited for approval; 0 while none waits',
    async () => {
      const { oldestWaitingAt: at } = await look.census();
      return at === null ? 0 : Math.max(0, look.now() - at) / 1_000;
    },
  );
  new Gauge({
    name: 'holdpoint_hub_holds',
    help: 'Open holds by state; stage live: a job at GitLab stands for it, detached: GitLab has ended its job',
    labelNames: ['state', 'stage'],
    registers,
    async collect() {
      const census = await look.census().catch(() => null);
      this.reset();
      if (census === null) return;
      for (const state of OPEN_STATES) {
        const found = census.holds.find((each) => each.state === state);
        this.set({ state, stage: 'live' }, found?.live ?? 0);
        this.set({ state, stage: 'detached' }, found?.detached ?? 0);
      }
    },
  });
}
