import type { HubContext } from '../app/hub-context.ts';
import { forgetWatchers, watchPresence } from '../app/watching/presence.ts';
import { endRecordings } from '../app/watching/record.ts';
import { PRESENCE_LOOK_MS } from '../domain/watching.ts';
import type { Log } from '../ports/log.ts';

/** What nobody waits for is done once in so many looks. */
const SELDOM = 30;

/** Looks after jobs that are watched or recorded, by whichever hub of a store is at it. */
export function lookAfterWatching(context: HubContext, log: Log): { start(): void; close(): Promise<void> } {
  const { store, clock } = context;
  const presence = watchPresence(context);
  let stopped = false;
  let looks = 0;
  let cancel = (): void => {};
  let working: Promise<unknown> = Promise.resolve();
  async function look(): Promise<void> {
    const gone = await presence();
    if (gone > 0) log.warn({ jobs: gone }, 'jobs that nobody watches any more were stopped');
    await endRecordings(context);
    if (looks++ % SELDOM !== 0) return;
    await forgetWatchers(context);
  }
  const again = (): void => {
    working = store
      .alone('watching', look)
      .catch((error: unknown) =>
        log.error({ error: String(error) }, 'who watches what could not be looked at; it is tried again'),
      )
      .then(() => {
        if (!stopped) cancel = clock.after(PRESENCE_LOOK_MS, again);
      });
  };
  return {
    start: again,
    async close() {
      stopped = true;
      cancel();
      await working;
    },
  };
}
