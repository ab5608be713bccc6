import type { Hold } from './hold.ts';
import { accessWord, type Member } from './principal.ts';
import { entitled } from './quorum.ts';
import type { Requirement } from './requirement.ts';
import type { Denial, Review } from './review.ts';
import { whoWords } from './rule.ts';

/** Whether a person may approve, and if not, why in words and by which error code. */
export type MayVote =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: 'not_eligible' | 'self_approval' | 'wrong_state' | 'forbidden';
      readonly reason: string;
    };

const no = (code: 'not_eligible' | 'self_approval' | 'wrong_state' | 'forbidden', reason: string): MayVote => ({
  allowed: false,
  code,
  reason,
});

/** Whom any of the rules asks for, in words. */
function asked({ rules }: Requirement): string {
  return [...new Set(rules.map((rule) => whoWords(rule.who)))].join(' or ') || 'nobody';
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
      const found =
        member === undefined || member.accessLevel === 0
          ? 'you have no access to the project'
          : `you are ${accessWord(member.accessLevel)} there`;
      return no('not_eligible', `${found}, the rules ask for ${asked(requirement)}: ask somebody who is`);
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
  return no(
    'not_eligible',
    `the rules ask for ${asked(current)} to reject: ask somebody who is, or cancel the job in GitLab`,
  );
}
