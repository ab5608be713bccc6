/** A moment on the clocks of a place: month 1 to 12, day from 1, hour 0 to 24 (24: the end of the day). */
export interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}
type Clock = Pick<LocalTime, 'hour' | 'minute'>;
/** A time of a week; 1 is Monday, 7 Sunday. */
export type WeekTime = Clock & { readonly weekday: number };
/** A time of a year. */
export type YearTime = Omit<LocalTime, 'year'>;

/** When something holds, in local time: from is in it, to is not. An end that is not after its start is the next one. */
export type Recurrence =
  | { readonly kind: 'dates'; readonly from: LocalTime; readonly to: LocalTime }
  | { readonly kind: 'yearly'; readonly from: YearTime; readonly to: YearTime }
  | { readonly kind: 'weekly'; readonly from: WeekTime; readonly to: WeekTime }
  | { readonly kind: 'daily'; readonly from: Clock; readonly to: Clock };

/** A time between two moments (epoch ms); the end is not in it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The clocks of a place: milliseconds that they are ahead of UTC at a moment. Dear to make, cheap to ask. Throws RangeError for a zone that nobody knows. */
export function zoneOf(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    era: 'narrow',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
    const seconds = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return seconds - Math.floor(at / 1000) * 1000;
  };
}

/**
 * All moments at which the clocks of the place show this time (as if it were UTC): two where they are set back over it.
 * Where they are set forward over it, the moments by the clocks before and after: earliest and latest enclose the gap.
 */
function moments(local: number, offsetAt: (at: number) => number): readonly number[] {
  // Clocks are set twice a year; within a day on both sides both offsets that can be meant are in force.
  const both = [...new Set([offsetAt(local - DAY_MS), offsetAt(local + DAY_MS)])].map((offset) => local - offset);
  const shown = both.filter((at) => at + offsetAt(at) === local);
  return shown.length === 0 ? both : shown;
}

const localMs = ({ year, month, day, hour, minute }: LocalTime): number => Date.UTC(year, month - 1, day, hour, minute);
const clockMs = ({ hour, minute }: Clock): number => (hour * 60 + minute) * MINUTE_MS;
const MIDNIGHT = { hour: 0, minute: 0 };

/** Local start and end of those that can hold around this local day. */
function around(when: Recurrence, day: number): readonly (readonly [from: number, to: number])[] {
  switch (when.kind) {
    case 'dates':
      return [[localMs(when.from), localMs(when.to)]];
    case 'yearly': {
      const year = new Date(day).getUTCFullYear();
      return [year - 1, year, year + 1].map((from) => {
        const start = localMs({ year: from, ...when.from });
        const same = localMs({ year: from, ...when.to });
        return [start, same > start ? same : localMs({ year: from + 1, ...when.to })];
      });
    }
    case 'weekly': {
      const days = (when.to.weekday - when.from.weekday + 7) % 7;
      const length = days * DAY_MS + clockMs(when.to) - clockMs(when.from);
      // 1 January 1970 was a Thursday.
      const monday = day - ((Math.floor(day / DAY_MS) + 3) % 7) * DAY_MS;
      return [-1, 0, 1].map((week) => {
        const start = monday + (week * 7 + when.from.weekday - 1) * DAY_MS + clockMs(when.from);
        return [start, start + (length > 0 ? length : length + 7 * DAY_MS)];
      });
    }
    case 'daily': {
      const length = clockMs(when.to) - clockMs(when.from);
      return [-1, 0, 1].map((next) => {
        const start = day + next * DAY_MS + clockMs(when.from);
        return [start, start + (length > 0 ? length : length + DAY_MS)];
      });
    }
    default:
      return when satisfies never;
  }
}

/**
 * The span that holds at `now`, null where none does. Where clocks are set, a span is as long as it can be read: from the
 * first moment at which they show its start to the last at which they show its end. `offsetAt` is of {@link zoneOf}.
 */
export function spanAt(when: Recurrence, offsetAt: (at: number) => number, now: number): Span | null {
  const local = now + offsetAt(now);
  const day = Math.floor(local / DAY_MS) * DAY_MS;
  const spans = around(when, day)
    // Only what is near is worth asking the time zone for; no clock was ever set by more than a day.
    .filter(([from, to]) => from - 2 * DAY_MS <= local && local < to + 2 * DAY_MS)
    .map(([from, to]) => ({ start: Math.min(...moments(from, offsetAt)), end: Math.max(...moments(to, offsetAt)) }))
    .filter(({ start, end }) => start <= now && now < end);
  if (spans.length === 0) return null;
  return { start: Math.min(...spans.map(({ start }) => start)), end: Math.max(...spans.map(({ end }) => end)) };
}

const two = (value: number): string => String(value).padStart(2, '0');
const WEEKDAYS = ['', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const clockText = ({ hour, minute }: Clock): string => `${two(hour)}:${two(minute)}`;

/** The recurrence in words: `every week from fri 16:00 to mon 07:00`. */
export function recurrenceWords(when: Recurrence): string {
  const date = (at: YearTime): string => `${two(at.month)}-${two(at.day)} ${clockText(at)}`;
  switch (when.kind) {
    case 'dates':
      return `from ${when.from.year}-${date(when.from)} to ${when.to.year}-${date(when.to)}`;
    case 'yearly':
      return `every year from ${date(when.from)} to ${date(when.to)}`;
    case 'weekly':
      return `every week from ${WEEKDAYS[when.from.weekday]} ${clockText(when.from)} to ${WEEKDAYS[when.to.weekday]} ${clockText(when.to)}`;
    case 'daily':
      return `every day from ${clockText(when.from)} to ${clockText(when.to)}`;
    default:
      return when satisfies never;
  }
}

const CLOCK = '([01]\\d|2[0-3]):([0-5]\\d)';
const clockOf = (hour: string | undefined, minute: string | undefined, absent: Clock): Clock =>
  hour === undefined ? absent : { hour: Number(hour), minute: Number(minute) };
const END_OF_DAY = { hour: 24, minute: 0 };

/** A day that exists: 31 February does not. 29 February is one of every year, and 1 March where there is none. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return month >= 1 && day >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Reads `2026-12-20` or `2026-12-20 18:00`; a date alone is its start, or as an end the end of that day. Null for anything else. */
export function parseDate(text: string, isEnd: boolean): LocalTime | null {
  const match = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[ T]${CLOCK})?$`).exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (!isDay(year, month, day)) return null;
  return { year, month, day, ...clockOf(match[4], match[5], isEnd ? END_OF_DAY : MIDNIGHT) };
}

/** Reads `12-20` or `12-20 18:00`, as {@link parseDate} does. */
export function parseYearTime(text: string, isEnd: boolean): YearTime | null {
  const read = /^\d\d-\d\d/.test(text) ? parseDate(`2000-${text}`, isEnd) : null;
  if (read === null) return null;
  const { year: _, ...at } = read;
  return at;
}

/** Reads `fri 16:00`. */
export function parseWeekTime(text: string): WeekTime | null {
  const match = new RegExp(`^(mon|tue|wed|thu|fri|sat|sun) ${CLOCK}$`).exec(text);
  if (match === null) return null;
  return {
    weekday: (WEEKDAYS as readonly (string | undefined)[]).indexOf(match[1]),
    ...clockOf(match[2], match[3], MIDNIGHT),
  };
}

/** Reads `16:00`. */
export function parseClock(text: string): Clock | null {
  const match = new RegExp(`^${CLOCK}$`).exec(text);
  return match === null ? null : clockOf(match[1], match[2], MIDNIGHT);
}

/** Reads a time zone of the IANA's list; null for a mere offset or a name that nobody knows. */
export function parseTimeZone(text: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,99}$/.test(text)) return null;
  try {
    zoneOf(text);
    return text;
  } catch {
    return null;
  }
}
