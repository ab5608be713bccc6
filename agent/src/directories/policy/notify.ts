import { z } from 'zod';
import { AUDIENCES, NOTICE_EVENTS, SEVERITIES } from '../../domain/notify/notice.ts';
import { NO_NOTIFY, type NotifyPolicy } from '../../domain/notify/notify-policy.ts';
import { globMatches } from '../../domain/scope.ts';
import { recurrences, timeZone } from './freeze.ts';
import { match } from './match.ts';
import { distinctNames, duration, name, principal } from './scalars.ts';

const MAX_ROUTES = 200;
const channels = z.array(name).min(1).max(50).describe('Names of channels, as hub.notify has them.');
const also = z
  .array(principal)
  .max(100)
  .optional()
  .describe('User names or ids of people who are told as well, by the channels that write to people.');

/** A pattern over names of events that no event fits would be a route to nowhere. */
const events = z
  .array(
    z
      .string()
      .min(1)
      .max(100)
      .refine((glob) => NOTICE_EVENTS.some((event) => globMatches(glob, event)), {
        error: (issue) => `${String(issue.input)} fits no event: see agent/docs/notifications.md for what there is`,
      }),
  )
  .min(1)
  .max(100)
  .optional()
  .describe('Patterns over names of events, such as review_*; absent: all.');

const route = z.strictObject({
  name,
  match: match.optional().describe('Jobs that it is for; absent: all, and what is about no job.'),
  events,
  severity: z.enum(SEVERITIES).default('info').describe('What is less urgent is left out.'),
  channels,
  to: z
    .array(z.enum(AUDIENCES))
    .max(AUDIENCES.length)
    .optional()
    .describe('Of those whom an event is for, these: approvers, trigger, owner (of a token); absent: all of them.'),
  also,
  digest: duration.optional().describe('What comes for one recipient within so long is sent together.'),
});

const escalation = z.strictObject({
  name,
  match: match.optional().describe('Jobs that it is for; absent: all.'),
  after: duration.describe('What has waited for so long is told, once.'),
  channels,
  also,
});

/** Who is told what. */
export const notifySchema = z
  .strictObject({
    routes: z
      .array(route)
      .max(MAX_ROUTES)
      .superRefine(distinctNames)
      .optional()
      .describe('Every one that fits is followed.'),
    escalations: z.array(escalation).max(MAX_ROUTES).superRefine(distinctNames).optional(),
    quiet_hours: z
      .strictObject({ time_zone: timeZone, ...recurrences })
      .transform(({ time_zone, ...read }, context) => {
        const when = [...(read.dates ?? []), ...(read.yearly ?? []), ...(read.weekly ?? []), ...(read.daily ?? [])];
        if (when.length === 0) context.addIssue('says no time: write dates, yearly, weekly or daily');
        return { timeZone: time_zone, when };
      })
      .optional()
      .describe('Mail and chats wait until they are over; what is critical does not.'),
    expiring: duration.optional().describe('So long before a hold expires it is said.'),
    per_hour: z.number().int().min(1).max(1_000).optional().describe('Messages to one recipient within an hour.'),
    per_trigger: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .describe('Of those, about jobs of one and the same person; what is more is sent together within the hour.'),
  })
  .optional();

/** What a file says about it; null: nothing. */
export function notifyOf(file: z.output<typeof notifySchema>): NotifyPolicy | null {
  if (file === undefined) return null;
  return {
    routes: (file.routes ?? []).map(({ name: own, severity, channels: to, ...one }) => ({
      name: own,
      match: one.match ?? {},
      ...(one.events === undefined ? {} : { events: one.events }),
      severity,
      channels: to,
      to: one.to ?? AUDIENCES,
      also: one.also ?? [],
      digestMs: one.digest ?? 0,
    })),
    escalations: (file.escalations ?? []).map((one) => ({
      name: one.name,
      match: one.match ?? {},
      afterMs: one.after,
      channels: one.channels,
      also: one.also ?? [],
    })),
    quietHours: file.quiet_hours ?? null,
    expiringMs: file.expiring ?? NO_NOTIFY.expiringMs,
    perHour: file.per_hour ?? NO_NOTIFY.perHour,
    perTrigger: file.per_trigger ?? NO_NOTIFY.perTrigger,
  };
}
