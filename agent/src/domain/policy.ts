import { canonicalJson } from './canonical-json.ts';
import { digestOfText } from './digest.ts';
import type { CommitPerson, Facts } from './facts.ts';
import { DAY_MS, type Lifetime, type LifetimeLimit, longest } from './lifetime.ts';
import { ACCESS_LEVELS } from './principal.ts';
import type { ScopePolicy } from './scope.ts';

/** "N people with at least this access level." A count below 1 is met by nobody (T16). */
export interface ApprovalRule {
  readonly name: string;
  readonly accessLevel: number;
  readonly count: number;
}

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

/** Which rules hold. */
export interface Policy {
  /** Digest of the text it was read from. */
  readonly version: string;
  readonly rules: readonly ApprovalRule[];
  readonly selfApproval: SelfApproval;
  readonly unknownAuthor: UnknownAuthor;
  readonly scopes: ScopePolicy;
  /** Names of variables that may be approved although nobody has seen their value. */
  readonly opaque: readonly string[];
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
  /** Projects (id or full path) whose unapproved jobs an unprotected runner gets, where nothing in them forbids it. */
  readonly divert?: readonly { readonly project: number | string; readonly runner: string }[];
  /** What becomes of a run that a newer one has overtaken while it waited: ended, or run all the same. */
  readonly superseded: Superseded;
}

const SHIPPED: Omit<Policy, 'version'> = {
  rules: [{ name: 'maintainers', accessLevel: ACCESS_LEVELS.maintainer, count: 1 }],
  selfApproval: 'forbid',
  unknownAuthor: 'one_more',
  scopes: { inputs: { default: 'same_pipeline', environments: 'admitted', max: 'any' }, refs: 'exact' },
  opaque: [],
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
  /** Who stands in the commit of that Hold; null: nobody could tell. */
  readonly people: readonly CommitPerson[] | null;
  /** Those of them whom the directory knows, by id. */
  readonly authors: readonly number[];
  /** Ids of people whose approve does not count. */
  readonly excluded: readonly number[];
  /** What could not be told, in words; every rule then asks for one more person. */
  readonly unknown: readonly string[];
}

/** Whose Hold opens a Review. */
export type Opener = Pick<Requirement, 'trigger' | 'people'>;

/** Ids of those whom the mode excludes for what they did themselves (T18). */
function selfExcluded(mode: SelfApproval, trigger: number | null, authors: readonly number[]): readonly number[] {
  switch (mode) {
    case 'forbid':
      return trigger === null ? authors : [trigger, ...authors];
    case 'forbid_author':
      return authors;
    case 'allow_trigger':
      return authors.filter((id) => id !== trigger);
    case 'allow':
      return [];
    default:
      return mode satisfies never;
  }
}

/** What the mode would have to know and nobody could tell. */
function unknownOf(mode: SelfApproval, { trigger, people }: Opener): readonly string[] {
  if (mode === 'allow') return [];
  return [
    ...(mode === 'forbid' && trigger.verified === 'unverified' ? ['who triggered the job'] : []),
    ...(people === null ? ['who made the commit'] : []),
  ];
}

/**
 * The requirement that a policy puts on what somebody triggered and somebody wrote. A trigger that a variable alone names
 * proves nothing and so satisfies nothing: that person is excluded in every mode (T17). Where it is not known whom to
 * exclude, one approve could be theirs: every rule asks for one more person, unless the policy says otherwise.
 */
export function requirementFor(policy: Policy, opener: Opener): Requirement {
  const { trigger, people } = opener;
  const authors = [...new Set((people ?? []).flatMap(({ id }) => (id === null ? [] : [id])))];
  const claimed = trigger.verified === 'unverified' && trigger.id !== null ? [trigger.id] : [];
  const unknown = policy.unknownAuthor === 'allow' ? [] : unknownOf(policy.selfApproval, opener);
  return {
    rules: unknown.length === 0 ? policy.rules : policy.rules.map((rule) => ({ ...rule, count: rule.count + 1 })),
    selfApproval: policy.selfApproval,
    policy: policy.version,
    trigger,
    people,
    authors,
    excluded: [...new Set([...claimed, ...selfExcluded(policy.selfApproval, trigger.id, authors)])],
    unknown,
  };
}
