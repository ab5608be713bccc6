import { z } from 'zod';
import { retryDeliveries, testChannel } from '../../app/notify/outbox.ts';
import { ping } from '../../app/notify/ping.ts';
import { DELIVERY_STATES, type Delivery } from '../../domain/notify/delivery.ts';
import * as api from '../../wire/api.ts';
import * as wire from '../../wire/notifications.ts';
import type { Demand } from '../auth.ts';
import { asks, idParam, page, type Route, route, states } from '../route.ts';
import type { RouteContext } from './context.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));
/** Whoever sees a Hold may ask about it, and as seldom as they may vote. */
const ASKS: Demand = { scope: 'read', vote: true };

function deliveryView({ id, notice, ...of }: Delivery): wire.DeliveryView {
  return {
    id,
    event: notice.event,
    severity: notice.severity,
    channel: of.channel,
    target: of.target,
    person_id: of.person,
    state: of.state,
    created_at: time(of.createdAt),
    due_at: time(of.dueAt),
    sent_at: timeOrNull(of.sentAt),
    tries: of.tries,
    last_error: of.lastError,
    hold: notice.hold,
    review: notice.review,
    deployment: notice.deployment,
  };
}

/** Notifications: look at the outbox, try dead ones again, test a channel; and asking for a decision. */
export function notificationRoutes({ hub, notifications }: RouteContext): readonly Route[] {
  const { store } = hub;
  return [
    route('GET', '/api/v1/notifications', 'Notifications, newest first', asks('admin'), {
      query: page.extend({ state: states(DELIVERY_STATES), channel: z.string().max(100).optional() }),
      reply: api.pageOf(wire.deliverySchema),
      handle: async ({ query: { state, channel, cursor, limit } }) => {
        const filter = { ...(state && { states: state }), ...(channel !== undefined && { channel }) };
        const found = await store.deliveries(filter, { after: Number(cursor ?? 0), limit: limit + 1, newest: true });
        const items = found.slice(0, limit).map(deliveryView);
        return { items, next_cursor: found.length > limit ? String(items.at(-1)?.id) : null };
      },
    }),
    route('GET', '/api/v1/notifications/channels', 'Channels that the operator has defined', asks('admin'), {
      reply: wire.channelsSchema,
      handle: async () => ({ items: [...notifications.kinds].map(([name, kind]) => ({ name, kind })) }),
    }),
    route('POST', '/api/v1/notifications/:id/retry', 'Try a dead notification again', asks('admin'), {
      params: idParam,
      body: z.strictObject({}).nullish(),
      reply: wire.retriedManySchema,
      handle: async ({ params, caller }) => {
        const retried = await retryDeliveries(hub, caller, { id: params.id });
        notifications.noticed();
        return { retried };
      },
    }),
    route('POST', '/api/v1/notifications/retry', 'Try all dead notifications again', asks('admin'), {
      body: wire.retryManyBody.nullish(),
      reply: wire.retriedManySchema,
      handle: async ({ body, caller }) => {
        const retried = await retryDeliveries(hub, caller, { channel: body?.channel ?? null });
        notifications.noticed();
        return { retried };
      },
    }),
    route('POST', '/api/v1/notifications/test', 'Send a test through a channel; mail to whoever asks', asks('admin'), {
      body: wire.testBody,
      reply: wire.testedSchema,
      handle: async ({ body, caller }) => {
        const id = await testChannel(hub, notifications.kinds, caller, body.channel);
        notifications.noticed();
        return { id };
      },
    }),
    route('POST', '/api/v1/holds/:id/ping', 'Ask those who can still help for a decision', ASKS, {
      params: idParam,
      body: wire.pingBody.nullish(),
      reply: wire.pingedSchema,
      handle: async ({ params, body, caller }) => {
        const { asked, channels, againAt } = await ping(hub, caller, {
          hold: params.id,
          comment: body?.comment ?? null,
        });
        return { hold: params.id, asked: [...asked], channels: [...channels], again_at: time(againAt) };
      },
    }),
  ];
}
