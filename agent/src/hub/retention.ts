import { addedCounts, applyRetention, BY_TIME, RETENTION_START, type Remover } from '../app/apply-retention.ts';
import type { HubContext } from '../app/hub-context.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { RetentionCounts } from '../domain/retention.ts';
import type { Log } from '../ports/log.ts';

/** A start has better things to do. */
const FIRST_MS = 10 * 60_000;
/** What is kept by the day goes within a quarter of one. */
const EVERY_MS = 6 * 3_600_000;
/** Between two steps, so that the requests of people come first. */
const PAUSE_MS = 20;
/** An answer to an administrator comes within this time, with where to go on. */
const ANSWER_MS = 2_000;

/** Removes what the policy lets go, now and then, and when an administrator asks. */
export interface Retention {
  start(): void;
  /** Steps from this cursor (null: from the start) for about two seconds. Rejects with `hold_conflict` while another hub is at it. */
  apply(
    by: Remover,
    options: { readonly cursor: string | null; readonly dryRun: boolean },
  ): Promise<{ readonly counts: RetentionCounts; readonly next: string | null }>;
  close(): Promise<void>;
}

/** The retention of one hub; of several on one store one at a time removes. */
export function openRetention(context: HubContext, log: Log): Retention {
  const { store, clock } = context;
  let stopped = false;
  let cancel = (): void => {};
  let running: Promise<void> = Promise.resolve();
  const pause = (worked: boolean): Promise<void> =>
    new Promise((resolve) => void (worked ? setTimeout(resolve, PAUSE_MS) : setImmediate(resolve)));

  async function walk(by: Remover, from: string, dryRun: boolean, enough: () => boolean) {
    let counts: RetentionCounts = {};
    for (let cursor: string | null = from; ; ) {
      const step = await applyRetention(context, by, { cursor, dryRun });
      counts = addedCounts(counts, step.counts);
      cursor = step.next;
      if (cursor === null || enough()) return { counts, next: cursor };
      await pause(Object.keys(step.counts).length > 0);
    }
  }
  const passAndAgain = (): void => {
    running = store
      .alone('retention', () => walk(BY_TIME, RETENTION_START, false, () => stopped))
      .then(
        (done) => {
          if (done !== null && Object.keys(done.counts).length > 0)
            log.info({ ...done.counts }, 'removed what the retention of the policy lets go');
        },
        (error: unknown) =>
          log.error({ error: String(error) }, 'what is old could not be removed; it is tried again later'),
      )
      .then(() => {
        if (!stopped) cancel = clock.after(EVERY_MS, passAndAgain);
      });
  };
  return {
    start() {
      cancel = clock.after(FIRST_MS, passAndAgain);
    },
    async apply(by, { cursor, dryRun }) {
      const until = performance.now() + ANSWER_MS;
      const done = await store.alone('retention', () =>
        walk(by, cursor ?? RETENTION_START, dryRun, () => stopped || performance.now() > until),
      );
      if (done !== null) return done;
      throw new HoldpointError('hold_conflict', 'what is old is being removed at this moment: ask again in a minute');
    },
    async close() {
      stopped = true;
      cancel();
      await running;
    },
  };
}
