import type { Clock } from '../../ports/clock.ts';
import type { Gatekeeper } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { ReceiptTrouble } from './desk.ts';

/** What waits for a hub that is away; the log of the agent has all of it. */
const MAX_WAITING = 200;
/** The same job refused for the same reason is one event: gitlab-runner tries three times, an attacker without end (T30). */
const MAX_REMEMBERED = 2_000;
/**
 * So much is told at once of what one user of the host asked, and then one each minute for all that came meanwhile: whoever may
 * check makes up numbers of jobs, and would bury the one that people have to see, or their audit (T30, T34).
 */
const MAX_AT_ONCE = 20;
const NEXT_MS = 60_000;
/** Users who were refused; of more than these none is told apart. */
const MAX_USERS = 100;
const RETRY_MS = 15_000;
/** A day: a hub that is away for longer finds it in the log of the agent alone. */
const MAX_TRIES = 5_760;

/** What may still be told of one user's refusals, and what was not. */
interface Allowance {
  left: number;
  untold: number;
  last: ReceiptTrouble | null;
}

export interface ReceiptTeller {
  tell(trouble: ReceiptTrouble): void;
  close(): void;
}

/**
 * Tells the hub of each refusal, once for a job and a reason, again and again while the hub is away. Of more than a host can have by
 * accident the number is told, with the last of them.
 */
export function receiptTeller(deps: {
  readonly gatekeeper: Gatekeeper;
  readonly clock: Clock;
  readonly log: Log;
}): ReceiptTeller {
  const { gatekeeper, clock, log } = deps;
  const told = new Set<string>();
  const waiting = new Set<() => void>();
  const allowances = new Map<number, Allowance>();
  let closed = false;

  const later = (ms: number, run: () => void): void => {
    const cancel = clock.after(ms, () => {
      waiting.delete(cancel);
      run();
    });
    waiting.add(cancel);
  };
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
        later(RETRY_MS, () => report(trouble, at, tries + 1));
      });
  };
  const now = () => new Date(clock.now()).toISOString();

  /** One more each minute, until all of them are there again. */
  const refill = (uid: number, allowance: Allowance): void =>
    later(NEXT_MS, () => {
      const { untold, last } = allowance;
      if (last === null) allowance.left++;
      else
        report(
          {
            ...last,
            words: `${last.words} (the last of ${untold} that were not told one by one; all stand in the log of the agent)`,
          },
          now(),
          0,
        );
      allowance.untold = 0;
      allowance.last = null;
      if (allowance.left >= MAX_AT_ONCE) allowances.delete(uid);
      else refill(uid, allowance);
    });
  const allowanceOf = (uid: number): Allowance => {
    const of = allowances.has(uid) || allowances.size < MAX_USERS ? uid : -1;
    const known = allowances.get(of);
    if (known !== undefined) return known;
    const fresh: Allowance = { left: MAX_AT_ONCE, untold: 0, last: null };
    allowances.set(of, fresh);
    refill(of, fresh);
    return fresh;
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
      const allowance = allowanceOf(trouble.uid);
      if (allowance.left === 0) {
        allowance.untold++;
        allowance.last = trouble;
        return;
      }
      allowance.left--;
      report(trouble, now(), 0);
    },
    close() {
      closed = true;
      for (const cancel of waiting) cancel();
    },
  };
}
