import type { AuditFilter } from '../ports/store.ts';
import type { DeploymentInspection } from './deployments/look.ts';
import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import type { HoldInspection } from './inspect.ts';
import { type About, settle } from './settle.ts';

/**
 * Writes down, once for each person and Hold, that somebody who may decide has opened it: what they had before them when
 * they voted, or that nobody ever looked (T34).
 */
export async function noteSeen(context: HubContext, caller: Caller, { hold, mayVote }: HoldInspection): Promise<void> {
  if (mayVote.allowed) await noteOnce(context, caller, 'hold_seen', { hold: hold.id }, { hold });
}

/** The same of a Deployment, for whoever may approve, reject or run it with the token that they have. */
export async function noteDeploymentSeen(
  context: HubContext,
  caller: Caller,
  {
    deployment,
    hold,
    mayApprove,
    mayReject,
    mayRun,
  }: Pick<DeploymentInspection, 'deployment' | 'hold' | 'mayApprove' | 'mayReject' | 'mayRun'>,
): Promise<void> {
  if (![mayApprove, mayReject, mayRun].some(({ allowed }) => allowed)) return;
  const about = { hold, deployment: deployment.id, digest: deployment.digest };
  await noteOnce(context, caller, 'deployment_seen', { deployment: deployment.id }, about);
}

async function noteOnce(
  context: HubContext,
  caller: Caller,
  event: 'hold_seen' | 'deployment_seen',
  thing: Pick<AuditFilter, 'hold' | 'deployment'>,
  about: About,
): Promise<void> {
  const earlier = { ...thing, person: caller.person.id, events: [event], sight: null };
  const first = { after: 0, limit: 1 };
  if ((await context.store.auditRows(earlier, first)).length > 0) return;
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, async (s) => {
    if ((await s.tx.auditRows(earlier, first)).length > 0) return;
    await s.audit(event, about, { token: caller.token.id });
  });
}
