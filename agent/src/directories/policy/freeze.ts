import { z } from 'zod';
import {
  parseClock,
  parseDate,
  parseTimeZone,
  parseWeekTime,
  parseYearTime,
  type Recurrence,
} from '../../domain/calendar.ts';
import { FREEZE_MODES, type FreezeWindow } from '../../domain/freeze.ts';
import { match } from './match.ts';
import { rules } from './rules.ts';
import { distinctNames, name } from './scalars.ts';

/** More is a calendar that a program made; each is looked at when a job is released. */
const MAX_WINDOWS = 200;
const MAX_SPANS = 100;

/** Spans of one kind: both ends are read by the same reader, and complained of where they stand. */
function spans<T>(
  kind: Recurrence['kind'],
  example: string,
  read: (text: string, isEnd: boolean) => T | null,
  isRight: (from: T, to: T) => string | null = () => null,
) {
  return z
    .array(
      z
        .strictObject({
          from: z.string().describe(`When it begins: ${example}.`),
          to: z.string().describe('When it ends; itself not in it. A day without a time is in it as a whole.'),
        })
        .transform((span, context): Recurrence => {
          const from = read(span.from, false);
          const to = read(span.to, true);
          for (const [key, at] of [
            ['from', from],
            ['to', to],
          ] as const)
            if (at === null)
              context.addIssue({ code: 'custom', path: [key], message: `${span[key]} is no time: write ${example}` });
          const wrong = from === null || to === null ? null : isRight(from, to);
          if (wrong !== null) context.addIssue({ code: 'custom', path: ['to'], message: wrong });
          return from === null || to === null || wrong !== null
            ? z.NEVER
            : ({ kind, from, to } as unknown as Recurrence);
        }),
    )
    .min(1)
    .max(MAX_SPANS)
    .optional();
}

/** A time zone by name. */
export const timeZone = z
  .string()
  .describe('Name in the IANA list, such as Europe/Berlin or UTC; its clocks decide, summer time included.')
  .transform((text, context) => {
    const zone = parseTimeZone(text);
    if (zone !== null) return zone;
    context.addIssue(`${text} is no time zone: write a name of the IANA list such as Europe/Berlin, or UTC`);
    return z.NEVER;
  });

/** When something holds, once or again and again. */
export const recurrences = {
  dates: spans('dates', '2026-12-20 or 2026-12-20 18:00', parseDate, (from, to) =>
    Date.UTC(from.year, from.month - 1, from.day, from.hour, from.minute) <
    Date.UTC(to.year, to.month - 1, to.day, to.hour, to.minute)
      ? null
      : 'ends before it begins',
  ).describe('Once.'),
  yearly: spans('yearly', '12-20 or 12-20 18:00', parseYearTime).describe('Every year.'),
  weekly: spans('weekly', 'fri 16:00', parseWeekTime).describe('Every week.'),
  daily: spans('daily', '22:00', parseClock).describe('Every day.'),
};

const window = z
  .strictObject({
    name: name.describe('What people read while it holds.'),
    match: match.optional().describe('For which jobs it holds; absent: for all.'),
    time_zone: timeZone,
    ...recurrences,
    mode: z.enum(FREEZE_MODES).default('hard').describe('hard: nothing is released. extra_approval: rules as well.'),
    rules: rules.optional().describe('For extra_approval: rules that have to be met as well.'),
    except: z
      .array(z.strictObject({ name, match }))
      .max(1_000)
      .superRefine(distinctNames)
      .optional()
      .describe('Jobs that it does not touch.'),
  })
  .transform((read, context): FreezeWindow => {
    const when = [...(read.dates ?? []), ...(read.yearly ?? []), ...(read.weekly ?? []), ...(read.daily ?? [])];
    if (when.length === 0) context.addIssue('says no time: write dates, yearly, weekly or daily');
    if ((read.mode === 'extra_approval') !== (read.rules !== undefined))
      context.addIssue('rules stand with mode: extra_approval, and with that alone');
    return {
      name: read.name,
      match: read.match ?? {},
      timeZone: read.time_zone,
      when,
      mode: read.mode,
      rules: read.rules ?? [],
      except: read.except ?? [],
    };
  });

/** Times at which jobs are kept back, or need more approvals. */
export const freezeSchema = z.array(window).max(MAX_WINDOWS).superRefine(distinctNames).optional();
