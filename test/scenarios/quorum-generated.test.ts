import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { revokeMany } from '../../agent/src/app/revoke-many.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import type { ApprovalRule } from '../../agent/src/domain/rule.ts';
import { hubWorld, policyWith, type World } from '../support/hub-world.ts';
import { DUTIES, groupRule, play, type Step, without } from '../support/story.ts';

/** Everybody who appears in a story, and the groups that rules may ask for. */
const WHO = ['otto', 'oda', 'sam', 'sue', 'quin', 'zoe', 'robot'] as const;
const ID: Readonly<Record<(typeof WHO)[number], number>> = {
  otto: 60,
  oda: 61,
  sam: 70,
  sue: 71,
  quin: 80,
  zoe: 9,
  robot: 90,
};
const GROUPS = { operators: 600, security: 700, qa: 800 } as const;
type Group = keyof typeof GROUPS;
interface Asked {
  readonly group: Group;
  readonly count: number;
}
type Happening =
  | { readonly kind: 'vote'; readonly who: (typeof WHO)[number]; readonly no: boolean }
  | { readonly kind: 'withdraw'; readonly who: (typeof WHO)[number] }
  | { readonly kind: 'leaves'; readonly who: (typeof WHO)[number]; readonly group: Group }
  | { readonly kind: 'policy'; readonly rules: readonly Asked[] };

const who = fc.constantFrom(...WHO);
const rules = fc.uniqueArray(
  fc.record({ group: fc.constantFrom<Group>('operators', 'security', 'qa'), count: fc.constantFrom(1, 1, 1, 2) }),
  { selector: ({ group }) => group, minLength: 1, maxLength: 3 },
);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('vote' as const), who, no: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('vote' as const), who, no: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('leaves' as const),
      who,
      group: fc.constantFrom<Group>('operators', 'security', 'qa'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('policy' as const), rules }) },
);
const asRules = (asked: readonly Asked[]): readonly ApprovalRule[] =>
  asked.map(({ group, count }) => groupRule(GROUPS[group], group, count));

/** What a person of pen and paper would say: lists of names, every way to seat people tried. */
interface Paper {
  readonly hold: number;
  people: Principals;
  readonly opened: readonly Asked[];
  now: readonly Asked[];
  readonly votes: Map<string, 'approve' | 'reject'>;
  state: 'waiting_for_approval' | 'pending' | 'rejected';
}
const inGroup = ({ people }: Paper, name: string, group: Group): boolean =>
  name !== 'robot' &&
  people.groups.some(
    ({ id, members }) => id === GROUPS[group] && members.some(({ user }) => user === ID[name as keyof typeof ID]),
  );
const knows = (paper: Paper, asked: readonly Asked[], name: string) =>
  asked.some(({ group }) => inGroup(paper, name, group));
function seatable(paper: Paper, asked: readonly Asked[], names: readonly string[]): boolean {
  const places = asked.flatMap(({ group, count }) => Array.from({ length: count }, () => group));
  const seat = (at: number, used: readonly string[]): boolean =>
    at === places.length ||
    names.some((name) => !used.includes(name) && inGroup(paper, name, places[at]!) && seat(at + 1, [...used, name]));
  return seat(0, []);
}
function onPaper(paper: Paper, name: string, no: boolean): string {
  const [then, now] = [knows(paper, paper.opened, name), knows(paper, paper.now, name)];
  const sees = name === 'zoe' || then || (['otto', 'oda', 'robot'].includes(name) && inProject(paper, name));
  if (!sees) return 'not_found';
  if (paper.state !== 'waiting_for_approval') return 'wrong_state';
  if (no ? !then && !now : !then || !now || name === 'zoe') return 'not_eligible';
  paper.votes.set(name, no ? 'reject' : 'approve');
  const said = (what: string) => [...paper.votes].flatMap(([one, word]) => (word === what ? [one] : []));
  if (said('reject').some((one) => knows(paper, paper.opened, one) || knows(paper, paper.now, one)))
    paper.state = 'rejected';
  else {
    const both = said('approve').filter((one) => knows(paper, paper.opened, one) && knows(paper, paper.now, one));
    if (seatable(paper, paper.opened, both) && seatable(paper, paper.now, both)) paper.state = 'pending';
  }
  return paper.state;
}
/** Reporter access comes by the operators' group alone. */
const inProject = (paper: Paper, name: string): boolean =>
  paper.people.groups.some(
    ({ id, members }) => id === 600 && members.some(({ user }) => user === ID[name as keyof typeof ID]),
  );
function withdrawn(paper: Paper, name: string): string {
  const sees =
    name === 'zoe' ||
    knows(paper, paper.opened, name) ||
    (['otto', 'oda', 'robot'].includes(name) && inProject(paper, name));
  if (!sees) return 'not_found';
  if (paper.state !== 'waiting_for_approval' || !paper.votes.delete(name)) return 'wrong_state';
  return paper.state;
}

describe('stories that nobody told', () => {
  it('T19 T21 T22 end as they do on paper, vote by vote: who counts, who is told what, and when it is decided', async () => {
    const outcomes = new Set<string>();
    const world = await hubWorld();
    let id = 0;
    await fc.assert(
      fc.asyncProperty(rules, fc.array(happening, { minLength: 4, maxLength: 14 }), async (opened, story) => {
        id += 1;
        world.people = DUTIES;
        world.policy = policyWith({ rules: asRules(opened) }, JSON.stringify(opened));
        await world.admit({ id, pipeline: id, by: 'zoe', script: [`make ${id}`] });
        const paper: Paper = {
          hold: id,
          people: DUTIES,
          opened,
          now: opened,
          votes: new Map(),
          state: 'waiting_for_approval',
        };
        for (const event of story) await happens(world, paper, event, outcomes);
        await agrees(world, paper);
      }),
      { numRuns: 150 },
    );
    await world.store.close();
    // The stories reach every end, or they would prove little.
    expect([...outcomes].sort()).toEqual(
      ['not_eligible', 'not_found', 'pending', 'rejected', 'waiting_for_approval', 'wrong_state'].sort(),
    );
    // More than a thousand votes on a machine that others use as well.
  }, 120_000);

  it('T19 an outage of GitLab makes nobody one who left: nothing is revoked for that', async () => {
    const world = await hubWorld();
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    const filter = { voterLeft: true };
    const how = { comment: null, dryRun: false };
    const away = { ...world.context.directory, person: async () => null, problem: () => 'GitLab cannot be asked' };
    const revoking = revokeMany({ ...world.context, directory: away }, world.caller('jonas'), filter, how);
    await expect(revoking).rejects.toMatchObject({ code: 'ci_unreachable' });
    expect((await world.store.approval(1))?.revoked).toBeNull();
    world.people = { ...world.people, users: world.people.users.filter(({ username }) => username !== 'maria') };
    expect((await revokeMany(world.context, world.caller('jonas'), filter, how)).items).toHaveLength(1);
    await world.store.close();
  });
});

async function happens(world: World, paper: Paper, event: Happening, outcomes: Set<string>): Promise<void> {
  switch (event.kind) {
    case 'vote': {
      const expected = onPaper(paper, event.who, event.no);
      outcomes.add(expected);
      const step: Step = [event.who, event.no ? 'rejects' : 'approves', expected, paper.hold];
      expect(await play(world, [step])).toEqual([step]);
      return;
    }
    case 'withdraw': {
      const step: Step = [event.who, 'withdraws', withdrawn(paper, event.who), paper.hold];
      expect(await play(world, [step])).toEqual([step]);
      return;
    }
    case 'leaves':
      paper.people = without(paper.people, ID[event.who], GROUPS[event.group]);
      world.people = paper.people;
      return;
    case 'policy':
      paper.now = event.rules;
      world.policy = policyWith({ rules: asRules(event.rules) }, JSON.stringify(event.rules));
      return;
    default:
      event satisfies never;
  }
}

/** What stands in the store at the end is what stands on paper. */
async function agrees(world: World, paper: Paper): Promise<void> {
  const hold = (await world.store.hold(paper.hold))!;
  expect(hold.state).toBe(paper.state);
  const votes = await world.store.votes(hold.review ?? 0);
  expect(votes.map(({ person, decision }) => `${person.username} ${decision}`).sort()).toEqual(
    [...paper.votes].map(([name, word]) => `${name} ${word}`).sort(),
  );
  const approval = hold.approval === null ? null : await world.store.approval(hold.approval);
  expect(approval === null).toBe(paper.state !== 'pending');
  const names = approval?.votes.map(({ person }) => person.username) ?? [];
  expect(names.every((name) => paper.votes.get(name) === 'approve')).toBe(true);
}
