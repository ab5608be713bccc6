import { sendApproval } from './agent-process.ts';
import type { HeardSnapshots, Pushed, Returned, Waiting } from './link-crowd.ts';
import type { BenchHub } from './link-hub.ts';
import { type Worker, worker } from './processes.ts';
import type { RawQuestion } from './raw-ws.ts';
import type { Heard, Subscribe } from './subscribers.ts';

/** Processes that simulate agents and subscribers; the server that is measured needs a core of its own. */
const PROCESSES = 2;
/** A frame that has not come by then never will. */
const FRAME_MS = 15_000;
/** Questions that all agents together have open at once while they park their jobs. */
const ASK_AT_ONCE = 8;
/** Between two pushes, so that none waits behind another. */
const PACE_MS = 4;
/** Opens the port for the next look at something that is waited for. */
const LOOK_MS = 50;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds; throws with what was seen last. */
export async function until<T>(look: () => Promise<T> | T, holds: (seen: T) => boolean, ms: number): Promise<T> {
  for (const end = performance.now() + ms; ; await pause(LOOK_MS)) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > end)
      throw new Error(`did not come true within ${ms} ms; last seen: ${JSON.stringify(seen).slice(0, 300)}`);
  }
}

/** Simulated agents, in a few processes. */
export interface Crowd {
  /** Until agents of all numbers up to `to` are linked, one after the other; the first time from `from` on. */
  come(to: number, hub: Pick<BenchHub, 'url' | 'hubKey'>, from?: number): Promise<void>;
  /** Has agents of these numbers park a job each. */
  ask(from: number, to: number): Promise<readonly Waiting[]>;
  /** Milliseconds of the monotonic clock (as digits of nanoseconds) when the release of a Hold came. */
  pushed(hold: number): Promise<bigint>;
  heard(): Promise<HeardSnapshots>;
  forgetHeard(): Promise<void>;
  expectEnd(): Promise<void>;
  returned(): Promise<Returned>;
  end(): Promise<void>;
}

/** Nobody is linked yet. */
export async function crowdOf(): Promise<Crowd> {
  const workers = await Promise.all(Array.from({ length: PROCESSES }, () => worker('link-crowd')));
  const came = new Map<number, bigint>();
  const waiting = new Map<number, (at: bigint) => void>();
  for (const each of workers)
    each.onEvent((event) => {
      const { hold, at } = event as unknown as Pushed;
      came.set(hold, BigInt(at));
      waiting.get(hold)?.(BigInt(at));
    });
  const all = <T>(question: object): Promise<T[]> => Promise.all(workers.map((each) => each.ask<T>(question)));
  let there = 0;
  return {
    async come(to, { url, hubKey }, first = there) {
      const share = Math.ceil((to - first) / workers.length);
      const parts = workers.map((each, n) => {
        const from = first + n * share;
        return each.ask({ kind: 'come', url, hubKey, from, to: Math.min(from + share, to) });
      });
      await Promise.all(parts);
      there = to;
    },
    async ask(from, to) {
      const atOnce = ASK_AT_ONCE / workers.length;
      return (await all<readonly Waiting[]>({ kind: 'ask', from, to, atOnce })).flat();
    },
    pushed(hold) {
      const at = came.get(hold);
      if (at !== undefined) return Promise.resolve(at);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`the release of hold ${hold} never came to its agent`)),
          FRAME_MS,
        );
        waiting.set(hold, (seen) => {
          clearTimeout(timer);
          waiting.delete(hold);
          resolve(seen);
        });
      });
    },
    async heard() {
      const parts = await all<HeardSnapshots>({ kind: 'heard' });
      return { at: parts.flatMap(({ at }) => at), bytes: Math.max(...parts.map(({ bytes }) => bytes)) };
    },
    forgetHeard: async () => void (await all({ kind: 'forget-heard' })),
    expectEnd: async () => void (await all({ kind: 'expect-end' })),
    async returned() {
      const parts = await all<Returned>({ kind: 'returned' });
      const answers: Record<string, number> = {};
      for (const part of parts)
        for (const [answer, count] of Object.entries(part.answers)) answers[answer] = (answers[answer] ?? 0) + count;
      return {
        welcomedAt: parts.flatMap((part) => part.welcomedAt),
        answeredAt: parts.flatMap((part) => part.answeredAt),
        answers,
        left: parts.reduce((sum, part) => sum + part.left, 0),
      };
    },
    end: async () => void (await Promise.all(workers.map((each) => each.end()))),
  };
}

/** Milliseconds of one decision after the other. */
export interface DecisionTimes {
  /** From the approver's request to the frame at the agent. */
  readonly decision: readonly number[];
  /** Of that, from the commit to the frame at the agent: empty where another hub has sent it. */
  readonly push: readonly number[];
}

const ms = (from: bigint, to: bigint): number => Number(to - from) / 1e6;

/** Votes on each of these Holds at `hub`, and waits each time until its agent has the release. */
export async function decisions(
  hub: BenchHub,
  crowd: Crowd,
  holds: readonly Waiting[],
  voters: readonly string[],
): Promise<DecisionTimes> {
  const decision: number[] = [];
  const arrived = new Map<number, bigint>();
  await hub.noted();
  for (const [n, { hold, digest }] of holds.entries()) {
    const began = process.hrtime.bigint();
    const voted = sendApproval(hub.url, voters[n % voters.length]!, hold, digest);
    const [at] = await Promise.all([crowd.pushed(hold), voted]);
    decision.push(ms(began, at));
    arrived.set(hold, at);
    await pause(PACE_MS);
  }
  const push: number[] = [];
  for (const { hold, committed } of (await hub.noted()).stamps) {
    const at = arrived.get(hold);
    if (at !== undefined && committed !== '0') push.push(ms(BigInt(committed), at));
  }
  return { decision, push };
}

/** Connections that listen to a server that is no hub. */
export interface Listeners {
  subscribe(to: Subscribe['to'], port: number, count: number): Promise<void>;
  heard(): Promise<readonly Heard[]>;
  forgetHeard(): Promise<void>;
  end(): Promise<void>;
}

/** Nobody listens yet. */
export async function listeners(): Promise<Listeners> {
  const workers: Worker[] = await Promise.all(Array.from({ length: PROCESSES }, () => worker('subscribers')));
  const all = <T>(question: object): Promise<T[]> => Promise.all(workers.map((each) => each.ask<T>(question)));
  return {
    async subscribe(to, port, count) {
      const share = Math.ceil(count / workers.length);
      await Promise.all(
        workers.map((each, n) =>
          each.ask({ kind: 'subscribe', to, port, count: Math.min(share, count - n * share) } satisfies Subscribe),
        ),
      );
    },
    heard: async () => (await all<readonly Heard[]>({ kind: 'heard' })).flat(),
    forgetHeard: async () => void (await all({ kind: 'forget-heard' })),
    end: async () => void (await Promise.all(workers.map((each) => each.end()))),
  };
}

/** As long as the frame that releases a job. */
const RELEASE = {
  type: 'release',
  seq: 1,
  hold: 10_000,
  job_id: 300_010_000,
  digest: `sha256:${'0'.repeat(64)}`,
  reason: null,
  note: null,
};

/** Pushes of a server of ws alone, to one client after the other: milliseconds from sending to hearing. */
export async function rawPushes(server: Worker, clients: Listeners, count: number, times: number): Promise<number[]> {
  await clients.forgetHeard();
  const sent = new Map<number, bigint>();
  for (let n = 1; n <= times; n++) {
    const text = JSON.stringify({ ...RELEASE, n });
    const client = Math.floor((n * count) / (times + 1));
    sent.set(n, BigInt(await server.ask<string>({ kind: 'push', client, text } satisfies RawQuestion)));
    await pause(PACE_MS);
  }
  const heard = await until(
    () => clients.heard(),
    (all) => all.length >= times,
    FRAME_MS,
  );
  return heard.map(({ n, at }) => ms(sent.get(n)!, BigInt(at)));
}

/** Microseconds for each further client, between the first that hears and the last. */
export function spreadMicros(at: readonly string[]): number {
  let [first, last] = [BigInt(at[0] ?? 0), BigInt(at[0] ?? 0)];
  for (const each of at.map(BigInt)) {
    if (each < first) first = each;
    if (each > last) last = each;
  }
  return Number(last - first) / 1e3 / Math.max(1, at.length - 1);
}
