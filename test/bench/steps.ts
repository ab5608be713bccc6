import { digits } from './measure.ts';

/** Steps of a long benchmark: each is told when it begins and has a limit, so that a slow one is found out and takes no other with it. */
export interface Steps {
  /** What did not come to its end, in words. */
  readonly failures: readonly string[];
  /** What came of a step; null, and a failure, where it threw or took longer than its limit. What is slow is not ended, only no longer awaited. */
  take<T>(name: string, limitMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | null>;
}

/** After `totalMs` no further step begins: what was measured by then is told. */
export function createSteps(say: (line: string) => void, totalMs: number): Steps {
  const began = performance.now();
  const failures: string[] = [];
  const seconds = (since: number): string => `${digits((performance.now() - since) / 1000)} s`;
  return {
    failures,
    async take(name, limitMs, work) {
      const start = performance.now();
      if (start - began > totalMs) {
        failures.push(`${name}: not begun, ${digits(totalMs / 1000)} s were over`);
        return null;
      }
      say(`[${seconds(began)}] ${name} …`);
      const late = AbortSignal.timeout(limitMs);
      try {
        const ended = new Promise<never>((_, reject) => {
          late.addEventListener('abort', () => reject(new Error(`not done within ${digits(limitMs / 1000)} s`)));
        });
        const value = await Promise.race([work(late), ended]);
        say(`[${seconds(began)}] ${name}: ${seconds(start)}`);
        return value;
      } catch (error) {
        const why = late.aborted ? `not done within ${digits(limitMs / 1000)} s` : (error as Error).message;
        failures.push(`${name}: ${why}`);
        say(`[${seconds(began)}] ${name}: ${why}`);
        return null;
      }
    },
  };
}
