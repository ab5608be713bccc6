import type { Step } from './schedule.ts';

/**
 * The fewest faults of a storm that still break a rule, found by leaving out ever smaller parts (Zeller's ddmin). A storm
 * is no pure function: what does not break it at once is tried `tries` times, and the answer is small rather than smallest.
 */
export async function shrunk(
  steps: readonly Step[],
  breaks: (steps: readonly Step[]) => Promise<boolean>,
  { tries = 2, within = Number.POSITIVE_INFINITY, now = () => Date.now() } = {},
): Promise<readonly Step[]> {
  const end = now() + within;
  const broken = async (part: readonly Step[]): Promise<boolean> => {
    for (let n = 0; n < tries && now() < end; n++) if (await breaks(part)) return true;
    return false;
  };
  let left = steps;
  for (let parts = 2; left.length > 1 && now() < end; ) {
    const size = Math.ceil(left.length / parts);
    let smaller: readonly Step[] | null = null;
    for (let from = 0; from < left.length && smaller === null; from += size) {
      const rest = [...left.slice(0, from), ...left.slice(from + size)];
      if (rest.length > 0 && (await broken(rest))) smaller = rest;
    }
    if (smaller !== null) {
      left = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}
