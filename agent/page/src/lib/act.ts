import { useState } from 'preact/hooks';
import { wordsOf } from './problem.ts';
import { say } from './say.ts';

/** Something that the reader has done here: whether it is on its way, and why it was not taken. */
export interface Acting {
  readonly isBusy: boolean;
  readonly problem: string | null;
  /** Does it; `done` is told to a screen reader. Resolves to false when it was not taken. */
  run(work: () => Promise<unknown>, done: string): Promise<boolean>;
}

/** One thing at a time: a second click while the first is on its way does nothing. */
export function useAct(): Acting {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  return {
    isBusy,
    problem,
    async run(work, done) {
      if (isBusy) return false;
      setBusy(true);
      setProblem(null);
      try {
        await work();
        say(done);
        return true;
      } catch (error) {
        setProblem(wordsOf(error));
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}
