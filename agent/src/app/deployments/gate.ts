import type { Deployment, DeploymentKind } from '../../domain/deployment.ts';
import { type CurrentRules, deploymentRequirement } from '../../domain/deployment-gate.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Facts } from '../../domain/facts.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Policy } from '../../domain/policy.ts';
import type { Member } from '../../domain/principal.ts';
import {
  combined,
  type DeploymentRules,
  type EnvironmentTarget,
  type ProtectedEnvironment,
  protectionsOf,
  rulesWithin,
} from '../../domain/protected-environment.ts';
import type { Place, Subject } from '../../domain/subject.ts';
import type { Directory } from '../../ports/directory.ts';
import type { StoreReader } from '../../ports/store.ts';
import { membersFor, policyFor } from '../governing.ts';
import type { HubContext } from '../hub-context.ts';
import type { Settlement } from '../settle.ts';

/** A run whose environment may be protected. */
export interface GateAbout {
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly place: Place;
  readonly tier: string | null;
  /** False where GitLab could not be asked: then the tier is what the job says of itself (T20). */
  readonly verified: boolean;
}
/** What stands at the gate of one environment at this moment: read before a decision, compared again within it. */
export interface DeploymentGate {
  readonly about: GateAbout;
  /** Null: nothing protects the environment. */
  readonly rules: DeploymentRules | null;
  readonly members: readonly Member[];
  /** What people have set through the API, as text: the decision counts only if it is still this. */
  readonly seal: string;
}

/** What the API says about the environments of a project. */
interface Said {
  readonly rows: readonly ProtectedEnvironment[];
  readonly seal: string;
}

async function said(store: StoreReader, projectId: number): Promise<Said> {
  const own = await store.protectedEnvironments('project', projectId);
  const ofGroups = await store.protectedEnvironments('group', null);
  const { allowPipelineTriggerApprove } = await store.projectOptions(projectId);
  const rows = [...own, ...ofGroups].map((row) => ({
    ...row,
    options: { ...row.options, allowPipelineTriggerApprove },
  }));
  return { rows, seal: JSON.stringify(rows) };
}

/** Of these groups those above the project, by their paths as they are now: a group may have been renamed since. */
async function groupsAbove(
  directory: Directory,
  projectId: number,
  rows: readonly ProtectedEnvironment[],
): Promise<readonly number[] | null> {
  const ids = [...new Set(rows.flatMap((row) => (row.level === 'group' ? [row.owner] : [])))];
  if (ids.length === 0) return [];
  const project = await directory.project(projectId);
  if (project === null) return null;
  const above: number[] = [];
  for (const id of ids) {
    const group = await directory.group(id);
    if (group !== null && project.path.toLowerCase().startsWith(`${group.path.toLowerCase()}/`)) above.push(id);
  }
  return above;
}

/**
 * The gate of a run, null for one without an environment. `people` are looked at one by one; with `notBefore` (epoch ms)
 * nothing that was fetched earlier counts (T19).
 */
export async function gateFor(
  context: Pick<HubContext, 'store' | 'directory'>,
  policy: Policy,
  about: GateAbout,
  asked: { readonly deployment: Deployment | null; readonly people: readonly number[]; readonly notBefore?: number },
): Promise<DeploymentGate | null> {
  const { environment } = about.place;
  if (environment === null) return null;
  const { projectId } = about.subject;
  const { rows, seal } = await said(context.store, projectId);
  const target: EnvironmentTarget = {
    projectId,
    projectPath: about.projectPath,
    groups: await groupsAbove(context.directory, projectId, rows),
    environment: { name: environment, tier: about.tier, verified: about.verified },
  };
  const protections = protectionsOf(policy.environments, rows, target);
  const rules = protections.length === 0 ? null : combined(protections);
  const { deployment, people, notBefore } = asked;
  const named = [
    ...(rules === null ? [] : rulesWithin(rules)),
    ...(deployment === null ? [] : [...rulesWithin(deployment.rules), ...deployment.requirement.rules]),
  ];
  const members = await membersFor(context.directory, projectId, [{ rules: named }], people, notBefore);
  return { about, rules, members, seal };
}

/** The gate of a Deployment, with everybody who voted on it or started it. */
export async function gateOf(
  context: Pick<HubContext, 'store' | 'directory'>,
  policy: Policy,
  deployment: Deployment,
  people: readonly number[] = [],
  notBefore?: number,
): Promise<DeploymentGate> {
  const votes = await context.store.deploymentVotes(deployment.id);
  const { subject, projectPath, place, started, trigger } = deployment;
  const ids = [...people, ...votes.map(({ person }) => person.id), ...(started === null ? [] : [started.person.id])];
  const { tier, verified } = deployment.environment;
  const about = { subject, projectPath, place, tier, verified };
  const gate = await gateFor(context, policy, about, {
    deployment,
    people: trigger.id === null ? ids : [...ids, trigger.id],
    ...(notBefore === undefined ? {} : { notBefore }),
  });
  if (gate === null) throw new HoldpointError('internal', `deployment ${deployment.id} is of no environment`);
  return gate;
}

/** Rejects with `hold_conflict`, to be tried again, when people have changed what protects the environment since the gate was read (T21). */
export async function requireSameGate(s: Settlement, gate: DeploymentGate): Promise<void> {
  if ((await said(s.tx, gate.about.subject.projectId)).seal === gate.seal) return;
  throw new HoldpointError('hold_conflict', 'what protects the environment was changed in the meantime: try again');
}

/** What a Deployment of this kind is asked for now; null where nothing protects the environment. */
export function currentRules(
  policy: Policy,
  gate: DeploymentGate,
  kind: DeploymentKind,
  trigger: Facts['trigger'],
): CurrentRules | null {
  const { rules } = gate;
  if (rules === null) return null;
  return { rules, requirement: deploymentRequirement(policyFor(policy, gate.about), rules, kind, trigger) };
}

/** Name of the Hold's environment where nothing protects it here: then nothing else asks again when it deploys. */
export async function openEnvironment(
  store: Pick<StoreReader, 'deploymentOfHold'>,
  hold: Pick<Hold, 'id' | 'place'>,
): Promise<string | null> {
  const { environment } = hold.place;
  return environment !== null && (await store.deploymentOfHold(hold.id)) === null ? environment : null;
}
