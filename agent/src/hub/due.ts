import { expireAsks } from '../app/asks.ts';
import { watchBreakGlass } from '../app/break-glass.ts';
import { watchDeployments } from '../app/deployments/recheck.ts';
import { endIdleTokens } from '../app/end-idle-tokens.ts';
import { expire } from '../app/expire.ts';
import { followCalendar } from '../app/follow-calendar.ts';
import type { HubContext } from '../app/hub-context.ts';
import type { Log } from '../ports/log.ts';

/** Nothing that ends by time needs to end to the second. */
const EVERY_MS = 30_000;

/** Does what falls due by time, by whichever hub of a store is at it. */
export interface Due {
  start(): void;
  close(): Promise<void>;
}

/** Nothing is done before it is started. */
export function whatFallsDue(context: HubContext, log: Log): Due {
  const { store, clock } = context;
  const recheck = watchDeployments(context);
  let stopped = false;
  let cancel = (): void => {};
  let working: Promise<void> = Promise.resolve();
  const work = () =>
    Promise.all([
      expire(context),
      followCalendar(context),
      recheck(),
      watchBreakGlass(context),
      endIdleTokens(context),
      expireAsks(context),
    ]);
  const doAndAgain = (): void => {
    working = store
      .alone('time', work)
      .then(
        (moves) => {
          // Null: another hub is at it.
          if (moves === null) return;
          const moved = moves.reduce((sum, each) => sum + each, 0);
          if (moved > 0) log.info({ moved }, 'time has moved some');
        },
        (error) =>
          log.error(
            { error: error instanceof Error ? error.message : String(error) },
            'expiring failed; it is tried again',
          ),
      )
      .then(() => {
        if (!stopped) cancel = clock.after(EVERY_MS, doAndAgain);
      });
  };
  return {
    start: doAndAgain,
    async close() {
      stopped = true;
      cancel();
      await working;
    },
  };
}
