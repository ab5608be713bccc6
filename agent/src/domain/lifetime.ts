import { HoldpointError } from './errors.ts';

/** A day in milliseconds. */
export const DAY_MS = 86_400_000;
/** A standing Approval that nothing used for so long has lapsed: an old configuration must not wait to be replayed (T12). */
export const STANDING_UNUSED_MS = 90 * DAY_MS;

/** How long an Approval counts: for one Hold, until a moment, or until revoked (lapsing when unused). */
export type Lifetime =
  | { readonly kind: 'run' }
  | { readonly kind: 'until' /** Epoch ms. */; readonly at: number }
  | { readonly kind: 'standing' };

/** The longest lifetime that a policy allows, or its default. */
export type LifetimeLimit =
  | { readonly kind: 'run' }
  | { readonly kind: 'days'; readonly days: number }
  | { readonly kind: 'standing' };

/** Reads `run`, `standing`, `until:YYYY-MM-DD` (end of that day, UTC) or `until:` and an RFC 3339 time in UTC. Throws `bad_input`. */
export function parseLifetime(text: string): Lifetime {
  if (text === 'run' || text === 'standing') return { kind: text };
  const match = /^until:(\d{4}-\d\d-\d\d)(T[0-9:.]+Z)?$/.exec(text);
  const at = match === null ? Number.NaN : Date.parse(`${match[1]}${match[2] ?? 'T23:59:59.999Z'}`);
  // Date.parse rolls 31 February over to March: the day that was written must be the day that is meant.
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== match?.[1]) {
    throw new HoldpointError(
      'bad_input',
      `lifetime ${text} is not understood: write run, standing or until:YYYY-MM-DD`,
    );
  }
  return { kind: 'until', at };
}

/** The text that {@link parseLifetime} reads. */
export function lifetimeText(lifetime: Lifetime): string {
  return lifetime.kind === 'until' ? `until:${new Date(lifetime.at).toISOString()}` : lifetime.kind;
}

function endsAt(lifetime: Lifetime): number {
  switch (lifetime.kind) {
    case 'run':
      return Number.NEGATIVE_INFINITY;
    case 'until':
      return lifetime.at;
    case 'standing':
      return Number.POSITIVE_INFINITY;
    default:
      return lifetime satisfies never;
  }
}

/** The narrowest of several lifetimes: `run` before the earliest date before `standing`. */
export function narrowest(lifetimes: readonly [Lifetime, ...Lifetime[]]): Lifetime {
  return lifetimes.reduce((a, b) => (endsAt(b) < endsAt(a) ? b : a));
}

/** The lifetime that a limit stands for when it starts now. */
export function longest(limit: LifetimeLimit, now: number): Lifetime {
  return limit.kind === 'days' ? { kind: 'until', at: now + limit.days * DAY_MS } : limit;
}

/** Throws `lifetime_not_allowed` for a lifetime beyond the limit or in the past. One day of grace covers `until:DATE`, which means the end of that day. */
export function requireWithin(lifetime: Lifetime, limit: LifetimeLimit, now: number): void {
  if (lifetime.kind === 'until' && lifetime.at <= now) {
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
