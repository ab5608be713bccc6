import { freezeAt } from '../domain/freeze.ts';
import type { Hold } from '../domain/hold.ts';
import { type EffectivePolicy, effectivePolicy, mapRules, type Policy, rulesIn } from '../domain/policy.ts';
import type { PolicyTarget } from '../domain/policy-match.ts';
import type { Member } from '../domain/principal.ts';
import { type Requirement, withRules } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import { type ApprovalRule, namedIn } from '../domain/rule.ts';
import type { Directory } from '../ports/directory.ts';

type Named = 'user' | 'group';
const lacksId = ({ who }: ApprovalRule): boolean => who.kind !== 'access_level' && who.id === null && who.name !== null;

/** Rules with the ids of people and groups that only their names are known of. */
async function idsFor(directory: Directory, rules: readonly ApprovalRule[]) {
  const ids = new Map<string, number | null>();
  const key = (kind: Named, name: string) => `${kind} ${name}`;
  for (const { who } of rules.filter(lacksId)) {
    if (who.kind === 'access_level' || who.name === null || ids.has(key(who.kind, who.name))) continue;
    const found =
      who.kind === 'user' ? (await directory.personNamed(who.name))?.id : await directory.groupNamed(who.name);
    ids.set(key(who.kind, who.name), found ?? null);
  }
  return (rule: ApprovalRule): ApprovalRule => {
    const { who } = rule;
    if (who.kind === 'access_level' || who.id !== null || who.name === null) return rule;
    return { ...rule, who: { ...who, id: ids.get(key(who.kind, who.name)) ?? null } };
  };
}

/**
 * The policy with every name of a person or group looked up, so that ids alone decide from here on (T17). A name that nobody
 * knows stays without an id: its rule is met by nobody.
 */
export async function resolvePolicy(directory: Directory, policy: Policy): Promise<Policy> {
  const rules = rulesIn(policy);
  return rules.some(lacksId) ? mapRules(policy, await idsFor(directory, rules)) : policy;
}

/** A frozen requirement with names that nobody could look up when it was frozen: one outage must not lock a Review for ever. */
export async function frozenNow(directory: Directory, requirement: Requirement): Promise<Requirement> {
  const { rules } = requirement;
  return rules.some(lacksId) ? { ...requirement, rules: rules.map(await idsFor(directory, rules)) } : requirement;
}

/** What a policy decides by, of a Hold or a Review. */
export function targetOf({
  subject,
  projectPath,
  place,
}: Pick<Hold | Review, 'subject' | 'projectPath' | 'place'>): PolicyTarget {
  const { ref, refProtected, environment } = place;
  return { projectId: subject.projectId, projectPath, job: subject.job, ref, refProtected, environment };
}

/** What holds for a Hold or a Review. */
export function policyFor(
  policy: Policy,
  of: Pick<Hold | Review, 'subject' | 'projectPath' | 'place'>,
): EffectivePolicy {
  return effectivePolicy(policy, targetOf(of));
}

/** A frozen requirement as it is asked at this moment: whom a freeze window asks for may vote as well, as long as it holds. */
export function askedNow(
  policy: Policy,
  of: Pick<Hold | Review, 'subject' | 'projectPath' | 'place'>,
  requirement: Requirement,
  now: number,
): Requirement {
  return withRules(requirement, freezeAt(policy.freezes, targetOf(of), now).extra?.rules ?? []);
}

/** The same as it is at this moment: with the rules that a freeze window adds. Never frozen into a Review. */
export function policyNow(
  policy: Policy,
  of: Pick<Hold | Review, 'subject' | 'projectPath' | 'place'>,
  now: number,
): EffectivePolicy {
  const here = policyFor(policy, of);
  const { extra } = freezeAt(policy.freezes, targetOf(of), now);
  return extra === null ? here : { ...here, rules: [...here.rules, ...extra.rules] };
}

/**
 * Members of the project, and all whom any of the requirements names: nobody who could vote is missing. `voters` are looked
 * at one by one, whatever a list of members says of them; with `notBefore` (epoch ms) no older answer than that will do.
 */
export async function membersFor(
  directory: Directory,
  projectId: number,
  requirements: readonly Pick<Requirement, 'rules'>[],
  voters: readonly number[] = [],
  notBefore?: number,
): Promise<readonly Member[]> {
  const named = namedIn(requirements.flatMap(({ rules }) => rules));
  return directory.members(projectId, { ...named, users: [...new Set([...named.users, ...voters])] }, notBefore);
}
