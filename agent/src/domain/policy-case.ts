import type { DeploymentKind } from './deployment.ts';
import { deploymentRequirement } from './deployment-gate.ts';
import type { ErrorCode } from './errors.ts';
import type { Facts } from './facts.ts';
import { freezeAt } from './freeze.ts';
import type { JsonObject } from './json.ts';
import { mayApproveEver } from './may-vote.ts';
import { meetsAlone } from './meets-alone.ts';
import { membersOf } from './membership.ts';
import { type EffectivePolicy, effectivePolicy, type Policy, timeoutProblem } from './policy.ts';
import { entryFits, type PolicyTarget } from './policy-match.ts';
import { withNames } from './policy-names.ts';
import type { Member, Principals } from './principal.ts';
import { combined, mayDeploy, protectionsOf, rulesWithin } from './protected-environment.ts';
import { entitled, type JointTally, tallyAll } from './quorum.ts';
import { type Opener, type Requirement, requirementFor, withRules } from './requirement.ts';
import { namedIn } from './rule.ts';
import { type RunValues, runValuesOf } from './run-values.ts';
import { relax, tolerates } from './tolerate.ts';

/** One configuration of a case, with what is known of its run. */
export interface CaseSide {
  readonly digest: string;
  readonly configuration: JsonObject;
  readonly facts: Facts;
}
/** What one person says in a case. */
export interface CaseVote {
  readonly by: string;
  readonly decision: 'approve' | 'reject';
  readonly representedAs: string | null;
  readonly comment: string | null;
  /** Votes for a deployment count for nothing else. */
  readonly gate: 'configuration' | 'deployment';
}
/** What becomes of the job. */
export const CASE_OUTCOMES = ['approved', 'auto_approved', 'tolerated', 'waiting', 'rejected', 'frozen'] as const;
/** One of the outcomes. */
export type CaseOutcome = (typeof CASE_OUTCOMES)[number];
/** What becomes of its deployment. */
export const CASE_DEPLOYMENTS = ['none', 'blocked', 'waits_for_start', 'refused', 'through'] as const;
/** One of these. */
export type CaseDeployment = (typeof CASE_DEPLOYMENTS)[number];

/** One question to a policy, and the answer that is expected. */
export interface PolicyCase {
  readonly name: string;
  /** Epoch ms. */
  readonly at: number;
  readonly target: PolicyTarget;
  readonly tier: string | null;
  readonly opener: Opener;
  readonly timeoutS: number | null;
  /** Of whom GitLab would say that they alone pushed and made everything since the last approved commit; null: of nobody. */
  readonly pushedBy: string | null;
  readonly kind: DeploymentKind;
  readonly votes: readonly CaseVote[];
  /** What people have approved, and what runs now; null: nothing is compared. */
  readonly compared: { readonly approved: CaseSide; readonly now: CaseSide; readonly tag: RunValues['tag'] } | null;
  readonly expect: Partial<CaseResult>;
}

/** One case as a file has it: its facts are stated, or stand in a payload beside the file. */
export interface WrittenCase extends Pick<PolicyCase, 'name' | 'at' | 'kind' | 'votes' | 'expect'> {
  readonly line: number;
  readonly payload: string | null;
  /** A payload whose configuration people have approved. */
  readonly approved: string | null;
  /** The case with the facts that it states; in words what is wrong where it names what nobody knows. */
  stated(principals: Principals): PolicyCase | string;
}
/** A file of cases; the files that it names are beside it. */
export interface PolicyCaseFile {
  readonly policy: string;
  readonly principals: string;
  readonly cases: readonly WrittenCase[];
}

/** What the policy makes of a case; the names are user names. */
export interface CaseResult {
  readonly outcome: CaseOutcome;
  /** Rules that lack people. */
  readonly waitsFor: readonly string[];
  /** Who may approve. */
  readonly mayApprove: readonly string[];
  /** Votes that do not count, by who cast them, with the code of the error. */
  readonly refused: Readonly<Record<string, ErrorCode>>;
  /** Entries that fit. */
  readonly entries: readonly string[];
  /** RFC 3339, null where nothing is frozen. */
  readonly frozenUntil: string | null;
  /** True when people are asked about each run, whatever is approved. */
  readonly eachRun: boolean;
  readonly deployment: CaseDeployment;
  readonly mayDeploy: readonly string[];
}

const nameOf = ({ person }: Member): string => person.username;

/** Runs a case through the very functions that decide about jobs. */
export function runPolicyCase(given: Policy, principals: Principals, one: PolicyCase): CaseResult {
  const policy = withNames(given, principals);
  const { target, opener } = one;
  const here = effectivePolicy(policy, target);
  const { hard, extra } = freezeAt(policy.freezes, target, one.at);
  const now = extra === null ? here : { ...here, rules: [...here.rules, ...extra.rules] };
  const requirements = [
    withRules(requirementFor(here, opener), extra?.rules ?? []),
    requirementFor(now, opener),
  ] as const;
  const deployment = deploymentOf(policy, here, one);
  const named = namedIn([...requirements.flatMap(({ rules }) => rules), ...(deployment?.named ?? [])]);
  const members = membersOf(principals, target.projectId, named);
  const { votes, refused } = accepted(one, here, requirements, members);
  const { outcome, tallies } = tallyAll(requirements, votes, members);
  const eachRun = timeoutProblem(here.timeout, one.timeoutS) !== null;
  const alike = outcome === 'unmet' && !eachRun && extra === null && isAlike(here, one);
  const auto = outcome === 'unmet' && votes.length === 0 && isAuto(one, here, requirements, members);
  const quiet = alike || (auto && !eachRun && extra === null && hard === null);
  const through = outcome === 'approved' || quiet;
  const lacking = requirements[1].rules.filter((rule, i) => (tallies[1]?.have[i] ?? 0) < rule.count);
  return {
    outcome: outcomeOf(outcome, { through, frozen: hard !== null, alike }),
    waitsFor: through ? [] : lacking.map((rule) => rule.name),
    mayApprove: members.filter((member) => mayVote(requirements, member)).map(nameOf),
    refused,
    entries: policy.entries.filter(({ match }) => entryFits(match, target)).map((entry) => entry.name),
    frozenUntil: hard === null ? null : new Date(hard.until).toISOString(),
    eachRun,
    ...(deployment === null ? { deployment: 'none', mayDeploy: [] } : deployment.result(members)),
  };
}

function outcomeOf(
  tallied: JointTally['outcome'],
  { through, frozen, alike }: { readonly through: boolean; readonly frozen: boolean; readonly alike: boolean },
): CaseOutcome {
  if (tallied === 'rejected') return 'rejected';
  if (!through) return 'waiting';
  if (frozen) return 'frozen';
  if (tallied === 'approved') return 'approved';
  return alike ? 'tolerated' : 'auto_approved';
}

/** True when GitLab says that one person pushed and made all of it, and the policy lets such a person pass who could approve it alone. */
function isAuto(
  { pushedBy }: PolicyCase,
  here: EffectivePolicy,
  requirements: readonly Requirement[],
  members: readonly Member[],
): boolean {
  const member = members.find((each) => nameOf(each) === pushedBy);
  if (here.autoApprove === 'off' || member === undefined) return false;
  return requirements.every((requirement) => meetsAlone(requirement, member, here.comment));
}

const mayVote = ([frozen, current]: readonly [Requirement, Requirement], member: Member | undefined): boolean =>
  member !== undefined && mayApproveEver(frozen, current, member.person.id, member).allowed;

/** The votes on the configuration that count at all, and why the others do not. */
function accepted(
  one: PolicyCase,
  here: EffectivePolicy,
  requirements: readonly [Requirement, Requirement],
  members: readonly Member[],
) {
  const refused: Record<string, ErrorCode> = {};
  const votes = one.votes.flatMap((vote) => {
    if (vote.gate === 'deployment') return [];
    const member = members.find((each) => nameOf(each) === vote.by);
    const refuse = (code: ErrorCode) => {
      refused[vote.by] = code;
      return [];
    };
    if (vote.decision === 'approve') {
      const may = mayApproveEver(requirements[0], requirements[1], member?.person.id ?? 0, member);
      if (!may.allowed) return refuse(may.code);
      if (here.comment === 'required' && (vote.comment ?? '').trim() === '') return refuse('comment_required');
    }
    if (member === undefined || !requirements.some((each) => entitled(each, member))) return refuse('not_eligible');
    const { decision, representedAs } = vote;
    return [{ person: member.person, decision, representedAs }];
  });
  return { votes, refused };
}

/** True when what runs now differs from what was approved in nothing but what the policy tolerates. */
function isAlike(here: EffectivePolicy, { compared }: PolicyCase): boolean {
  if (compared === null) return false;
  const { approved, now, tag } = compared;
  if (approved.digest === now.digest) return true;
  if (!tolerates(here.tolerance)) return false;
  const [was, is] = [approved, now].map(({ configuration, facts }) =>
    relax(configuration, here.tolerance, runValuesOf(facts, here.opaque, tag)),
  );
  return was!.text === is!.text;
}

/** What protects the environment, of the file alone: what people add through the API is not a policy's to test. */
function deploymentOf(policy: Policy, here: EffectivePolicy, one: PolicyCase) {
  const { environment, projectId, projectPath } = one.target;
  if (environment === null) return null;
  const of = { projectId, projectPath, groups: null, environment: { name: environment, tier: one.tier } };
  const protections = protectionsOf(policy.environments, [], of);
  if (protections.length === 0) return null;
  const rules = combined(protections);
  const { trigger } = one.opener;
  const requirement = deploymentRequirement(here, rules, one.kind, trigger);
  const votes = one.votes.filter(({ gate }) => gate === 'deployment');
  const result = (members: readonly Member[]): Pick<CaseResult, 'deployment' | 'mayDeploy'> => {
    const deployers = members.filter((member) => mayDeploy(rules.deployAccess, member));
    const said = votes.flatMap(({ by, decision, representedAs }) => {
      const member = members.find((each) => nameOf(each) === by);
      return member === undefined ? [] : [{ person: member.person, decision, representedAs }];
    });
    const outcome = requirement.rules.length === 0 ? 'approved' : tallyAll([requirement], said, members).outcome;
    const started = trigger.verified !== 'unverified' && deployers.some(({ person }) => person.id === trigger.id);
    const approved = started ? 'through' : rules.options.onNoDeployAccess === 'refuse' ? 'refused' : 'waits_for_start';
    return {
      deployment: outcome === 'rejected' ? 'refused' : outcome === 'approved' ? approved : 'blocked',
      mayDeploy: deployers.map(nameOf),
    };
  };
  return { named: [...requirement.rules, ...rulesWithin(rules)], result };
}

/** What of a case is not as expected, a line each. */
export function caseFaults(result: CaseResult, expect: PolicyCase['expect']): readonly string[] {
  const text = (value: unknown): string => JSON.stringify(sorted(value));
  return (Object.keys(expect) as (keyof CaseResult)[]).flatMap((key) => {
    const [wanted, found] = [text(expect[key]), text(result[key])];
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return wanted === found ? [] : [`${name}: expected ${wanted}, found ${found}`];
  });
}

/** Lists of names and maps without an order of their own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return [...value].sort();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
