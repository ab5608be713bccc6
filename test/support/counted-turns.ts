import type { Store } from '../../agent/src/ports/store.ts';

/** The store, counting how often whoever has it came to the end of the work of that name, or found another hub at it. */
export function countedTurns(store: Store, name: string, turns: { done: number }): Store {
  const alone: Store['alone'] = (of, work) =>
    store.alone(of, work).finally(() => {
      if (of === name) turns.done += 1;
    });
  return { ...store, alone };
}
