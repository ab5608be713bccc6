import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { sightOf } from '../../agent/src/app/see.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { hubWorld, policyWith, type World } from '../support/hub-world.ts';
import { blocked, DUTIES, groupRule, play, type Step, TWO_PAIRS, without } from '../support/story.ts';

describe('developers push, operators and security approve, and nobody does both', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
    world.people = DUTIES;
    world.policy = TWO_PAIRS;
    await world.admit({ id: 1, by: 'zoe' });
  });
  afterEach(() => world.store.close());
  const tells = async (story: readonly Step[]) => expect(await play(world, story)).toEqual(story);
  const shown = (who: string, hold = 1) => inspectHold(world.context, world.caller(who), hold);
  const listed = async (who: string) =>
    (await world.store.holds({ sight: await sightOf(world.context, world.caller(who)) }, { after: 0, limit: 100 })).map(
      ({ id }) => id,
    );

  it('T18 T20 whoever can push cannot approve, whatever their access, and an operator with reporter access can', () =>
    tells([
      ['zoe', 'approves', 'not_eligible'],
      ['alice', 'approves', 'not_eligible'],
      ['maria', 'approves', 'not_eligible'],
      ['olga', 'approves', 'not_eligible'],
      ['gus', 'approves', 'not_found'],
      ['otto', 'approves', 'waiting_for_approval'],
      ['oda', 'approves', 'waiting_for_approval'],
      ['sue', 'approves', 'pending'],
    ]));

  it('asks nobody who approves for more than reporter access, and security for none at all', async () => {
    const access = Object.fromEntries(
      (await world.context.directory.members(4242, { users: [], groups: [600, 700] })).map(
        ({ person, accessLevel }) => [person.username, accessLevel],
      ),
    );
    expect(access).toMatchObject({ otto: 20, oda: 20, sam: 0, sue: 0 });
    await tells([
      ['sam', 'approves', 'waiting_for_approval'],
      ['otto', 'approves', 'pending'],
    ]);
    expect((await world.store.approval(1))?.votes.map(({ person }) => person.username).sort()).toEqual(['otto', 'sam']);
  });

  it('T20 whom a rule names sees what it asks, with its tags, and nobody else gains sight of anything', async () => {
    world.policy = policyWith({}, 'plain');
    await world.admit({ id: 2, pipeline: 2, script: ['make other'] });
    await world.admit({ id: 3, pipeline: 3, project: 4243, by: null });
    world.policy = TWO_PAIRS;
    expect(await listed('sam')).toEqual([1]);
    expect(await listed('quin')).toEqual([]);
    expect(await listed('gus')).toEqual([]);
    expect(await listed('otto')).toEqual([1, 2]);
    await expect(shown('sam', 2)).rejects.toMatchObject({ code: 'not_found' });
    await expect(shown('sam', 3)).rejects.toMatchObject({ code: 'not_found' });
    await expect(shown('quin')).rejects.toMatchObject({ code: 'not_found' });
    expect((await shown('sam')).mayVote).toEqual({ allowed: true });
    expect((await shown('sam')).ownVote).toMatchObject({
      rule: 'security',
      rules: ['security'],
      reject: true,
      ask: [],
    });
    expect((await shown('zoe')).mayVote).toMatchObject({ allowed: false, code: 'not_eligible' });
  });

  it('T20 T32 whoever sees a hold without being asked about it is shown no tag of a hidden value', async () => {
    const secret = [{ key: 'TOKEN', value: [{ hmac: '1f0c' }], public: false, masked: true }];
    await world.admit({ id: 2, pipeline: 2, extra: { variables: secret } });
    expect(JSON.stringify((await shown('sam', 2)).configuration)).toContain('1f0c');
    expect(JSON.stringify((await shown('zoe', 2)).configuration)).not.toContain('1f0c');
    expect(JSON.stringify((await shown('rita', 2)).configuration)).not.toContain('1f0c');
  });

  it('T18 whoever wrote the commit cannot approve it, even if they are asked by group and have no access to the project', async () => {
    await world.admit({
      id: 2,
      pipeline: 2,
      script: ['make 2'],
      people: [{ role: 'author', id: null, name: 'SAM', email: null }],
    });
    await tells([
      ['sam', 'approves', 'self_approval', 2],
      ['sue', 'approves', 'waiting_for_approval', 2],
    ]);
  });

  it('T19 whoever leaves the group is neither shown nor counted any more, from that moment on', async () => {
    await tells([['sam', 'approves', 'waiting_for_approval']]);
    world.people = without(DUTIES, 70, 700);
    expect(await listed('sam')).toEqual([]);
    await tells([
      ['sam', 'approves', 'not_found'],
      ['otto', 'approves', 'waiting_for_approval'],
    ]);
    const { votes, counting, rules } = await shown('otto');
    expect([votes.map(({ person }) => person.username).sort(), counting]).toEqual([['otto', 'sam'], [60]]);
    expect(rules.map(({ name, have }) => [name, have])).toEqual([
      ['operators', 1],
      ['security', 0],
    ]);
    world.people = DUTIES;
    await tells([['oda', 'approves', 'pending']]);
    expect((await world.store.approval(1))?.votes.map(({ person }) => person.username)).not.toContain('oda');
  });

  it('T19 whoever is blocked counts no more, and neither does who was removed between two votes', async () => {
    await tells([['sue', 'approves', 'waiting_for_approval']]);
    world.people = blocked(DUTIES, 71);
    await tells([['otto', 'approves', 'waiting_for_approval']]);
    expect(await world.store.approval(1)).toBeNull();
    await tells([['sam', 'approves', 'pending']]);
    expect((await world.store.approval(1))?.votes.map(({ person }) => person.username)).toEqual(['otto', 'sam']);
  });

  it('T18 a bot in every group approves nothing, unless a rule names it', async () => {
    await tells([['robot', 'approves', 'not_eligible']]);
    world.policy = policyWith(
      { rules: [{ name: 'robot', who: { kind: 'user', id: 90, name: 'robot' }, count: 1 }] },
      'bot',
    );
    await world.admit({ id: 2, pipeline: 2, script: ['make bot'] });
    await tells([['robot', 'approves', 'pending', 2]]);
  });

  it('T22 one person in two groups that are asked for counts for one of them, whichever is needed', async () => {
    world.policy = policyWith({ rules: [groupRule(700, 'security'), groupRule(800, 'qa')] }, 'clash');
    for (const id of [2, 3, 4]) await world.admit({ id, pipeline: id, script: [`make ${id}`] });
    await tells([
      ['sam', 'approves', 'waiting_for_approval', 2],
      ['sue', 'approves', 'pending', 2],
      ['sam', 'approves', 'waiting_for_approval', 3],
      ['quin', 'approves', 'pending', 3],
      ['sue', 'approves', 'waiting_for_approval', 4],
      ['quin', 'approves', 'pending', 4],
    ]);
  });

  it('T16 a rule for a group that nobody knows, or that is empty, is met by nobody, and that is said at once', async () => {
    world.policy = policyWith(
      { rules: [{ ...groupRule(0, 'release'), who: { kind: 'group', id: null, name: 'release', inherited: false } }] },
      'typo',
    );
    const { note } = await world.admit({ id: 2, pipeline: 2, script: ['make 2'] });
    expect(note).toContain('Nobody can complete it at present: rule release asks for 1 of members of release');
    expect((await shown('maria', 2)).quorum).toMatchObject({ possible: false, wanted: [] });
    await tells(['maria', 'olga'].map((who): Step => [who, 'approves', 'not_eligible', 2]));
    world.policy = policyWith({ rules: [groupRule(900, 'empty')] }, 'empty');
    world.people = { ...DUTIES, groups: [...DUTIES.groups, { id: 900, path: 'empty', members: [] }] };
    await world.admit({ id: 3, pipeline: 3, script: ['make 3'] });
    await tells(['maria', 'olga'].map((who): Step => [who, 'approves', 'not_eligible', 3]));
  });

  it('T17 a person is their number: whoever takes over a name takes over no right', async () => {
    const renamed = DUTIES.users.map((user) =>
      user.id === 71 ? { ...user, username: 'sue-old' } : user.id === 12 ? { ...user, username: 'sue' } : user,
    );
    world.people = { ...DUTIES, users: renamed };
    await tells([
      ['sue', 'approves', 'not_eligible'],
      ['otto', 'approves', 'waiting_for_approval'],
      ['sue-old', 'approves', 'pending'],
    ]);
  });

  it('an administrator of GitLab is no approver by that, and is one where a rule asks for an administrator', async () => {
    world.people = { ...DUTIES, users: DUTIES.users.map((user) => (user.id === 50 ? { ...user, admin: true } : user)) };
    await tells([['stranger', 'approves', 'not_found']]);
    world.policy = policyWith({ rules: [levelRule('admins', 60, 1)] }, 'admins');
    await world.admit({ id: 2, pipeline: 2, script: ['make 2'] });
    expect(await listed('stranger')).toEqual([2]);
    await tells([
      ['olga', 'approves', 'not_eligible', 2],
      ['stranger', 'approves', 'pending', 2],
    ]);
  });
});
