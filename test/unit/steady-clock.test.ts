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
