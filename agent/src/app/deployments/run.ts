import type { Deployment } from '../../domain/deployment.ts';
import { mayRunDeployment } from '../../domain/may-deploy.ts';
import { byCaller, type Caller, type HubContext, retrying } from '../hub-context.ts';
import { settle } from '../settle.ts';
import { advance, corrected } from './keep.ts';
import { deploymentGround } from './look.ts';
import { moveTo } from './move.ts';
import { requireAllowed, requireUnchanged } from './vote.ts';

/**
 * Starts a Deployment that is approved: deploy access is a right of its own, and approving gives none. The job goes to its
 * runner as soon as its configuration is approved too. Rejects with `not_found`, `no_deploy_access`, `approvals_missing`,
 * `deployment_broken`, `wrong_state`.
 */
export async function runDeployment(context: HubContext, caller: Caller, id: number): Promise<Deployment> {
  const started = context.clock.now();
  return retrying(async () => {
    const ground = await deploymentGround(context, caller, id, started);
    const now = context.clock.now();
    const may = await settle(context, { ...byCaller(caller), now, policy: ground.policy }, async (s) => {
      await requireUnchanged(s, ground);
      // Somebody may have left, or come back, since it was looked at last: that stays noted, whoever asks.
      const deployment = await corrected(s, ground.deployment, ground.gate);
      const allowed = mayRunDeployment({ ...ground.standing, deployment });
      if (!allowed.allowed) return allowed;
      const { id: person, username, name } = caller.person;
      const running = await moveTo(
        s,
        deployment,
        { type: 'run', by: { id: person, username, name } },
        { person, token: caller.token.id, token_made_by: caller.token.makers },
      );
      await advance(s, ground.hold, running);
      return allowed;
    });
    requireAllowed(may, ground, caller.person.id);
    return (await context.store.deployment(id)) ?? ground.deployment;
  });
}
