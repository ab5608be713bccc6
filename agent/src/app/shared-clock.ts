import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** A clock that hubs have in common. */
export interface SharedClock extends Clock {
  close(): void;
}

/** As often as this the server is asked again: clocks of machines drift apart by milliseconds in an hour, and are set. */
const ASK_EVERY_MS = 10_000;
/** An answer that took longer says too little of when it was given. */
const LONGEST_MS = 2_000;
/** From here on somebody should know; what counts is the server's in any case. */
const WORTH_SAYING_MS = 60_000;

/**
 * The time of the server that several hubs keep their store on, which goes on by this machine's ticks between two answers. Hubs whose
 * clocks disagree would take each other's parked jobs for those of silent agents, and let run by an approval that is over at the other
 * (T12, T40); and whatever is done to the clock of a hub's host does not matter (T29). Rejects where the first answer does not come.
 */
export async function sharedClock(clock: Clock, serverTime: () => Promise<number>, log: Log): Promise<SharedClock> {
  const ticks = clock.ticks ?? clock.now;
  let known = { time: 0, at: 0 };
  let said = false;
  const now = (): number => Math.floor(known.time + Math.max(0, ticks() - known.at));

  async function ask(longestMs: number): Promise<void> {
    const asked = ticks();
    const time = await serverTime();
    const at = ticks();
    const tookMs = at - asked;
    if (tookMs > longestMs) return;
    const found = { time: time + tookMs / 2, at };
    // What lies within what the way may have taken is no news: times would only be uneven.
    if (Math.abs(found.time - now()) > tookMs / 2) known = found;
    const aheadMs = Math.round(clock.now() - now());
    const isOff = Math.abs(aheadMs) > WORTH_SAYING_MS;
    if (isOff && !said)
      log.warn(
        { aheadMs },
        "the clock of this host and that of the store's server are more than a minute apart: the server's counts; have both set by the same time server",
      );
    said = isOff;
  }

  await ask(Number.POSITIVE_INFINITY);
  let cancel = (): void => {};
  let closed = false;
  const again = (): void => {
    cancel = clock.after(ASK_EVERY_MS, () => {
      // While it is away time goes on by ticks.
      void ask(LONGEST_MS)
        .catch(() => {})
        .then(() => {
          if (!closed) again();
        });
    });
  };
  again();
  return {
    now,
    ticks,
    after: (ms, run) => clock.after(ms, run),
    close() {
      closed = true;
      cancel();
    },
  };
}
