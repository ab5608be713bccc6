import { createContext, type RefObject } from 'preact';
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

/** True where the bar at the foot of the screen does not lie over it. */
function isClear(target: Element, bar: Element | null): boolean {
  return bar === null || target.getBoundingClientRect().bottom <= bar.getBoundingClientRect().top;
}

/**
 * Watches the ends of parts: whoever presses approve has had each of them on the screen (T33). What lies beneath `bar` has
 * not been seen.
 */
export function useSeen(bar: RefObject<Element> | null = null): Seen & { readonly watch: Watch } {
  const [counts, setCounts] = useState(UNKNOWN);
  const parts = useRef(new Map<Element, boolean>());
  /** On the screen, and beneath the bar when last looked at. */
  const beneath = useRef(new Set<Element>());
  const watcher = useRef<{ observer: IntersectionObserver; watch: Watch } | null>(null);
  const count = (): void => {
    const all = [...parts.current.values()];
    setCounts({ unseen: all.filter((seen) => !seen).length, total: all.length });
  };
  if (watcher.current === null) {
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        beneath.current.delete(target);
        if (!isIntersecting || !parts.current.has(target)) continue;
        if (!isClear(target, bar?.current ?? null)) {
          beneath.current.add(target);
          continue;
        }
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
          beneath.current.delete(element);
        };
      },
    };
    watcher.current = { observer, watch };
  }
  const { observer, watch } = watcher.current;
  useEffect(() => {
    // The observer tells of what comes onto the screen, not of what comes out from beneath the bar.
    const lookAgain = (): void => {
      const fresh = [...beneath.current].filter((element) => isClear(element, bar?.current ?? null));
      for (const element of fresh) {
        beneath.current.delete(element);
        parts.current.set(element, true);
        observer.unobserve(element);
      }
      if (fresh.length > 0) count();
    };
    if (bar !== null)
      for (const event of ['scroll', 'resize']) window.addEventListener(event, lookAgain, { passive: true });
    return () => {
      for (const event of ['scroll', 'resize']) window.removeEventListener(event, lookAgain);
      observer.disconnect();
    };
  }, [observer, bar]);
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
