import type { HubContext } from '../app/hub-context.ts';
import { deliverTo } from '../app/notify/deliver.ts';
import { enqueueRipe, enqueueRows, type Missing } from '../app/notify/enqueue.ts';
import { gitlabNotes } from '../app/notify/gitlab-note.ts';
import { ripeNotices } from '../app/notify/ripen.ts';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import { kindsOf } from '../domain/notify/channel.ts';
import type { ChannelKinds } from '../domain/notify/delivery.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Log } from '../ports/log.ts';
import type { OutboxFigures, OutboxTarget } from '../ports/notice-store.ts';
import type { Channel } from '../ports/notifier.ts';

/** Between two looks at what time has made, and at what is due; whatever happens is looked at sooner. */
const TICK_MS = 15_000;
/** What happens together is looked at together. */
const GATHER_MS = 50;
/** Recipients that are written to at the same time: in all, and of one channel, so that a slow one holds up no other. */
const MAX_AT_ONCE = 16;
const MAX_AT_ONCE_PER_CHANNEL = 4;

/** Channels as the hub has them. */
export interface NotifyOptions {
  readonly channels: readonly Pick<ChannelConfig, 'name' | 'kind'>[];
  /** Those that are no part of the hub itself. */
  readonly senders: readonly Channel[];
}
/** Counts of what was sent, by channel kind and outcome. */
export type Count = (kind: string, outcome: 'sent' | 'failed' | 'dead') => void;

/** Tells people what happens. */
export interface Notifications {
  readonly kinds: ChannelKinds;
  figures(): Promise<OutboxFigures>;
  /** Something has happened, or was put into the outbox. */
  noticed(): void;
  start(): void;
  close(): Promise<void>;
}

/**
 * The worker of the outbox: fills it from the audit, and sends what is due, in order for each recipient. Several hubs on one store
 * may each have one: how far the audit was read is compared when it is written, and what is sent is claimed before.
 */
export function openNotifications(
  hub: HubContext,
  { channels, senders }: NotifyOptions,
  ci: { readonly api: CiApi; readonly botToken: () => string | null } | null,
  connectedSince: (agent: string) => number | null,
  count: Count,
  log: Log,
): Notifications {
  const { store, clock } = hub;
  const kinds = kindsOf(channels);
  const own = channels.flatMap(({ name, kind }) => (kind === 'gitlab' ? [gitlabNotes(hub, name, ci)] : []));
  const byName = new Map([...senders, ...own].map((channel) => [channel.name, channel]));
  const busy = new Map<string, { readonly channel: string; readonly done: Promise<void> }>();
  const known = new Set<string>();
  const away = new Map<string, number>();
  const complained = new Set<string>();
  let stopped = true;
  let working: Promise<void> | null = null;
  let again = false;
  let nextTick = 0;
  let plannedAt = Number.POSITIVE_INFINITY;
  let cancel = (): void => {};
  /** Recipients at whom this program itself failed: left alone until then, so that nothing is sent in a loop. */
  const paused = new Map<string, number>();

  const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));
  /** Once for each name: an operator who reads it can mend it, and a log that repeats it hides everything else. */
  const complain = ({ unknown, unreachable }: Missing): void => {
    const fresh = (kind: string, names: readonly string[]) =>
      names.filter((name) => !complained.has(`${kind} ${name}`) && complained.add(`${kind} ${name}`));
    for (const channel of fresh('channel', unknown))
      log.error({ channel }, `the policy sends notifications to ${channel}, and hub.notify has no such channel`);
    for (const person of fresh('person', unreachable))
      log.warn({ person }, `nobody knows a mail address of ${person}: principals.yaml lists them under "emails"`);
  };
  /**
   * Since when an agent is away that was connected to this hub; null for any other. Of several hubs on one store each knows of
   * its own links alone: one that an agent never came to cannot say that it is away.
   */
  const awaySince = (agent: string): number | null => {
    if (connectedSince(agent) !== null) {
      known.add(agent);
      away.delete(agent);
    } else if (known.has(agent) && !away.has(agent)) away.set(agent, clock.now());
    return away.get(agent) ?? null;
  };

  async function fill(): Promise<void> {
    for (;;) {
      const { more, ...missing } = await enqueueRows(hub, kinds);
      complain(missing);
      if (!more || stopped) break;
    }
    if (clock.now() < nextTick) return;
    nextTick = clock.now() + TICK_MS;
    const ripe = await ripeNotices(hub, awaySince);
    if (ripe.length > 0) complain(await enqueueRipe(hub, kinds, ripe));
  }

  const keyOf = ({ channel, target }: OutboxTarget): string => JSON.stringify([channel, target]);

  async function sendTo(target: OutboxTarget): Promise<void> {
    const kind = kinds.get(target.channel) ?? 'unknown';
    try {
      const outcome = await deliverTo({ hub, channels: byName, kinds }, target);
      if (outcome === 'sent') count(kind, 'sent');
      if (outcome === 'again') count(kind, 'failed');
      if (outcome === 'dead') {
        count(kind, 'dead');
        log.error({ channel: target.channel }, 'a notification could not be sent: see "holdpoint notifications list"');
      }
    } catch (error) {
      count(kind, 'failed');
      paused.set(keyOf(target), clock.now() + TICK_MS);
      log.error({ channel: target.channel, reason: words(error) }, 'sending a notification failed');
    }
  }

  /** Starts whatever is due and not being written to; what is done makes room for the next. */
  async function pump(): Promise<void> {
    const targets = await store.dueTargets(clock.now(), 500);
    for (const target of targets) {
      if (stopped || busy.size >= MAX_AT_ONCE) return;
      const key = keyOf(target);
      if ((paused.get(key) ?? 0) > clock.now()) continue;
      paused.delete(key);
      const ofChannel = [...busy.values()].filter(({ channel }) => channel === target.channel).length;
      if (busy.has(key) || ofChannel >= MAX_AT_ONCE_PER_CHANNEL) continue;
      const done = sendTo(target).finally(() => {
        busy.delete(key);
        wake(1);
      });
      busy.set(key, { channel: target.channel, done });
    }
  }

  async function work(): Promise<void> {
    try {
      await fill();
      await pump();
    } catch (error) {
      log.error({ reason: words(error) }, 'the outbox of notifications could not be worked on; it is tried again');
    }
  }

  /** One look at a time; whatever is noticed meanwhile is looked at right after it. */
  function wake(afterMs: number): void {
    const at = clock.now() + afterMs;
    if (stopped || at >= plannedAt) return;
    if (working !== null) {
      again = true;
      return;
    }
    cancel();
    plannedAt = at;
    cancel = clock.after(afterMs, () => {
      plannedAt = Number.POSITIVE_INFINITY;
      working = work().finally(() => {
        working = null;
        const next = again ? GATHER_MS : TICK_MS;
        again = false;
        wake(next);
      });
    });
  }

  const isOn = kinds.size > 0;
  return {
    kinds,
    figures: () => store.outboxFigures(clock.now()),
    noticed: () => {
      if (isOn) wake(GATHER_MS);
    },
    start() {
      // Without a channel nobody is told anything: nothing is looked at, and what happens meanwhile is never told late.
      if (!isOn || !stopped) return;
      stopped = false;
      wake(1);
    },
    async close() {
      stopped = true;
      cancel();
      await working;
      // What is on its way is cut off and sent again after the start: nobody waits for a slow receiver to be stopped.
      await Promise.all([...byName.values()].map((channel) => channel.close()));
      await Promise.all([...busy.values()].map(({ done }) => done));
    },
  };
}
