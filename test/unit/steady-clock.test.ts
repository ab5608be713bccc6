import { expect, it } from 'vitest';
import { steadyClock } from '../../agent/src/app/steady-clock.ts';
import { rememberingLog, skippingClock } from '../support/gate.ts';

const MINUTE = 60_000;
/** Tests take milliseconds of their own. */
const about = (ms: number) => Math.round(ms / 1_000);

it('T12, T29: a clock that is put back never counts less than it did, and time goes on at its pace', () => {
  const [clock, log] = [skippingClock(), rememberingLog()];
  const steady = steadyClock(clock, log);
  const start = steady.now();
  clock.skip(MINUTE);
  expect(about(steady.now() - start)).toBe(60);
  clock.set(-180 * MINUTE);
  expect(about(steady.now() - start)).toBe(60);
  clock.skip(10 * MINUTE);
  expect(about(steady.now() - start)).toBe(660);
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ['error', expect.stringContaining('the clock was put back')],
  ]);
  // Set right again, the real one counts.
  clock.set(200 * MINUTE);
  expect(about(steady.now() - clock.now())).toBe(0);
});

it('a clock that is put right by seconds is waited for, so that it does not stay ahead for ever', () => {
  const [clock, log] = [skippingClock(), rememberingLog()];
  const steady = steadyClock(clock, log);
  const start = steady.now();
  clock.set(-20_000);
  clock.skip(15_000);
  expect(about(steady.now() - start)).toBe(0);
  clock.skip(15_000);
  expect(about(steady.now() - start)).toBe(10);
  expect(about(steady.now() - clock.now())).toBe(0);
  expect(log.lines).toEqual([]);
});

it('its times are whole although ticks have fractions: a database takes no other (T40)', () => {
  let [now, tick] = [1_795_362_000_000, 12.25];
  const clock = { now: () => now, ticks: () => tick, after: () => () => {} };
  const steady = steadyClock(clock, rememberingLog());
  const times = [steady.now()];
  now -= 180 * MINUTE;
  for (let n = 0; n < 5; n++) {
    tick += 0.5;
    times.push(steady.now());
  }
  expect(times.every(Number.isSafeInteger)).toBe(true);
  expect(times.at(-1)! - times[0]!).toBe(2);
});
