import type { Member } from './principal.ts';
import type { Requirement } from './requirement.ts';
import { type ApprovalRule, satisfies } from './rule.ts';
import type { Vote } from './vote.ts';

/** The outcome of all votes on a requirement; `unmet` where a rule lacks people. */
export interface Tally {
  readonly outcome: 'approved' | 'rejected' | 'unmet';
  /** People counted for each rule, in the order of the requirement's rules. */
  readonly have: readonly number[];
  /** Their ids, rule by rule. */
  readonly seats: readonly (readonly number[])[];
  /** Ids of the people who count as approving. */
  readonly approvedBy: readonly number[];
  /** Ids of the entitled people who reject. */
  readonly rejectedBy: readonly number[];
}
/** The outcome of the same votes on several requirements that all must be met. */
export interface JointTally extends Pick<Tally, 'outcome' | 'approvedBy' | 'rejectedBy'> {
  /** In the order of the requirements. */
  readonly tallies: readonly Tally[];
}

type Said = Pick<Vote, 'decision' | 'representedAs'> & { readonly person: Pick<Vote['person'], 'id'> };

/** True when the person satisfies one of the rules at least; nobody does where there are none (T16). */
export function entitled(requirement: Pick<Requirement, 'rules'>, member: Member | undefined): boolean {
  return requirement.rules.some((rule) => satisfies(rule, member));
}

/** Rules that the person's vote could count for; one that is pinned counts for the rule of that name alone. */
export function rulesOf(
  requirement: Pick<Requirement, 'rules'>,
  member: Member | undefined,
  pin: string | null,
): readonly ApprovalRule[] {
  return requirement.rules.filter((rule) => (pin === null || rule.name === pin) && satisfies(rule, member));
}

/**
 * True when the person's approve counts at all: every requirement must know them and none exclude them. So the votes that
 * meet one requirement are the very votes that meet the others, and nobody counts here who could not have voted there (T21).
 */
export function counts(requirements: readonly Requirement[], member: Member | undefined, pin: string | null): boolean {
  return (
    requirements.length > 0 &&
    member !== undefined &&
    requirements.every((one) => !one.excluded.includes(member.person.id) && rulesOf(one, member, pin).length > 0)
  );
}

/**
 * Counts distinct people, each for one rule; which one is found by maximum bipartite matching over all votes, so that no
 * order of voting can dead-end (T22). Members are the live membership: who has left counts no more (T19). Rejects come
 * before any approve is counted; one's own reject counts although one's own approve does not (T18).
 */
export function tally(requirement: Requirement, votes: readonly Said[], members: readonly Member[]): Tally {
  return tallyAll([requirement], votes, members).tallies[0]!;
}

/** The same for several requirements at once: met together by the same votes, rejected as soon as one of them is. */
export function tallyAll(
  requirements: readonly Requirement[],
  votes: readonly Said[],
  members: readonly Member[],
): JointTally {
  const voters = votersOf(requirements, votes, members);
  const tallies = requirements.map((requirement) => {
    const { seats, matched, met } = match(requirement.rules, voters.approving);
    const rejectedBy = voters.rejecting.filter(({ member }) => entitled(requirement, member)).map(idOf);
    const rejected = rejectedBy.length >= Math.max(1, requirement.rejectsRequired);
    const outcome = rejected ? ('rejected' as const) : met ? ('approved' as const) : ('unmet' as const);
    return { outcome, have: seats.map((seat) => seat.length), seats, approvedBy: matched, rejectedBy };
  });
  const all = (key: 'approvedBy' | 'rejectedBy') => ascending(tallies.flatMap((one) => one[key]));
  const approved = tallies.length > 0 && tallies.every(({ outcome }) => outcome === 'approved');
  const outcome = tallies.some((one) => one.outcome === 'rejected') ? 'rejected' : approved ? 'approved' : 'unmet';
  return { outcome, tallies, approvedBy: all('approvedBy'), rejectedBy: all('rejectedBy') };
}

/** What may still become of requirements that are not met. */
export interface Outlook {
  /** True when some people could meet all of them together, those who have approved among them. */
  readonly possible: boolean;
  /** Ids of people whose approves would complete it: one such set, without those who have approved. Empty where there is none. */
  readonly wanted: readonly number[];
  /** Ids of everybody whose approve would bring it nearer; where one is enough, of everybody who completes it alone. */
  readonly helpers: readonly number[];
  /** Rules that not everybody together could fill; none where it is possible. */
  readonly lacking: readonly { readonly rule: ApprovalRule; readonly could: number }[];
}

/**
 * Whether the requirements can still be met, by matching over everybody eligible and not rule by rule: two rules that ask for
 * the same single person have somebody each, and nobody together.
 */
export function outlook(
  requirements: readonly Requirement[],
  votes: readonly Said[],
  members: readonly Member[],
): Outlook {
  const { approving, rejecting } = votersOf(requirements, votes, members);
  const counted = new Set(approving.map(idOf));
  const no = new Set(rejecting.map(idOf));
  const open = members.filter(({ person }) => !counted.has(person.id)).map((member) => ({ member, pin: null }));
  const able = open.filter(({ member }) => counts(requirements, member, null));
  // Who has approved keeps their place; who has rejected would have to change their mind, and is asked last.
  let order = [...approving, ...able.filter((one) => !no.has(idOf(one))), ...able.filter((one) => no.has(idOf(one)))];
  const wanted = new Set<number>();
  const lacking: Outlook['lacking'][number][] = [];
  for (const { rules } of requirements) {
    const { seats, matched } = match(rules, order);
    for (const [i, rule] of rules.entries())
      if (rule.count < 1 || seats[i]!.length < rule.count) lacking.push({ rule, could: seats[i]!.length });
    for (const id of matched) if (!counted.has(id)) wanted.add(id);
    // Whom one requirement needs is taken for the next one too, so that as few as possible are asked.
    order = [
      ...approving,
      ...order.filter((one) => wanted.has(idOf(one))),
      ...order.filter((one) => !wanted.has(idOf(one)) && !counted.has(idOf(one))),
    ];
  }
  const possible =
    requirements.length > 0 && requirements.every(({ rules }) => rules.length > 0) && lacking.length === 0;
  if (!possible) return { possible, wanted: [], helpers: [], lacking };
  const { alone, helping } = helpersOf(requirements, approving, able);
  // Who has rejected comes after the others here, too.
  const willing = (voters: readonly Voter[]): readonly number[] => {
    const ids = voters.map(idOf);
    return [...ids.filter((id) => !no.has(id)), ...ids.filter((id) => no.has(id))];
  };
  const completing = willing(alone);
  return completing.length > 0
    ? { possible, wanted: completing.slice(0, 1), helpers: completing, lacking }
    : { possible, wanted: [...wanted], helpers: willing(helping), lacking };
}

/** Of those who are able: who completes everything alone, and whose approve finds a place at all. */
function helpersOf(requirements: readonly Requirement[], approving: readonly Voter[], able: readonly Voter[]) {
  const short = requirements.map(({ rules }) => openRules(rules, approving)).filter(({ missing }) => missing > 0);
  const fits = ({ member }: Voter, rules: readonly ApprovalRule[]) => rules.some((rule) => satisfies(rule, member));
  const isOne = short.length > 0 && short.every(({ missing }) => missing === 1);
  return {
    alone: isOne ? able.filter((one) => short.every(({ open }) => fits(one, open))) : [],
    helping: able.filter((one) => short.some(({ open }) => fits(one, open))),
  };
}

/** How many places are free, and the rules with one: a free one, or one that is freed when somebody who has approved moves to it. */
function openRules(rules: readonly ApprovalRule[], approving: readonly Voter[]) {
  const { seats } = match(rules, approving);
  const missing = rules.reduce((sum, rule, i) => sum + Math.max(0, rule.count - seats[i]!.length), 0);
  const open = new Set(rules.flatMap((rule, i) => (seats[i]!.length < rule.count ? [i] : [])));
  const moves = (id: number): boolean => {
    const voter = approving.find((one) => idOf(one) === id);
    return voter !== undefined && [...open].some((i) => fitsRule(rules[i]!, voter));
  };
  for (let before = -1; before !== open.size; ) {
    before = open.size;
    for (const [i, seated] of seats.entries()) if (!open.has(i) && seated.some(moves)) open.add(i);
  }
  return { missing, open: rules.filter((_, i) => open.has(i)) };
}

/** Index of the rule of each requirement that one more approve of this person would count for; null: none needs it. */
export function fills(
  requirements: readonly Requirement[],
  votes: readonly Said[],
  members: readonly Member[],
  member: Member | undefined,
  pin: string | null = null,
): readonly (number | null)[] {
  if (member === undefined || !counts(requirements, member, pin)) return requirements.map(() => null);
  const others = votesWithout(votes, member.person.id);
  const { approving } = votersOf(requirements, others, members);
  return requirements.map(({ rules }) => {
    const before = match(rules, approving).seats;
    const after = match(rules, [...approving, { member, pin }]).seats;
    const at = after.findIndex((seat, i) => seat.length > before[i]!.length);
    return at < 0 ? null : at;
  });
}

const votesWithout = (votes: readonly Said[], id: number) => votes.filter((vote) => vote.person.id !== id);
const ascending = (ids: readonly number[]): readonly number[] => [...new Set(ids)].sort((a, b) => a - b);

/** A person and the one rule that they chose. */
interface Voter {
  readonly member: Member;
  readonly pin: string | null;
}
const idOf = ({ member }: Voter): number => member.person.id;

/** Whose approves count, and which members reject: one voice for each person, their last one (T22). */
function votersOf(requirements: readonly Requirement[], votes: readonly Said[], members: readonly Member[]) {
  const byId = new Map(members.map((member) => [member.person.id, member]));
  const last = new Map(votes.map((vote) => [vote.person.id, vote]));
  const approving: Voter[] = [];
  const rejecting: Voter[] = [];
  for (const [id, { decision, representedAs: pin }] of [...last].sort(([a], [b]) => a - b)) {
    const member = byId.get(id);
    if (member === undefined) continue;
    if (decision === 'reject') rejecting.push({ member, pin: null });
    else if (counts(requirements, member, pin)) approving.push({ member, pin });
  }
  return { approving, rejecting };
}

function fitsRule(rule: ApprovalRule, { member, pin }: Voter): boolean {
  return (pin === null || rule.name === pin) && satisfies(rule, member);
}

/** Kuhn's augmenting paths over places: a rule of N has N places, each for one person. Who comes first keeps a place. */
function match(rules: readonly ApprovalRule[], people: readonly Voter[]) {
  const seats: Voter[][] = rules.map(() => []);
  const full = (): boolean => rules.every((rule, i) => seats[i]!.length >= rule.count);
  const place = (person: Voter, tried: Set<number>): boolean => {
    for (const [i, rule] of rules.entries()) {
      if (tried.has(i) || !fitsRule(rule, person)) continue;
      tried.add(i);
      const seated = seats[i]!;
      if (seated.length < rule.count) {
        seats[i] = [...seated, person];
        return true;
      }
      for (const other of seated) {
        if (!place(other, tried)) continue;
        seats[i] = [...seats[i]!.filter((one) => one !== other), person];
        return true;
      }
    }
    return false;
  };
  for (const person of people) {
    if (full()) break;
    place(person, new Set());
  }
  const met = rules.length > 0 && rules.every((rule, i) => rule.count >= 1 && seats[i]!.length >= rule.count);
  return { seats: seats.map((seat) => seat.map(idOf)), matched: ascending(seats.flat().map(idOf)), met };
}
