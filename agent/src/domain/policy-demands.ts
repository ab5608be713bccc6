import type { RunnerDemand } from './policy.ts';
import { globMatches } from './scope.ts';

/** How strictly the policy wants a runner of this name gated at least; null where it says nothing. */
export function demandedMode(demands: readonly RunnerDemand[], runner: string): RunnerDemand['mode'] | null {
  const fitting = demands.filter((demand) => globMatches(demand.runner, runner)).map(({ mode }) => mode);
  if (fitting.includes('enforce')) return 'enforce';
  return fitting.includes('monitor') ? 'monitor' : null;
}

/** How a runner is gated: `pass` (not at all), `monitor` (recorded) or `enforce`. */
export type RunnerMode = 'pass' | 'monitor' | 'enforce';
const STRICTNESS: readonly RunnerMode[] = ['pass', 'monitor', 'enforce'];

/** The stricter of what the agent's own file says and what the policy wants: neither can loosen the other (T26). */
export function stricterMode(own: RunnerMode, wanted: RunnerDemand['mode'] | null): RunnerMode {
  return STRICTNESS[Math.max(STRICTNESS.indexOf(own), STRICTNESS.indexOf(wanted ?? 'pass'))]!;
}
