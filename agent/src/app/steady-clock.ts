import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** A clock is put right by seconds; more is somebody's doing, or a machine's fault. */
const WORTH_SAYING_MS = 60_000;

/**
 * A clock that never goes back: what was over once (an approval, a token, a hold) must not count again because somebody
 * put the clock back (T12, T29). It stands still until the real one has caught up; a restart takes the real one as it is.
 */
export function steadyClock(clock: Clock, log: Log): Clock {
  let latest = clock.now();
  let said = false;
  return {
    now() {
      const now = clock.now();
      if (now >= latest) {
        latest = now;
        said = false;
      } else if (!said && latest - now > WORTH_SAYING_MS) {
        said = true;
        log.error(
          { backMs: latest - now },
          'the clock was put back: time stands still here until it has caught up; restart if it was wrong before',
        );
      }
      return latest;
    },
    after: (ms, run) => clock.after(ms, run),
  };
}
