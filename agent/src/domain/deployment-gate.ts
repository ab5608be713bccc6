import type { Deployment, DeploymentCommand, DeploymentKind, DeploymentVote } from './deployment.ts';
import type { Facts } from './facts.ts';
import type { Hold, HoldCommand } from './hold.ts';
import type { EffectivePolicy } from './policy.ts';
import type { Member } from './principal.ts';
import { type DeploymentRule, type DeploymentRules, mayDeploy } from './protected-environment.ts';
import { type JointTally, tallyAll } from './quorum.ts';
import { type Requirement, requirementFor } from './requirement.ts';
import { countingVotes } from './step-up.ts';

/** Which rules a run of this kind asks for: a kind for which no lighter rule holds any more asks for all (T21). */
export function askedRules({ rules, options }: DeploymentRules, kind: DeploymentKind): readonly DeploymentRule[] {
  switch (kind) {
    case 'deploy':
      return rules;
    case 'rerun':
      return options.rerun === 'allow' ? [] : rules;
    case 'rollback':
      return options.rollback?.rules.map((rule) => ({ ...rule, element: null })) ?? rules;
    default:
      kind satisfies never;
      return rules;
  }
}

/** What a run of this kind must meet: of those who caused it the trigger alone is kept out. */
export function deploymentRequirement(
  policy: EffectivePolicy,
  rules: DeploymentRules,
  kind: DeploymentKind,
  trigger: Facts['trigger'],
): Requirement {
  const selfApproval = rules.options.allowPipelineTriggerApprove ? 'allow' : 'forbid';
  return requirementFor({ ...policy, rules: askedRules(rules, kind), selfApproval }, { trigger, people: [] });
}

/** What holds for a Deployment at this moment; null where nothing protects its environment any more. */
export interface CurrentRules {
  readonly rules: DeploymentRules;
  readonly requirement: Requirement;
}

/** The requirements that its votes must meet together: as frozen and as they are now (T21). Those without a rule ask for nobody. */
export function requirementsOf(deployment: Deployment, current: CurrentRules | null): readonly Requirement[] {
  return [deployment.requirement, ...(current === null ? [] : [current.requirement])].filter(
    ({ rules }) => rules.length > 0,
  );
}

/** The outcome of the votes on a Deployment; null where nobody is asked, and deploy access alone decides. */
export function deploymentTally(
  deployment: Deployment,
  current: CurrentRules | null,
  votes: readonly DeploymentVote[],
  members: readonly Member[],
): JointTally | null {
  const requirements = requirementsOf(deployment, current);
  if (requirements.length === 0) return null;
  return tallyAll(requirements, countingVotes(requirements, votes), members);
}

/** True when the person may start this Deployment: by the rules that were frozen and by those of now. */
export function mayStart(deployment: Deployment, current: CurrentRules | null, member: Member | undefined): boolean {
  return (
    mayDeploy(deployment.rules.deployAccess, member) &&
    (current === null || mayDeploy(current.rules.deployAccess, member))
  );
}

/** True when nothing of its gate is missing: approved, and started by somebody. */
export function isThrough(deployment: Pick<Deployment, 'state' | 'started'>): boolean {
  return deployment.state !== 'blocked' && deployment.started !== null;
}

/** What a Deployment has to undergo so that it says again what votes, rights and marks say; in this order, none when it does. */
export function correctionsOf(
  deployment: Deployment,
  current: CurrentRules | null,
  votes: readonly DeploymentVote[],
  members: readonly Member[],
  broken: { readonly reason: string } | null,
): readonly DeploymentCommand[] {
  if (deployment.state !== 'blocked' && deployment.state !== 'created') return [];
  const outcome = deploymentTally(deployment, current, votes, members)?.outcome ?? 'approved';
  const approved = broken === null && outcome === 'approved';
  const { started } = deployment;
  const starter = members.find(({ person }) => person.id === started?.person.id);
  const why =
    broken === null ? 'its approvals are no longer complete' : `the commit is marked as broken: ${broken.reason}`;
  return [
    ...(started !== null && !mayStart(deployment, current, starter)
      ? [{ type: 'stop', reason: `${started.person.username} may no longer deploy there` } as const]
      : []),
    ...(deployment.state === 'blocked' && approved ? [{ type: 'approve' } as const] : []),
    ...(deployment.state === 'created' && !approved ? [{ type: 'block', reason: why } as const] : []),
  ];
}

/** What becomes of the Deployment when its Hold has been moved; null: nothing. */
export function commandAfter(deployment: Deployment, hold: Hold, command: HoldCommand): DeploymentCommand | null {
  const { state } = deployment;
  if (state === 'success' || state === 'failed' || state === 'canceled') return null;
  switch (hold.state) {
    case 'waiting_for_approval':
    case 'pending':
      return null;
    case 'running':
      return command.type === 'confirm' && state !== 'running' ? { type: 'confirm' } : null;
    case 'success':
    case 'failed':
    case 'canceled':
      return { type: 'finish', status: hold.state, reason: hold.reason };
    case 'rejected':
      return { type: 'finish', status: 'failed', reason: hold.reason };
    case 'expired':
      return { type: 'finish', status: 'canceled', reason: hold.reason };
    default:
      hold.state satisfies never;
      return null;
  }
}
