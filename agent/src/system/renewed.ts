import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** Files are renewed once in weeks, by programs that may ask for nothing more than this. */
const LOOK_MS = 60_000;

/** What is read of files that may be renewed while this process runs. */
export interface RenewedOptions<T> {
  /** As the files are now; `text` is what tells one reading from another. */
  read():
    | { readonly ok: true; readonly value: T; readonly text: string }
    | { readonly ok: false; readonly message: string };
  readonly first: T;
  readonly firstText: string;
  /** What is renewed, for the log. */
  readonly what: string;
  renewed(value: T): void;
  readonly clock: Clock;
  readonly log: Log;
}
/** The last good reading. */
export interface Renewed<T> {
  current(): T;
  /** Looks now, beside the look each minute. */
  look(): void;
  /** Why the files cannot be used as they are now; null while they can. */
  problem(): string | null;
  close(): void;
}

/** Looks each minute; what is no good is said once, and the last good one stays. */
export function followFiles<T>({ read, first, firstText, what, renewed, clock, log }: RenewedOptions<T>): Renewed<T> {
  let current = first;
  let text = firstText;
  let problem: string | null = null;
  let cancel = clock.after(LOOK_MS, lookAndAgain);
  const fail = (message: string): void => {
    if (message !== problem)
      log.error({ reason: message }, `${what} was renewed and cannot be used: the last good one stays`);
    problem = message;
  };
  function look(): void {
    const found = read();
    if (!found.ok) {
      fail(found.message);
      return;
    }
    if (found.text !== text) {
      try {
        renewed(found.value);
      } catch (error) {
        fail((error as Error).message);
        return;
      }
      text = found.text;
      current = found.value;
      log.info({}, `${what} was renewed`);
    } else if (problem !== null) log.info({}, `${what} can be used again`);
    problem = null;
  }
  function lookAndAgain(): void {
    look();
    cancel = clock.after(LOOK_MS, lookAndAgain);
  }
  return { current: () => current, look, problem: () => problem, close: () => cancel() };
}
