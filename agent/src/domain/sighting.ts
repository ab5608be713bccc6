import type { Facts } from './facts.ts';
import type { Inputs } from './scope.ts';
import type { Place, Subject } from './subject.ts';

/** A configuration that ran on a runner in `mode: monitor` and that nobody had approved there: it would have been parked. */
export interface Sighting {
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  /** Where it ran last; runs at the same class of refs count together. */
  readonly place: Place;
  /** The widest class of artifacts that any of the runs took in. */
  readonly inputs: Inputs;
  readonly runs: number;
  /** Who started them, the newest last. */
  readonly triggers: readonly { readonly id: number | null; readonly username: string | null }[];
  /** What is known of the newest run. */
  readonly facts: Facts;
  /** Epoch ms. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** So many people are named; a configuration that more have started is nobody's in particular. */
const MAX_TRIGGERS = 20;

/** The sighting with one run more. */
export function seenAgain(known: Sighting, run: Sighting, widest: (a: Inputs, b: Inputs) => Inputs): Sighting {
  const [trigger] = run.triggers;
  const others = known.triggers.filter(({ id, username }) => id !== trigger?.id || username !== trigger?.username);
  return {
    ...run,
    inputs: widest(known.inputs, run.inputs),
    runs: known.runs + run.runs,
    triggers: [...others, ...run.triggers].slice(-MAX_TRIGGERS),
    firstAt: Math.min(known.firstAt, run.firstAt),
    lastAt: Math.max(known.lastAt, run.lastAt),
  };
}
