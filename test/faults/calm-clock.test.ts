import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { calmClock, ownProcesses, type Ran, shareRun } from './calm-clock.ts';

const ran = (...each: readonly (readonly [pid: number, run: number, wait: number])[]): ReadonlyMap<number, Ran> =>
  new Map(each.map(([pid, run, wait]) => [pid, { run, wait }]));

it('a minute of the storm is a minute by the wall while every process gets the cores it wants', () => {
  let now = 0;
  let looks = [ran([1, 0, 0]), ran([1, 500, 0])];
  const clock = calmClock(
    () => looks.shift()!,
    () => now,
  );
  now = 60_000;
  expect([clock.passed(), clock.wallMs()]).toEqual([60_000, 60_000]);
  looks = [ran([1, 500, 0])];
  now = 61_000;
  // Nothing wanted to run: whatever is waited for, it is not a core.
  expect(clock.passed()).toBe(61_000);
});

it('and as much longer as they had to wait for a core, each counted from where it was, new ones from nothing', () => {
  let now = 0;
  const looks = [ran([1, 100, 900], [2, 0, 0]), ran([1, 200, 1_000], [3, 100, 700])];
  const clock = calmClock(
    () => looks.shift()!,
    () => now,
  );
  now = 10_000;
  expect(clock.passed()).toBe(2_000);
  expect(clock.wallMs()).toBe(10_000);
  expect(shareRun(new Map(), new Map())).toBe(1);
});

it.runIf(process.platform === 'linux')('it looks at this process and at those that it has started', async () => {
  const child = spawn(process.execPath, ['-e', "process.stdout.write('x'); setInterval(() => {}, 1000)"]);
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const seen = ownProcesses();
    expect([seen.has(process.pid), seen.get(child.pid!)!.run > 0]).toEqual([true, true]);
    expect(seen.has(process.ppid)).toBe(false);
  } finally {
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }
});
