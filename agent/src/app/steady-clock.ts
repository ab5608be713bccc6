import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** A clock is put right by seconds; more is somebody's doing, or a machine's fault. */
const WORTH_SAYING_MS = 60_000;

/**
 * A clock that never goes back: what was over once (an approval, a token, a hold) must not count again because somebody
 * put the clock back (T12, T29). By seconds, it stands still until the real one has caught up. By more, it goes on from where it
 * was: a heartbeat that is due in a minute must not wait for hours, or GitLab ends what is parked (T40). A restart takes the
 * real one as it is.
 */
export function steadyClock(clock: Clock, log: Log): Clock {
  const ticks = clock.ticks ?? clock.now;
  let latest = clock.now();
  let at = ticks();
  let said = false;
  return {
    now() {
      const [now, tick] = [clock.now(), ticks()];
      const passed = Math.max(0, tick - at);
      at = tick;
      if (now >= latest) {
        latest = now;
        said = false;
      } else if (latest - now > WORTH_SAYING_MS) {
        if (!said)
          log.error(
            { backMs: latest - now },
            'the clock was put back: time goes on here from where it was; restart if it was wrong before',
          );
        said = true;
        latest += passed;
      }
      // Ticks have fractions, times are whole: PostgreSQL takes no other, and what is signed knows no other.
      return Math.floor(latest);
    },
    ticks,
    after: (ms, run) => clock.after(ms, run),
  };
}
