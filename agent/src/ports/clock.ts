/** Time, as an argument: epoch milliseconds and timers, so that tests can turn the clock. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds since some moment, which go on at their pace whatever is done to the clock; absent where nobody can put it back. */
  ticks?(): number;
  /** Calls back once after `ms`; the answer cancels it. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void;
}
