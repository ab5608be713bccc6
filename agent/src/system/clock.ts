import type { Clock } from '../ports/clock.ts';

/** A timer of Node fires at once when it is set for longer than this. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The time of this machine. Timers do not keep the process alive, and may be longer than Node's own. */
export function createClock(): Clock {
  return {
    now: () => Date.now(),
    ticks: () => performance.now(),
    after: (ms, run) => {
      let timer: NodeJS.Timeout;
      const arm = (left: number): void => {
        const step = Math.min(left, LONGEST_TIMER_MS);
        timer = setTimeout(() => (left > step ? arm(left - step) : run()), step);
        timer.unref();
      };
      arm(Math.max(0, ms));
      return () => clearTimeout(timer);
    },
  };
}
