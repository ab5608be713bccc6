import { Counter, Gauge, Registry } from 'prom-client';
import type { PolicyStatus } from '../ports/policy-status.ts';
import type { ChangedEvent } from '../ports/push.ts';

/** Counts what happens, and tells it to Prometheus. */
export interface HubMetrics {
  changed(event: ChangedEvent): void;
  text(): Promise<string>;
}

/** Metrics of a hub. Labels are closed sets of words: no project, job or person ever stands in one (T32). */
export function createMetrics(
  connectedAgents: () => number,
  viewers: () => number,
  policy: {
    /** Null: what is shipped holds. */
    readonly policy: () => PolicyStatus | null;
    /** How many runs without an approval nobody else has looked at in time. */
    readonly overdue: () => Promise<number>;
  },
): HubMetrics {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'holdpoint_hub_agents_connected',
    help: 'Agents whose link stands',
    registers,
    collect() {
      this.set(connectedAgents());
    },
  });
  new Gauge({
    name: 'holdpoint_hub_viewers',
    help: 'Viewers that follow',
    registers,
    collect() {
      this.set(viewers());
    },
  });
  new Gauge({
    name: 'holdpoint_hub_policy_problem',
    help: '1 while the policy file cannot be read as it is and the last good one is in force',
    registers,
    collect() {
      this.set(policy.policy()?.problem == null ? 0 : 1);
    },
  });
  new Gauge({
    name: 'holdpoint_hub_policy_loaded_timestamp_seconds',
    help: 'When the policy in force was read; 0 where what is shipped holds',
    registers,
    collect() {
      this.set((policy.policy()?.loadedAt ?? 0) / 1_000);
    },
  });
  new Gauge({
    name: 'holdpoint_hub_break_glass_overdue',
    help: 'Runs without an approval that nobody else has looked at in time',
    registers,
    async collect() {
      this.set(await policy.overdue());
    },
  });
  const changes = new Counter({
    name: 'holdpoint_hub_changes_total',
    help: 'Moves of holds, reviews, approvals and agents, by the state that was reached',
    labelNames: ['type', 'state'],
    registers,
  });
  return { changed: ({ type, state }) => changes.inc({ type, state }), text: () => registry.metrics() };
}
