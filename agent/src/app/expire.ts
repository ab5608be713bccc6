import { liveAttempt } from '../domain/hold.ts';
import { type HubContext, retrying } from './hub-context.ts';
import { fallBack } from './release.ts';
import { closeIfEmpty, settle } from './settle.ts';

/** So many in one transaction; the rest comes with the next one. */
const BATCH = 100;
/** How long after the announced end of its live stage a parked job of a silent agent counts as gone. */
const SILENCE_MS = 10 * 60_000;

/**
 * Ends what time has ended: Holds over their request TTL, released Holds whose Approval is over before they were handed
 * out, and live jobs of agents that fell silent. Never approves anything. Answers how many things it moved.
 */
export async function expire(context: HubContext): Promise<number> {
  let moved = 0;
  for (let step = await batch(context); step > 0; step = await batch(context)) moved += step;
  return moved;
}

async function batch(context: HubContext): Promise<number> {
  const now = context.clock.now();
  const policy = await context.policy();
  return retrying(() =>
    settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
      const due = await s.tx.dueHolds(now, BATCH);
      for (const hold of due) {
        const attempt = liveAttempt(hold);
        const expired = await s.move(hold, { type: 'expire' }, 'hold_expired', {});
        await s.tell('expire', expired, attempt, expired.reason);
        await closeIfEmpty(s, hold.review, 'expired');
      }
      const lapsed = await s.tx.dueApprovals(now, BATCH);
      for (const approval of lapsed) {
        await s.audit('approval_over', { approval: approval.id, review: approval.review, digest: approval.digest }, {});
        s.changed({ type: 'approval', id: approval.id, state: 'over', projectId: approval.subject.projectId });
        for (const hold of await s.tx.passedWith(approval.id)) {
          // One that waits for its deployment gate alone has passed with it as well.
          if (hold.state !== 'running')
            await fallBack(s, hold, `approval ${approval.id} was over before the job was handed out`);
        }
      }
      const silent = await s.tx.overdueHolds(now - SILENCE_MS, BATCH);
      for (const hold of silent) {
        const jobId = liveAttempt(hold)?.jobId ?? 0;
        const reason = 'its agent fell silent';
        await s.move(hold, { type: 'detach', jobId, reason }, 'job_detached', { job_id: jobId, reason });
      }
      return due.length + lapsed.length + silent.length;
    }),
  );
}
