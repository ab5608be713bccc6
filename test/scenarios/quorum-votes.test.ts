import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { withdraw } from '../../agent/src/app/withdraw.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { SelfApproval } from '../../agent/src/domain/policy.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { hubWorld, policyWith, type World } from '../support/hub-world.ts';
import { DUTIES, groupRule, play, type Step, TWO_PAIRS, without } from '../support/story.ts';

describe('votes, and what becomes of them', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
    world.people = DUTIES;
    world.policy = TWO_PAIRS;
  });
  afterEach(() => world.store.close());
  const tells = async (story: readonly Step[]) => expect(await play(world, story)).toEqual(story);
  const shown = (who: string, hold = 1) => inspectHold(world.context, world.caller(who), hold);
  const rows = async (event: string) =>
    (await world.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 100 })).filter(
      (row) => row.event === event,
    );
  const said = async (promise: Promise<unknown>) =>
    promise.then(
      () => 'nothing',
      (error) => (error instanceof HoldpointError ? `${error.code}: ${error.message}` : String(error)),
    );

  describe('a vote for one rule', () => {
    beforeEach(async () => {
      world.policy = policyWith({ rules: [groupRule(700, 'security'), groupRule(800, 'qa')] }, 'clash');
      await world.admit({ id: 1, by: 'zoe' });
    });

    it('T22 counts for the rule that it names, so that the other one still asks for somebody else', async () => {
      await tells([
        ['sam', 'approves as qa', 'waiting_for_approval'],
        ['quin', 'approves', 'waiting_for_approval'],
        ['sue', 'approves', 'pending'],
      ]);
      expect((await rows('vote_approve')).map(({ detail }) => detail.represented_as ?? null)).toEqual([
        'qa',
        null,
        null,
      ]);
    });

    it('T22 is refused for a rule that is not there or does not know the voter, with the rules that are and do', async () => {
      expect(await said(world.approve('sam', 1, { representedAs: 'ops' }))).toBe(
        'bad_input: hold 1: there is no rule "ops": there are "security", "qa", your vote can count for "security", "qa"',
      );
      expect(await said(world.approve('sue', 1, { representedAs: 'qa' }))).toMatch(
        /^not_eligible: hold 1: rule "qa" asks for members of qa: your vote can count for "security"/,
      );
      expect(await world.store.votes(1)).toEqual([]);
    });

    it('voting again replaces it', () =>
      tells([
        ['sam', 'approves as qa', 'waiting_for_approval'],
        ['quin', 'approves', 'waiting_for_approval'],
        ['sam', 'approves', 'pending'],
      ]));
  });

  describe('rejects', () => {
    it('one of an entitled person ends it, before any approve, and their own job is no hindrance', async () => {
      await world.admit({ id: 1, by: 'zoe' });
      await tells([
        ['otto', 'approves', 'waiting_for_approval'],
        ['zoe', 'rejects', 'not_eligible'],
        ['sam', 'rejects', 'rejected'],
        ['sue', 'approves', 'wrong_state'],
      ]);
      await world.admit({ id: 2, pipeline: 2, by: 'maria', script: ['make 2'] });
      world.policy = policyWith({}, 'plain');
      await world.admit({ id: 3, pipeline: 3, by: 'maria', script: ['make 3'] });
      await tells([
        ['maria', 'approves', 'self_approval', 3],
        ['maria', 'rejects', 'rejected', 3],
      ]);
    });

    it('as many as the policy asks for end it; fewer are votes that can be withdrawn, and approves go on', async () => {
      world.policy = policyWith(
        { rules: [groupRule(600, 'operators'), groupRule(700, 'security')], rejectsRequired: 2 },
        'two',
      );
      for (const id of [1, 2]) await world.admit({ id, pipeline: id, by: 'zoe', script: [`make ${id}`] });
      await tells([
        ['sam', 'rejects', 'waiting_for_approval'],
        ['sam', 'withdraws', 'waiting_for_approval'],
        ['oda', 'rejects', 'waiting_for_approval'],
        ['sue', 'approves', 'waiting_for_approval'],
        ['otto', 'approves', 'pending'],
        ['sam', 'rejects', 'waiting_for_approval', 2],
        ['otto', 'approves', 'waiting_for_approval', 2],
        ['sam', 'rejects', 'waiting_for_approval', 2],
        ['oda', 'rejects', 'rejected', 2],
        ['sue', 'approves', 'wrong_state', 2],
      ]);
      expect((await shown('otto', 1)).quorum).toBeNull();
    });

    it('says how many there are of how many, and counts one of somebody who has left no more', async () => {
      world.policy = policyWith({ rules: [groupRule(700, 'security')], rejectsRequired: 2 }, 'two');
      await world.admit({ id: 1, by: 'zoe' });
      await tells([['sam', 'rejects', 'waiting_for_approval']]);
      expect((await shown('sue')).quorum?.rejects).toEqual({ need: 2, have: 1 });
      world.people = without(DUTIES, 70, 700);
      expect((await shown('sue')).quorum?.rejects).toEqual({ need: 2, have: 0 });
    });

    it('T21 a decision never overtakes a denial: rejects that are enough under stricter rules end it at the next vote', async () => {
      world.policy = policyWith({ rules: [groupRule(600, 'operators')], rejectsRequired: 2 }, 'two');
      await world.admit({ id: 1, by: 'zoe' });
      await tells([['oda', 'rejects', 'waiting_for_approval']]);
      world.policy = policyWith({ rules: [groupRule(600, 'operators')] }, 'one');
      await tells([['otto', 'approves', 'rejected']]);
      expect(await world.store.approval(1)).toBeNull();
    });

    it('T15 T21 a remembered reject stops an approve of another hold with the same configuration', async () => {
      await world.admit({ id: 1, by: 'zoe' });
      await world.admit({ id: 2, pipeline: 2, by: 'zoe', ref: 'refs/heads/other' });
      await tells([
        ['otto', 'approves', 'waiting_for_approval', 2],
        ['sam', 'rejects and remembers', 'rejected'],
        ['sue', 'approves', 'wrong_state', 2],
      ]);
    });
  });

  describe('a vote that is withdrawn', () => {
    beforeEach(() => world.admit({ id: 1, by: 'zoe' }));

    it('counts no more, is not there any more, and stands in the audit twice', async () => {
      await tells([
        ['otto', 'approves', 'waiting_for_approval'],
        ['otto', 'withdraws', 'waiting_for_approval'],
        ['sam', 'approves', 'waiting_for_approval'],
      ]);
      expect((await world.store.votes(1)).map(({ person }) => person.username)).toEqual(['sam']);
      expect((await rows('vote_withdrawn')).map(({ actor, detail }) => [actor, detail.decision])).toEqual([
        ['user:60 otto', 'approve'],
      ]);
      await tells([['oda', 'approves', 'pending']]);
    });

    it('must have been cast, by this person, and the question must be open', async () => {
      await tells([
        ['otto', 'withdraws', 'wrong_state'],
        ['quin', 'withdraws', 'not_found'],
        ['otto', 'approves', 'waiting_for_approval'],
        ['oda', 'withdraws', 'wrong_state'],
        ['sue', 'approves', 'pending'],
      ]);
      expect(await said(withdraw(world.context, world.caller('otto'), { hold: 1, comment: null }))).toBe(
        'wrong_state: hold 1 is pending, and what was asked is decided: a vote cannot be withdrawn any more; revoke approval 1',
      );
      expect(await world.state(1)).toBe('pending');
    });

    it('is never counted by an approve that was on its way at the same moment', async () => {
      await tells([['otto', 'approves', 'waiting_for_approval']]);
      const [took, voted] = await Promise.allSettled([
        withdraw(world.context, world.caller('otto'), { hold: 1, comment: null }),
        world.approve('sue', 1),
      ]);
      const approval = await world.store.approval(1);
      // One came first: either the vote was gone, or the question was decided.
      expect([took.status, voted.status, approval === null]).toEqual(
        approval === null ? ['fulfilled', 'fulfilled', true] : ['rejected', 'fulfilled', false],
      );
    });
  });

  describe('rules that changed while the question is open', () => {
    beforeEach(() => world.admit({ id: 1, by: 'zoe' }));

    it('T21 the old and the new must be met by the same votes: two halves make no whole', async () => {
      await tells([['otto', 'approves', 'waiting_for_approval']]);
      world.policy = policyWith({ rules: [groupRule(800, 'qa'), groupRule(700, 'security')] }, 'stricter');
      // otto is nobody for the new rules, quin nobody for the old ones.
      await tells([
        ['quin', 'approves', 'not_found'],
        ['sue', 'approves', 'waiting_for_approval'],
        ['sam', 'approves', 'waiting_for_approval'],
      ]);
      const view = await shown('sam');
      expect(view.rules.map(({ name, have, asked }) => [name, have, asked])).toEqual([
        ['operators', 0, 'opened'],
        ['security', 1, 'both'],
        ['qa', 1, 'now'],
      ]);
      expect(view.quorum?.possible).toBe(false);
      expect(view.quorum?.words).toContain('rule operators asks for 1 of members of operators');
      world.policy = TWO_PAIRS;
      await tells([['oda', 'approves', 'pending']]);
    });

    it('T21 a vote that was cast under laxer rules counts only if it meets those of today as well', async () => {
      await tells([['otto', 'approves', 'waiting_for_approval']]);
      world.policy = policyWith(
        { rules: [groupRule(600, 'operators', 2), groupRule(700, 'security')] },
        'two operators',
      );
      await tells([
        ['sue', 'approves', 'waiting_for_approval'],
        ['oda', 'approves', 'pending'],
      ]);
      const approval = await world.store.approval(1);
      expect(approval?.votes.map(({ person }) => person.username).sort()).toEqual(['oda', 'otto', 'sue']);
    });
  });

  describe('self-approval', () => {
    const MODES: readonly (readonly [SelfApproval, trigger: string, author: string, other: string])[] = [
      ['forbid', 'self_approval', 'self_approval', 'pending'],
      ['forbid_author', 'pending', 'self_approval', 'pending'],
      ['allow_trigger', 'pending', 'self_approval', 'pending'],
      ['allow', 'pending', 'pending', 'pending'],
    ];
    it.each(MODES)(
      'T18 with %s: the trigger %s, the author %s, anybody else %s',
      async (mode, trigger, author, other) => {
        world.policy = policyWith({ rules: [levelRule('maintainers', 40, 1)], selfApproval: mode }, mode);
        const people = [{ role: 'author' as const, id: null, name: 'jonas', email: null }];
        for (const id of [1, 2, 3])
          await world.admit({ id, pipeline: id, by: 'maria', people, script: [`make ${id}`] });
        await tells([
          ['maria', 'approves', trigger, 1],
          ['jonas', 'approves', author, 2],
          ['olga', 'approves', other, 3],
        ]);
        const used = (await world.store.auditRows({ sight: null }, { after: 0, limit: 200 })).filter(
          ({ event }) => event === 'exception_used',
        );
        const wanted = [
          ...(trigger === 'pending' ? [[21, `${mode}: voter triggered the job`]] : []),
          ...(author === 'pending' ? [[22, `${mode}: voter stands in the commit`]] : []),
        ];
        expect(used.map(({ detail }) => [detail.person, detail.used])).toEqual(wanted);
      },
    );

    it('T18 one who triggered and wrote it is let through by allow_trigger and by allow alone', async () => {
      const people = [{ role: 'author' as const, id: null, name: 'maria', email: null }];
      for (const [i, [mode]] of MODES.entries()) {
        world.policy = policyWith({ rules: [levelRule('maintainers', 40, 1)], selfApproval: mode }, mode);
        await world.admit({ id: i + 1, pipeline: i + 1, by: 'maria', people, script: [`make ${i}`] });
        const may = mode === 'allow_trigger' || mode === 'allow';
        await tells([['maria', 'approves', may ? 'pending' : 'self_approval', i + 1]]);
      }
    });
  });

  describe('what everybody is told', () => {
    beforeEach(() => world.admit({ id: 1, by: 'zoe' }));

    it('for each rule: how many of how many, who voted, who still could, and what a vote would count for', async () => {
      await tells([['sam', 'approves', 'waiting_for_approval']]);
      const { rules, ownVote, quorum } = await shown('oda');
      const names = (people: readonly { username: string }[]) => people.map(({ username }) => username);
      expect(rules.map((rule) => ({ ...rule, voted: names(rule.voted), eligible: names(rule.eligible) }))).toEqual([
        {
          name: 'operators',
          who: 'members of operators',
          need: 1,
          have: 0,
          voted: [],
          eligible: ['oda', 'otto'],
          mine: true,
          asked: 'both',
        },
        {
          name: 'security',
          who: 'members of security',
          need: 1,
          have: 1,
          voted: ['sam'],
          eligible: ['sue'],
          mine: false,
          asked: 'both',
        },
      ]);
      expect(ownVote).toMatchObject({ rule: 'operators', rules: ['operators'], reject: true, said: null, ask: [] });
      expect(quorum).toMatchObject({
        possible: true,
        words: 'oda or otto could complete it.',
        rejects: { need: 1, have: 0 },
      });
      expect((await shown('sam')).ownVote).toMatchObject({ said: 'approve', rule: null });
    });

    it('why I may not, and whom to ask instead, by name', async () => {
      const { mayVote, ownVote } = await shown('maria');
      expect(mayVote).toMatchObject({ allowed: false, code: 'not_eligible' });
      expect(ownVote.ask.map(({ username }) => username)).toEqual(['oda', 'otto', 'sam', 'sue']);
      expect(await said(world.approve('maria', 1))).toBe(
        'not_eligible: hold 1: you are a maintainer of this project, and the rules ask for members of operators or members of security: ask one of them (oda, otto, sam or sue)',
      );
    });

    it('T22 at once that nobody can, and who can change that: the owners of the group, or whoever edits the policy', async () => {
      // sam is the one person left in both groups, and one person counts once.
      world.policy = policyWith({ rules: [groupRule(700, 'security'), groupRule(800, 'qa')] }, 'clash');
      world.people = without(without({ ...DUTIES }, 80, 800), 71, 700);
      world.people = {
        ...world.people,
        groups: world.people.groups.map((group) =>
          group.id === 800 ? { ...group, members: [...group.members, { user: 31, accessLevel: 50 }] } : group,
        ),
        users: [...world.people.users, { id: 31, username: 'quentin', name: 'Q', blocked: false, bot: true }],
      };
      const { note } = await world.admit({ id: 2, pipeline: 2, by: 'zoe', script: ['make 2'] });
      const { quorum } = await shown('sam', 2);
      expect(quorum).toMatchObject({ possible: false, wanted: [] });
      expect(quorum?.words).toBe(
        'Nobody can complete it at present: rule qa asks for 1 of members of qa, and at most 0 of those who may vote can be counted for it. Who belongs to it is changed in the list of people: ask olga. Whoever edits the policy can change what it asks for; a job that is run again is asked under the rules as they are then.',
      );
      expect(quorum?.keepers.map(({ username }) => username)).toEqual(['olga']);
      expect(note).toContain('Nobody can complete it at present');
      await tells([['sam', 'approves', 'waiting_for_approval', 2]]);
    });
  });
});
