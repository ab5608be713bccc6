import { HoldpointError } from '../domain/errors.ts';
import type { Agents } from '../ports/agents.ts';
import type { FarHubs } from './between/far-hubs.ts';
import type { Connected } from './connected.ts';
import type { LinkServer } from './link-server.ts';

/** Agents wherever they are connected. */
export interface Reach extends Agents {
  /** Null for one that is away. */
  connected(agent: string): Connected | null;
  /** Asks an agent to look at its host now; throws `wrong_state` when it is away. */
  examine(agent: string): void;
  /** Somebody here begins or ends to look at a running job's log. */
  watch(agent: string, hold: number, on: boolean): void;
  /** Whether anybody, here or at another hub, looks at it may have changed: its agent is told, if it is here. */
  rewatch(agent: string, hold: number): void;
  /** The same for all of an agent that has just come. */
  rewatchAll(agent: string): void;
}

/** What is asked of an agent goes to it where it is linked here, and else to the hub where it is. */
export function createReach(link: () => LinkServer, far: () => FarHubs | null): Reach {
  const looked = new Map<string, Set<number>>();
  const rewatch = (agent: string, hold: number): void =>
    link().watch(agent, hold, looked.get(agent)?.has(hold) === true || far()?.isWatched(agent, hold) === true);
  return {
    async reveal(agent, question) {
      const elsewhere = link().connectedSince(agent) === null ? (far()?.agent(agent) ?? null) : null;
      return elsewhere === null ? link().reveal(agent, question) : far()!.reveal(elsewhere, question);
    },
    connected(agent) {
      const since = link().connectedSince(agent);
      if (since === null) return far()?.agent(agent) ?? null;
      const { problems, examined, status } = link();
      return { since, problems: problems(agent), examined: examined(agent), status: status(agent) };
    },
    examine(agent) {
      if (link().connectedSince(agent) !== null) return link().examine(agent);
      const elsewhere = far()?.agent(agent) ?? null;
      if (elsewhere === null)
        throw new HoldpointError('wrong_state', `agent ${agent} is not connected: nobody is there to look`);
      far()?.examine(agent);
    },
    watch(agent, hold, on) {
      const holds = looked.get(agent) ?? new Set();
      if (on) looked.set(agent, holds.add(hold));
      else if (holds.delete(hold) && holds.size === 0) looked.delete(agent);
      far()?.watch(agent, hold, on);
      rewatch(agent, hold);
    },
    rewatch,
    rewatchAll(agent) {
      for (const hold of new Set([...(looked.get(agent) ?? []), ...(far()?.watched(agent) ?? [])]))
        rewatch(agent, hold);
    },
  };
}
