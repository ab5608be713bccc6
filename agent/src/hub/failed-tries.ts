import { addressGroup } from '../domain/token-use.ts';
import type { Clock } from '../ports/clock.ts';
import { RateLimited } from './auth.ts';

const WINDOW_MS = 60_000;
/** So many places are remembered; whoever has more than this knocks from all of them at once, and the oldest are forgotten. */
const MAX_PLACES = 5_000;

/**
 * Wrong tokens at the handshake of a websocket, which no route guards: limited by address as they are elsewhere, and a right
 * one is let through meanwhile (T24, T30).
 */
export interface FailedTries {
  /** Counts a try; throws `rate_limited` for a place that has had its tries in this minute. */
  note(address: string | null): void;
}

/** Counts tries in windows of a minute. */
export function failedTries(clock: Pick<Clock, 'now'>, perMinute: number): FailedTries {
  const places = new Map<string, { readonly since: number; count: number }>();
  return {
    note(address) {
      const place = address === null ? '' : addressGroup(address);
      const now = clock.now();
      const found = places.get(place);
      if (found === undefined || now - found.since >= WINDOW_MS) {
        places.delete(place);
        const [oldest] = places.size >= MAX_PLACES ? places.keys() : [];
        if (oldest !== undefined) places.delete(oldest);
        places.set(place, { since: now, count: 1 });
        return;
      }
      found.count += 1;
      if (found.count <= perMinute) return;
      throw new RateLimited('wrong tokens', Math.max(1, Math.ceil((found.since + WINDOW_MS - now) / 1_000)));
    },
  };
}
