import type { Clock } from '../../ports/clock.ts';

/** How old an answer may be, or from when on it must have been asked for; both must hold. */
export interface Freshness {
  readonly maxAgeMs: number;
  /** Epoch ms: an answer to a question that was put earlier does not count. */
  readonly notBefore?: number | undefined;
}
/** Answers by question, each kept for a short while and asked for once, however many want it at the same time. */
export interface FreshAnswers {
  get<V>(key: string, freshness: Freshness, ask: () => Promise<V>): Promise<V>;
}

interface Entry {
  /** When the question was put: its answer is at least as old as that. */
  readonly askedAt: number;
  readonly answer: Promise<unknown>;
  failed: boolean;
}

/** More questions than people and projects of a large house; the oldest is forgotten first (T30). */
const MAX_KEPT = 5_000;
/** As many connections as a GitLab does not feel; the rest waits its turn. */
const MAX_AT_ONCE = 6;
/** A source that just failed is left alone for this long by whoever does not insist: an outage must not become a flood. */
const FAILED_MS = 1_000;

/** Keeps answers in memory; the age of each counts from its question, so that none is older than it says. */
export function freshAnswers(clock: Clock): FreshAnswers {
  const kept = new Map<string, Entry>();
  const waiting: (() => void)[] = [];
  let running = 0;
  const inTurn = async <V>(ask: () => Promise<V>): Promise<V> => {
    if (running >= MAX_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await ask();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
  return {
    get<V>(key: string, { maxAgeMs, notBefore }: Freshness, ask: () => Promise<V>): Promise<V> {
      const now = clock.now();
      const known = kept.get(key);
      const limit = known?.failed === true ? Math.min(maxAgeMs, FAILED_MS) : maxAgeMs;
      if (known !== undefined && now - known.askedAt < limit && known.askedAt >= (notBefore ?? 0))
        return known.answer as Promise<V>;
      const answer = inTurn(ask);
      const entry: Entry = { askedAt: now, answer, failed: false };
      answer.catch(() => {
        entry.failed = true;
      });
      kept.delete(key);
      kept.set(key, entry);
      for (const oldest of kept.keys()) {
        if (kept.size <= MAX_KEPT) break;
        kept.delete(oldest);
      }
      return answer;
    },
  };
}
