import type { Clock } from '../ports/clock.ts';
import type { Hint, Hints } from '../ports/hints.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';
import type { Store } from '../ports/store.ts';

/** A hint that was lost costs an agent of another hub at most this long. */
const LOOK_EVERY_MS = 5_000;

/** What a hub does about what others on its store have done. */
export interface OtherHubsOptions {
  readonly hints: Hints;
  readonly store: Pick<Store, 'agentsToWake'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The outbox of an agent has something, which may be connected here. */
  wake(agent: string): void;
  changed(event: ChangedEvent): void;
  /** Agents may have been revoked, or enrolled anew, elsewhere. */
  recheck(): void;
  /** Others may not have been heard, and this hub not by them. */
  missed(): void;
}

/** Listens to the other hubs on the store, and looks at the outboxes now and then, since what they say may be lost. */
export function joinOtherHubs({ hints, store, clock, log, wake, changed, recheck, missed }: OtherHubsOptions): {
  close(): Promise<void>;
} {
  let stopped = false;
  let looking: Promise<void> | null = null;
  let cancel = (): void => {};
  const look = (): void => {
    recheck();
    looking ??= store
      .agentsToWake()
      .then(
        (agents) => agents.forEach(wake),
        (error: unknown) =>
          log.debug({ error: String(error) }, 'the outboxes could not be looked at; it is tried again'),
      )
      .finally(() => {
        looking = null;
      });
  };
  const lookAndAgain = (): void => {
    look();
    if (!stopped) cancel = clock.after(LOOK_EVERY_MS, lookAndAgain);
  };
  hints.listen((hint: Hint | 'missed') => {
    if (stopped) return;
    if (hint === 'missed') {
      look();
      missed();
    } else if ('wake' in hint) wake(hint.wake);
    else {
      if (hint.changed.type === 'agent') recheck();
      changed(hint.changed);
    }
  });
  cancel = clock.after(LOOK_EVERY_MS, lookAndAgain);
  return {
    async close() {
      stopped = true;
      cancel();
      await looking;
    },
  };
}
