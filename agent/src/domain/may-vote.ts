import type { Hold } from './hold.ts';
import { type Member, roleWords } from './principal.ts';
import { entitled, rulesOf } from './quorum.ts';
import type { Requirement } from './requirement.ts';
import type { Denial, Review } from './review.ts';
import { askWords, whoWords } from './rule.ts';

/** Whether a person may approve, and if not, why in words and by which error code. */
export type MayVote =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: WhyNot;
      readonly reason: string;
    };
type WhyNot = 'not_eligible' | 'self_approval' | 'wrong_state' | 'forbidden' | 'bad_input';

const no = (code: WhyNot, reason: string): MayVote => ({ allowed: false, code, reason });

/** Whom any of the rules asks for, and what to do about it. */
function asked({ rules }: Requirement, when: '' | 'now ', what: '' | ' to reject'): string {
  const whom = [...new Set(rules.map((rule) => whoWords(rule.who)))].join(' or ');
  return whom === ''
    ? `the rules ${when}ask for nobody${what}: whoever edits the policy can change that`
    : `the rules ${when}ask for ${whom}${what}: ${askWords(rules.map(({ who }) => who))}`;
}

/** What a person is for the rules, in words. */
function standing(member: Member | undefined): string {
  if (member?.person.bot === true) return 'you are no person but a bot, and no rule names you';
  return member === undefined || member.accessLevel === 0
    ? 'you have no access to the project'
    : `you are ${roleWords(member.accessLevel)}`;
}

/**
 * Membership alone, whatever the state of the Hold: rules as frozen and as they are now must both know the person (T19, T21),
 * and neither may exclude them (T18). `member` is the live membership, undefined for a stranger.
 */
export function mayApproveEver(
  frozen: Requirement,
  current: Requirement,
  personId: number,
  member: Member | undefined,
): MayVote {
  for (const requirement of [frozen, current]) {
    if (!entitled(requirement, member)) {
      const when = requirement === frozen ? '' : 'now ';
      return no('not_eligible', `${standing(member)}, and ${asked(requirement, when, '')}`);
    }
    if (requirement.excluded.includes(personId)) {
      return no(
        'self_approval',
        requirement.authors.includes(personId) && requirement.trigger.id !== personId
          ? 'you are author or committer of the commit that opened this review, and the policy forbids to approve it oneself: ask somebody else'
          : 'you triggered the job that opened this review, and the policy forbids to approve it oneself: ask somebody else',
      );
    }
  }
  return { allowed: true };
}

/**
 * Whether the person may vote for the rule of this name alone: each of the requirements must have it and know the person for
 * it, or the vote would count for nothing there.
 */
export function mayRepresent(requirements: readonly Requirement[], member: Member | undefined, name: string): MayVote {
  for (const requirement of requirements) {
    if (rulesOf(requirement, member, name).length > 0) continue;
    const list = (rules: Requirement['rules']) => rules.map((rule) => `"${rule.name}"`).join(', ') || 'none';
    const own = list(rulesOf(requirement, member, null));
    const known = requirement.rules.find((rule) => rule.name === name);
    return known === undefined
      ? no(
          'bad_input',
          `there is no rule "${name}": there are ${list(requirement.rules)}, your vote can count for ${own}`,
        )
      : no('not_eligible', `rule "${name}" asks for ${whoWords(known.who)}: your vote can count for ${own}`);
  }
  return { allowed: true };
}

/** Whether the person may approve this Hold now. */
export function mayApprove(
  hold: Hold,
  review: Review | null,
  current: Requirement,
  personId: number,
  member: Member | undefined,
  denial: Denial | null,
): MayVote {
  if (hold.state !== 'waiting_for_approval' || review === null || review.state !== 'open') {
    return no('wrong_state', `hold ${hold.id} is ${hold.state}: there is nothing to approve`);
  }
  if (denial !== null) {
    return no(
      'wrong_state',
      `${denial.by} rejected this configuration (${denial.reason}) until ${new Date(denial.until).toISOString()}: it cannot be approved before`,
    );
  }
  return mayApproveEver(review.requirement, current, personId, member);
}

/** Whether the person's reject counts: whoever either rules know, one's own job included (T18). */
export function mayReject(
  hold: Hold,
  review: Review | null,
  current: Requirement,
  member: Member | undefined,
): MayVote {
  if (hold.state !== 'waiting_for_approval' || review === null || review.state !== 'open') {
    return no('wrong_state', `hold ${hold.id} is ${hold.state}: there is nothing to reject`);
  }
  if (entitled(review.requirement, member) || entitled(current, member)) return { allowed: true };
  const words = `${standing(member)}, and ${asked(current, '', ' to reject')}`;
  return no('not_eligible', `${words}, or cancel the job in GitLab`);
}

/** The same for who comes with a token: it is to blame only where the person could vote with another one. */
export function withScope(may: MayVote, hasScope: boolean): MayVote {
  return !may.allowed || hasScope ? may : no('forbidden', 'your token has no scope approve: use one that has');
}
