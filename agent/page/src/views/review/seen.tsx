import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';

/** Which parts of a long difference have been on the screen. */
export interface Seen {
  /** Parts that were never on the screen. */
  readonly unseen: number;
  readonly total: number;
  /** Brings the first of them onto the screen. */
  showNext(): void;
}

/** Before anything was looked at, something has not been seen. */
const UNKNOWN = { unseen: 1, total: 1 };

interface Watch {
  add(element: Element): () => void;
}

const Watching = createContext<Watch | null>(null);
/** Where the ends of parts tell that they were seen. */
export const WatchSeen = Watching.Provider;

/** Watches the ends of parts: whoever presses approve has had each of them on the screen (T33). */
export function useSeen(): Seen & { readonly watch: Watch } {
  const [counts, setCounts] = useState(UNKNOWN);
  const parts = useRef(new Map<Element, boolean>());
  const watcher = useRef<{ observer: IntersectionObserver; watch: Watch } | null>(null);
  const count = (): void => {
    const all = [...parts.current.values()];
    setCounts({ unseen: all.filter((seen) => !seen).length, total: all.length });
  };
  if (watcher.current === null) {
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting || !parts.current.has(target)) continue;
        parts.current.set(target, true);
        observer.unobserve(target);
      }
      count();
    });
    const watch: Watch = {
      add(element) {
        parts.current.set(element, false);
        // Until the browser has told of it, it has not been seen.
        setCounts((old) => (old.unseen > 0 ? old : { ...old, unseen: 1 }));
        observer.observe(element);
        return () => {
          observer.unobserve(element);
          parts.current.delete(element);
        };
      },
    };
    watcher.current = { observer, watch };
  }
  const { observer, watch } = watcher.current;
  useEffect(() => () => observer.disconnect(), [observer]);
  return {
    ...counts,
    watch,
    showNext() {
      const unseen = [...parts.current].filter(([, seen]) => !seen).map(([element]) => element);
      unseen.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
      unseen[0]?.scrollIntoView({ block: 'center' });
    },
  };
}

/** The end of a part that has to be seen. */
export function PartEnd() {
  const watch = useContext(Watching);
  const element = useRef<HTMLSpanElement>(null);
  useEffect(() => (watch === null || element.current === null ? undefined : watch.add(element.current)), [watch]);
  return <span ref={element} class="part-end" aria-hidden="true" />;
}
