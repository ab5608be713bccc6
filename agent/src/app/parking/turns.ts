/**
 * Turns for what asks somebody else: so many at a time, the others when their turn comes. After a time without the hub
 * thousands of jobs are asked about anew, each with questions to GitLab of its own; a job that a poll waits for is asked
 * about at once, past all these (T30).
 */
export interface Turns<T> {
  /** False: not now, it is called when it is its turn. */
  take(who: T): boolean;
  /** Gives a turn back. */
  leave(): void;
}

/** So many turns; `call` tells somebody who was turned away to try again. */
export function createTurns<T>(turns: number, call: (who: T) => void): Turns<T> {
  const waiting = new Set<T>();
  let taken = 0;
  return {
    take(who) {
      if (taken >= turns) {
        waiting.add(who);
        return false;
      }
      waiting.delete(who);
      taken += 1;
      return true;
    },
    leave() {
      taken -= 1;
      // Who is called may want nothing any more: then it is the next one's turn.
      for (const who of waiting) {
        if (taken >= turns) return;
        waiting.delete(who);
        call(who);
      }
    },
  };
}
