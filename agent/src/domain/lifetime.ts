import { HoldpointError } from './errors.ts';

/** A day in milliseconds. */
export const DAY_MS = 86_400_000;
/** A standing Approval that nothing used for so long has lapsed: an old configuration must not wait to be replayed (T12). */
export const STANDING_UNUSED_MS = 90 * DAY_MS;
/** More uses than a job has in a year say the same as standing, and nobody counts them. */
export const MAX_USES = 10_000;

/**
 * How long an Approval counts: for one Hold, for so many runs (and not after `until`, where somebody has set an end), until
 * a moment, or until revoked (lapsing when unused).
 */
export type Lifetime =
  | { readonly kind: 'run' }
  | { readonly kind: 'uses'; readonly count: number /** Epoch ms. */; readonly until: number | null }
  | { readonly kind: 'until' /** Epoch ms. */; readonly at: number }
  | { readonly kind: 'standing' };

/** The longest lifetime that a policy allows, or its default. */
export type LifetimeLimit =
  | { readonly kind: 'run' }
  | { readonly kind: 'days'; readonly days: number }
  | { readonly kind: 'standing' };

function untilOf(text: string): number | null {
  const match = /^until:(\d{4}-\d\d-\d\d)(T[0-9:.]+Z)?$/.exec(text);
  const at = match === null ? Number.NaN : Date.parse(`${match[1]}${match[2] ?? 'T23:59:59.999Z'}`);
  // Date.parse rolls 31 February over to March: the day that was written must be the day that is meant.
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== match?.[1] ? null : at;
}

/**
 * Reads `run`, `standing`, `uses:N`, `until:YYYY-MM-DD` (end of that day, UTC) or `until:` and an RFC 3339 time in UTC; `uses`
 * and `until` with a comma between them. Throws `bad_input`.
 */
export function parseLifetime(text: string): Lifetime {
  if (text === 'run' || text === 'standing') return { kind: text };
  const [first = '', second, ...rest] = text.split(',');
  const count = Number(/^uses:([1-9]\d{0,4})$/.exec(first)?.[1] ?? 0);
  const at = untilOf(second ?? first);
  if (rest.length === 0 && count >= 1 && count <= MAX_USES && (second === undefined || at !== null))
    return { kind: 'uses', count, until: second === undefined ? null : at };
  if (second === undefined && at !== null) return { kind: 'until', at };
  throw new HoldpointError(
    'bad_input',
    `lifetime ${text} is not understood: write run, uses:N (at most ${MAX_USES}), standing or until:YYYY-MM-DD`,
  );
}

/** The text that {@link parseLifetime} reads. */
export function lifetimeText(lifetime: Lifetime): string {
  const until = (at: number): string => `until:${new Date(at).toISOString()}`;
  if (lifetime.kind === 'until') return until(lifetime.at);
  if (lifetime.kind !== 'uses') return lifetime.kind;
  return `uses:${lifetime.count}${lifetime.until === null ? '' : `,${until(lifetime.until)}`}`;
}

/** The moment after which it never counts, as far as that is known beforehand. */
function endsAt(lifetime: Lifetime): number {
  switch (lifetime.kind) {
    case 'run':
      return Number.NEGATIVE_INFINITY;
    case 'uses':
      return lifetime.until ?? Number.POSITIVE_INFINITY;
    case 'until':
      return lifetime.at;
    case 'standing':
      return Number.POSITIVE_INFINITY;
    default:
      return lifetime satisfies never;
  }
}

/**
 * The narrowest of several lifetimes: `run` before everything; else the fewest uses and the earliest end that anybody asked
 * for, both together where one voter set the one and another the other.
 */
export function narrowest(lifetimes: readonly [Lifetime, ...Lifetime[]]): Lifetime {
  if (lifetimes.some(({ kind }) => kind === 'run')) return { kind: 'run' };
  const end = Math.min(...lifetimes.map(endsAt));
  const counts = lifetimes.flatMap((one) => (one.kind === 'uses' ? [one.count] : []));
  const until = Number.isFinite(end) ? end : null;
  if (counts.length > 0) return { kind: 'uses', count: Math.min(...counts), until };
  return until === null ? { kind: 'standing' } : { kind: 'until', at: until };
}

/** The lifetime that a limit stands for when it starts now. */
export function longest(limit: LifetimeLimit, now: number): Lifetime {
  return limit.kind === 'days' ? { kind: 'until', at: now + limit.days * DAY_MS } : limit;
}

/** The lifetime, ended where the limit ends it: uses that nobody took are over when everything else is. */
export function bounded(lifetime: Lifetime, limit: LifetimeLimit, now: number): Lifetime {
  if (lifetime.kind !== 'uses' || limit.kind !== 'days') return lifetime;
  return { ...lifetime, until: Math.min(lifetime.until ?? Number.POSITIVE_INFINITY, now + limit.days * DAY_MS) };
}

/** Throws `lifetime_not_allowed` for a lifetime beyond the limit or in the past. One day of grace covers `until:DATE`, which means the end of that day. */
export function requireWithin(lifetime: Lifetime, limit: LifetimeLimit, now: number): void {
  if (lifetime.kind !== 'run' && endsAt(lifetime) <= now) {
    throw new HoldpointError('lifetime_not_allowed', `${lifetimeText(lifetime)} is in the past: choose a later date`);
  }
  const end = endsAt(longest(limit, now));
  if (endsAt(lifetime) > (limit.kind === 'days' ? end + DAY_MS : end)) {
    const most = limit.kind === 'days' ? `until:DATE of at most ${limit.days} days` : limit.kind;
    throw new HoldpointError(
      'lifetime_not_allowed',
      `lifetime ${lifetimeText(lifetime)} is longer than the policy allows here: use ${most}`,
    );
  }
}
