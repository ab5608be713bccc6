import type { AuditRow } from '../../domain/audit.ts';
import type { BrokenMark, Deployment, DeploymentVote } from '../../domain/deployment.ts';
import type { CurrentRules } from '../../domain/deployment-gate.ts';
import type { Facts } from '../../domain/facts.ts';
import { type Hold, isFinal } from '../../domain/hold.ts';
import {
  type MayDeploy,
  mayApproveDeployment,
  mayMarkDeployment,
  mayRejectDeployment,
  mayRunDeployment,
  type Standing,
  withAnyScope,
} from '../../domain/may-deploy.ts';
import type { Policy } from '../../domain/policy.ts';
import type { Member, Person } from '../../domain/principal.ts';
import { type DeploymentRule, mayDeploy } from '../../domain/protected-environment.ts';
import { tallyAll } from '../../domain/quorum.ts';
import { satisfies, whoWords } from '../../domain/rule.ts';
import { countingVotes } from '../../domain/step-up.ts';
import type { TokenScope } from '../../domain/token.ts';
import type { LetRunStep } from '../../domain/who-let-run.ts';
import type { DeploymentFilter } from '../../ports/deployment-store.ts';
import type { OrderedPage, StoreReader } from '../../ports/store.ts';
import type { Caller, HubContext } from '../hub-context.ts';
import { letRunOf } from '../let-run.ts';
import { whyGone } from '../removed.ts';
import { notFound, sightOf } from '../see.ts';
import { type QuorumView, quorumView, type RuleView, ruleViews } from '../standing.ts';
import { currentRules, type DeploymentGate, gateOf } from './gate.ts';

/** Rows of one Deployment's history that are shown with it; all of them are in the audit. */
const MAX_HISTORY = 500;
/** Earlier runs to the same environment that are shown with one. */
const MAX_EARLIER = 20;
/** Of the people who may deploy so many are named. */
const MAX_NAMED = 20;

/** What a Hold waits for. */
export type WaitsFor = 'configuration' | 'approvals' | 'start';

/** What is missing at the gates of a Hold; nothing for one that does not wait. */
export function waitsFor(hold: Hold, deployment: Deployment | null): readonly WaitsFor[] {
  if (hold.state !== 'waiting_for_approval') return [];
  const isOpen = deployment !== null && (deployment.state === 'blocked' || deployment.state === 'created');
  return [
    ...(hold.configured === null ? (['configuration'] as const) : []),
    ...(isOpen && deployment.state === 'blocked' ? (['approvals'] as const) : []),
    ...(isOpen && deployment.started === null ? (['start'] as const) : []),
  ];
}

/** One frozen rule and the people who are counted for it. */
export interface CountedRule {
  readonly rule: DeploymentRule;
  readonly need: number;
  readonly have: number;
  /** Whose approve is counted for it. */
  readonly approvedBy: readonly DeploymentVote[];
  /** Votes of those whom it knows and that count for no other rule: the rejects, and approves that were not needed. */
  readonly others: readonly DeploymentVote[];
}

/** Everything about one Deployment, as one person may see it. */
export interface DeploymentInspection {
  readonly deployment: Deployment;
  readonly hold: Hold;
  readonly facts: Facts;
  readonly votes: readonly DeploymentVote[];
  /** The frozen rules in their order, each with whose votes it has. */
  readonly counted: readonly CountedRule[];
  /** Frozen and current rules, for reading. */
  readonly rules: readonly RuleView[];
  /** Null where nobody's approval is asked for, or not any more. */
  readonly quorum: QuorumView | null;
  readonly mayApprove: MayDeploy;
  readonly mayReject: MayDeploy;
  readonly mayRun: MayDeploy;
  /** May mark its commit as broken there, or lift that. */
  readonly mayMark: MayDeploy;
  /** Who may start it, as far as the hub knows them. */
  readonly deployers: readonly Person[];
  /** False when nothing protects the environment any more. */
  readonly isProtected: boolean;
  readonly waitsFor: readonly WaitsFor[];
  readonly broken: BrokenMark | null;
  /** Earlier runs of the same job to the same environment, the newest first, each with its own votes. */
  readonly earlier: readonly Deployment[];
  /** Who let it run, or has to. */
  readonly letRun: readonly LetRunStep[];
  readonly history: readonly AuditRow[];
}

/** What a decision about a Deployment stands on. */
export interface DeploymentGround {
  readonly deployment: Deployment;
  readonly hold: Hold;
  readonly policy: Policy;
  readonly gate: DeploymentGate;
  readonly current: CurrentRules | null;
  readonly votes: readonly DeploymentVote[];
  readonly broken: BrokenMark | null;
  readonly member: Member | undefined;
  readonly standing: Standing;
}

/** The Deployment and its Hold if the caller may see them. Throws `not_found` alike for what is not there and what may not be seen. */
export async function visibleDeployment(
  context: HubContext,
  caller: Caller,
  id: number,
): Promise<{ readonly deployment: Deployment; readonly hold: Hold }> {
  const deployment = await context.store.deployment(id);
  if (deployment === null) throw notFound('deployment', id);
  const sight = await sightOf(context, caller, [deployment.subject.projectId]);
  const [hold] = await context.store.holds({ id: deployment.hold, sight }, { after: 0, limit: 1 });
  if (hold === undefined) throw notFound('deployment', id);
  return { deployment, hold };
}

/** A Deployment with the Hold whose second gate it is. */
export interface ListedDeployment {
  readonly deployment: Deployment;
  readonly hold: Hold;
  readonly waitsFor: readonly WaitsFor[];
}

/** Deployments that the caller may see, in order of id. */
export async function listDeployments(
  context: HubContext,
  caller: Caller,
  filter: Omit<DeploymentFilter, 'sight'>,
  page: OrderedPage,
): Promise<readonly ListedDeployment[]> {
  const { store } = context;
  const found = await store.deployments({ ...filter, sight: await sightOf(context, caller) }, page);
  const holds = await holdsOf(store, found);
  return found.map((deployment) => {
    const hold = holds.get(deployment.hold)!;
    return { deployment, hold, waitsFor: waitsFor(hold, deployment) };
  });
}

/** Their Holds, by id. */
export async function holdsOf(
  store: StoreReader,
  deployments: readonly Deployment[],
): Promise<ReadonlyMap<number, Hold>> {
  const holds = await store.holdsWithIds(deployments.map(({ hold }) => hold));
  return new Map(holds.map((hold) => [hold.id, hold]));
}

/** What a decision of the caller about a Deployment stands on; `notBefore` (epoch ms): no older answer about people will do. */
export async function deploymentGround(
  context: HubContext,
  caller: Caller,
  id: number,
  notBefore?: number,
): Promise<DeploymentGround> {
  const { deployment, hold } = await visibleDeployment(context, caller, id);
  const policy = await context.policy();
  const gate = await gateOf(context, policy, deployment, [caller.person.id], notBefore);
  const current = currentRules(policy, gate, deployment.kind, deployment.trigger);
  const { subject, sha } = deployment;
  const to = { instance: subject.instance, projectId: subject.projectId, environment: deployment.environment.name };
  const broken = await context.store.brokenMark(to, sha);
  const member = gate.members.find(({ person }) => person.id === caller.person.id);
  const votes = await context.store.deploymentVotes(id);
  const standing = { deployment, current, personId: caller.person.id, member, broken };
  return { deployment, hold, policy, gate, current, votes, broken, member, standing };
}

/** Whom the votes are counted for, by the rules as they were frozen and together with those of now. */
export function countedOf({ deployment, current, votes, gate }: DeploymentGround): readonly CountedRule[] {
  const requirements = [deployment.requirement, ...(current === null ? [] : [current.requirement])];
  const asked = requirements.filter(({ rules }, i) => i === 0 || rules.length > 0);
  const [tally] =
    deployment.requirement.rules.length === 0 ? [] : tallyAll(asked, countingVotes(asked, votes), gate.members).tallies;
  const seated = new Set(tally?.seats.flat() ?? []);
  return deployment.requirement.rules.map((rule, i) => {
    const seats = tally?.seats[i] ?? [];
    return {
      rule: deployment.rules.rules[i] ?? { ...rule, element: null },
      need: rule.count,
      have: seats.length,
      approvedBy: votes.filter(({ person }) => seats.includes(person.id)),
      others: votes.filter(
        ({ person }) =>
          !seated.has(person.id) && gate.members.some((one) => one.person.id === person.id && satisfies(rule, one)),
      ),
    };
  });
}

/** Everything about one Deployment for one person. Rejects with `not_found`. */
export async function inspectDeployment(
  context: HubContext,
  caller: Caller,
  id: number,
): Promise<DeploymentInspection> {
  const ground = await deploymentGround(context, caller, id);
  const { deployment, hold, current, votes, gate, standing } = ground;
  const { store, directory } = context;
  const facts = await store.facts(hold.id, hold.attempts.at(-1)!.jobId);
  if (facts === null) throw await whyGone(store, { what: `deployment ${id}`, digest: hold.digest, hold: hold.id });
  const frozen = deployment.requirement;
  const now = current?.requirement ?? frozen;
  const asked = {
    projectId: deployment.subject.projectId,
    frozen,
    current: now,
    votes: countingVotes([frozen, now], votes),
    members: gate.members,
  };
  const { subject, environment } = deployment;
  const to = { instance: subject.instance, projectId: subject.projectId, environment: environment.name };
  const runs = await store.deploymentsTo(to, { job: subject.job }, MAX_EARLIER + 1);
  const lists = current?.rules.deployAccess ?? deployment.rules.deployAccess;
  const limited = (may: MayDeploy, ...scopes: readonly TokenScope[]): MayDeploy =>
    withAnyScope(may, caller.token.scopes, scopes);
  return {
    deployment,
    hold,
    facts,
    votes,
    counted: countedOf(ground),
    rules: frozen.rules.length === 0 && now.rules.length === 0 ? [] : ruleViews(asked, caller.person.id),
    // What is complete, or over, asks nobody for anything more.
    quorum:
      deployment.state !== 'blocked' || frozen.rules.length === 0 || now.rules.length === 0
        ? null
        : await quorumView(directory, asked),
    mayApprove: limited(mayApproveDeployment(standing), 'approve', 'deploy'),
    mayReject: limited(mayRejectDeployment(standing), 'approve', 'deploy'),
    mayRun: limited(mayRunDeployment(standing), 'deploy'),
    mayMark: limited(mayMarkDeployment(standing), 'deploy'),
    deployers: gate.members
      .filter((one) => mayDeploy(lists, one))
      .map(({ person }) => person)
      .slice(0, MAX_NAMED),
    isProtected: current !== null,
    waitsFor: isFinal(hold.state) ? [] : waitsFor(hold, deployment),
    broken: ground.broken,
    earlier: runs.filter((one) => one.id < id).slice(0, MAX_EARLIER),
    letRun: await letRunOf(store, { deployment, hold, facts, votes }),
    history: await store.auditRows({ deployment: id, sight: null }, { after: 0, limit: MAX_HISTORY }),
  };
}

/** Names whom a rule asks for, with how many it lacks: `1 more of members of acme/qa`. */
export function lackingWords({ counted }: Pick<DeploymentInspection, 'counted'>): string {
  return counted
    .filter(({ need, have }) => have < need)
    .map(({ rule, need, have }) => `${need - have} more of ${whoWords(rule.who)}`)
    .join(' and ');
}
