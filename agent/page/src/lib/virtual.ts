import {
  measureElement,
  observeWindowOffset,
  observeWindowRect,
  Virtualizer,
  type VirtualizerOptions,
  windowScroll,
} from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Rows above and below the screen that are there already when somebody scrolls. */
const OVERSCAN_ROWS = 12;

/** What draws such a list. */
export interface VirtualList {
  readonly virtual: Virtualizer<Window, Element>;
  /** Pixels above the list; rows say where they stand from the top of the page. */
  readonly above: number;
  /** Goes onto the list's element. */
  readonly list: RefObject<HTMLUListElement>;
}

/** A list of which only what is near the screen is drawn, scrolled with the window. */
export function useVirtual(count: number, keyOf: (index: number) => string, rowPx: number): VirtualList {
  const [above, setAbove] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const [, draw] = useState(0);
  const options: VirtualizerOptions<Window, Element> = {
    count,
    getScrollElement: () => window,
    estimateSize: () => rowPx,
    getItemKey: keyOf,
    overscan: OVERSCAN_ROWS,
    scrollMargin: above,
    scrollToFn: windowScroll,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    measureElement,
    onChange: () => draw((n) => n + 1),
    initialRect: { width: window.innerWidth, height: window.innerHeight },
    initialOffset: () => window.scrollY,
    // The header above the list: a row that is scrolled to must not hide behind it.
    scrollPaddingStart: 80,
    scrollPaddingEnd: 80,
  };
  const made = useRef<Virtualizer<Window, Element> | null>(null);
  made.current ??= new Virtualizer(options);
  const virtualizer = made.current;
  virtualizer.setOptions(options);
  useEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  // What stands above comes and goes: notices, filters that wrap.
  useLayoutEffect(() => {
    if (list.current === null) return;
    const top = Math.round(list.current.getBoundingClientRect().top + window.scrollY);
    if (top !== above) setAbove(top);
  });
  return { virtual: virtualizer, above, list };
}
