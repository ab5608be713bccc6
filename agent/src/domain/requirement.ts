import type { CommitPerson, Facts } from './facts.ts';
import type { EffectivePolicy, SelfApproval } from './policy.ts';
import type { ApprovalRule } from './rule.ts';
import type { StepUp } from './step-up.ts';

/** What must be met, as it stood when a Review was opened; frozen into it (T21). */
export interface Requirement {
  readonly rules: readonly ApprovalRule[];
  readonly selfApproval: SelfApproval;
  /** So many rejects of entitled people end it; never below 1. */
  readonly rejectsRequired: number;
  /** What an approve needs beside its token; absent in what was frozen before there was such a thing: nothing. */
  readonly stepUp?: StepUp;
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

/** The requirement with rules added that hold for the moment: what a freeze window asks for is live, never frozen (T21). */
export function withRules(requirement: Requirement, rules: readonly ApprovalRule[]): Requirement {
  const more = requirement.unknown.length === 0 ? rules : rules.map((rule) => ({ ...rule, count: rule.count + 1 }));
  return rules.length === 0 ? requirement : { ...requirement, rules: [...requirement.rules, ...more] };
}

/**
 * The requirement that a policy puts on what somebody triggered and somebody wrote. A trigger that a variable alone names
 * proves nothing and so satisfies nothing: that person is excluded in every mode (T17). Where it is not known whom to
 * exclude, one approve could be theirs: every rule asks for one more person, unless the policy says otherwise.
 */
export function requirementFor(policy: EffectivePolicy, opener: Opener): Requirement {
  const { trigger, people } = opener;
  const authors = [...new Set((people ?? []).flatMap(({ id }) => (id === null ? [] : [id])))];
  const claimed = trigger.verified === 'unverified' && trigger.id !== null ? [trigger.id] : [];
  const unknown = policy.unknownAuthor === 'allow' ? [] : unknownOf(policy.selfApproval, opener);
  return {
    rules: unknown.length === 0 ? policy.rules : policy.rules.map((rule) => ({ ...rule, count: rule.count + 1 })),
    selfApproval: policy.selfApproval,
    rejectsRequired: policy.rejectsRequired,
    stepUp: policy.stepUp,
    policy: policy.version,
    trigger,
    people,
    authors,
    excluded: [...new Set([...claimed, ...selfExcluded(policy.selfApproval, trigger.id, authors)])],
    unknown,
  };
}
