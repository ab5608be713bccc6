import { HoldpointError } from '../../domain/errors.ts';
import type { Person } from '../../domain/principal.ts';
import type { CiApi } from '../../ports/ci-api.ts';
import type { Clock } from '../../ports/clock.ts';

/** A working day: who approves tomorrow finds it gone, and the next way is taken. */
export const MAX_LENT_MS = 12 * 60 * 60_000;
const DEFAULT_LENT_MS = 8 * 60 * 60_000;
/** More people do not wait for jobs at once; each costs a token in memory. */
const MAX_LENT = 1_000;

/**
 * GitLab credentials that people lend to have their own jobs retried. They are in this process's memory only, for a
 * bounded time, and go nowhere but to GitLab: no store, log, audit row or answer ever has one (T24).
 */
export interface LentCredentials {
  /** Takes a credential after GitLab has said that it is this very person's. Epoch ms of its end. Rejects with `forbidden`, `bad_input`, `rate_limited`, `ci_unreachable`. */
  lend(person: Person, text: string, livesMs: number | null): Promise<number>;
  /** Rejects with `forbidden` unless the credential is this very person's. */
  requireOwn(person: Person, text: string): Promise<void>;
  /** What this person lent, null when nothing or no longer. */
  of(person: number): string | null;
  /** Epoch ms of its end, null when nothing is lent. */
  until(person: number): number | null;
  /** Whose there are, each with the epoch ms of its end. */
  all(): readonly { readonly person: number; readonly until: number }[];
  /** Forgets it; with `text` only if it is still that one. */
  forget(person: number, text?: string): void;
  clear(): void;
}

/** Nothing lent yet. */
export function lentCredentials(ci: CiApi, clock: Clock): LentCredentials {
  const lent = new Map<number, { readonly text: string; readonly until: number; readonly cancel: () => void }>();
  const current = (person: number) => {
    const found = lent.get(person);
    return found !== undefined && clock.now() < found.until ? found : null;
  };
  const forget: LentCredentials['forget'] = (person, text) => {
    const found = lent.get(person);
    if (found === undefined || (text !== undefined && found.text !== text)) return;
    found.cancel();
    lent.delete(person);
  };
  const requireOwn: LentCredentials['requireOwn'] = async (person, text) => {
    const who = await ci.whoIs(text);
    if (!who.ok) {
      throw new HoldpointError(
        'forbidden',
        `GitLab does not take this credential (${who.status}): make one with scope api that is still valid`,
      );
    }
    // Anybody's token would let a job run in their name, an approver's above all (T52).
    if (who.value.id !== person.id) {
      throw new HoldpointError(
        'forbidden',
        `this credential is ${who.value.username}'s (user ${who.value.id}), you are ${person.username} (user ${person.id}): lend your own`,
      );
    }
  };
  return {
    requireOwn,
    async lend(person, text, livesMs) {
      const ms = livesMs ?? DEFAULT_LENT_MS;
      if (ms < 60_000 || ms > MAX_LENT_MS) {
        throw new HoldpointError(
          'bad_input',
          `a credential is lent for a minute at least and ${MAX_LENT_MS / 3_600_000} hours at most`,
        );
      }
      await requireOwn(person, text);
      if (lent.size >= MAX_LENT && !lent.has(person.id)) {
        throw new HoldpointError(
          'rate_limited',
          `${MAX_LENT} people have lent a credential: no more are taken; retry your job in GitLab yourself`,
        );
      }
      forget(person.id);
      const until = clock.now() + ms;
      lent.set(person.id, { text, until, cancel: clock.after(ms, () => forget(person.id, text)) });
      return until;
    },
    of: (person) => current(person)?.text ?? null,
    until: (person) => current(person)?.until ?? null,
    all: () =>
      [...lent.keys()].flatMap((person) => {
        const found = current(person);
        return found === null ? [] : [{ person, until: found.until }];
      }),
    forget,
    clear() {
      for (const person of [...lent.keys()]) forget(person);
    },
  };
}
