import { type Approval, endsAt, usesLeft } from './approval.ts';

/** Why an Approval lets no other job go any more; times are epoch ms. */
export type Over =
  | { readonly kind: 'revoked'; readonly at: number; readonly by: string; readonly reason: string | null }
  | { readonly kind: 'ended'; readonly at: number }
  | { readonly kind: 'used_up' };

/** What ended an Approval; null while it stands. */
export function overOf(approval: Approval, now: number): Over | null {
  if (approval.revoked !== null) return { kind: 'revoked', ...approval.revoked };
  const end = endsAt(approval);
  if (end !== null && now >= end) return { kind: 'ended', at: end };
  return usesLeft(approval) === 0 ? { kind: 'used_up' } : null;
}

/** The same with people and days as whoever reads it has them written. */
export interface OverSaid {
  readonly kind: Over['kind'];
  readonly day: string | null;
  readonly by: string | null;
  readonly reason: string | null;
}

/** What became of an approval, to go on from "that approval": `was revoked on 12 May by Jonas Berg (@jonas): leaks the key`. */
export function overWords({ kind, day, by, reason }: OverSaid): string {
  switch (kind) {
    case 'revoked':
      return `was revoked on ${day ?? 'an unknown day'} by ${by ?? 'nobody known'}${reason ? `: ${reason}` : ', who gave no reason'}`;
    case 'ended':
      return `ended on ${day ?? 'an unknown day'}`;
    case 'used_up':
      return 'has been used for all the runs that it was given for';
    default:
      return kind satisfies never;
  }
}

/** An {@link Over} in words, for whoever reads user names and days in UTC. */
export function overInUtc(over: Over): string {
  const day = 'at' in over ? new Date(over.at).toISOString().slice(0, 10) : null;
  const revoked = over.kind === 'revoked' ? over : null;
  return overWords({ kind: over.kind, day, by: revoked?.by ?? null, reason: revoked?.reason ?? null });
}
