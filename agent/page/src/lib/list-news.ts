import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ViewerEvent } from '../../../src/wire/api.ts';
import { ask } from './ask.ts';
import { onLive } from './live.ts';
import type { PageBody, Pages } from './pages.ts';

/** Whether a list is other than it is shown, and how to show it as it is. */
export interface ListNews {
  readonly isStale: boolean;
  /** Reads all of it again. */
  show(): void;
  /** Reads one item again and shows it in its place: after something that the reader has done to it. */
  refresh(id: number): Promise<void>;
}

/** The item of this number as the list has it, null where the reader sees none. */
async function readOne<T extends { readonly id: number }>(list: string, id: number): Promise<T | null> {
  const { items } = await ask<PageBody<T>>('GET', `${list}${list.includes('?') ? '&' : '?'}limit=1&cursor=${id - 1}`);
  return items[0]?.id === id ? items[0] : null;
}

/**
 * Hears of changes to what a list shows. A hint is held against the store before it is told: what the reader has done, and
 * what is shown as it is already, is no news.
 */
export function useListNews<T extends { readonly id: number }>(
  /** Path of the list, oldest first, with everything in it that can be shown. */
  list: string,
  type: ViewerEvent['type'],
  pages: Pages<T>,
): ListNews {
  /** What items are by now, as text, by their number; null for those that are not shown. */
  const [heard, setHeard] = useState<ReadonlyMap<number, string | null>>(new Map());
  const shown = useRef(pages.items);
  shown.current = pages.items;
  const note = useCallback((id: number, text: string | null) => setHeard((old) => new Map(old).set(id, text)), []);
  useEffect(() => {
    let isOver = false;
    const stop = onLive((event) => {
      if (event.type === 'all') return note(0, null);
      if (event.type !== type) return undefined;
      const { id } = event;
      if (!shown.current.some((item) => item.id === id)) return note(id, null);
      readOne<T>(list, id).then(
        (item) => {
          if (!isOver) note(id, JSON.stringify(item));
        },
        // Nobody knows then whether it is as it is shown.
        () => {
          if (!isOver) note(id, null);
        },
      );
      return undefined;
    });
    return () => {
      isOver = true;
      stop();
    };
  }, [list, type, note]);
  const isAsShown = (id: number, text: string | null): boolean =>
    text !== null && pages.items.some((item) => item.id === id && JSON.stringify(item) === text);
  return {
    isStale: [...heard].some(([id, text]) => !isAsShown(id, text)),
    show() {
      setHeard(new Map());
      pages.again();
    },
    async refresh(id) {
      const item = await readOne<T>(list, id);
      if (item !== null) pages.put(item);
    },
  };
}
