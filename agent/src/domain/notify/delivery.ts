import type { Audience, Notice, Severity } from './notice.ts';
import { NOTICES } from './notice.ts';
import { type NotifyPolicy, type NotifyRoute, quietUntil, routesFor } from './notify-policy.ts';

/** Kinds of channels. */
export const CHANNEL_KINDS = ['webhook', 'email', 'slack', 'mattermost', 'gitlab'] as const;
/** One of the kinds. */
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** People read it: quiet hours, digests and limits hold. Programs get everything, at once and in order. */
export function isForPeople(kind: ChannelKind): boolean {
  return kind === 'email' || kind === 'slack' || kind === 'mattermost';
}

/** What people want to hear: everything, only what is for them alone (their jobs, their tokens, being asked by name), or nothing. */
export const WISHES = ['all', 'mine', 'off'] as const;
/** One of the wishes. */
export type Wish = (typeof WISHES)[number];

/** Somebody who may be told. */
export interface Recipient {
  readonly id: number;
  readonly username: string;
  /** Where mail reaches them; null: nobody knows. */
  readonly address: string | null;
  readonly wish: Wish;
}
/** Who an event is for, by the reason; `also`: whom a route names, by route. */
export type Recipients = Readonly<Record<Audience, readonly Recipient[]>> & {
  readonly also: ReadonlyMap<string | number, Recipient>;
};

/** One message to one recipient, before it is in the outbox. */
export interface PlannedDelivery {
  readonly channel: string;
  /** An address, a pipeline's note (`4242/100`), or empty where the channel itself is the recipient. */
  readonly target: string;
  readonly person: number | null;
  /** Epoch ms from which on it may be sent. */
  readonly dueAt: number;
}
/** What stands in the outbox. */
export interface Delivery extends PlannedDelivery {
  readonly id: number;
  readonly notice: Notice;
  /** Id of who triggered what it is about: nobody may wear others out (T58). */
  readonly cause: number | null;
  /** `waiting` → `sent` | `dead`; a dead one is `waiting` again when somebody retries it. */
  readonly state: DeliveryState;
  readonly createdAt: number;
  readonly tries: number;
  readonly lastError: string | null;
  readonly sentAt: number | null;
}
/** States of a delivery. */
export const DELIVERY_STATES = ['waiting', 'sent', 'dead'] as const;
/** One of the states. */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Who is told something has their own say; a warning about their own token they cannot turn down. */
function isWanted(wish: Wish, why: Audience | 'also', notice: Notice): boolean {
  switch (wish) {
    case 'all':
      return true;
    case 'mine':
      return why !== 'approvers' || notice.event === 'help_asked';
    case 'off':
      return why === 'owner' && notice.severity === 'critical';
    default:
      return wish satisfies never;
  }
}

/** An address that can stand in a header and names one mailbox: anything else is no address (no injection, no list). */
export function isAddress(text: string): boolean {
  return (
    text.length <= 254 &&
    /^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(
      text,
    )
  );
}

/** Of a person's addresses the first that mail can be sent to. */
export function addressOf(emails: readonly string[] | undefined): string | null {
  return emails?.find(isAddress)?.toLowerCase() ?? null;
}

interface Way {
  readonly channels: readonly string[];
  readonly to: readonly Audience[];
  readonly also: readonly (string | number)[];
  readonly digestMs: number;
}
const wayOf = ({ channels, to, also, digestMs }: NotifyRoute): Way => ({ channels, to, also, digestMs });

/** Targets of one channel for one way: people by their address, one note for a pipeline, or the channel itself. */
function targetsOf(
  kind: ChannelKind,
  notice: Notice,
  way: Way,
  people: Recipients,
): readonly { readonly target: string | null; readonly person: number | null; readonly username: string }[] {
  switch (kind) {
    case 'email': {
      const audiences: readonly (readonly [Audience | 'also', readonly Recipient[]])[] = [
        ...NOTICES[notice.event].to.filter((one) => way.to.includes(one)).map((one) => [one, people[one]] as const),
        ['also', way.also.flatMap((who) => people.also.get(who) ?? [])],
      ];
      return audiences.flatMap(([why, list]) =>
        list.flatMap(({ id, username, address, wish }) =>
          isWanted(wish, why, notice) ? [{ target: address, person: id, username }] : [],
        ),
      );
    }
    case 'gitlab':
      return notice.project === null || notice.pipelineId === null
        ? []
        : [{ target: `${notice.project.id}/${notice.pipelineId}`, person: null, username: '' }];
    case 'webhook':
    case 'slack':
    case 'mattermost':
      return [{ target: '', person: null, username: '' }];
    default:
      return kind satisfies never;
  }
}

/** What the outbox knows already of one recipient, for digests and limits. */
export interface Load {
  /** When what is collected for them is sent (epoch ms); null: nothing is. */
  readonly digestDue: number | null;
  /** Messages that the same person has caused within the last hour. */
  readonly ofCause: number;
}

/** An hour, the span over which messages are counted. */
export const LIMIT_SPAN_MS = 3_600_000;

/**
 * When a message may be sent. Only what people read is ever late: collected with others, held back over quiet hours, or
 * because one person's jobs have asked often enough within the hour (T58). What is critical is never late.
 */
export function dueAt(
  policy: Pick<NotifyPolicy, 'quietHours' | 'perTrigger'>,
  { kind, digestMs, severity }: { readonly kind: ChannelKind; readonly digestMs: number; readonly severity: Severity },
  load: Load,
  now: number,
): number {
  if (!isForPeople(kind) || severity === 'critical') return now;
  const flood = load.ofCause >= policy.perTrigger ? LIMIT_SPAN_MS : 0;
  const collect = Math.max(digestMs, flood);
  // What is collected already goes with it: one message for many, not one each.
  const due = collect === 0 ? now : load.digestDue !== null && load.digestDue > now ? load.digestDue : now + collect;
  return quietUntil(policy.quietHours, due) ?? due;
}

/** Channels by name, as the operator has defined them. */
export type ChannelKinds = ReadonlyMap<string, ChannelKind>;

/** Where a notice goes: each recipient once for each channel, along the first route that says so. Unknown channels by name. */
export function planDeliveries(
  notice: Notice,
  policy: NotifyPolicy,
  channels: ChannelKinds,
  people: Recipients,
  extra: readonly Way[] = [],
): {
  readonly deliveries: readonly (Omit<PlannedDelivery, 'dueAt'> & {
    readonly kind: ChannelKind;
    readonly digestMs: number;
  })[];
  readonly unknown: readonly string[];
  /** User names of people whom mail should reach, and nobody knows where. */
  readonly unreachable: readonly string[];
} {
  const ways = [...extra, ...routesFor(policy, notice).map(wayOf)];
  const found = new Map<
    string,
    Omit<PlannedDelivery, 'dueAt'> & { readonly kind: ChannelKind; readonly digestMs: number }
  >();
  const unknown = new Set<string>();
  const unreachable = new Set<string>();
  for (const way of ways) {
    for (const channel of way.channels) {
      const kind = channels.get(channel);
      if (kind === undefined) {
        unknown.add(channel);
        continue;
      }
      // Each step of each hold would be noise to people; a program and a note that is kept up to date want them all.
      if (notice.event === 'hold_changed' && isForPeople(kind)) continue;
      for (const { target, person, username } of targetsOf(kind, notice, way, people)) {
        if (target === null) {
          unreachable.add(username);
          continue;
        }
        const key = JSON.stringify([channel, target]);
        // Of two routes the quicker one.
        const known = found.get(key);
        if (known === undefined || known.digestMs > way.digestMs)
          found.set(key, { channel, target, person, kind, digestMs: way.digestMs });
      }
    }
  }
  return { deliveries: [...found.values()], unknown: [...unknown], unreachable: [...unreachable] };
}

/**
 * Tries before a delivery is dead: with the pauses between them about an hour and a half. A mail server is updated in less,
 * and one message that a receiver will never take holds up what is behind it for no longer.
 */
export const MAX_TRIES = 13;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 30 * 60_000;

/**
 * When the next try is after so many that failed (epoch ms); null: there is none. Half of the pause is by chance (0 to 1), so
 * that many that failed together do not come back together. A receiver that says when to come again is heard, within bounds.
 */
export function nextTry(tries: number, chance: number, now: number, wantedMs: number | null = null): number | null {
  if (tries >= MAX_TRIES) return null;
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
  const own = pause / 2 + (pause / 2) * chance;
  return now + Math.round(Math.max(own, Math.min(wantedMs ?? 0, LONGEST_PAUSE_MS)));
}
