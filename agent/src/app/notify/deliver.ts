import { type ChannelKinds, type Delivery, LIMIT_SPAN_MS, nextTry } from '../../domain/notify/delivery.ts';
import { NO_NOTIFY, quietUntil } from '../../domain/notify/notify-policy.ts';
import { printable } from '../../domain/printable.ts';
import type { OutboxTarget } from '../../ports/notice-store.ts';
import { type Channel, NotSent } from '../../ports/notifier.ts';
import type { Store } from '../../ports/store.ts';
import type { HubContext } from '../hub-context.ts';
import { settle } from '../settle.ts';
import { collects } from './enqueue.ts';

/** Notices that are put together in one message, at most. */
const MAX_TOGETHER = 50;
const MAX_ERROR_CHARS = 300;
/** No send takes longer than this, but one that hangs; then another try may begin beside it. */
const SEND_MS = 30_000;

/** What the worker works with. */
export interface Delivering {
  readonly hub: HubContext;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly kinds: ChannelKinds;
}

/** The outcome of one message. */
export type Outcome = 'sent' | 'again' | 'dead' | 'later' | 'nothing';

/**
 * Sends what is due for one recipient, once: one notice, or together what was collected. At least once: what was sent is
 * marked afterwards, so a process that ends in between sends it again, under the same key.
 */
export async function deliverTo({ hub, channels, kinds }: Delivering, to: OutboxTarget): Promise<Outcome> {
  const { store, clock } = hub;
  const now = clock.now();
  const together = collects(kinds, to.channel) || kinds.get(to.channel) === 'gitlab';
  const due = await store.dueFor(to, now, together ? MAX_TOGETHER : 1);
  if (due.length === 0) return 'nothing';
  const channel = channels.get(to.channel);
  if (channel === undefined) return fail(hub, due, new NotSent('no channel has this name', { again: false }));
  const until = collects(kinds, to.channel) ? await postponedUntil(hub, to, due, now) : null;
  if (until !== null) {
    await store.write(async (tx) => {
      for (const one of due) await tx.updateDelivery({ ...one, dueAt: until });
    });
    return 'later';
  }
  const taken = await claim(store, to, now, due.length);
  if (taken.length === 0) return 'nothing';
  try {
    await channel.send({ target: to.target, notices: taken.map(({ notice }) => notice), base: hub.externalUrl() });
  } catch (error) {
    return fail(hub, taken, error);
  }
  const sentAt = clock.now();
  await store.write(async (tx) => {
    for (const one of taken) await tx.updateDelivery({ ...one, state: 'sent', lastError: null, sentAt });
  });
  return 'sent';
}

/**
 * Takes what is due for one recipient, so that no other hub sends it at the same time: for as long as a send may take it counts
 * as a try that is under way. A process that ends in between leaves it to whoever looks after that.
 */
async function claim(store: Store, to: OutboxTarget, now: number, limit: number): Promise<readonly Delivery[]> {
  return store.write(async (tx) => {
    const due = await tx.dueFor(to, now, limit);
    const taken = due.map((one) => ({ ...one, tries: one.tries + 1, dueAt: now + SEND_MS }));
    for (const one of taken) await tx.updateDelivery(one);
    return taken;
  });
}

/** When it may be sent instead: after quiet hours that have begun meanwhile, or when the hour's messages allow it (T58). */
async function postponedUntil(
  { store, policy }: HubContext,
  { channel, target }: OutboxTarget,
  due: readonly Delivery[],
  now: number,
): Promise<number | null> {
  if (due.some(({ notice }) => notice.severity === 'critical')) return null;
  const notify = (await policy()).notify ?? NO_NOTIFY;
  const quiet = quietUntil(notify.quietHours, now);
  if (quiet !== null) return quiet;
  const sent = await store.messagesSince(channel, target, now - LIMIT_SPAN_MS);
  const [oldest] = sent;
  return sent.length >= notify.perHour && oldest !== undefined ? oldest + LIMIT_SPAN_MS : null;
}

async function fail(hub: HubContext, due: readonly Delivery[], error: unknown): Promise<'again' | 'dead'> {
  const now = hub.clock.now();
  const known = error instanceof NotSent;
  // What is no NotSent is a mistake of the program: its text may hold anything.
  const words = printable(known ? error.message : 'the channel failed; the log of the hub says how').slice(
    0,
    MAX_ERROR_CHARS,
  );
  const again = !known || error.again;
  const chance = hub.random(1)[0]! / 256;
  const tries = Math.max(...due.map((one) => one.tries));
  const next = again ? nextTry(tries, chance, now, known ? error.afterMs : null) : null;
  const policy = await hub.policy();
  await settle(hub, { actor: 'system', address: null, now, policy }, async (s) => {
    for (const one of due) {
      await s.tx.updateDelivery(
        next === null ? { ...one, state: 'dead', lastError: words } : { ...one, dueAt: next, lastError: words },
      );
      if (next !== null) continue;
      const { hold, review, approval, deployment, event } = one.notice;
      const about = { hold: hold === null ? null : await s.tx.hold(hold), review, approval, deployment };
      await s.audit('notification_failed', about, {
        delivery: one.id,
        notice: event,
        channel: one.channel,
        reason: words,
      });
    }
  });
  if (!known) throw error;
  return next === null ? 'dead' : 'again';
}
