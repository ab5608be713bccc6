import { canonicalJson } from './canonical-json.ts';
import { digestOfText } from './digest.ts';
import type { Facts } from './facts.ts';
import { DAY_MS, type Lifetime, type LifetimeLimit, longest } from './lifetime.ts';
import { ACCESS_LEVELS } from './principal.ts';

/** "N people with at least this access level." A count below 1 is met by nobody (T16). */
export interface ApprovalRule {
  readonly name: string;
  readonly accessLevel: number;
  readonly count: number;
}

/**
 * Who may not approve what they caused: `forbid` excludes the trigger and the author, `forbid_author` the author alone,
 * `allow_trigger` the author alone as well but says that the trigger may on purpose, `allow` nobody.
 */
export const SELF_APPROVAL = ['forbid', 'forbid_author', 'allow_trigger', 'allow'] as const;
/** One of the self-approval modes. */
export type SelfApproval = (typeof SELF_APPROVAL)[number];

/** What becomes of an overtaken run. */
export const SUPERSEDED = ['cancel', 'run'] as const;
/** One of the ways with an overtaken run. */
export type Superseded = (typeof SUPERSEDED)[number];

/** Which rules hold. */
export interface Policy {
  /** Digest of the text it was read from. */
  readonly version: string;
  readonly rules: readonly ApprovalRule[];
  readonly selfApproval: SelfApproval;
  /** How long a Hold waits before it expires. */
  readonly requestTtlMs: number;
  readonly lifetimes: {
    readonly default: LifetimeLimit;
    readonly max: LifetimeLimit;
    /** The longest for a job with an environment: none is protected here, so nothing else asks again when it deploys. */
    readonly environments: LifetimeLimit;
  };
  /** How long a reject with `remember` denies the digest. */
  readonly rememberMs: number;
  /** What becomes of a run that a newer one has overtaken while it waited: ended, or run all the same. */
  readonly superseded: Superseded;
}

const SHIPPED: Omit<Policy, 'version'> = {
  rules: [{ name: 'maintainers', accessLevel: ACCESS_LEVELS.maintainer, count: 1 }],
  selfApproval: 'forbid',
  requestTtlMs: 30 * DAY_MS,
  lifetimes: { default: { kind: 'standing' }, max: { kind: 'standing' }, environments: { kind: 'days', days: 30 } },
  rememberMs: DAY_MS,
  superseded: 'cancel',
};

/** What holds where no policy file says otherwise: one maintainer, who did not trigger the job. */
export const DEFAULT_POLICY: Policy = {
  ...SHIPPED,
  version: digestOfText(canonicalJson(JSON.parse(JSON.stringify(SHIPPED)))),
};

/** The longest lifetime that the policy allows for a job with or without an environment. */
export function lifetimeLimit(policy: Policy, environment: string | null): LifetimeLimit {
  const { max, environments } = policy.lifetimes;
  return environment === null ? max : narrower(max, environments);
}

function narrower(a: LifetimeLimit, b: LifetimeLimit): LifetimeLimit {
  const rank = (limit: LifetimeLimit): number =>
    limit.kind === 'run' ? 0 : limit.kind === 'days' ? limit.days : Number.POSITIVE_INFINITY;
  return rank(a) <= rank(b) ? a : b;
}

/** The lifetime of a vote that names none: the policy's default, never longer than what it allows here. */
export function defaultLifetime(policy: Policy, environment: string | null, now: number): Lifetime {
  return longest(narrower(policy.lifetimes.default, lifetimeLimit(policy, environment)), now);
}

/** What must be met, as it stood when a Review was opened; frozen into it (T21). */
export interface Requirement {
  readonly rules: readonly ApprovalRule[];
  readonly selfApproval: SelfApproval;
  /** Version of the policy it came from. */
  readonly policy: string;
  /** Who triggered the Hold that opened the Review; later Holds exclude nobody, or anybody could lock approvers out. */
  readonly trigger: Facts['trigger'];
  /** Ids of people whose approve does not count. */
  readonly excluded: readonly number[];
}

/**
 * The requirement that a policy puts on what somebody triggered. A verified trigger is excluded as the self-approval mode says (T18).
 * A trigger that a variable alone names proves nothing and so satisfies nothing: that person is excluded in every mode (T17).
 */
export function requirementFor(policy: Policy, trigger: Facts['trigger']): Requirement {
  const { id, verified } = trigger;
  const excludes = verified === 'unverified' || policy.selfApproval === 'forbid';
  return {
    rules: policy.rules,
    selfApproval: policy.selfApproval,
    policy: policy.version,
    trigger,
    excluded: id !== null && excludes ? [id] : [],
  };
}
