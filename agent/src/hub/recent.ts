/** What `ask` answered, asked at most once in `ms` however many want to know: whoever needs no token must not be able to make work (T30). */
export function recent<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly answer: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (last === null || now - last.at >= ms) last = { at: now, answer: ask() };
    return last.answer;
  };
}
