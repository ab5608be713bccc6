import type { Deployment, DeploymentVote } from '../../domain/deployment.ts';
import { deploymentTally, isThrough, requirementsOf } from '../../domain/deployment-gate.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, liveAttempt } from '../../domain/hold.ts';
import { type MayDeploy, mayApproveDeployment, mayRejectDeployment } from '../../domain/may-deploy.ts';
import { mayRepresent } from '../../domain/may-vote.ts';
import type { EffectivePolicy } from '../../domain/policy.ts';
import { outlook } from '../../domain/quorum.ts';
import { proofDetail } from '../../domain/step-up.ts';
import type { Signed } from '../../ports/passkeys.ts';
import { policyFor } from '../governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from '../hub-context.ts';
import { closeIfEmpty, type Settlement, settle } from '../settle.ts';
import { askStepUp, neededFor, type Proved, proveStepUp, type StepUpAsked, signedDecision } from '../step-up.ts';
import { requireSameGate } from './gate.ts';
import { advance, blockHold, corrected } from './keep.ts';
import { type DeploymentGround, deploymentGround } from './look.ts';
import { aboutDeployment, moveTo } from './move.ts';

/** One person's word on one Deployment. */
export interface DeploymentWish {
  readonly deployment: number;
  readonly comment: string | null;
  /** Name of the one rule that an approve shall count for (user, group or role); null: whichever it is needed for. */
  readonly representedAs: string | null;
  /** The answer of a passkey to the challenge for this very decision. */
  readonly assertion?: Signed | null;
}

/** Throws why the person may not, with those whose votes would do. */
export function requireAllowed(may: MayDeploy, ground: DeploymentGround, person: number): void {
  if (may.allowed) return;
  const { deployment, current, votes, gate } = ground;
  const { wanted } = outlook(requirementsOf(deployment, current), votes, gate.members);
  const names = gate.members
    .filter((one) => one.person.id !== person && wanted.includes(one.person.id))
    .map((one) => one.person.username)
    .slice(0, 5);
  const asks = may.code === 'not_eligible' || may.code === 'self_approval' || may.code === 'approvals_missing';
  const whom = asks && names.length > 0 ? ` (${names.join(', ')})` : '';
  throw new HoldpointError(may.code, `deployment ${deployment.id}: ${may.reason}${whom}`);
}

/** Nothing that the rights were judged on has moved since. */
export async function requireUnchanged(
  s: Settlement,
  { deployment, votes, hold, gate }: DeploymentGround,
): Promise<void> {
  const now = await s.tx.deployment(deployment.id);
  const nowHold = await s.tx.hold(hold.id);
  const nowVotes = await s.tx.deploymentVotes(deployment.id);
  const same = now?.version === deployment.version && nowHold?.version === hold.version;
  if (!same || JSON.stringify(nowVotes) !== JSON.stringify(votes)) {
    throw new HoldpointError(
      'hold_conflict',
      `deployment ${deployment.id} was changed by somebody else in the meantime: look at it and try again`,
    );
  }
  await requireSameGate(s, gate);
}

async function record(s: Settlement, caller: Caller, ground: DeploymentGround, vote: DeploymentVote): Promise<void> {
  const { deployment, hold } = ground;
  await s.tx.putDeploymentVote(vote);
  const about = aboutDeployment(deployment, hold);
  await s.audit(`deployment_vote_${vote.decision}`, about, {
    person: vote.person.id,
    token: caller.token.id,
    // Whoever made the token may have held it: that must not be silent (T18).
    token_made_by: caller.token.makers,
    comment: vote.comment,
    environment: deployment.environment.name,
    ...(vote.representedAs === null ? {} : { represented_as: vote.representedAs }),
    ...(vote.proof === undefined ? {} : { step_up: proofDetail(vote.proof) }),
  });
  if (vote.decision === 'approve' && deployment.trigger.id === vote.person.id) {
    const detail = { exception: 'allow_pipeline_trigger_approve', person: vote.person.id };
    await s.audit('exception_used', about, detail);
  }
  s.changed({
    type: 'deployment',
    id: deployment.id,
    state: deployment.state,
    projectId: deployment.subject.projectId,
  });
}

function voteOf(
  caller: Caller,
  wish: DeploymentWish,
  decision: DeploymentVote['decision'],
  at: number,
  { proof }: Proved,
): DeploymentVote {
  const { id, username, name } = caller.person;
  const pin = decision === 'approve' ? wish.representedAs : null;
  return {
    deployment: wish.deployment,
    person: { id, username, name },
    decision,
    representedAs: pin,
    comment: wish.comment,
    ...(proof === null ? {} : { proof }),
    at,
  };
}

/**
 * One person's approve of one Deployment; it counts for no other, and never for a configuration. The last one that is needed
 * makes it `created`; who started it is another matter. Answers it as it is afterwards. Rejects with `not_found`,
 * `wrong_state`, `no_approval_rules`, `not_eligible`, `self_approval`, `deployment_broken`, `bad_input`.
 */
export async function approveDeployment(
  context: HubContext,
  caller: Caller,
  wish: DeploymentWish,
): Promise<Deployment> {
  return vote(context, caller, wish, 'approve', async (s, ground, now, proved) => {
    const { deployment, current, member, hold, gate } = ground;
    requireAllowed(mayApproveDeployment(ground.standing), ground, caller.person.id);
    if (wish.representedAs !== null) {
      const may = mayRepresent(requirementsOf(deployment, current), member, wish.representedAs);
      if (!may.allowed) throw new HoldpointError(may.code, `deployment ${deployment.id}: ${may.reason}`);
    }
    requireComment(policyFor(ground.policy, deployment), wish, deployment.id);
    proved.require();
    await proved.consume(s);
    await record(s, caller, ground, voteOf(caller, wish, 'approve', now, proved));
    const after = await corrected(s, deployment, gate);
    if (isThrough(after)) await advance(s, hold, after);
  });
}

/**
 * One person's reject of one Deployment: enough of them end it and its Hold, and nothing else. Rejects with `not_found`,
 * `wrong_state`, `no_approval_rules`, `not_eligible`.
 */
export async function rejectDeployment(context: HubContext, caller: Caller, wish: DeploymentWish): Promise<Deployment> {
  return vote(context, caller, wish, 'reject', async (s, ground, now, proved) => {
    const { deployment, current, gate, hold } = ground;
    requireAllowed(mayRejectDeployment(ground.standing), ground, caller.person.id);
    const said = voteOf(caller, wish, 'reject', now, proved);
    await record(s, caller, ground, said);
    const votes = [...ground.votes.filter(({ person }) => person.id !== caller.person.id), said];
    const outcome = deploymentTally(deployment, current, votes, gate.members)?.outcome;
    if (outcome === 'rejected') await endRejected(s, deployment, hold, caller.person.username, wish.comment);
    // Whoever has approved before and rejects now has taken the approve back.
    else if (!isThrough(await corrected(s, deployment, gate)))
      await blockHold(s, hold, 'its approvals are not complete');
  });
}

function requireComment({ comment: wanted }: EffectivePolicy, { comment }: DeploymentWish, id: number): void {
  if (wanted === 'optional' || (comment !== null && comment.trim() !== '')) return;
  throw new HoldpointError(
    'comment_required',
    `deployment ${id}: the policy wants a comment here: say why, with --comment`,
  );
}

async function endRejected(
  s: Settlement,
  deployment: Deployment,
  hold: Hold,
  by: string,
  comment: string | null,
): Promise<void> {
  const reason = comment ?? `rejected by ${by}`;
  await moveTo(s, deployment, { type: 'reject', reason: `${by}: ${reason}` });
  const waiting = await blockHold(s, hold, 'its deployment is rejected');
  const rejected = await s.move(waiting, { type: 'reject', reason }, 'hold_rejected', { reason });
  await s.tell('reject', rejected, liveAttempt(hold), `${by}: ${reason}`);
  await closeIfEmpty(s, hold.review, 'canceled');
}

const neededForDeployment = ({ deployment, current }: DeploymentGround) =>
  neededFor(requirementsOf(deployment, current));

/** What the approve of a Deployment says yes to: this one run, and nothing that would be of it another time. */
const signedDeployment = (
  caller: Caller,
  { deployment, hold }: DeploymentGround,
  wish: Pick<DeploymentWish, 'representedAs'>,
) =>
  signedDecision(
    caller,
    { gate: 'deployment', hold: hold.id, review: deployment.id, digest: hold.digest },
    { lifetime: null, scope: null, representedAs: wish.representedAs },
  );

/** What the approve of a Deployment is still asked for, a passkey above all. */
export async function askDeploymentStepUp(
  context: HubContext,
  caller: Caller,
  wish: Pick<DeploymentWish, 'deployment' | 'representedAs'>,
): Promise<StepUpAsked> {
  const ground = await deploymentGround(context, caller, wish.deployment);
  return askStepUp(context, caller, neededForDeployment(ground), signedDeployment(caller, ground, wish));
}

async function vote(
  context: HubContext,
  caller: Caller,
  wish: DeploymentWish,
  decision: DeploymentVote['decision'],
  work: (s: Settlement, ground: DeploymentGround, now: number, proved: Proved) => Promise<void>,
): Promise<Deployment> {
  const started = context.clock.now();
  return retrying(async () => {
    // What completes a decision stands on who belongs to what at this moment (T19).
    const ground = await deploymentGround(context, caller, wish.deployment, started);
    // A reject is never asked for more: whoever wants to stop something must be able to.
    const needed = decision === 'approve' ? neededForDeployment(ground) : 'none';
    const assertion = decision === 'approve' ? (wish.assertion ?? null) : null;
    const proved = await proveStepUp(context, caller, needed, signedDeployment(caller, ground, wish), assertion);
    const now = context.clock.now();
    await settle(context, { ...byCaller(caller), now, policy: ground.policy }, async (s) => {
      await requireUnchanged(s, ground);
      await work(s, ground, now, proved);
    });
    return (await context.store.deployment(wish.deployment)) ?? ground.deployment;
  });
}
