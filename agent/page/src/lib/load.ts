import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { wordsOf } from './problem.ts';

/** Something that is being read from the hub, has been read, or could not be. */
export interface Loaded<T> {
  readonly value: T | null;
  /** Why it could not be read; what was read before stays. */
  readonly problem: string | null;
  readonly isLoading: boolean;
  /** Reads again. */
  again(): void;
}

/** Reads when the view opens and whenever `key` changes; an older answer never replaces a newer one. */
export function useLoad<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; problem: string | null; isLoading: boolean }>({
    key,
    value: null,
    problem: null,
    isLoading: true,
  });
  const reader = useRef(read);
  reader.current = read;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const giveUp = new AbortController();
    setState((old) => ({ ...old, ...(old.key === key ? {} : { value: null }), key, isLoading: true }));
    reader.current(giveUp.signal).then(
      (value) => {
        if (!giveUp.signal.aborted) setState({ key, value, problem: null, isLoading: false });
      },
      (error) => {
        if (!giveUp.signal.aborted) setState((old) => ({ ...old, problem: wordsOf(error), isLoading: false }));
      },
    );
    return () => giveUp.abort();
  }, [key, turn]);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  return { value: state.key === key ? state.value : null, problem: state.problem, isLoading: state.isLoading, again };
}
