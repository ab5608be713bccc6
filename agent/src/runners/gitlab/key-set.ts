import type { Json } from '../../domain/json.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Upstream } from './upstream.ts';

/** A token with a key nobody knows asks for the set again at most this often: anybody can write such a token. */
const MIN_REFRESH_MS = 30_000;
const MAX_KEYS = 64;
const MAX_BYTES = 1024 * 1024;

type Verifier = (jwt: string) => Record<string, Json> | null;

/** GitLab's keys for id tokens, fetched when a token names one that is not known. */
export interface KeySet {
  /** A verifier for one payload; `missed` tells afterwards whether it met a token whose key is not known. */
  view(): { readonly verify: Verifier; missed(): boolean };
  /** Fetches the set; false when that was done a moment ago. Rejects when GitLab does not give it. */
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
    return header?.alg === 'RS256' && typeof header.kid === 'string' ? header.kid : null;
  } catch {
    return null;
  }
}

function keysOf(body: Buffer): Record<string, unknown>[] {
  const value = JSON.parse(body.toString()) as { keys?: unknown } | null;
  if (!Array.isArray(value?.keys)) throw new Error('the key set of id tokens is not understood');
  return (value.keys as unknown[]).filter(
    (key): key is Record<string, unknown> => typeof key === 'object' && key !== null,
  );
}

/** Keys once seen stay known while the process runs: a parked job's token may be older than the newest set. */
export function createKeySet(upstream: Upstream, clock: Clock, verifierOf: (jwks: unknown) => Verifier): KeySet {
  const keys = new Map<string, Record<string, unknown>>();
  let verify: Verifier = () => null;
  let fetchedAt: number | null = null;
  return {
    view() {
      let missed = false;
      return {
        verify(jwt) {
          const kid = kidOf(jwt);
          if (kid !== null && !keys.has(kid)) missed = true;
          return verify(jwt);
        },
        missed: () => missed,
      };
    },
    async refresh() {
      if (fetchedAt !== null && clock.now() - fetchedAt < MIN_REFRESH_MS) return false;
      const answer = await upstream.call({
        method: 'GET',
        path: '/oauth/discovery/keys',
        headers: ['Accept', 'application/json'],
        timeoutMs: 5_000,
        totalMs: 5_000,
        maxBytes: MAX_BYTES,
      });
      // A GitLab that has none signs no id tokens.
      if (answer.status !== 404) {
        if (answer.status !== 200 || !answer.whole)
          throw new Error(`the key set of id tokens was answered with ${answer.status}`);
        for (const key of keysOf(answer.body)) {
          if (typeof key.kid === 'string' && (keys.size < MAX_KEYS || keys.has(key.kid))) keys.set(key.kid, key);
        }
        verify = verifierOf({ keys: [...keys.values()] });
      }
      fetchedAt = clock.now();
      return true;
    },
  };
}
