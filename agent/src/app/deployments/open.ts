import type { Deployment, DeploymentKind, NamedPerson } from '../../domain/deployment.ts';
import { askedRules, deploymentRequirement } from '../../domain/deployment-gate.ts';
import type { Facts } from '../../domain/facts.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Member } from '../../domain/principal.ts';
import { type DeploymentRules, deployWords, mayDeploy, rulesWithin } from '../../domain/protected-environment.ts';
import type { Requirement } from '../../domain/requirement.ts';
import type { DeployedTo } from '../../ports/deployment-store.ts';
import { policyFor } from '../governing.ts';
import { nameForSight } from '../see.ts';
import type { Settlement } from '../settle.ts';
import type { DeploymentGate } from './gate.ts';

/** What a run that has come to a protected environment is to meet there. */
export interface Opening {
  readonly kind: DeploymentKind;
  readonly rules: DeploymentRules;
  readonly requirement: Requirement;
  /** The trigger, where they may deploy: to have run the job is to have started it. */
  readonly starter: NamedPerson | null;
}
/** A run that may not be deployed there at all at this moment, and why. */
export interface Refusal {
  readonly refuse: string;
}

/** So many runs of one job and commit are looked at for one that was approved. */
const MAX_PRIOR = 20;

/** Where a run goes. */
export function destination(facts: Pick<Facts, 'instance' | 'project'>, environment: string): DeployedTo {
  return { instance: facts.instance, projectId: facts.project.id, environment };
}

/**
 * True when a run was approved in full and its configuration still is: nothing of it was revoked (T12). One that itself went
 * by a lighter rule does not count, or the time that the policy sets would begin anew with each of them.
 */
async function stands(s: Settlement, deployment: Deployment): Promise<boolean> {
  if (deployment.kind !== 'deploy' || deployment.approvedAt === null) return false;
  const hold = await s.tx.hold(deployment.hold);
  const id = hold?.approval ?? hold?.configured ?? null;
  const approval = id === null ? null : await s.tx.approval(id);
  return approval !== null && approval.revoked === null && approval.breakGlass !== true;
}

/** What a run is, seen from those before it. Every lighter kind needs the policy's word and a run that was approved in full. */
async function kindOf(s: Settlement, rules: DeploymentRules, facts: Facts, digest: string): Promise<DeploymentKind> {
  const { rerun, rollback } = rules.options;
  const name = facts.environment?.name;
  if (name === undefined || (rerun !== 'allow' && rollback === null)) return 'deploy';
  const to = destination(facts, name);
  const same = { sha: facts.commit.sha, digest, job: facts.job.name };
  if (rerun === 'allow' && facts.pipeline.id !== null) {
    const before = await s.tx.deploymentsTo(to, { ...same, pipelineId: facts.pipeline.id }, MAX_PRIOR);
    for (const one of before) if (one.runningAt !== null && (await stands(s, one))) return 'rerun';
  }
  if (rollback === null) return 'deploy';
  const [last] = await s.tx.deploymentsTo(to, { states: ['success'] }, 1);
  // What runs there now is nothing to go back to.
  if (last === undefined || last.sha === facts.commit.sha) return 'deploy';
  for (const one of await s.tx.deploymentsTo(to, { ...same, states: ['success'] }, MAX_PRIOR)) {
    const recent = (one.finishedAt ?? 0) >= s.now - rollback.withinMs;
    if (recent && (await stands(s, one))) return 'rollback';
  }
  return 'deploy';
}

/** The trigger as whoever started it: verified, a person, with deploy access, in an environment that GitLab confirmed (T17). */
function starterOf(rules: DeploymentRules, facts: Facts, trigger: Facts['trigger'], members: readonly Member[]) {
  if (trigger.id === null || trigger.verified === 'unverified' || facts.environment?.verified !== true) return null;
  const member = members.find(({ person }) => person.id === trigger.id);
  if (member === undefined || member.person.bot === true || !mayDeploy(rules.deployAccess, member)) return null;
  const { id, username, name } = member.person;
  return { id, username, name };
}

/** Why nothing of this commit may be deployed there at present; null where it may. */
async function refusalOf(
  s: Settlement,
  rules: DeploymentRules,
  facts: Facts,
  kind: DeploymentKind,
): Promise<string | null> {
  const name = facts.environment?.name ?? '';
  const to = destination(facts, name);
  const mark = await s.tx.brokenMark(to, facts.commit.sha);
  if (mark !== null) {
    return `commit ${facts.commit.sha} is marked as broken in ${name} by ${mark.by.username}: ${mark.reason}; lift the mark with "holdpoint deployments lift-broken ${mark.deployment}", or deploy another commit`;
  }
  if (!rules.options.notOlderThanLastSuccess || kind === 'rollback') return null;
  const [last] = await s.tx.deploymentsTo(to, { states: ['success'] }, 1);
  if (last?.pipelineId == null || facts.pipeline.id === null || facts.pipeline.id >= last.pipelineId) return null;
  return `pipeline ${facts.pipeline.id} is older than pipeline ${last.pipelineId}, which was deployed to ${name} with success: the policy asks for a newer one there (not_older_than_last_success)`;
}

/** What a new run is to meet at its gate; null where nothing protects its environment. */
export async function openingFor(
  s: Settlement,
  gate: DeploymentGate | null,
  facts: Facts,
  digest: string,
  trigger: Facts['trigger'],
): Promise<Opening | Refusal | null> {
  if (gate === null || gate.rules === null || facts.environment === null) return null;
  const { rules } = gate;
  const kind = await kindOf(s, rules, facts, digest);
  const refuse = await refusalOf(s, rules, facts, kind);
  if (refuse !== null) return { refuse };
  const starter = starterOf(rules, facts, trigger, gate.members);
  if (starter === null && rules.options.onNoDeployAccess === 'refuse') {
    const who = trigger.username ?? 'whoever triggered it';
    return {
      refuse: `${who} may not deploy to ${facts.environment.name}: ${deployWords(rules.deployAccess)} may; ask somebody of them to run it`,
    };
  }
  const requirement = deploymentRequirement(policyFor(s.policy, gate.about), rules, kind, trigger);
  return { kind, rules: { ...rules, rules: askedRules(rules, kind) }, requirement, starter };
}

/** True when nothing is missing at the gate from the start: nobody is asked, and whoever triggered it may deploy. */
export function opensThrough({ requirement, starter }: Opening): boolean {
  return requirement.rules.length === 0 && starter !== null;
}

/** Opens the Deployment of a Hold, with all that it asks frozen into it. */
export async function openDeployment(
  s: Settlement,
  hold: Hold,
  facts: Facts,
  { kind, rules, requirement, starter }: Opening,
): Promise<Deployment> {
  const { environment } = facts;
  if (environment === null) throw new Error(`hold ${hold.id} has no environment`);
  const asked = requirement.rules.length > 0;
  const { name, slug, tier, action, url, verified } = environment;
  const deployment = await s.tx.insertDeployment({
    version: 1,
    state: asked ? 'blocked' : 'created',
    hold: hold.id,
    subject: hold.subject,
    projectPath: hold.projectPath,
    stage: hold.stage,
    digest: hold.digest,
    place: hold.place,
    sha: facts.commit.sha,
    pipelineId: hold.pipelineId,
    environment: { name, slug, tier, action, url, verified },
    kind,
    trigger: hold.trigger,
    rules,
    requirement,
    started: null,
    approvedAt: asked ? null : s.now,
    createdAt: s.now,
    updatedAt: s.now,
    runningAt: null,
    finishedAt: null,
    reason: null,
  });
  await nameForSight(s.tx, { hold: hold.id }, [...rulesWithin(rules), ...requirement.rules]);
  await s.audit(
    'deployment_created',
    { hold, deployment: deployment.id },
    {
      project_id: hold.subject.projectId,
      environment: name,
      tier,
      sha: facts.commit.sha,
      kind,
      state: deployment.state,
      protected_by: rules.sources,
      rules: requirement.rules.map((rule) => ({ name: rule.name, who: { ...rule.who }, count: rule.count })),
      deploy_access: rules.deployAccess.map((list) => list.map((who) => ({ ...who }))),
      excluded: requirement.excluded,
      ...(hold.trigger.id === null ? {} : { trigger: hold.trigger.id }),
    },
  );
  s.changed({ type: 'deployment', id: deployment.id, state: deployment.state, projectId: hold.subject.projectId });
  if (starter === null) return deployment;
  // Started, not approved: what is missing is asked for all the same.
  const started = { ...deployment, version: 2, started: { person: starter, at: s.now } };
  await s.tx.updateDeployment(started);
  await s.audit(
    'deployment_run',
    { hold, deployment: deployment.id },
    { person: starter.id, environment: name, by_trigger: true },
  );
  return started;
}
