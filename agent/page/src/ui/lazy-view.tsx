import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { wordsOf } from '../lib/problem.ts';
import { Pending } from './notice.tsx';

/** A view whose script is read when it is first opened: the inbox must not wait for charts. */
export function lazyView(what: string, load: () => Promise<ComponentType>): () => preact.JSX.Element {
  let known: ComponentType | null = null;
  return function LazyView() {
    const [View, setView] = useState<{ readonly view: ComponentType } | null>(known && { view: known });
    const [problem, setProblem] = useState<string | null>(null);
    const read = (): void => {
      setProblem(null);
      load().then(
        (view) => {
          known = view;
          setView({ view });
        },
        (error: unknown) => setProblem(wordsOf(error)),
      );
    };
    useEffect(() => {
      if (View === null) read();
    }, []);
    return View === null ? <Pending what={what} problem={problem} again={read} /> : <View.view />;
  };
}
