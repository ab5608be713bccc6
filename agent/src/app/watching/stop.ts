import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, liveAttempt, wrongState } from '../../domain/hold.ts';
import { printable } from '../../domain/printable.ts';
import type { Stop, StopCause } from '../../domain/watching.ts';
import { byCaller, type Caller, type HubContext, holdUrl, retrying } from '../hub-context.ts';
import { visibleHold } from '../see.ts';
import { type Settlement, settle } from '../settle.ts';
import { watchStanding } from './standing.ts';

/** What somebody wants stopped, and why. */
export interface StopWish {
  readonly hold: number;
  readonly comment: string;
}

/**
 * Ends the job of a Hold while it runs: by whoever may decide on it, their own job too, as a reject is. Its agent aborts the
 * runner and fails the job in GitLab; the Hold follows when that is reported. Asked twice it is stopped once, and the answer is
 * who was first. Rejects with `not_found`, `wrong_state`, `not_eligible`, `forbidden`, `comment_required`.
 */
export async function stopJob(
  context: HubContext,
  caller: Caller,
  wish: StopWish,
): Promise<{ readonly hold: Hold; readonly stop: Stop }> {
  const comment = wish.comment.trim();
  if (comment === '')
    throw new HoldpointError('comment_required', `hold ${wish.hold}: say why it is stopped: the job's log tells it`);
  return retrying(async () => {
    const hold = await visibleHold(context, caller, wish.hold);
    if (hold.state !== 'running') throw wrongState(hold, 'stopping');
    const { stop: may } = await watchStanding(context, caller, hold, true);
    if (!may.allowed) throw new HoldpointError(may.code, `hold ${hold.id}: ${may.reason}`);
    const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
    return settle(context, deciding, async (s) => {
      const same = await s.tx.hold(hold.id);
      if (same?.state !== 'running') throw wrongState(same ?? hold, 'stopping');
      const { id, username } = caller.person;
      const said = { cause: 'person', person: { id, username }, reason: comment } as const;
      return { hold: same, stop: await stopHold(s, same, said, holdUrl(context, hold.id), caller.token.id) };
    });
  });
}

/** Stops a running job within a decision; the answer is who had it stopped first. */
export async function stopHold(
  s: Settlement,
  hold: Hold,
  { cause, person, reason }: { readonly cause: StopCause; readonly person: Stop['person']; readonly reason: string },
  url: string,
  token: number | null = null,
): Promise<Stop> {
  const attempt = liveAttempt(hold);
  if (attempt === null) throw wrongState(hold, 'stopping');
  const stop: Stop = { hold: hold.id, jobId: attempt.jobId, cause, person, reason: printable(reason), at: s.now };
  if (!(await s.tx.putStop(stop))) return (await s.tx.stopOf(hold.id, attempt.jobId)) ?? stop;
  const detail = { job_id: attempt.jobId, cause, reason: stop.reason, ...(token === null ? {} : { token }) };
  await s.audit('job_stopped', { hold }, detail);
  await s.tell('stop', hold, attempt, stop.reason, stopNote(stop, url));
  s.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: hold.subject.projectId });
  return stop;
}

/** The last lines of the log of a stopped job. */
export function stopNote({ hold, person, reason }: Stop, url: string): string {
  const who = person === null ? 'Holdpoint' : person.username;
  return `\nHoldpoint: hold ${hold} was stopped by ${who}: ${reason}\nThe job was ended while it ran.\n${url}`;
}
