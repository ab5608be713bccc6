import { useEffect } from 'preact/hooks';

/** Names the view in the window's title; text alone, whatever it holds. */
export function useTitle(words: string): void {
  useEffect(() => {
    document.title = `${words} · Holdpoint`;
  }, [words]);
}
