import type { Clock } from '../ports/clock.ts';

/** Something that is wanted often and done seldom. */
export interface Spaced {
  want(): void;
  end(): void;
}

/** Does it at once, and however often it is wanted then, once more when `ms` are over: the last word counts, a flood does not (T30). */
export function spaced(clock: Clock, ms: number, run: () => void): Spaced {
  let cancel: (() => void) | null = null;
  let wanted = false;
  const rest = (): void => {
    cancel = clock.after(ms, () => {
      cancel = null;
      if (!wanted) return;
      wanted = false;
      rest();
      run();
    });
  };
  return {
    want() {
      if (cancel !== null) {
        wanted = true;
        return;
      }
      rest();
      run();
    },
    end() {
      cancel?.();
      wanted = false;
    },
  };
}
