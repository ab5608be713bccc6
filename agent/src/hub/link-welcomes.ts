import { gather } from '../app/breathe.ts';
import { agentActor, type HubContext } from '../app/hub-context.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { ArrivedAgent } from '../ports/agent-store.ts';
import { isKey } from './link-auth.ts';

/** Agents that one write of the store notes at most: some milliseconds, and one sync of the disk instead of as many. */
const AT_ONCE = 64;

/** An agent that has proved its key. */
export interface Arriving extends ArrivedAgent {
  /** The key that it has proved. */
  readonly key: Uint8Array;
  /** Version of the policy that it is told. */
  readonly policy: string;
}
/**
 * `revoked`: it was revoked since, or its key replaced, and is told nothing. `behind`: it has acted on more than this store ever
 * said.
 */
export type Arrival = 'here' | 'behind' | 'revoked';

/** Notes in the store who is back. */
export interface Welcomes {
  /** Resolves when the store has it for good. Rejects as a write of the store does. */
  note(arriving: Arriving): Promise<Arrival>;
}

interface Waiting {
  readonly arriving: Arriving;
  resolve(arrival: Arrival): void;
  reject(error: unknown): void;
}

/** Agents that come while others are noted are noted together: a hub that was started again has all of them at once. */
export function createWelcomes(
  { store, clock }: Pick<HubContext, 'store' | 'clock'>,
  isFixed: (agent: string) => boolean,
): Welcomes {
  const queue: Waiting[] = [];
  let isWorking = false;

  const noteAll = (whose: readonly Arriving[]): Promise<ReadonlyMap<string, Arrival>> => {
    const now = clock.now();
    return store.write(async (tx) => {
      // Once more, now that nothing can come between: who was revoked a moment ago is told nothing, nor is a key that another has taken
      // the place of (T27).
      const enrolled = new Map(
        (await tx.enrolledAmong(whose.map(({ name }) => name))).map((each) => [each.name, each]),
      );
      const mayCome = ({ name, key }: Arriving): boolean => isFixed(name) || isKey(enrolled.get(name) ?? null, key);
      const behind = new Set(await tx.putArrived(whose.filter(mayCome), now));
      for (const { name, cursor, policy } of whose.filter((each) => behind.has(each.name))) {
        const about = { hold: null, review: null, approval: null, digest: null, policy };
        const [actor, detail] = [agentActor(name), { cursor }];
        await tx.audit({ at: now, actor, address: null, event: 'store_behind', ...about, detail });
      }
      const arrivalOf = (each: Arriving): Arrival =>
        mayCome(each) ? (behind.has(each.name) ? 'behind' : 'here') : 'revoked';
      return new Map(whose.map((each) => [each.name, arrivalOf(each)]));
    });
  };

  async function settle(part: readonly Waiting[]): Promise<void> {
    try {
      const arrivals = await noteAll(part.map(({ arriving }) => arriving));
      for (const { arriving, resolve } of part) resolve(arrivals.get(arriving.name)!);
    } catch (error) {
      // What the store refuses is one agent's, which must keep no other out (T30); what it cannot do it can do for none.
      const isOnes = part.length > 1 && error instanceof HoldpointError && error.code !== 'store_unavailable';
      if (isOnes) for (const each of part) await settle([each]);
      else for (const { reject } of part) reject(error);
    }
  }

  /** Those that have waited longest, and of two connections of one agent the earlier. */
  function nextPart(): readonly Waiting[] {
    const part = new Map<string, Waiting>();
    const rest: Waiting[] = [];
    for (const each of queue.splice(0))
      if (part.size < AT_ONCE && !part.has(each.arriving.name)) part.set(each.arriving.name, each);
      else rest.push(each);
    queue.push(...rest);
    return [...part.values()];
  }
  async function work(): Promise<void> {
    isWorking = true;
    while (queue.length > 0) {
      // Whoever has proved itself at this moment comes along.
      await gather();
      await settle(nextPart());
    }
    isWorking = false;
  }

  return {
    note: (arriving) =>
      new Promise((resolve, reject) => {
        queue.push({ arriving, resolve, reject });
        if (!isWorking) void work();
      }),
  };
}
