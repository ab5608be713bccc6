/** Bodies of what people are told: the outbox, its channels, asking for a decision. */
import { z } from 'zod';
import { CHANNEL_KINDS, DELIVERY_STATES } from '../domain/notify/delivery.ts';
import { SEVERITIES } from '../domain/notify/notice.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(4_096);
const name = z.string().min(1).max(100);

/** One message to one recipient. */
export const deliverySchema = z.strictObject({
  id,
  /** Name of what happened; of a newer hub one that this program does not know. */
  event: text,
  severity: z.enum(SEVERITIES),
  channel: text,
  /** Address of a mail, `PROJECT/PIPELINE` of a note; empty where the channel itself is the recipient. */
  target: text,
  person_id: id.nullable(),
  state: z.enum(DELIVERY_STATES),
  created_at: time,
  due_at: time,
  sent_at: time.nullable(),
  tries: z.number().int().min(0),
  last_error: text.nullable(),
  hold: id.nullable(),
  review: id.nullable(),
  deployment: id.nullable(),
});
/** One message to one recipient, as the API shows it. */
export type DeliveryView = z.input<typeof deliverySchema>;

/** Channels that the operator has defined. */
export const channelsSchema = z.strictObject({
  items: z.array(z.strictObject({ name: text, kind: z.enum(CHANNEL_KINDS) })),
});
export const retryManyBody = z.strictObject({ channel: name.optional() });
export const retriedManySchema = z.strictObject({ retried: z.number().int().min(0) });
export const testBody = z.strictObject({ channel: name });
/** Id of the delivery that was put into the outbox. */
export const testedSchema = z.strictObject({ id });

export const pingBody = z.strictObject({ comment: z.string().max(4_000).optional() });
/** Who was asked for a decision. */
export const pingedSchema = z.strictObject({
  hold: id,
  asked: z.array(z.strictObject({ id, username: text, name: text })),
  /** Channels that it goes by; none: nobody is told by anything but the page. */
  channels: z.array(text),
  /** When it may be asked about again. */
  again_at: time,
});
