import type { ServerResponse } from 'node:http';

/** Requests of runners that are not answered yet. */
export interface InFlight {
  /** Counts a request until its connection is done with it. */
  add(route: string, res: ServerResponse): void;
  /** How many there are, by route; a route that had one once stays, with 0. */
  counts(): ReadonlyMap<string, number>;
  /** Resolves when none is left. */
  idle(): Promise<void>;
}

/** Nothing in flight. */
export function createInFlight(): InFlight {
  const counts = new Map<string, number>();
  const waiting = new Set<() => void>();
  const move = (route: string, by: number): void => {
    counts.set(route, (counts.get(route) ?? 0) + by);
    if (by < 0) for (const look of [...waiting]) look();
  };
  return {
    add(route, res) {
      move(route, 1);
      res.once('close', () => move(route, -1));
    },
    counts: () => counts,
    idle() {
      const isIdle = (): boolean => [...counts.values()].every((count) => count === 0);
      return new Promise((resolve) => {
        const look = (): void => {
          if (!isIdle()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
  };
}
