import type { BrokenMark, Deployment, NamedPerson } from '../../domain/deployment.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { mayMarkDeployment } from '../../domain/may-deploy.ts';
import { byCaller, type Caller, type HubContext, retrying } from '../hub-context.ts';
import { type Settlement, settle } from '../settle.ts';
import { type DeploymentGround, deploymentGround } from './look.ts';
import { aboutDeployment } from './move.ts';
import { recheckDeployment } from './recheck.ts';

/** Open deployments of one commit to one environment that a mark touches at once; the others are stopped at their hand-over. */
const MAX_TOUCHED = 100;

/** Whoever may deploy there or is asked to approve there may say that it is broken. */
function requireKnown({ deployment, current, member }: DeploymentGround): void {
  const may = mayMarkDeployment({ deployment, current, member });
  if (!may.allowed) throw new HoldpointError(may.code, `deployment ${deployment.id}: ${may.reason}`);
}

const personOf = ({ person: { id, username, name } }: Caller): NamedPerson => ({ id, username, name });

async function decide(
  context: HubContext,
  caller: Caller,
  id: number,
  work: (s: Settlement, ground: DeploymentGround, now: number) => Promise<BrokenMark>,
): Promise<BrokenMark> {
  const mark = await retrying(async () => {
    const ground = await deploymentGround(context, caller, id);
    requireKnown(ground);
    const now = context.clock.now();
    return settle(context, { ...byCaller(caller), now, policy: ground.policy }, (s) => work(s, ground, now));
  });
  // Live: what was approved already waits again, and what waited for the mark to be lifted goes on.
  const open = await context.store.deploymentsTo(mark, { states: ['blocked', 'created'], sha: mark.sha }, MAX_TOUCHED);
  for (const one of open) await recheckDeployment(context, one.id);
  return mark;
}

function changed(s: Settlement, deployment: Deployment): void {
  s.changed({
    type: 'deployment',
    id: deployment.id,
    state: deployment.state,
    projectId: deployment.subject.projectId,
  });
}

/**
 * Marks the commit of a Deployment as broken in its environment: nothing with it is deployed there until the mark is lifted.
 * Rejects with `not_found`, `not_eligible`, `wrong_state`.
 */
export async function markBroken(context: HubContext, caller: Caller, id: number, reason: string): Promise<BrokenMark> {
  return decide(context, caller, id, async (s, { deployment, hold, broken }, at) => {
    if (broken !== null) {
      throw new HoldpointError(
        'wrong_state',
        `deployment ${id}: ${broken.by.username} marked commit ${broken.sha} as broken already: ${broken.reason}`,
      );
    }
    const { subject, sha, environment } = deployment;
    const mark = await s.tx.insertBrokenMark({
      instance: subject.instance,
      projectId: subject.projectId,
      environment: environment.name,
      sha,
      deployment: id,
      by: personOf(caller),
      reason,
      at,
      lifted: null,
    });
    const detail = { person: caller.person.id, environment: environment.name, sha, reason };
    await s.audit('deployment_broken', aboutDeployment(deployment, hold), detail);
    changed(s, deployment);
    return mark;
  });
}

/** Lifts the mark of a Deployment's commit. Rejects with `not_found`, `not_eligible`, `wrong_state`. */
export async function liftBroken(
  context: HubContext,
  caller: Caller,
  id: number,
  reason: string | null,
): Promise<BrokenMark> {
  return decide(context, caller, id, async (s, { deployment, hold, broken }, at) => {
    if (broken === null) {
      throw new HoldpointError(
        'wrong_state',
        `deployment ${id}: nobody has marked its commit as broken in ${deployment.environment.name}: nothing is left to lift`,
      );
    }
    const lifted = { by: personOf(caller), at, reason };
    await s.tx.liftBrokenMark(broken.id, lifted);
    const { sha, environment } = broken;
    const detail = { person: caller.person.id, environment, sha, reason, marked_by: broken.by.id };
    await s.audit('deployment_mended', aboutDeployment(deployment, hold), detail);
    changed(s, deployment);
    return { ...broken, lifted };
  });
}
