import type { Member } from './principal.ts';
import type { Requirement } from './requirement.ts';
import { type ApprovalRule, satisfies } from './rule.ts';
import type { Vote } from './vote.ts';

/** The outcome of all votes on a requirement; `unmet` where a rule lacks people. */
export interface Tally {
  readonly outcome: 'approved' | 'rejected' | 'unmet';
  /** People counted for each rule, in the order of the requirement's rules. */
  readonly have: readonly number[];
  /** Ids of the people who count as approving. */
  readonly approvedBy: readonly number[];
  /** Ids of the entitled people who reject. */
  readonly rejectedBy: readonly number[];
}

/** True when the person satisfies one of the rules at least; nobody does where there are none (T16). */
export function entitled(requirement: Requirement, member: Member | undefined): boolean {
  return requirement.rules.some((rule) => satisfies(rule, member));
}

/**
 * Counts distinct people, each for one rule; which one is found by maximum bipartite matching over all votes, so that no
 * order of voting can dead-end (T22). Members are the live membership: who has left counts no more (T19). One reject of an
 * entitled person ends it, before any approve is counted; one's own reject counts although one's own approve does not (T18).
 */
export function tally(requirement: Requirement, votes: readonly Vote[], members: readonly Member[]): Tally {
  const byId = new Map(members.map((member) => [member.person.id, member]));
  const said = new Map(votes.map((vote) => [vote.person.id, vote.decision]));
  const people = [...said.keys()].filter((id) => entitled(requirement, byId.get(id))).sort((a, b) => a - b);
  const rejectedBy = people.filter((id) => said.get(id) === 'reject');
  const approvers = people.filter((id) => said.get(id) === 'approve' && !requirement.excluded.includes(id));
  const { have, matched } = match(requirement.rules, approvers, (rule, id) => satisfies(rule, byId.get(id)));
  const met =
    requirement.rules.length > 0 && requirement.rules.every((rule, i) => rule.count >= 1 && have[i]! >= rule.count);
  return {
    outcome: rejectedBy.length > 0 ? 'rejected' : met ? 'approved' : 'unmet',
    have,
    approvedBy: matched,
    rejectedBy,
  };
}

/** Kuhn's augmenting paths over places: a rule of N has N places, each for one person. */
function match(
  rules: readonly ApprovalRule[],
  people: readonly number[],
  fits: (rule: ApprovalRule, person: number) => boolean,
): { have: readonly number[]; matched: readonly number[] } {
  const seats: (readonly number[])[] = rules.map(() => []);
  const place = (person: number, tried: Set<number>): boolean => {
    for (const [i, rule] of rules.entries()) {
      if (tried.has(i) || !fits(rule, person)) continue;
      tried.add(i);
      const seated = seats[i]!;
      if (seated.length < rule.count) {
        seats[i] = [...seated, person];
        return true;
      }
      for (const other of seated) {
        if (!place(other, tried)) continue;
        seats[i] = [...seats[i]!.filter((id) => id !== other), person];
        return true;
      }
    }
    return false;
  };
  for (const person of people) place(person, new Set());
  return { have: seats.map((seat) => seat.length), matched: seats.flat().sort((a, b) => a - b) };
}
