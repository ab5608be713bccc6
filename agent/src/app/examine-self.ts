import { AGENT_CHECKS, examine } from '../domain/doctor/examine.ts';
import { tallyOf } from '../domain/doctor/finding.ts';
import type { Observation } from '../domain/doctor/observation.ts';
import type { Clock } from '../ports/clock.ts';
import type { Gatekeeper } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';

/** Modes, groups and other runners change by the day; an hour is soon enough, and costs a second of one core. */
const EVERY_MS = 3_600_000;
/** Whoever asks again and again is not answered more often. */
const SOONEST_MS = 5_000;

/** Looks at the own host at the start, each hour and when the hub asks, and tells the hub. */
export function examineSelf(options: {
  readonly observe: () => Promise<Observation>;
  readonly gatekeeper: Pick<Gatekeeper, 'examined' | 'onExamine'>;
  readonly clock: Clock;
  readonly log: Log;
}): { close(): Promise<void> } {
  const { observe, gatekeeper, clock, log } = options;
  let cancel = (): void => {};
  let closed = false;
  let running: Promise<void> | null = null;
  let lastAt = Number.NEGATIVE_INFINITY;
  let told = '';

  async function look(): Promise<void> {
    try {
      const findings = examine(await observe(), AGENT_CHECKS);
      lastAt = clock.now();
      const bad = findings.filter(({ status }) => status === 'fail');
      const text = JSON.stringify(bad);
      // Said once, not each hour.
      if (text !== told && bad.length > 0)
        log.warn(
          { tally: tallyOf(findings) },
          `this host has something to mend: ${bad.map(({ message }) => message).join('; ')}`,
        );
      told = text;
      gatekeeper.examined?.({ at: new Date(lastAt).toISOString(), findings });
    } catch (error) {
      log.error({ error }, 'this host could not be looked at');
    }
  }
  function start(): void {
    if (closed || running !== null) return;
    cancel();
    running = look().finally(() => {
      running = null;
      if (!closed) cancel = clock.after(EVERY_MS, start);
    });
  }
  gatekeeper.onExamine?.(() => {
    if (closed || running !== null) return;
    cancel();
    cancel = clock.after(Math.max(0, lastAt + SOONEST_MS - clock.now()), start);
  });
  start();
  return {
    async close() {
      closed = true;
      cancel();
      await running;
    },
  };
}
