/** Lets whatever else waits have its turn: a long look through many things must not hold up runners and votes (T30). Never within a transaction. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Waits for some turns, in which all that knock at the same time can come in: nothing while nobody else is there, and some ten
 * milliseconds when thousands are, who are then served with one write of the store and not with one each.
 */
export async function gather(): Promise<void> {
  for (let turn = 0; turn < GATHERED_TURNS; turn++) await breathe();
}
const GATHERED_TURNS = 8;
