import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../agent/src/domain/principal.ts';
import { counts, fills, outlook, tallyAll } from '../../agent/src/domain/quorum.ts';
import type { Requirement } from '../../agent/src/domain/requirement.ts';
import { type ApprovalRule, satisfies } from '../../agent/src/domain/rule.ts';

/** Six people, five groups, four levels: small enough to try every way, large enough for every clash. */
const PEOPLE = [1, 2, 3, 4, 5, 6];
const person = (id: number, more: Partial<Member> = {}): Member => ({
  person: { id, username: `u${id}`, name: `U${id}`, blocked: false },
  accessLevel: 0,
  groups: [],
  ...more,
});
const requirement = (rules: readonly ApprovalRule[], more: Partial<Requirement> = {}): Requirement => ({
  rules,
  selfApproval: 'forbid',
  rejectsRequired: 1,
  policy: 'p',
  trigger: { id: null, username: null, name: null, verified: 'gitlab' },
  people: [],
  authors: [],
  excluded: [],
  unknown: [],
  ...more,
});
const who = fc.oneof(
  fc.constantFrom(20, 30, 40, 50).map((level) => ({ kind: 'access_level' as const, level })),
  fc.constantFrom(...PEOPLE).map((id) => ({ kind: 'user' as const, id, name: null })),
  fc.record({
    kind: fc.constant('group' as const),
    id: fc.constantFrom(7, 8, 9),
    name: fc.constant(null),
    inherited: fc.boolean(),
  }),
);
const rules = fc
  .array(fc.record({ who, count: fc.integer({ min: 1, max: 2 }) }), { minLength: 1, maxLength: 3 })
  .map((list): readonly ApprovalRule[] => list.map((rule, i) => ({ ...rule, name: `r${i}` })));
const members = fc
  .array(
    fc.record({
      id: fc.constantFrom(...PEOPLE),
      accessLevel: fc.constantFrom(0, 20, 30, 40, 50),
      groups: fc.uniqueArray(fc.record({ id: fc.constantFrom(7, 8, 9), inherited: fc.boolean() }), {
        selector: ({ id }) => id,
        maxLength: 2,
      }),
      blocked: fc.boolean(),
      bot: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  .map((list) => {
    const one = new Map(list.map((member) => [member.id, member]));
    return [...one.values()].map(({ id, accessLevel, groups, blocked, bot }) =>
      person(id, {
        person: { id, username: `u${id}`, name: '', blocked: blocked && id % 3 === 0, bot: bot && id % 2 === 0 },
        accessLevel,
        groups,
      }),
    );
  });
const votes = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...PEOPLE),
    decision: fc.constantFrom('approve' as const, 'approve' as const, 'approve' as const, 'reject' as const),
    pin: fc.constantFrom(null, null, 'r0', 'r1', 'r2', 'gone'),
  }),
  { selector: ({ id }) => id, maxLength: 6 },
);
const excluded = fc.uniqueArray(fc.constantFrom(...PEOPLE), { maxLength: 2 });
const said = (list: readonly { id: number; decision: 'approve' | 'reject'; pin: string | null }[]) =>
  list.map(({ id, decision, pin }) => ({ person: { id }, decision, representedAs: pin }));
const RUNS = { numRuns: 600 };

/** Some way to seat these people on all places of the rules, every one tried: slow, and plainly right. */
function canSeat(list: readonly ApprovalRule[], people: readonly { member: Member; pin: string | null }[]): boolean {
  const places = list.flatMap((rule) => Array.from({ length: rule.count }, () => rule));
  const seat = (at: number, used: ReadonlySet<number>): boolean =>
    at === places.length ||
    people.some(
      ({ member, pin }) =>
        !used.has(member.person.id) &&
        (pin === null || pin === places[at]!.name) &&
        satisfies(places[at]!, member) &&
        seat(at + 1, new Set([...used, member.person.id])),
    );
  return list.length > 0 && list.every(({ count }) => count >= 1) && seat(0, new Set());
}
const subsets = <T>(list: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: 2 ** list.length }, (_, bits) => list.filter((_one, i) => (bits & (1 << i)) !== 0));
/** Whose votes may count for both: known to both, excluded by neither. */
const known = (both: readonly Requirement[], list: readonly Member[], people: ReturnType<typeof said>) =>
  people.flatMap(({ person: { id }, decision, representedAs: pin }) => {
    const member = list.find((one) => one.person.id === id);
    const may =
      member !== undefined &&
      decision === 'approve' &&
      both.every(
        (one) =>
          !one.excluded.includes(id) &&
          one.rules.some((rule) => (pin === null || rule.name === pin) && satisfies(rule, member)),
      );
    return may ? [{ member, pin }] : [];
  });

describe('the rules of the opening and those of today', () => {
  it('T21 T22 are met exactly when one set of votes meets both, whatever way the people are seated', () => {
    fc.assert(
      fc.property(rules, rules, excluded, excluded, members, votes, (then, now, out, outNow, list, cast) => {
        const both = [requirement(then, { excluded: out }), requirement(now, { excluded: outNow })];
        const voters = known(both, list, said(cast));
        const some = subsets(voters).some((set) => both.every((one) => canSeat(one.rules, set)));
        const result = tallyAll(both, said(cast), list);
        expect(result.outcome === 'approved').toBe(some && result.rejectedBy.length === 0);
      }),
      RUNS,
    );
  });

  it('T21 the votes that an approval names meet both by themselves, each person once', () => {
    fc.assert(
      fc.property(rules, rules, excluded, members, votes, (then, now, out, list, cast) => {
        const both = [requirement(then, { excluded: out }), requirement(now)];
        const approves = said(cast).filter(({ decision }) => decision === 'approve');
        const { outcome, approvedBy } = tallyAll(both, approves, list);
        if (outcome !== 'approved') return;
        const named = approves.filter(({ person: { id } }) => approvedBy.includes(id));
        expect(new Set(approvedBy).size).toBe(approvedBy.length);
        expect(tallyAll(both, named, list).outcome).toBe('approved');
        for (const one of both) {
          expect(named.every(({ person: { id } }) => !one.excluded.includes(id))).toBe(true);
          expect(canSeat(one.rules, known(both, list, named))).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it('T19 T22 never get worse by one more approve, and never better by one who left', () => {
    fc.assert(
      fc.property(rules, rules, members, votes, fc.constantFrom(...PEOPLE), (then, now, list, cast, who) => {
        const both = [requirement(then), requirement(now)];
        const others = said(cast).filter(({ decision, person: { id } }) => decision === 'approve' && id !== who);
        const before = tallyAll(both, others, list).outcome;
        const more = [...others, { person: { id: who }, decision: 'approve' as const, representedAs: null }];
        if (before === 'approved') expect(tallyAll(both, more, list).outcome).toBe('approved');
        const without = list.filter((member) => member.person.id !== who);
        if (before === 'unmet') expect(tallyAll(both, others, without).outcome).toBe('unmet');
        expect(tallyAll(both, more, without).outcome).toBe(tallyAll(both, others, without).outcome);
      }),
      RUNS,
    );
  });
});

describe('a vote for one rule', () => {
  it('T22 counts for that rule and no other, and for nothing where no such rule is', () => {
    const qa: ApprovalRule = { name: 'qa', who: { kind: 'group', id: 7, name: null, inherited: false }, count: 1 };
    const any: ApprovalRule = { name: 'any', who: { kind: 'access_level', level: 20 }, count: 1 };
    const list = [
      person(1, { accessLevel: 40, groups: [{ id: 7, inherited: false }] }),
      person(2, { accessLevel: 40 }),
    ];
    const vote = (id: number, pin: string | null) => ({
      person: { id },
      decision: 'approve' as const,
      representedAs: pin,
    });
    const both = [requirement([qa, any])];
    expect(tallyAll(both, [vote(1, null), vote(2, null)], list).outcome).toBe('approved');
    expect(tallyAll(both, [vote(1, 'any'), vote(2, null)], list).tallies[0]?.have).toEqual([0, 1]);
    expect(tallyAll(both, [vote(1, 'qa'), vote(2, 'any')], list).outcome).toBe('approved');
    expect(tallyAll(both, [vote(1, 'other'), vote(2, null)], list).approvedBy).toEqual([2]);
    expect(counts(both, list[1], 'qa')).toBe(false);
  });
});

describe('several rejects', () => {
  const two = requirement([{ name: 'dev', who: { kind: 'access_level', level: 30 }, count: 1 }], {
    rejectsRequired: 2,
  });
  const list = [1, 2, 3, 4].map((id) => person(id, { accessLevel: 30 }));
  const vote = (id: number, decision: 'approve' | 'reject') => ({ person: { id }, decision, representedAs: null });

  it('end it when there are as many as the policy asks for, and a single one does not', () => {
    expect(tallyAll([two], [vote(1, 'reject')], list).outcome).toBe('unmet');
    expect(tallyAll([two], [vote(1, 'reject'), vote(2, 'approve')], list).outcome).toBe('approved');
    expect(tallyAll([two], [vote(1, 'reject'), vote(2, 'approve'), vote(3, 'reject')], list).outcome).toBe('rejected');
  });

  it('T21 end it as soon as either the rules of the opening or those of today are rejected, and never with none', () => {
    const one = { ...two, rejectsRequired: 1 };
    expect(tallyAll([two, one], [vote(1, 'reject'), vote(2, 'approve')], list).outcome).toBe('rejected');
    expect(tallyAll([{ ...two, rejectsRequired: 0 }], [vote(2, 'approve')], list).outcome).toBe('approved');
  });
});

describe('who could still complete it', () => {
  it('T22 is answered over everybody together: named when some set of people can, and said when none can', () => {
    fc.assert(
      fc.property(rules, rules, excluded, members, votes, (then, now, out, list, cast) => {
        const both = [requirement(then, { excluded: out }), requirement(now, { excluded: out })];
        // Without rejects, everybody eligible may still come.
        const approves = said(cast).filter(({ decision }) => decision === 'approve');
        const counted = known(both, list, approves);
        const others = list
          .filter((member) => !counted.some((one) => one.member.person.id === member.person.id))
          .filter((member) => counts(both, member, null))
          .map((member) => ({ member, pin: null }));
        const everybody = [...counted, ...others];
        const { possible, wanted, helpers, lacking } = outlook(both, approves, list);
        expect(possible).toBe(both.every((one) => canSeat(one.rules, everybody)));
        expect(lacking.length === 0).toBe(possible);
        if (!possible) expect(wanted).toEqual([]);
        if (!possible) return;
        // Those who are named are enough, and nobody is named in vain who has voted already.
        const added = wanted.map((id) => ({ person: { id }, decision: 'approve' as const, representedAs: null }));
        const after = [...approves.filter(({ person: { id } }) => !wanted.includes(id)), ...added];
        expect(tallyAll(both, after, list).outcome).toBe('approved');
        expect(wanted.filter((id) => counted.some(({ member }) => member.person.id === id))).toEqual([]);
        // All who could complete it alone are named, or where nobody could, all who bring it nearer; tried one by one.
        const [before, alone, nearer] = [tallyAll(both, approves, list), [] as number[], [] as number[]];
        const seated = ({ tallies }: typeof before) => tallies.flatMap(({ have }) => have).reduce((a, b) => a + b, 0);
        for (const { member } of others) {
          const { id } = member.person;
          const own = { person: { id }, decision: 'approve' as const, representedAs: null };
          const joined = tallyAll(both, [...approves.filter((vote) => vote.person.id !== id), own], list);
          if (joined.outcome === 'approved' && before.outcome !== 'approved') alone.push(id);
          if (seated(joined) > seated(before)) nearer.push(id);
        }
        expect([...helpers].sort()).toEqual((alone.length > 0 ? alone : nearer).sort());
        if (alone.length > 0) expect(wanted).toHaveLength(1);
      }),
      RUNS,
    );
  });

  it('T22 is nobody where two rules ask for the same single person, although each rule by itself has somebody', () => {
    const ask = (name: string): ApprovalRule => ({ name, who: { kind: 'user', id: 1, name: null }, count: 1 });
    const result = outlook([requirement([ask('a'), ask('b')])], [], [person(1)]);
    expect([result.possible, result.wanted, result.lacking.map(({ rule }) => rule.name)]).toEqual([false, [], ['b']]);
  });

  it('asks last whoever has rejected: they would have to change their mind', () => {
    const dev: ApprovalRule = { name: 'dev', who: { kind: 'access_level', level: 30 }, count: 1 };
    const list = [1, 2].map((id) => person(id, { accessLevel: 30 }));
    const no = [{ person: { id: 1 }, decision: 'reject' as const, representedAs: null }];
    expect(outlook([requirement([dev], { rejectsRequired: 2 })], no, list).wanted).toEqual([2]);
    expect(outlook([requirement([dev], { rejectsRequired: 2 })], no, list.slice(0, 1)).wanted).toEqual([1]);
  });
});

describe('the rule that my vote would fill', () => {
  it('T22 is the very one whose number rises when I vote', () => {
    fc.assert(
      fc.property(rules, members, votes, fc.constantFrom(...PEOPLE), (list, people, cast, me) => {
        const one = requirement(list);
        const approves = said(cast).filter(({ decision, person: { id } }) => decision === 'approve' && id !== me);
        const member = people.find(({ person: { id } }) => id === me);
        const [at] = fills([one], approves, people, member);
        const mine = [...approves, { person: { id: me }, decision: 'approve' as const, representedAs: null }];
        const total = (votes: typeof mine) =>
          tallyAll([one], votes, people).tallies[0]!.have.reduce((sum, have) => sum + have, 0);
        expect(total(mine) - total(approves)).toBe(at === null || at === undefined ? 0 : 1);
        if (at !== null && at !== undefined && list[at]!.count === 1 && list.length === 1)
          expect(satisfies(list[at]!, member)).toBe(true);
      }),
      RUNS,
    );
  });
});
