import { signal } from '@preact/signals';

/** The present, as coarse as anything that is shown of it (epoch ms). */
export const now = signal(Date.now());

const TICK_MS = 15_000;
const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** Keeps {@link now} going until the returned function is called. */
export function tick(): () => void {
  const timer = setInterval(() => {
    now.value = Date.now();
  }, TICK_MS);
  return () => clearInterval(timer);
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/**
 * `3 minutes ago`, `in 29 days`, from the present. What has happened is not about to happen because clocks differ a little:
 * only what is `due` is said to be so in less than a minute.
 */
export function relativeText(at: number, present: number, isDue = false): string {
  const seconds = Math.round((at - present) / 1_000);
  // A due time that is read a moment later is not a whole day nearer.
  const whole = isDue ? Math.round : Math.trunc;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(whole(seconds / length), unit);
  }
  return seconds > 0 && isDue ? 'in less than a minute' : 'just now';
}

/** Date and time with the zone, in the reader's own. */
export const absoluteText = (at: number): string => absolute.format(at);
/** Date and time to the minute, in the reader's zone. */
export const minuteText = (at: number): string => minute.format(at);
/** The date alone, in the reader's zone. */
export const dayText = (at: number): string => day.format(at);
