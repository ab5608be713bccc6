import type { Json } from '../../domain/json.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Upstream } from './upstream.ts';

/** A token with a key nobody knows asks for the set again at most this often: anybody can write such a token. */
const MIN_REFRESH_MS = 60_000;
/** A key that GitLab has taken back is not to be trusted for as long as the process runs. */
const MAX_AGE_MS = 24 * 3_600_000;
/** GitLab has two or three; while they are exchanged some more. */
const MAX_KEYS = 64;
/** Key ids that a fetched set did not have: tokens that somebody made up, or a set that GitLab has not brought up to date yet. */
const MAX_ABSENT = 1_000;
const ABSENT_MS = 10 * 60_000;
const MAX_KID_CHARACTERS = 256;
const MAX_BYTES = 1024 * 1024;
const FETCH_MS = 5_000;

type Verifier = (jwt: string) => Record<string, Json> | null;
type Key = Record<string, unknown>;

/** What reading a payload found out about the keys that its tokens name: all known, too old to rely on, or some not known yet. */
export type KeyNeed = 'none' | 'stale' | 'missing';

/** GitLab's keys for id tokens: fetched when a token names one that is not known, and once a day. */
export interface KeySet {
  /** A verifier for one payload; `need` tells afterwards what its tokens asked for. */
  view(): { readonly verify: Verifier; need(): KeyNeed; missing(): readonly string[] };
  /** Takes the keys that this view has missed for keys that do not exist, for ten minutes: the set was fetched for them. */
  settle(view: { missing(): readonly string[] }): void;
  /** Fetches the set; false when that was tried a moment ago, or GitLab did not give it: the last good set stays. */
  refresh(): Promise<boolean>;
}

function kidOf(jwt: string): string | null {
  const parts = jwt.split('.');
  if (parts.length !== 3) return null;
  try {
    const header = JSON.parse(Buffer.from(parts[0]!, 'base64url').toString()) as {
      kid?: unknown;
      alg?: unknown;
    } | null;
    const isKid = typeof header?.kid === 'string' && header.kid.length <= MAX_KID_CHARACTERS;
    return header?.alg === 'RS256' && isKid ? (header.kid as string) : null;
  } catch {
    return null;
  }
}

function keysOf(body: Buffer): Key[] {
  const value = JSON.parse(body.toString()) as { keys?: unknown } | null;
  if (!Array.isArray(value?.keys)) throw new Error('the key set of id tokens is not understood');
  return (value.keys as unknown[])
    .filter((key): key is Key => typeof key === 'object' && key !== null)
    .filter(({ kid }) => typeof kid === 'string' && kid.length <= MAX_KID_CHARACTERS)
    .slice(0, MAX_KEYS);
}

/**
 * Keys stay known for a day after GitLab has last named them: a parked job's token may be older than the newest set. What
 * is in the newest set always has room.
 */
export function createKeySet(upstream: Upstream, clock: Clock, verifierOf: (jwks: unknown) => Verifier): KeySet {
  const keys = new Map<string, { readonly key: Key; readonly seenAt: number }>();
  const absent = new Map<string, number>();
  let verify: Verifier = () => null;
  let triedAt: number | null = null;
  let fetchedAt: number | null = null;
  let running: Promise<boolean> | null = null;

  function take(fetched: readonly Key[], now: number): void {
    for (const key of fetched) {
      const kid = key.kid as string;
      // Last in the map: the oldest go first when there are too many.
      keys.delete(kid);
      keys.set(kid, { key, seenAt: now });
    }
    for (const [kid, { seenAt }] of keys) {
      if (now - seenAt > MAX_AGE_MS || keys.size > MAX_KEYS) keys.delete(kid);
    }
    for (const kid of keys.keys()) absent.delete(kid);
    verify = verifierOf({ keys: [...keys.values()].map(({ key }) => key) });
    fetchedAt = now;
  }

  async function fetchSet(): Promise<boolean> {
    try {
      const answer = await upstream.call({
        method: 'GET',
        path: '/oauth/discovery/keys',
        headers: ['Accept', 'application/json'],
        timeoutMs: FETCH_MS,
        totalMs: FETCH_MS,
        maxBytes: MAX_BYTES,
      });
      // A GitLab that has none signs no id tokens.
      if (answer.status !== 404 && (answer.status !== 200 || !answer.whole)) return false;
      take(answer.status === 404 ? [] : keysOf(answer.body), clock.now());
      return true;
    } catch {
      return false;
    }
  }

  return {
    view() {
      const stale = fetchedAt !== null && clock.now() - fetchedAt > MAX_AGE_MS && keys.size > 0;
      const missed = new Set<string>();
      let met = false;
      return {
        verify(jwt) {
          const kid = kidOf(jwt);
          if (kid !== null) met = true;
          if (kid !== null && !keys.has(kid) && (absent.get(kid) ?? 0) <= clock.now()) missed.add(kid);
          return verify(jwt);
        },
        need: () => (missed.size > 0 ? 'missing' : met && stale ? 'stale' : 'none'),
        missing: () => [...missed],
      };
    },
    settle(view) {
      for (const kid of view.missing()) {
        absent.delete(kid);
        absent.set(kid, clock.now() + ABSENT_MS);
      }
      for (const kid of absent.keys()) {
        if (absent.size <= MAX_ABSENT) break;
        absent.delete(kid);
      }
    },
    refresh() {
      if (running !== null) return running;
      if (triedAt !== null && clock.now() - triedAt < MIN_REFRESH_MS) return Promise.resolve(false);
      triedAt = clock.now();
      running = fetchSet().finally(() => {
        running = null;
      });
      return running;
    },
  };
}
