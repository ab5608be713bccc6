import type { Clock } from '../../agent/src/ports/clock.ts';

/** A clock that runs with the real one and can be turned forward besides; what falls due by a turn is called at once, in order. */
export function turnableClock(): Clock & { advance(ms: number): void } {
  let offset = 0;
  let ids = 0;
  const timers = new Map<number, { readonly at: number; readonly run: () => void; timer: NodeJS.Timeout | null }>();
  const now = () => Date.now() + offset;
  const arm = (id: number): void => {
    const entry = timers.get(id);
    if (entry === undefined) return;
    const left = entry.at - now();
    entry.timer = setTimeout(
      () => (entry.at > now() ? arm(id) : timers.delete(id) && entry.run()),
      Math.min(Math.max(0, left), 2 ** 30),
    );
    entry.timer.unref();
  };
  return {
    now,
    after(ms, run) {
      const id = ids++;
      timers.set(id, { at: now() + ms, run, timer: null });
      arm(id);
      return () => {
        clearTimeout(timers.get(id)?.timer ?? undefined);
        timers.delete(id);
      };
    },
    advance(ms) {
      offset += ms;
      const due = [...timers].filter(([, { at }]) => at <= now()).sort(([, a], [, b]) => a.at - b.at);
      for (const [id, { run, timer }] of due) {
        if (!timers.delete(id)) continue;
        clearTimeout(timer ?? undefined);
        run();
      }
      for (const [id, { timer }] of timers) {
        clearTimeout(timer ?? undefined);
        arm(id);
      }
    },
  };
}
