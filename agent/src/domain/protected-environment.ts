import { type Tier, tiersOf } from './environment-tier.ts';
import { ACCESS_LEVELS, accessWord, type Member } from './principal.ts';
import { type ApprovalRule, satisfies, type Who, whoWords } from './rule.ts';
import { globMatches } from './scope.ts';

/** What becomes of a job whose trigger may not deploy: it waits for somebody who may, or is refused at once. */
export const ON_NO_DEPLOY_ACCESS = ['wait', 'refuse'] as const;
/** One of the two. */
export type OnNoDeployAccess = (typeof ON_NO_DEPLOY_ACCESS)[number];

/** Whether a run that follows one that was approved, with the same configuration and commit, asks for approvals afresh. */
export const RERUN = ['require_approval', 'allow'] as const;
/** One of the two. */
export type Rerun = (typeof RERUN)[number];

/** Rules for going back to what was deployed there with success not long ago. */
export interface RollbackRules {
  readonly rules: readonly ApprovalRule[];
  readonly withinMs: number;
}

/** Options of a protection; those of several are combined to the strictest. */
export interface EnvironmentOptions {
  readonly onNoDeployAccess: OnNoDeployAccess;
  readonly rerun: Rerun;
  /** Null: a rollback asks for what any deployment asks for. */
  readonly rollback: RollbackRules | null;
  readonly allowPipelineTriggerApprove: boolean;
  /** Refuses a pipeline that is older than the one deployed there last with success. */
  readonly notOlderThanLastSuccess: boolean;
  /** How long a job that waits for people stays alive in GitLab; 0 ends it at once, so that it blocks no resource group. */
  readonly liveMs: number;
}

/** What holds where nothing else is said. */
export const STRICT_OPTIONS: EnvironmentOptions = {
  onNoDeployAccess: 'wait',
  rerun: 'require_approval',
  rollback: null,
  allowPipelineTriggerApprove: false,
  notOlderThanLastSuccess: false,
  liveMs: 0,
};

/** An entry of the policy file that protects environments. All that is there must fit; an empty list fits nothing (T16). */
export interface EnvironmentEntry {
  readonly name: string;
  readonly match: {
    /** Exact names, or globs over names. */
    readonly names?: readonly string[];
    /** Ids, or globs over full paths. */
    readonly projects?: readonly (number | string)[];
    readonly tiers?: readonly Tier[];
  };
  readonly approvalRules: readonly ApprovalRule[];
  readonly deployAccess: readonly Who[];
  readonly options: EnvironmentOptions;
}

/** Whom a list of deploy access asks for, as a rule, to be looked up and checked by what rules are. */
const deployRule = (who: Who): ApprovalRule => ({ name: 'deploy', who, count: 1 });

/** All rules of an entry, deploy access among them. */
export function rulesOfEntry({ approvalRules, deployAccess, options }: EnvironmentEntry): readonly ApprovalRule[] {
  return [...approvalRules, ...(options.rollback?.rules ?? []), ...deployAccess.map(deployRule)];
}

/** The entry with every rule replaced, deploy access among them. */
export function mapEntryRules(entry: EnvironmentEntry, change: (rule: ApprovalRule) => ApprovalRule): EnvironmentEntry {
  const { rollback } = entry.options;
  return {
    ...entry,
    approvalRules: entry.approvalRules.map(change),
    deployAccess: entry.deployAccess.map((who) => change(deployRule(who)).who),
    options: {
      ...entry.options,
      rollback: rollback === null ? null : { ...rollback, rules: rollback.rules.map(change) },
    },
  };
}

/** Who may change through the API what protects environments. */
export interface EnvironmentEdit {
  /** GitLab's number of the access level in the project; for those of a group, in the group. */
  readonly environments: number;
  /** A change counts only when a second person who may make it has confirmed it. */
  readonly fourEyes: boolean;
  /** How many approvals one rule may ask for; what nobody can fill would stop every deployment. */
  readonly maxRequiredApprovals: number;
}
/** Maintainers, as in GitLab; nobody besides. */
export const SHIPPED_EDIT: EnvironmentEdit = {
  environments: ACCESS_LEVELS.maintainer,
  fourEyes: false,
  maxRequiredApprovals: 5,
};

/** One element of a list that the API keeps, with the id that it is changed by. */
export interface AccessElement {
  readonly id: number;
  readonly who: Who;
}
/** An approval rule that the API keeps. */
export interface RuleElement extends AccessElement {
  readonly count: number;
}

/** A protection that people have set through the API: an environment of a project by name, or of a group by tier. */
export interface ProtectedEnvironment {
  readonly id: number;
  readonly version: number;
  readonly level: 'project' | 'group';
  /** Id of the project or group. */
  readonly owner: number;
  /** Its full path when it was written; null where nobody could tell. */
  readonly ownerPath: string | null;
  /** Name of the environment; of a group the tier. */
  readonly name: string;
  readonly deployAccess: readonly AccessElement[];
  readonly approvalRules: readonly RuleElement[];
  readonly options: EnvironmentOptions;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A rule of a protection, and the element of the API that it comes from; null for one of the policy file. */
export interface DeploymentRule extends ApprovalRule {
  readonly element: number | null;
}

/** A protection as it applies to one environment, wherever it is written down. */
export interface Protection {
  /** `policy:NAME`, `project:NAME` or `group:PATH:TIER`, for people. */
  readonly source: string;
  readonly rules: readonly DeploymentRule[];
  readonly deployAccess: readonly Who[];
  readonly options: EnvironmentOptions;
}

/** What an environment is protected by. */
export interface EnvironmentTarget {
  readonly projectId: number;
  /** Null where nobody told: then whatever asks for a path applies. */
  readonly projectPath: string | null;
  /** Ids of the groups above the project; null where nobody could tell. */
  readonly groups: readonly number[] | null;
  readonly environment: {
    readonly name: string;
    readonly tier: string | null;
    /** False where GitLab could not be asked which one it is; absent where no run is meant. */
    readonly verified?: boolean;
  };
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** Whether a protection of a group holds for the project. What nobody can tell counts as yes: a group that moved must not free it. */
function ofGroup(row: ProtectedEnvironment, { groups, projectPath }: EnvironmentTarget): boolean {
  if (groups?.includes(row.owner)) return true;
  const below = projectPath?.toLowerCase().startsWith(`${row.ownerPath?.toLowerCase()}/`);
  return below === true || (groups === null && (projectPath === null || row.ownerPath === null));
}

function entryApplies(
  { match }: EnvironmentEntry,
  { projectId, projectPath, environment }: EnvironmentTarget,
): boolean {
  return (
    (match.names === undefined ||
      match.names.some((glob) => globMatches(glob.toLowerCase(), environment.name.toLowerCase()))) &&
    (match.projects === undefined ||
      match.projects.some((one) =>
        typeof one === 'number'
          ? one === projectId
          : projectPath === null || globMatches(one.toLowerCase(), projectPath.toLowerCase()),
      ))
  );
}

/** A rule of the API by the name of whom it asks for. */
function ruleOf({ id, who, count }: RuleElement): DeploymentRule {
  return { name: whoName(who), who, count, element: id };
}

/** What a rule without a name of its own is called, and what a vote may be cast as: user, group or role. */
export function whoName(who: Who): string {
  return who.kind === 'access_level' ? accessWord(who.level) : (who.name ?? whoWords(who));
}

/**
 * Everything that protects an environment, of the policy file and of the API alike: all of it must be met. Of protections by
 * tier those of the strictest tier that the environment may be of and that any protection names.
 */
export function protectionsOf(
  entries: readonly EnvironmentEntry[],
  rows: readonly ProtectedEnvironment[],
  target: EnvironmentTarget,
): readonly Protection[] {
  const { environment } = target;
  const fitting = entries.filter((entry) => entryApplies(entry, target));
  const groups = rows.filter((row) => row.level === 'group' && ofGroup(row, target));
  const named = new Set<string>([
    ...groups.map((row) => row.name),
    ...fitting.flatMap((entry) => entry.match.tiers ?? []),
  ]);
  const tier = tiersOf(environment).find((one) => named.has(one)) ?? null;
  const isTierOf = (tiers: readonly string[]): boolean => tier !== null && tiers.includes(tier);
  return [
    ...fitting
      .filter(({ match }) => match.tiers === undefined || isTierOf(match.tiers))
      .map(({ name, approvalRules, deployAccess, options }) => ({
        source: `policy:${name}`,
        rules: approvalRules.map((rule) => ({ ...rule, element: null })),
        deployAccess,
        options,
      })),
    ...rows
      // GitLab takes two names for the same whose letter case differs; so must whatever protects them.
      .filter((row) => row.level === 'project' && row.owner === target.projectId && same(row.name, environment.name))
      .map((row) => protectionOf(row, `project:${row.name}`)),
    ...groups
      .filter((row) => isTierOf([row.name]))
      .map((row) => protectionOf(row, `group:${row.ownerPath ?? row.owner}:${row.name}`)),
  ];
}

function protectionOf(row: ProtectedEnvironment, source: string): Protection {
  const { approvalRules, deployAccess, options } = row;
  return { source, rules: approvalRules.map(ruleOf), deployAccess: deployAccess.map(({ who }) => who), options };
}

/** What a deployment asks for, all protections together; frozen into it when it opens. */
export interface DeploymentRules {
  readonly sources: readonly string[];
  readonly rules: readonly DeploymentRule[];
  /** One list per protection: whoever deploys stands in each of them. */
  readonly deployAccess: readonly (readonly Who[])[];
  readonly options: EnvironmentOptions;
}

/** Every rule in it, those of rollbacks and of deploy access among them: whom somebody has to be asked about. */
export function rulesWithin({ rules, deployAccess, options }: DeploymentRules): readonly ApprovalRule[] {
  return [...rules, ...(options.rollback?.rules ?? []), ...deployAccess.flat().map(deployRule)];
}

/** All protections together, at the strictest. */
export function combined(protections: readonly Protection[]): DeploymentRules {
  const all = protections.map(({ options }) => options);
  const rollbacks = all.map(({ rollback }) => rollback);
  return {
    sources: protections.map(({ source }) => source),
    rules: protections.flatMap(({ rules }) => rules),
    deployAccess: protections.map(({ deployAccess }) => deployAccess),
    options: {
      onNoDeployAccess: all.some((one) => one.onNoDeployAccess === 'refuse') ? 'refuse' : 'wait',
      rerun: all.length > 0 && all.every((one) => one.rerun === 'allow') ? 'allow' : 'require_approval',
      rollback:
        rollbacks.length > 0 && rollbacks.every((one) => one !== null)
          ? {
              rules: rollbacks.flatMap((one) => one.rules),
              withinMs: Math.min(...rollbacks.map((one) => one.withinMs)),
            }
          : null,
      allowPipelineTriggerApprove: all.length > 0 && all.every((one) => one.allowPipelineTriggerApprove),
      notOlderThanLastSuccess: all.some((one) => one.notOlderThanLastSuccess),
      liveMs: all.length === 0 ? 0 : Math.min(...all.map((one) => one.liveMs)),
    },
  };
}

/** True when the person stands in every list; in an empty list nobody stands, and without any list nobody deploys (T16). */
export function mayDeploy(lists: DeploymentRules['deployAccess'], member: Member | undefined): boolean {
  return lists.length > 0 && lists.every((list) => list.some((who) => satisfies(deployRule(who), member)));
}

/** Who may deploy, in words. */
export function deployWords(lists: DeploymentRules['deployAccess']): string {
  const words = lists.map((list) => list.map(whoWords).join(' or ') || 'nobody');
  return [...new Set(words)].join(', and besides ') || 'nobody';
}

/** What is to become of one element of a list: changed by its id, taken away, or (without an id) added. */
export type ElementChange<T extends AccessElement> =
  | { readonly id: number; readonly destroy: true }
  | ({ readonly id?: number; readonly destroy?: false } & Partial<Omit<T, 'id'>>);

/** What somebody wants of a protection; of a new one everything in it is added. */
export interface EnvironmentWish {
  readonly deployAccess?: readonly ElementChange<AccessElement>[];
  readonly approvalRules?: readonly ElementChange<RuleElement>[];
  readonly options?: Partial<EnvironmentOptions>;
}

/** Whose environment, and which. */
export interface EnvironmentKey {
  readonly level: ProtectedEnvironment['level'];
  /** Id of the project or group. */
  readonly owner: number;
  /** Name of the environment; of a group the tier. */
  readonly name: string;
}

/** What can be done to a protection. */
export type EnvironmentAction =
  | { readonly type: 'protect'; readonly wish: EnvironmentWish }
  | { readonly type: 'change'; readonly wish: EnvironmentWish }
  | { readonly type: 'unprotect' }
  /** Of the whole project, with an empty name. */
  | { readonly type: 'project_options'; readonly allowPipelineTriggerApprove: boolean };

/** A change that waits for a second person, where the policy asks for four eyes. */
export interface EnvironmentChange extends EnvironmentKey {
  readonly id: number;
  readonly version: number;
  readonly ownerPath: string | null;
  readonly action: EnvironmentAction;
  /** Version of the protection that it was asked for; null where there was none: anything else by then is another matter. */
  readonly base: number | null;
  readonly state: 'open' | 'confirmed' | 'withdrawn' | 'outdated';
  readonly by: { readonly id: number; readonly username: string; readonly name: string };
  /** Epoch ms. */
  readonly at: number;
  readonly decided: { readonly by: EnvironmentChange['by']; readonly at: number } | null;
}
