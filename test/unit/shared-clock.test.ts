import { expect, it } from 'vitest';
import { sharedClock } from '../../agent/src/app/shared-clock.ts';
import { rememberingLog, skippingClock } from '../support/gate.ts';

const MINUTE = 60_000;
/** Tests take milliseconds of their own. */
const about = (ms: number) => Math.round(ms / 1_000);
/** What was asked for has been answered by then. */
const answered = () => new Promise((resolve) => setImmediate(resolve));

it('T12, T40: hubs whose hosts disagree by an hour have the time of the database both', async () => {
  const server = skippingClock();
  const [right, wrong] = [skippingClock(), skippingClock()];
  wrong.set(-60 * MINUTE);
  const log = rememberingLog();
  const serverTime = async () => server.now() + 0.25;
  const one = await sharedClock(right, serverTime, rememberingLog());
  const other = await sharedClock(wrong, serverTime, log);
  expect(about(other.now() - one.now())).toBe(0);
  expect(Number.isSafeInteger(other.now())).toBe(true);
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ['warn', expect.stringContaining("the clock of this host and that of the store's server")],
  ]);
  // Set while the hub runs it does not matter either, and time goes on at its pace.
  right.set(5 * MINUTE);
  right.skip(2_000);
  expect(about(one.now() - server.now())).toBe(2);
  for (const clock of [one, other]) clock.close();
});

it('T40: goes on while the database is away, and follows its clock when it is back', async () => {
  const [host, server] = [skippingClock(), skippingClock()];
  let away = false;
  const clock = await sharedClock(
    host,
    async () => {
      if (away) throw new Error('gone');
      return server.now();
    },
    rememberingLog(),
  );
  const start = clock.now();
  away = true;
  host.skip(10_000);
  await answered();
  expect(about(clock.now() - start)).toBe(10);
  away = false;
  server.skip(30_000);
  host.skip(10_000);
  await answered();
  expect(about(clock.now() - start)).toBe(30);
  clock.close();
  await expect(sharedClock(host, () => Promise.reject(new Error('gone')), rememberingLog())).rejects.toThrow('gone');
});
