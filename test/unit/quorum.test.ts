import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../agent/src/domain/principal.ts';
import { entitled, tally } from '../../agent/src/domain/quorum.ts';
import type { Requirement } from '../../agent/src/domain/requirement.ts';
import { type ApprovalRule, levelRule, satisfies } from '../../agent/src/domain/rule.ts';
import type { Vote } from '../../agent/src/domain/vote.ts';

const member = (id: number, accessLevel: number, blocked = false): Member => ({
  person: { id, username: `u${id}`, name: `U${id}`, blocked },
  accessLevel,
  groups: [],
});
const vote = (id: number, decision: Vote['decision'] = 'approve', at = 0): Vote => ({
  review: 1,
  person: { id, username: `u${id}`, name: `U${id}` },
  decision,
  hold: null,
  lifetime: { kind: 'standing' },
  scope: { ref: { kind: 'exact' }, inputs: 'same_pipeline', runners: null },
  comment: null,
  representedAs: null,
  at,
});
const rule = (accessLevel: number, count: number): ApprovalRule => levelRule(`l${accessLevel}`, accessLevel, count);
const requirement = (rules: readonly ApprovalRule[], excluded: readonly number[] = []): Requirement => ({
  rules,
  selfApproval: 'forbid',
  rejectsRequired: 1,
  policy: 'p',
  trigger: { id: null, username: null, name: null, verified: 'gitlab' },
  people: [],
  authors: [],
  excluded,
  unknown: [],
});

const arbitraryRules = fc
  .array(fc.record({ accessLevel: fc.constantFrom(20, 30, 40, 50), count: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list) => list.map((r) => rule(r.accessLevel, r.count)));
const arbitraryMembers = fc
  .uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 8 }), level: fc.constantFrom(10, 20, 30, 40, 50) }), {
    selector: (m) => m.id,
    maxLength: 8,
  })
  .map((list) => list.map((m) => member(m.id, m.level)));
const arbitraryVotes = fc.uniqueArray(fc.record({ id: fc.integer({ min: 1, max: 9 }), no: fc.boolean() }), {
  selector: (v) => v.id,
  maxLength: 9,
});

/** Every way to seat people on rules, tried one after the other: slow, and plainly right. */
function couldMeet(rules: readonly ApprovalRule[], people: readonly Member[]): boolean {
  const places = rules.flatMap((r) => Array.from({ length: r.count }, () => r));
  const seat = (place: number, used: ReadonlySet<number>): boolean => {
    if (place === places.length) return true;
    return people.some(
      (p) => !used.has(p.person.id) && satisfies(places[place]!, p) && seat(place + 1, new Set([...used, p.person.id])),
    );
  };
  return seat(0, new Set());
}

describe('the tally', () => {
  it('T22 never depends on the order of the votes', () => {
    fc.assert(
      fc.property(
        arbitraryRules,
        arbitraryMembers,
        arbitraryVotes,
        fc.infiniteStream(fc.nat()),
        (rules, members, said, order) => {
          const votes = said.map((v) => vote(v.id, v.no ? 'reject' : 'approve'));
          const keyed = votes.map((v) => ({ v, key: order.next().value as number }));
          const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ v }) => v);
          expect(tally(requirement(rules), shuffled, members)).toEqual(tally(requirement(rules), votes, members));
        },
      ),
    );
  });

  it('T22 is met exactly when some way to seat distinct people on all places exists', () => {
    fc.assert(
      fc.property(arbitraryRules, arbitraryMembers, arbitraryVotes, (rules, members, said) => {
        const votes = said.map((v) => vote(v.id));
        const voters = members.filter((m) => votes.some((v) => v.person.id === m.person.id));
        expect(tally(requirement(rules), votes, members).outcome === 'approved').toBe(couldMeet(rules, voters));
      }),
    );
  });

  it('T22 counts nobody twice, however often they appear', () => {
    fc.assert(
      fc.property(arbitraryRules, arbitraryMembers, arbitraryVotes, (rules, members, said) => {
        const votes = said.map((v) => vote(v.id));
        const result = tally(requirement(rules), [...votes, ...votes], members);
        expect(new Set(result.approvedBy).size).toBe(result.approvedBy.length);
        expect(result.have.reduce((a, b) => a + b, 0)).toBe(result.approvedBy.length);
        expect(result).toEqual(tally(requirement(rules), votes, members));
      }),
    );
  });

  it('T22 no early vote sits on the wrong rule for ever', () => {
    const rules = [rule(40, 1), rule(30, 1)];
    const members = [member(1, 40), member(2, 30)];
    expect(tally(requirement(rules), [vote(1), vote(2)], members).outcome).toBe('approved');
    expect(tally(requirement([...rules].reverse()), [vote(1), vote(2)], members).outcome).toBe('approved');
    expect(tally(requirement(rules), [vote(1)], [member(1, 40), member(2, 40)]).outcome).toBe('unmet');
  });

  it('T16 is met by nobody where there is no rule, a rule that asks for none, or no member', () => {
    const members = [member(1, 60)];
    expect(tally(requirement([]), [vote(1)], members).outcome).toBe('unmet');
    expect(tally(requirement([rule(40, 0)]), [vote(1)], members).outcome).toBe('unmet');
    expect(tally(requirement([rule(0, 1)]), [vote(1)], members).outcome).toBe('unmet');
    expect(tally(requirement([rule(40, 1)]), [vote(1)], []).outcome).toBe('unmet');
    expect(entitled(requirement([]), members[0])).toBe(false);
  });

  it('T19 does not count who is no longer a member, who sank in level, who is blocked', () => {
    const rules = requirement([rule(40, 1)]);
    expect(tally(rules, [vote(1)], [member(2, 40)]).outcome).toBe('unmet');
    expect(tally(rules, [vote(1)], [member(1, 30)]).outcome).toBe('unmet');
    expect(tally(rules, [vote(1)], [member(1, 40, true)]).outcome).toBe('unmet');
  });

  it('ends with one reject of an entitled person, before any approve counts; a stranger rejects nothing', () => {
    const rules = requirement([rule(40, 1)]);
    const members = [member(1, 40), member(2, 40), member(3, 30)];
    expect(tally(rules, [vote(1), vote(2, 'reject')], members)).toMatchObject({ outcome: 'rejected', rejectedBy: [2] });
    expect(tally(rules, [vote(1), vote(3, 'reject')], members).outcome).toBe('approved');
  });

  it('T18 does not count an approve of somebody excluded, but their reject', () => {
    const rules = requirement([rule(40, 1)], [1]);
    expect(tally(rules, [vote(1)], [member(1, 40)]).outcome).toBe('unmet');
    expect(tally(rules, [vote(1, 'reject')], [member(1, 40)]).outcome).toBe('rejected');
  });
});
