import type { ExpressionBuilder, Kysely, Selectable } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { Delivery, DeliveryState } from '../domain/notify/delivery.ts';
import type { Notice } from '../domain/notify/notice.ts';
import type { NoticeReads, NoticeWrites } from '../ports/notice-store.ts';
import type { DeliveryTable } from './notice-schema.ts';
import type { Schema } from './schema.ts';

type DeliveryRow = Selectable<DeliveryTable> & { readonly content: string };

function deliveryOf(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    notice: JSON.parse(row.content) as Notice,
    channel: row.channel,
    target: row.target,
    person: row.person_id,
    cause: row.cause,
    state: row.state as DeliveryState,
    createdAt: row.created_at,
    dueAt: row.due_at,
    tries: row.tries,
    lastError: row.last_error,
    sentAt: row.sent_at,
  };
}

const deliveriesOf = (db: Kysely<Schema>) =>
  db
    .selectFrom('deliveries')
    .innerJoin('notices', 'notices.id', 'deliveries.notice')
    .selectAll('deliveries')
    .select('notices.content');

/** Nothing for the same recipient is being sent, or was tried and is to be tried again: else what follows would overtake it. */
const nothingHeldUp =
  (now: number) =>
  ({ not, exists, selectFrom }: ExpressionBuilder<Schema, 'deliveries'>) =>
    not(
      exists(
        selectFrom('deliveries as held')
          .select('held.id')
          .whereRef('held.channel', '=', 'deliveries.channel')
          .whereRef('held.target', '=', 'deliveries.target')
          .where('held.state', '=', 'waiting')
          .where('held.tries', '>', 0)
          .where('held.due_at', '>', now),
      ),
    );

/** Reads of what people are told. */
export function noticeReads(db: Kysely<Schema>): NoticeReads {
  const count = async (state: DeliveryState): Promise<number> => {
    const { count: found } = await db
      .selectFrom('deliveries')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('state', '=', state)
      .executeTakeFirstOrThrow();
    return Number(found);
  };
  return {
    async noticeCursor() {
      return (await db.selectFrom('notice_cursor').select('seq').executeTakeFirst())?.seq ?? null;
    },
    async isNoted(key) {
      return (await db.selectFrom('notices').select('id').where('key', '=', key).executeTakeFirst()) !== undefined;
    },
    async delivery(id) {
      const row = await deliveriesOf(db).where('deliveries.id', '=', id).executeTakeFirst();
      return row === undefined ? null : deliveryOf(row);
    },
    async deliveries({ states, channel }, { after, limit, newest }) {
      let query = deliveriesOf(db)
        .orderBy('deliveries.id', newest === true ? 'desc' : 'asc')
        .limit(limit);
      if (newest !== true) query = query.where('deliveries.id', '>', after);
      else if (after > 0) query = query.where('deliveries.id', '<', after);
      if (states !== undefined) query = query.where('deliveries.state', 'in', [...states]);
      if (channel !== undefined) query = query.where('deliveries.channel', '=', channel);
      return (await query.execute()).map(deliveryOf);
    },
    async dueTargets(now, limit) {
      const rows = await db
        .selectFrom('deliveries')
        .select(['channel', 'target'])
        .select((eb) => eb.fn.min('id').as('head'))
        .where('state', '=', 'waiting')
        .where('due_at', '<=', now)
        .where(nothingHeldUp(now))
        .groupBy(['channel', 'target'])
        .orderBy('head')
        .limit(limit)
        .execute();
      return rows.map(({ channel, target }) => ({ channel, target }));
    },
    async dueFor({ channel, target }, now, limit) {
      const rows = await deliveriesOf(db)
        .where('deliveries.channel', '=', channel)
        .where('deliveries.target', '=', target)
        .where('deliveries.state', '=', 'waiting')
        .where('deliveries.due_at', '<=', now)
        .where(nothingHeldUp(now))
        .orderBy('deliveries.id')
        .limit(limit)
        .execute();
      return rows.map(deliveryOf);
    },
    async outboxLoad({ channel, target, cause }, now, since) {
      const own = db.selectFrom('deliveries').where('channel', '=', channel).where('target', '=', target);
      const waiting = await own
        .select((eb) => [eb.fn.countAll<number>().as('count')])
        .where('state', '=', 'waiting')
        .executeTakeFirstOrThrow();
      const { due } = await own
        .select((eb) => eb.fn.min('due_at').as('due'))
        .where('state', '=', 'waiting')
        .where('tries', '=', 0)
        .where('due_at', '>', now)
        .executeTakeFirstOrThrow();
      const caused =
        cause === null
          ? 0
          : (
              await own
                .select((eb) => eb.fn.countAll<number>().as('count'))
                .where('created_at', '>', since)
                .where('cause', '=', cause)
                .executeTakeFirstOrThrow()
            ).count;
      return {
        waiting: Number(waiting.count),
        digestDue: due === null ? null : Number(due),
        ofCause: Number(caused),
      };
    },
    async messagesSince(channel, target, since) {
      const rows = await db
        .selectFrom('deliveries')
        .select('sent_at')
        .distinct()
        .where('channel', '=', channel)
        .where('target', '=', target)
        .where('state', '=', 'sent')
        .where('sent_at', '>', since)
        .orderBy('sent_at')
        .execute();
      return rows.flatMap(({ sent_at: at }) => (at === null ? [] : [Number(at)]));
    },
    async outboxFigures(now) {
      const { oldest } = await db
        .selectFrom('deliveries')
        .select((eb) => eb.fn.min('due_at').as('oldest'))
        .where('state', '=', 'waiting')
        .where('due_at', '<=', now)
        .executeTakeFirstOrThrow();
      return {
        waiting: await count('waiting'),
        dead: await count('dead'),
        oldestDue: oldest === null ? null : Number(oldest),
      };
    },
  };
}

/** Writes of what people are told, within one transaction. */
export function noticeWrites(db: Kysely<Schema>): NoticeWrites {
  return {
    async putNoticeCursor(seq) {
      await db
        .insertInto('notice_cursor')
        .values({ one: 1, seq })
        .onConflict((conflict) => conflict.column('one').doUpdateSet({ seq }))
        .execute();
    },
    async insertNotice(notice) {
      const row = await db
        .insertInto('notices')
        .values({ key: notice.key, event: notice.event, at: notice.at, content: JSON.stringify(notice) })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .returning('id')
        .executeTakeFirst();
      return row?.id ?? null;
    },
    async insertDelivery({ notice, channel, target, person, dueAt, cause, createdAt, state, lastError }) {
      const { id } = await db
        .insertInto('deliveries')
        .values({
          ...{ notice, channel, target, cause, state },
          person_id: person,
          created_at: createdAt,
          due_at: dueAt,
          last_error: lastError,
          sent_at: null,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      return id;
    },
    async updateDelivery({ id, state, dueAt, tries, lastError, sentAt }) {
      const result = await db
        .updateTable('deliveries')
        .set({ state, due_at: dueAt, tries, last_error: lastError, sent_at: sentAt })
        .where('id', '=', id)
        .executeTakeFirst();
      if (result.numUpdatedRows !== 1n)
        throw new HoldpointError('hold_conflict', `notification ${id} is not there any more`);
    },
  };
}
