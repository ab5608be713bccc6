import { Counter, Gauge, Registry } from 'prom-client';
import type { ChangedEvent } from '../ports/push.ts';

/** Counts what happens, and tells it to Prometheus. */
export interface HubMetrics {
  changed(event: ChangedEvent): void;
  text(): Promise<string>;
}

/** Metrics of a hub. Labels are closed sets of words: no project, job or person ever stands in one (T32). */
export function createMetrics(connectedAgents: () => number, viewers: () => number): HubMetrics {
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
  const changes = new Counter({
    name: 'holdpoint_hub_changes_total',
    help: 'Moves of holds, reviews, approvals and agents, by the state that was reached',
    labelNames: ['type', 'state'],
    registers,
  });
  return { changed: ({ type, state }) => changes.inc({ type, state }), text: () => registry.metrics() };
}
