import type { AgentProblem } from '../../domain/agent-problem.ts';
import { isLive } from '../../domain/parking.ts';
import { isFull, type Parking } from './parking.ts';

/** What people must look at in the parking lot: a disk that takes nothing, and a limit that is reached (T30). */
export function lotProblems(parking: Parking): readonly AgentProblem[] {
  const out: AgentProblem[] = [];
  if (isFull(parking)) {
    const message =
      'the parking lot cannot be written: what is parked is kept alive, no job is taken in or handed out; free its disk';
    out.push({ code: 'disk', blocks: true, message });
  }
  let live = 0;
  for (const { job } of parking.entries.values()) if (isLive(job.state)) live++;
  const { maxHolds } = parking.limits;
  if (live >= maxHolds) {
    const message = `${maxHolds} jobs are parked, as many as may be (parking.max_holds): each further one detaches the oldest of whoever has most`;
    out.push({ code: 'full', blocks: false, message });
  }
  return out;
}
