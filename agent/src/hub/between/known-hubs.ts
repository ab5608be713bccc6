import type { Examined } from '../../ports/gatekeeper.ts';
import type { LetterBody, LinkedAgent } from '../../wire/between.ts';

/** A hub that has said nothing for so long is gone, or cannot be heard: three beats. */
export const LAPSE_MS = 35_000;

type Beat = Extract<LetterBody, { type: 'beat' }>;
interface Known {
  heardAt: number;
  /** What pieces of logs are sealed to. */
  key: string;
  readonly agents: Map<string, LinkedAgent>;
  readonly examined: Map<string, Examined>;
  lent: ReadonlyMap<number, number>;
  watched: Set<string>;
}
/** An agent that is linked to another hub. */
export interface FarAgent extends LinkedAgent {
  readonly hub: string;
  readonly examined: Examined | null;
}

/** What the other hubs have said of themselves, as long as it counts. */
export interface KnownHubs {
  /** True for a hub that was not known. */
  beat(hub: string, beat: Beat): boolean;
  linked(hub: string, agent: string, now: LinkedAgent | null): void;
  examined(hub: string, agent: string, examined: Examined): void;
  watch(
    hub: string,
    watch: { readonly agent: string; readonly hold: number; readonly on: boolean; readonly key: string },
  ): void;
  /** Where an agent is linked; of two hubs that say so the one that it came to last. */
  agent(name: string): FarAgent | null;
  /** Addresses of agents that are linked elsewhere. */
  addresses(): readonly string[];
  /** Epoch ms of the end of what a person lent to another hub; null where none says so. */
  lentUntil(person: number): number | null;
  /** Hubs whose people look at this log, each with the key for its pieces. */
  watchers(agent: string, hold: number): readonly { readonly hub: string; readonly key: string }[];
  /** Logs of an agent that people at other hubs look at. */
  watched(agent: string): readonly number[];
}

const line = (agent: string, hold: number): string => `${agent} ${hold}`;

/** Nobody known yet. */
export function knownHubs(now: () => number): KnownHubs {
  const hubs = new Map<string, Known>();
  const live = (): readonly (readonly [string, Known])[] => {
    for (const [hub, { heardAt }] of hubs) if (heardAt + LAPSE_MS <= now()) hubs.delete(hub);
    return [...hubs];
  };
  return {
    beat(hub, { agents, lent, watched, key }) {
      const before = live().find(([other]) => other === hub)?.[1];
      const names = new Set(agents.map(({ name }) => name));
      hubs.set(hub, {
        heardAt: now(),
        key,
        agents: new Map(agents.map((agent) => [agent.name, agent])),
        examined: new Map([...(before?.examined ?? [])].filter(([name]) => names.has(name))),
        lent: new Map(lent.map(({ person, until }) => [person, until])),
        watched: new Set(watched.map(({ agent, hold }) => line(agent, hold))),
      });
      return before === undefined;
    },
    linked(hub, agent, at) {
      const known = hubs.get(hub);
      if (at !== null) known?.agents.set(agent, at);
      else if (known?.agents.delete(agent) === true) known.examined.delete(agent);
    },
    examined(hub, agent, examined) {
      hubs.get(hub)?.examined.set(agent, examined);
    },
    watch(hub, { agent, hold, on, key }) {
      const known = hubs.get(hub);
      if (known === undefined) return;
      known.key = key;
      if (on) known.watched.add(line(agent, hold));
      else known.watched.delete(line(agent, hold));
    },
    agent(name) {
      const found = live().flatMap(([hub, { agents, examined }]) => {
        const agent = agents.get(name);
        return agent === undefined ? [] : [{ ...agent, hub, examined: examined.get(name) ?? null }];
      });
      return found.sort((a, b) => b.since - a.since)[0] ?? null;
    },
    addresses: () =>
      live().flatMap(([, { agents }]) =>
        [...agents.values()].flatMap(({ address }) => (address === null ? [] : [address])),
      ),
    lentUntil(person) {
      const ends = live().flatMap(([, { lent }]) => lent.get(person) ?? []);
      return ends.length === 0 ? null : Math.max(...ends);
    },
    watchers: (agent, hold) =>
      live().flatMap(([hub, { watched, key }]) => (watched.has(line(agent, hold)) ? [{ hub, key }] : [])),
    watched(agent) {
      const lines = new Set(live().flatMap(([, { watched }]) => [...watched]));
      return [...lines].flatMap((each) => {
        const [name, hold] = each.split(' ');
        return name === agent ? [Number(hold)] : [];
      });
    },
  };
}
