import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, isFinal, liveAttempt } from '../../domain/hold.ts';
import type { CiApi } from '../../ports/ci-api.ts';
import { byCaller, type Caller, type HubContext } from '../hub-context.ts';
import { visibleHold } from '../see.ts';
import { settle } from '../settle.ts';
import type { LentCredentials } from './credentials.ts';

/**
 * Cancels the job that stands for a Hold, in GitLab and in the name of whoever asks: with a GitLab credential of their own,
 * so that GitLab decides who may, and nobody cancels as somebody else (T52). The Hold follows when GitLab says so. Rejects
 * with `not_found`, `wrong_state`, `forbidden`, `ci_unreachable`.
 */
export async function cancelJob(
  hub: HubContext,
  { api, lent }: { readonly api: CiApi; readonly lent: LentCredentials },
  caller: Caller,
  id: number,
  own: string | null,
): Promise<Hold> {
  const hold = await visibleHold(hub, caller, id);
  const attempt = liveAttempt(hold);
  if (isFinal(hold.state) || attempt === null)
    throw new HoldpointError('wrong_state', `hold ${id} is ${hold.state}: no job of it is there to be canceled`);
  if (own !== null) await lent.requireOwn(caller.person, own);
  const credential = own ?? lent.of(caller.person.id);
  if (credential === null) {
    throw new HoldpointError(
      'forbidden',
      `hold ${id}: its job is canceled in your name in GitLab: give a GitLab token of yours with scope api, or cancel it there`,
    );
  }
  const answer = await api.cancel(credential, hold.subject.projectId, attempt.jobId);
  if (!answer.ok) {
    throw new HoldpointError(
      'forbidden',
      `hold ${id}: GitLab does not let you cancel job ${attempt.jobId} (${answer.status}): ask somebody who may`,
    );
  }
  const deciding = { ...byCaller(caller), now: hub.clock.now(), policy: await hub.policy() };
  await settle(hub, deciding, (s) =>
    s.audit('job_cancel_asked', { hold }, { job_id: attempt.jobId, person: caller.person.id, token: caller.token.id }),
  );
  return hold;
}
