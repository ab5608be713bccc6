import type { Clock } from '../../ports/clock.ts';
import type { Gatekeeper } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { ReceiptTrouble } from './desk.ts';

/** What waits for a hub that is away; the log of the agent has all of it. */
const MAX_WAITING = 200;
/** The same job refused for the same reason is one event: gitlab-runner tries three times, an attacker without end (T30). */
const MAX_REMEMBERED = 2_000;
const RETRY_MS = 15_000;
/** A day: a hub that is away for longer finds it in the log of the agent alone. */
const MAX_TRIES = 5_760;

export interface ReceiptTeller {
  tell(trouble: ReceiptTrouble): void;
  close(): void;
}

/** Tells the hub of each refusal, once for a job and a reason, again and again while the hub is away. */
export function receiptTeller(deps: {
  readonly gatekeeper: Gatekeeper;
  readonly clock: Clock;
  readonly log: Log;
}): ReceiptTeller {
  const { gatekeeper, clock, log } = deps;
  const told = new Set<string>();
  const waiting = new Set<() => void>();
  let closed = false;

  const report = (trouble: ReceiptTrouble, at: string, tries: number): void => {
    const { jobId, hold, refusal, words } = trouble;
    gatekeeper
      .report({ hold, jobId, event: 'receipt_refused', at, detail: { refusal, reason: words } })
      .catch((error: unknown) => {
        if (closed) return;
        if (tries >= MAX_TRIES || waiting.size >= MAX_WAITING) {
          const reason = error instanceof Error ? error.message : String(error);
          log.error(
            { job: jobId, refusal, reason },
            'the hub was not told of a refused receipt: it stands in this log alone',
          );
          return;
        }
        const cancel = clock.after(RETRY_MS, () => {
          waiting.delete(cancel);
          report(trouble, at, tries + 1);
        });
        waiting.add(cancel);
      });
  };

  return {
    tell(trouble) {
      const key = `${trouble.jobId} ${trouble.refusal}`;
      if (told.has(key)) return;
      told.add(key);
      for (const oldest of told) {
        if (told.size <= MAX_REMEMBERED) break;
        told.delete(oldest);
      }
      report(trouble, new Date(clock.now()).toISOString(), 0);
    },
    close() {
      closed = true;
      for (const cancel of waiting) cancel();
    },
  };
}
