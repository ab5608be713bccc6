import {
  addressOf,
  type ChannelKinds,
  dueAt,
  isForPeople,
  LIMIT_SPAN_MS,
  planDeliveries,
  type Recipient,
  type Recipients,
} from '../../domain/notify/delivery.ts';
import type { Notice } from '../../domain/notify/notice.ts';
import { type Escalation, NO_NOTIFY, type NotifyPolicy, routesFor } from '../../domain/notify/notify-policy.ts';
import type { Person } from '../../domain/principal.ts';
import type { StoreWriter } from '../../ports/store.ts';
import type { HubContext } from '../hub-context.ts';
import { settle } from '../settle.ts';
import { noticesOfRow, type Told } from './make.ts';
import type { Ripe } from './ripen.ts';

/** Rows of the audit that are looked at in one transaction. */
const BATCH = 100;
/** What happened longer ago is told nobody: notifications were off, or the hub was. */
const STALE_MS = 24 * 3_600_000;
/** Messages that wait for one recipient, at most: more is a receiver that is gone. What is beyond is dead at once, and seen. */
export const MAX_WAITING_PER_TARGET = 1_000;
/** Of the people who were told so many stand in the audit row. */
const MAX_NAMED = 100;

const recipientOf = ({ id, username, emails, notify, blocked }: Person): readonly Recipient[] =>
  blocked ? [] : [{ id, username, address: addressOf(emails), wish: notify ?? 'all' }];

async function recipientsOf(
  { directory }: HubContext,
  policy: NotifyPolicy,
  { notice, approvers, trigger, owner }: Told,
  escalation: Escalation | null,
): Promise<Recipients> {
  const people = async (ids: readonly number[]) =>
    (await Promise.all(ids.map((id) => directory.person(id)))).flatMap((one) => (one === null ? [] : recipientOf(one)));
  const named = [...routesFor(policy, notice).flatMap(({ also }) => also), ...(escalation?.also ?? [])];
  const also = new Map<string | number, Recipient>();
  for (const who of new Set(named)) {
    const found = await (typeof who === 'number' ? directory.person(who) : directory.personNamed(who));
    const [recipient] = found === null ? [] : recipientOf(found);
    if (recipient !== undefined) also.set(who, recipient);
  }
  return {
    approvers: approvers.flatMap(recipientOf),
    trigger: await people(trigger),
    owner: await people(owner),
    also,
  };
}

/** What is put into the outbox for one notice; worked out before the transaction, since it asks who is who. */
interface Prepared {
  readonly told: Told;
  readonly recipients: Recipients;
  readonly escalation: Escalation | null;
}

async function prepare(
  context: HubContext,
  policy: NotifyPolicy,
  told: Told,
  escalation: Escalation | null,
): Promise<Prepared> {
  return { told, escalation, recipients: await recipientsOf(context, policy, told, escalation) };
}

const waysOf = (escalation: Escalation | null) =>
  escalation === null
    ? []
    : [{ channels: escalation.channels, to: ['approvers' as const], also: escalation.also, digestMs: 0 }];

/** What keeps people from being told. */
export interface Missing {
  /** Names of channels that the policy speaks of and nobody has defined. */
  readonly unknown: readonly string[];
  /** User names of people whom mail should reach, and nobody knows where. */
  readonly unreachable: readonly string[];
}
const NOTHING: Missing = { unknown: [], unreachable: [] };

/** Writes a notice and its deliveries; nothing where it stands there already. Answers names of channels that nobody knows. */
async function put(
  tx: StoreWriter,
  policy: NotifyPolicy,
  channels: ChannelKinds,
  { told, recipients, escalation }: Prepared,
  now: number,
  audit: (event: string, notice: Notice, detail: Record<string, string | number[] | number>) => Promise<void>,
): Promise<Missing> {
  const { notice } = told;
  const { deliveries, unknown, unreachable } = planDeliveries(notice, policy, channels, recipients, waysOf(escalation));
  const id = await tx.insertNotice(notice);
  if (id === null) return NOTHING;
  const cause = notice.trigger?.id ?? null;
  for (const { channel, target, person, kind, digestMs } of deliveries) {
    const load = await tx.outboxLoad({ channel, target, cause }, now, now - LIMIT_SPAN_MS);
    const full = load.waiting >= MAX_WAITING_PER_TARGET;
    await tx.insertDelivery({
      ...{ notice: id, channel, target, person, cause },
      createdAt: now,
      dueAt: dueAt(policy, { kind, digestMs, severity: notice.severity }, load, now),
      state: full ? 'dead' : 'waiting',
      lastError: full ? `${MAX_WAITING_PER_TARGET} others wait for the same recipient` : null,
    });
  }
  // Not lost without a word: it stands among the dead ones, and can be sent once the channel is there.
  for (const channel of unknown)
    await tx.insertDelivery({
      ...{ notice: id, channel, target: '', person: null, cause, createdAt: now, dueAt: now },
      state: 'dead',
      lastError: 'no channel has this name',
    });
  const own = deliveries.filter(({ kind }) => kind !== 'gitlab');
  for (const channel of new Set(own.map((one) => one.channel))) {
    const people = own.flatMap((one) => (one.channel === channel && one.person !== null ? [one.person] : []));
    await audit('notified', notice, {
      notice: notice.event,
      channel,
      ...(people.length === 0 ? {} : { people: people.slice(0, MAX_NAMED), count: people.length }),
    });
  }
  return { unknown, unreachable };
}

/** What came of one look at what happened. */
export interface Enqueued extends Missing {
  /** True while there may be more. */
  readonly more: boolean;
}

/**
 * Makes notices of the rows of the audit that were written since the last look, and of what time has made. The audit is
 * written in the transaction of whatever happened, so nothing that happened is without its row; how far it was read stands in
 * the transaction that fills the outbox, so that no row is looked at twice and none is missed, wherever the process ends.
 */
export async function enqueueRows(context: HubContext, channels: ChannelKinds): Promise<Enqueued> {
  const { store, clock } = context;
  const policy = await context.policy();
  const notify = policy.notify ?? NO_NOTIFY;
  const now = clock.now();
  const cursor = await store.noticeCursor();
  if (cursor === null) {
    const { seq } = await store.auditHead();
    await store.write((tx) => tx.putNoticeCursor(seq));
    return { more: false, ...NOTHING };
  }
  const rows = await store.auditRows({ sight: null }, { after: cursor, limit: BATCH });
  const last = rows.at(-1);
  if (last === undefined) return { more: false, ...NOTHING };
  const prepared: Prepared[] = [];
  for (const row of rows) {
    if (row.at + STALE_MS < now) continue;
    for (const told of await noticesOfRow(context, row)) prepared.push(await prepare(context, notify, told, null));
  }
  const missing = await putAll(context, channels, prepared, async (tx) => {
    if ((await tx.noticeCursor()) !== cursor) return false;
    await tx.putNoticeCursor(last.seq);
    return true;
  });
  return { more: rows.length === BATCH, ...missing };
}

/** The same for what time alone has made. */
export async function enqueueRipe(
  context: HubContext,
  channels: ChannelKinds,
  ripe: readonly Ripe[],
): Promise<Missing> {
  const notify = (await context.policy()).notify ?? NO_NOTIFY;
  const prepared: Prepared[] = [];
  for (const { told, escalation } of ripe) prepared.push(await prepare(context, notify, told, escalation));
  return putAll(context, channels, prepared, async () => true);
}

async function putAll(
  context: HubContext,
  channels: ChannelKinds,
  prepared: readonly Prepared[],
  begin: (tx: StoreWriter) => Promise<boolean>,
): Promise<Missing> {
  const policy = await context.policy();
  const now = context.clock.now();
  const unknown = new Set<string>();
  const unreachable = new Set<string>();
  await settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
    unknown.clear();
    unreachable.clear();
    if (!(await begin(s.tx))) return;
    for (const one of prepared) {
      const missing = await put(s.tx, policy.notify ?? NO_NOTIFY, channels, one, now, async (event, notice, detail) => {
        const hold = notice.hold === null ? null : await s.tx.hold(notice.hold);
        const { review, approval, deployment } = notice;
        await s.audit(event, { hold, review, approval, deployment }, detail);
      });
      for (const name of missing.unknown) unknown.add(name);
      for (const name of missing.unreachable) unreachable.add(name);
    }
  });
  return { unknown: [...unknown], unreachable: [...unreachable] };
}

/** True for a channel whose messages may be put together. */
export function collects(channels: ChannelKinds, channel: string): boolean {
  const kind = channels.get(channel);
  return kind !== undefined && isForPeople(kind);
}
