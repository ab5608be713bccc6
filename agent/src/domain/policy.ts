import { type BreakGlassPolicy, DEFAULT_BREAK_GLASS } from './break-glass.ts';
import { canonicalJson } from './canonical-json.ts';
import { digestOfText } from './digest.ts';
import type { FreezeWindow } from './freeze.ts';
import { DAY_MS, type Lifetime, type LifetimeLimit, longest } from './lifetime.ts';
import type { NotifyPolicy } from './notify/notify-policy.ts';
import type { PinMode } from './pinned-images.ts';
import { entryFits, type PolicyMatch, type PolicyTarget } from './policy-match.ts';
import { ACCESS_LEVELS } from './principal.ts';
import {
  type EnvironmentEdit,
  type EnvironmentEntry,
  mapEntryRules,
  rulesOfEntry,
  SHIPPED_EDIT,
} from './protected-environment.ts';
import { DEFAULT_RETENTION, type RetentionPolicy } from './retention.ts';
import { type ApprovalRule, levelRule } from './rule.ts';
import type { ScopePolicy } from './scope.ts';
import type { StepUp } from './step-up.ts';
import { DEFAULT_TOKEN_POLICY, type TokenPolicy } from './token-use.ts';
import { SHIPPED_TOLERANCE, type Tolerance } from './tolerate.ts';
import type { FourEyesLive, RecordingMode } from './watching.ts';

/**
 * Who may not approve what they caused: `forbid` excludes the trigger and the commit's author and committer,
 * `forbid_author` those of the commit alone (whoever merged it may approve), `allow_trigger` those of the commit who did
 * not trigger it, `allow` nobody.
 */
export const SELF_APPROVAL = ['forbid', 'forbid_author', 'allow_trigger', 'allow'] as const;
/** One of the self-approval modes. */
export type SelfApproval = (typeof SELF_APPROVAL)[number];

/** What becomes of an overtaken run. */
export const SUPERSEDED = ['cancel', 'run'] as const;
/** One of the ways with an overtaken run. */
export type Superseded = (typeof SUPERSEDED)[number];

/** What follows where nobody can tell who made the commit, or who triggered the job: one more person has to approve, or nothing. */
export const UNKNOWN_AUTHOR = ['one_more', 'allow'] as const;
/** One of the two. */
export type UnknownAuthor = (typeof UNKNOWN_AUTHOR)[number];

/** Whether an approve needs a comment. */
export const COMMENTS = ['optional', 'required'] as const;
/** One of the two. */
export type Comments = (typeof COMMENTS)[number];

/** What lets somebody's own push through without a vote: nothing, or that they might approve it alone. */
export const AUTO_APPROVE = ['off', 'pushed_by_approver'] as const;
/** One of the two. */
export type AutoApprove = (typeof AUTO_APPROVE)[number];

/** Time that a job may ask for, in seconds; outside of it people are asked about this run. Null: no bound. */
export interface TimeoutBounds {
  readonly minS: number | null;
  readonly maxS: number | null;
}

/** Which rules hold for one job. */
export interface PolicySettings {
  readonly rules: readonly ApprovalRule[];
  readonly selfApproval: SelfApproval;
  readonly unknownAuthor: UnknownAuthor;
  /** So many rejects of entitled people end a Review. */
  readonly rejectsRequired: number;
  readonly autoApprove: AutoApprove;
  readonly comment: Comments;
  /** What an approve needs beside the session or token that it comes with. */
  readonly stepUp: StepUp;
  readonly timeout: TimeoutBounds;
  readonly breakGlass: BreakGlassPolicy;
  readonly scopes: ScopePolicy;
  /** What may differ from what people approved. */
  readonly tolerance: Tolerance;
  /** Names of variables that may be approved although nobody has seen their value. */
  readonly opaque: readonly string[];
  /** Patterns of files of the repository whose content is part of what is approved; none: no file is looked at. */
  readonly coveredFiles: readonly string[];
  /** Whether names of images are resolved to what they stand for, and whether that is part of what is approved. */
  readonly pinImages: PinMode;
  /** Hosts, with a port or without, that may be asked what an image stands for: whoever writes a job names any. */
  readonly registries: readonly string[];
  /** How long a Hold waits before it expires. */
  readonly requestTtlMs: number;
  readonly lifetimes: {
    readonly default: LifetimeLimit;
    readonly max: LifetimeLimit;
    /** The longest for a job whose environment is not protected here: nothing else asks again when it deploys. */
    readonly environments: LifetimeLimit;
  };
  /** How long a reject with `remember` denies the digest. */
  readonly rememberMs: number;
  /** What becomes of a run that a newer one has overtaken while it waited: ended, or run all the same. */
  readonly superseded: Superseded;
  /** Whether the terminal of the job is recorded. */
  readonly recording: RecordingMode;
  /** Whether somebody has to watch it live. */
  readonly fourEyesLive: FourEyesLive;
}

/** Settings as they hold for one job, and the version of the policy that they come from. */
export interface EffectivePolicy extends PolicySettings {
  readonly version: string;
}

/** Settings for some jobs. */
export interface PolicyEntry {
  readonly name: string;
  readonly match: PolicyMatch;
  readonly settings: Partial<PolicySettings>;
}

/** How strictly runners of these names have to be gated at least. */
export interface RunnerDemand {
  /** Pattern over names of `runners[]` entries. */
  readonly runner: string;
  readonly mode: 'monitor' | 'enforce';
}

/** The policy: settings that hold everywhere, and entries that speak for some jobs. */
export interface Policy {
  /** Digest of the text it was read from. */
  readonly version: string;
  readonly base: PolicySettings;
  /** In the order of the file: of several that fit, the first that says something about a setting decides it. */
  readonly entries: readonly PolicyEntry[];
  /** Projects (id or full path) whose unapproved jobs an unprotected runner gets, where nothing in them forbids it. */
  readonly divert?: readonly { readonly project: number | string; readonly runner: string }[];
  readonly tokens: TokenPolicy;
  /** How long the store keeps what it may let go. */
  readonly retention: RetentionPolicy;
  /** Times at which jobs are kept back, or need more approvals. */
  readonly freezes: readonly FreezeWindow[];
  /** Runners that have to be gated, whatever their agent's own file says. */
  readonly runners: readonly RunnerDemand[];
  /** Environments that the file protects; the API may protect more, and never less. */
  readonly environments: readonly EnvironmentEntry[];
  /** Who may change what the API protects. */
  readonly edit: EnvironmentEdit;
  /** Who is told what; absent: nobody anything. */
  readonly notify?: NotifyPolicy;
}

const SHIPPED: PolicySettings = {
  rules: [levelRule('maintainers', ACCESS_LEVELS.maintainer, 1)],
  selfApproval: 'forbid',
  unknownAuthor: 'one_more',
  rejectsRequired: 1,
  autoApprove: 'off',
  comment: 'optional',
  stepUp: 'none',
  timeout: { minS: null, maxS: null },
  breakGlass: DEFAULT_BREAK_GLASS,
  scopes: { inputs: { default: 'same_pipeline', environments: 'admitted', max: 'any' }, refs: 'exact' },
  tolerance: SHIPPED_TOLERANCE,
  opaque: [],
  coveredFiles: [],
  pinImages: 'off',
  registries: [],
  requestTtlMs: 30 * DAY_MS,
  lifetimes: { default: { kind: 'standing' }, max: { kind: 'standing' }, environments: { kind: 'days', days: 30 } },
  rememberMs: DAY_MS,
  superseded: 'cancel',
  recording: 'off',
  // A year, and time to be asked about its last day.
  fourEyesLive: 'off',
};

/** What holds where no policy file says otherwise: one maintainer, who did not trigger the job. */
export const DEFAULT_POLICY: Policy = {
  version: digestOfText(canonicalJson(JSON.parse(JSON.stringify(SHIPPED)))),
  base: SHIPPED,
  entries: [],
  tokens: DEFAULT_TOKEN_POLICY,
  retention: DEFAULT_RETENTION,
  freezes: [],
  runners: [],
  environments: [],
  edit: SHIPPED_EDIT,
};

/** What holds for one job: each setting from the first entry that fits and speaks of it, else from the base. */
export function effectivePolicy(policy: Policy, target: PolicyTarget): EffectivePolicy {
  const fitting = policy.entries.filter((entry) => entryFits(entry.match, target)).reverse();
  const found = Object.assign(
    // A snapshot of an older hub says nothing of these.
    { coveredFiles: [], pinImages: 'off', registries: [] },
    policy.base,
    { version: policy.version },
    ...fitting.map((entry) => entry.settings),
  ) as EffectivePolicy;
  if (found.coveredFiles.length === 0) return found;
  // What an ungated job made could lie over what was hashed before the script begins (T48).
  const inputs = { default: 'admitted', environments: 'admitted', max: 'admitted' } as const;
  return { ...found, scopes: { ...found.scopes, inputs } };
}

const rulesOf = (settings: Partial<PolicySettings>): readonly ApprovalRule[] => [
  ...(settings.rules ?? []),
  ...(settings.breakGlass?.rules ?? []),
];

/** All rules that stand anywhere in the policy. */
export function rulesIn(policy: Policy): readonly ApprovalRule[] {
  return [
    ...[policy.base, ...policy.entries.map((entry) => entry.settings)].flatMap(rulesOf),
    ...policy.freezes.flatMap((window) => window.rules),
    ...policy.environments.flatMap(rulesOfEntry),
  ];
}

/** The policy with every rule replaced. */
export function mapRules(policy: Policy, change: (rule: ApprovalRule) => ApprovalRule): Policy {
  const changed = <T extends Partial<PolicySettings>>(settings: T): T => ({
    ...settings,
    ...(settings.rules && { rules: settings.rules.map(change) }),
    ...(settings.breakGlass && {
      breakGlass: { ...settings.breakGlass, rules: settings.breakGlass.rules.map(change) },
    }),
  });
  return {
    ...policy,
    base: changed(policy.base),
    entries: policy.entries.map((entry) => ({ ...entry, settings: changed(entry.settings) })),
    freezes: policy.freezes.map((window) => ({ ...window, rules: window.rules.map(change) })),
    environments: policy.environments.map((entry) => mapEntryRules(entry, change)),
  };
}

/** What is wrong with a job's time-out, in words; null where it is within the bounds. What is not known is out of them. */
export function timeoutProblem({ minS, maxS }: TimeoutBounds, timeoutS: number | null): string | null {
  const asked = timeoutS === null ? 'nobody knows how long it may run' : `it may run for ${timeoutS} s`;
  if (minS !== null && (timeoutS === null || timeoutS < minS))
    return `${asked}, and the policy wants at least ${minS} s`;
  if (maxS !== null && (timeoutS === null || timeoutS > maxS))
    return `${asked}, and the policy allows ${maxS} s at most`;
  return null;
}

/** The longest lifetime that the policy allows for a job; `environment`: one that nothing protects here, null for any other job. */
export function lifetimeLimit(policy: EffectivePolicy, environment: string | null): LifetimeLimit {
  const { max, environments } = policy.lifetimes;
  return environment === null ? max : narrower(max, environments);
}

function narrower(a: LifetimeLimit, b: LifetimeLimit): LifetimeLimit {
  const rank = (limit: LifetimeLimit): number =>
    limit.kind === 'run' ? 0 : limit.kind === 'days' ? limit.days : Number.POSITIVE_INFINITY;
  return rank(a) <= rank(b) ? a : b;
}

/** The lifetime of a vote that names none: the policy's default, never longer than what it allows here. */
export function defaultLifetime(policy: EffectivePolicy, environment: string | null, now: number): Lifetime {
  return longest(narrower(policy.lifetimes.default, lifetimeLimit(policy, environment)), now);
}
