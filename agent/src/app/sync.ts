import type { HoldStatus, ParkedHold } from '../ports/gatekeeper.ts';
import type { HubContext } from './hub-context.ts';
import { statusOf } from './report.ts';

/** How all that an agent has stands. What is not its own, or has another digest, is `unknown` to it (T27). Changes nothing. */
export async function sync(
  context: HubContext,
  agent: string,
  holds: readonly ParkedHold[],
): Promise<readonly HoldStatus[]> {
  const out: HoldStatus[] = [];
  for (const { hold: id, jobId, digest } of holds) {
    const hold = await context.store.hold(id);
    const own = hold?.digest === digest && hold.attempts.some((a) => a.jobId === jobId && a.agent === agent);
    out.push(hold !== null && own ? statusOf(hold, jobId) : { hold: id, jobId, state: 'unknown', current: false });
  }
  return out;
}
