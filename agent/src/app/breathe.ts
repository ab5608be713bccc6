/** Lets whatever else waits have its turn: a long look through many things must not hold up runners and votes (T30). Never within a transaction. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
