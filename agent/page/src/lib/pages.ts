import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask } from './ask.ts';
import { afterPress } from './pointer.ts';
import { wordsOf } from './problem.ts';

/** A list of the API as far as it has been read. */
export interface Pages<T> {
  readonly items: readonly T[];
  /** True while a page is being read. */
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly problem: string | null;
  more(): void;
  again(): void;
  /** Shows an item as it is now, in its place. */
  put(item: T): void;
}

interface State<T> {
  readonly path: string;
  readonly items: readonly T[];
  /** Null: nothing more; undefined: nothing was read yet. */
  readonly cursor: string | null | undefined;
  readonly isLoading: boolean;
  readonly problem: string | null;
}

/** Items of one page of a list. */
export interface PageBody<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** Items of lists have numbers; the same number is the same thing. */
function isSame(a: object, b: object): boolean {
  return 'id' in a && 'id' in b && a.id === b.id;
}

/** Reads a list page by page; another path is another list. */
export function usePages<T extends object>(path: string, limit = 50): Pages<T> {
  const empty: State<T> = { path, items: [], cursor: undefined, isLoading: false, problem: null };
  const [state, setState] = useState<State<T>>(empty);
  const busy = useRef<AbortController | null>(null);
  const read = useCallback(
    (from: State<T>): void => {
      busy.current?.abort();
      const giveUp = new AbortController();
      busy.current = giveUp;
      setState({ ...from, isLoading: true, problem: null });
      const cursor = typeof from.cursor === 'string' ? `&cursor=${from.cursor}` : '';
      ask<PageBody<T>>(
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`,
        undefined,
        giveUp.signal,
      ).then(
        (page) => {
          afterPress(() => {
            if (giveUp.signal.aborted) return;
            setState({
              ...from,
              items: [...from.items, ...page.items],
              cursor: page.next_cursor,
              isLoading: false,
              problem: null,
            });
          });
        },
        (error) => {
          if (!giveUp.signal.aborted) setState({ ...from, isLoading: false, problem: wordsOf(error) });
        },
      );
    },
    [path, limit],
  );
  useEffect(() => {
    read({ path, items: [], cursor: undefined, isLoading: false, problem: null });
    return () => busy.current?.abort();
  }, [path, read]);
  const own = state.path === path ? state : empty;
  return {
    items: own.items,
    isLoading: own.isLoading || own.cursor === undefined,
    hasMore: typeof own.cursor === 'string',
    problem: own.problem,
    more() {
      if (!own.isLoading && typeof own.cursor === 'string') read(own);
    },
    again: () => read({ ...empty, path }),
    put: (item) => setState((old) => ({ ...old, items: old.items.map((one) => (isSame(one, item) ? item : one)) })),
  };
}
