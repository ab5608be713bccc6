import { z } from 'zod';
import { DAY_MS } from '../../domain/lifetime.ts';
import { DEFAULT_RETENTION, LEAST_DAYS, type RetentionPolicy } from '../../domain/retention.ts';

/** A century: more is meant as for ever. */
const MAX_DAYS = 36_500;

/** Days in milliseconds, not fewer than an auditor can live with; null for what says no number of days. */
function daysOf(text: string, least: number): number | null {
  const count = Number(/^([1-9]\d{0,4})d$/.exec(text)?.[1] ?? 0);
  return count >= least && count <= MAX_DAYS ? count * DAY_MS : null;
}

const days = (least: number) =>
  z
    .string()
    .meta({ pattern: '^[1-9]\\d{0,4}d$', examples: [`${Math.max(least, 90)}d`] })
    .transform((text, context): number => {
      const ms = daysOf(text, least);
      if (ms !== null) return ms;
      context.addIssue(`${text} is no time to keep this: write days, at least ${least}d`);
      return z.NEVER;
    });

const daysOrForever = (least: number) =>
  z
    .string()
    .meta({ pattern: '^(forever|[1-9]\\d{0,4}d)$', examples: ['forever', `${least * 2}d`] })
    .transform((text, context): number | null => {
      const ms = daysOf(text, least);
      if (text === 'forever' || ms !== null) return ms;
      context.addIssue(`${text} is no time to keep this: write forever, or days, at least ${least}d`);
      return z.NEVER;
    });

/** How long the store keeps what it may let go. */
export const retentionSchema = z
  .strictObject({
    ran: daysOrForever(LEAST_DAYS.ran)
      .optional()
      .describe('Configuration and facts of jobs that ran or were approved, after their end: days, or forever.'),
    not_run: daysOrForever(LEAST_DAYS.not_run)
      .optional()
      .describe('Those of jobs that nobody let run: days, or forever.'),
    ended: days(LEAST_DAYS.ended)
      .optional()
      .describe('Sessions and tokens that have ended, enrolment tokens, reports of agents.'),
    notifications: days(LEAST_DAYS.notifications).optional().describe('What people were told.'),
    recordings: daysOrForever(LEAST_DAYS.recordings)
      .optional()
      .describe('Recordings of jobs, after their end: days, or forever.'),
    sightings: days(LEAST_DAYS.sightings).optional().describe('What ran on runners that only watch.'),
  })
  .optional();

/** What this part of the file says; what it does not say is as shipped. */
export function retentionOf(read: z.output<typeof retentionSchema>): RetentionPolicy {
  const said = <T>(value: T | undefined, shipped: T): T => (value === undefined ? shipped : value);
  return {
    ranMs: said(read?.ran, DEFAULT_RETENTION.ranMs),
    notRunMs: said(read?.not_run, DEFAULT_RETENTION.notRunMs),
    endedMs: said(read?.ended, DEFAULT_RETENTION.endedMs),
    notificationsMs: said(read?.notifications, DEFAULT_RETENTION.notificationsMs),
    recordingsMs: said(read?.recordings, DEFAULT_RETENTION.recordingsMs),
    sightingsMs: said(read?.sightings, DEFAULT_RETENTION.sightingsMs),
  };
}
