import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { combined } from '../../agent/src/directories/combined.ts';
import { directoryOf } from '../../agent/src/directories/principals-file.ts';
import type { Member, Principals } from '../../agent/src/domain/principal.ts';
import { type ApprovalRule, satisfies } from '../../agent/src/domain/rule.ts';
import type { Directory } from '../../agent/src/ports/directory.ts';
import { gitlabDirectory } from '../../agent/src/runners/gitlab/directory.ts';
import { createMembersApi, type MembersApi } from '../../agent/src/runners/gitlab/members-api.ts';
import { type FakeGitlab, type FakePeople, startFakeGitlab } from '../support/fake-gitlab.ts';
import { DAY, hubLog, manualClock, START } from '../support/hub-world.ts';

const BOT = { id: 900, username: 'holdpoint-reader', name: 'Reader' };
const today = (days: number): string => new Date(START + days * DAY).toISOString().slice(0, 10);

/** acme/payments/api below two groups, a QA group that the project invited as reporters, and a security group beside it. */
const PEOPLE: FakePeople = {
  users: [
    { id: 9, username: 'zoe', name: 'Zoë' },
    { id: 21, username: 'maria', name: 'Maria' },
    { id: 22, username: 'jonas', name: 'Jonas', state: 'blocked' },
    { id: 30, username: 'olga', name: 'Olga' },
    { id: 31, username: 'quin', name: 'Quin' },
    { id: 32, username: 'gone', name: 'Gone' },
    { id: 33, username: 'late', name: 'Late' },
    { id: 34, username: 'invited', name: 'Invited' },
    { id: 40, username: 'robot', name: 'Robot', bot: true },
    { id: 41, username: 'project_4242_bot_0af3', name: 'Token', bot: true },
    { id: 50, username: 'sam', name: 'Sam' },
  ],
  groups: [
    { id: 5, path: 'acme', members: [{ user: 30, accessLevel: 50 }] },
    { id: 6, path: 'acme/payments', members: [{ user: 21, accessLevel: 40 }] },
    { id: 7, path: 'acme/qa', members: [{ user: 31, accessLevel: 40 }] },
    { id: 8, path: 'security', members: [{ user: 50, accessLevel: 30 }] },
  ],
  projects: [
    {
      id: 4242,
      path: 'acme/payments/api',
      members: [
        { user: 9, accessLevel: 30 },
        { user: 22, accessLevel: 40 },
        { user: 32, accessLevel: 40, expiresAt: today(0) },
        { user: 33, accessLevel: 40, expiresAt: today(1) },
        { user: 34, accessLevel: 40, pending: true },
        { user: 40, accessLevel: 40 },
        { user: 41, accessLevel: 40 },
      ],
      sharedWith: [{ group: 7, accessLevel: 20 }],
    },
  ],
};
const group = (id: number, inherited: boolean): ApprovalRule => ({
  name: 'g',
  who: { kind: 'group', id, name: null, inherited },
  count: 1,
});

describe('who belongs to what, asked of GitLab', () => {
  let gitlab: FakeGitlab;
  let clock: ReturnType<typeof manualClock>;
  let api: MembersApi;
  let directory: Directory;
  let token: string;
  let log: ReturnType<typeof hubLog>;
  beforeEach(async () => {
    gitlab = await startFakeGitlab();
    gitlab.setPeople(PEOPLE);
    clock = manualClock();
    log = hubLog();
    token = gitlab.personToken(BOT, { may: ['read'] });
    api = createMembersApi({ url: gitlab.url, token: () => token, timeoutMs: 2_000 });
    directory = gitlabDirectory({ api, clock, log });
  });
  afterEach(async () => {
    await api.close();
    await gitlab.close();
  });
  const levels = (members: readonly Member[]) =>
    Object.fromEntries(members.map(({ person, accessLevel }) => [person.username, accessLevel]));
  const questions = (part: string) => gitlab.log.filter(({ path }) => path.includes(part)).length;
  const change = (id: number, more: Partial<FakePeople['users'][number]>) =>
    gitlab.setPeople({ ...PEOPLE, users: PEOPLE.users.map((user) => (user.id === id ? { ...user, ...more } : user)) });

  it('T19 counts direct, inherited and invited members at their level, and nobody who is blocked, expired or only invited', async () => {
    expect(levels(await directory.members(4242))).toEqual({
      zoe: 30,
      maria: 40,
      olga: 50,
      quin: 20,
      late: 40,
      robot: 40,
      project_4242_bot_0af3: 40,
    });
    clock.advance(DAY);
    expect(levels(await directory.members(4242))).not.toHaveProperty('late');
  });

  it('T18 tells bots by the name that GitLab gives them, and every other by their own page as soon as they vote', async () => {
    const bots = async (voters: readonly number[]) =>
      (await directory.members(4242, { users: voters, groups: [] }))
        .filter(({ person }) => person.bot === true)
        .map(({ person }) => person.username);
    expect(await bots([])).toEqual(['project_4242_bot_0af3']);
    expect(await bots([40, 21])).toEqual(['project_4242_bot_0af3', 'robot']);
  });

  it('tells own members of a group from those of the groups above it, and brings people whom only a rule names', async () => {
    const members = await directory.members(4242, { users: [50], groups: [6, 8] });
    const has = (rule: ApprovalRule) =>
      members.filter((member) => satisfies(rule, member)).map(({ person }) => person.username);
    expect([has(group(6, false)), has(group(6, true)), has(group(8, false))]).toEqual([
      ['maria'],
      ['maria', 'olga'],
      ['sam'],
    ]);
    expect(members.find(({ person }) => person.id === 50)?.accessLevel).toBe(0);
    expect(await directory.groupsOf(30, [5, 6, 8])).toEqual([
      { id: 5, inherited: false },
      { id: 6, inherited: true },
    ]);
    expect(await directory.groupsOf(22, [5, 6])).toEqual([]);
    expect(await directory.accessInGroup(30, 6)).toBe(50);
  });

  it('T17 knows people by number: a new name shows and changes nothing, and an old path is nobody', async () => {
    change(21, { username: 'maria-rossi' });
    const [maria] = (await directory.members(4242)).filter(({ person }) => person.id === 21);
    expect([maria?.person.username, maria?.accessLevel]).toEqual(['maria-rossi', 40]);
    expect([await directory.groupNamed('Acme/QA'), await directory.groupNamed('acme/gone')]).toEqual([7, null]);
    expect((await directory.personNamed('olga'))?.id).toBe(30);
    expect(await directory.project('acme/payments/api')).toMatchObject({ id: 4242, path: 'acme/payments/api' });
  });

  it('T17 takes no group for another one that answers under its old path after a move', async () => {
    const body = JSON.stringify({ id: 8, full_path: 'security-old', name: 'Security' });
    const stop = gitlab.fail({
      match: (_method, path) => path.includes('/groups/security'),
      how: 'status',
      status: 200,
      body,
    });
    expect(await directory.groupNamed('security')).toBeNull();
    stop();
    clock.advance(30_000);
    expect(await directory.groupNamed('security')).toBe(8);
  });

  it('reads every page, and takes a list that never ends for no answer', async () => {
    const users = Array.from({ length: 250 }, (_, i) => ({ id: 1_000 + i, username: `u${i}`, name: `U${i}` }));
    const members = users.map(({ id }) => ({ user: id, accessLevel: 30 }));
    gitlab.setPeople({ users, groups: [], projects: [{ id: 1, path: 'big', members }] });
    expect(await directory.members(1)).toHaveLength(250);
    expect(questions('/projects/1/members/all')).toBe(3);
  });

  it('T30 asks once for all who want the same at the same time, and again when the answer is half a minute old', async () => {
    await Promise.all(Array.from({ length: 100 }, () => directory.members(4242)));
    expect(questions('/members/all')).toBe(1);
    clock.advance(29_000);
    await directory.members(4242);
    expect(questions('/members/all')).toBe(1);
    clock.advance(1_000);
    await directory.members(4242);
    expect(questions('/members/all')).toBe(2);
  });

  it('T19 asks afresh for what completes a decision, whatever is in the cache', async () => {
    await directory.members(4242);
    clock.advance(1);
    change(21, { state: 'blocked' });
    expect(levels(await directory.members(4242))).toHaveProperty('maria');
    const fresh = await directory.members(4242, undefined, clock.now());
    expect(levels(fresh)).not.toHaveProperty('maria');
    // What was fetched afresh is what everybody gets from now on.
    expect(levels(await directory.members(4242))).not.toHaveProperty('maria');
  });

  it.each([
    ['answers 500', { how: 'status', status: 500 }],
    ['drops the connection', { how: 'reset' }],
    ['answers what is no HTTP', { how: 'garbage' }],
    ['answers what is no list', { how: 'status', status: 200, body: '{"id":21,"state":"active"}' }],
    ['never answers', { how: 'hang' }],
  ] as const)('T30 T19 knows nobody while GitLab %s, says so, and knows them again afterwards', async (_, rule) => {
    const stop = gitlab.fail({ match: (_method, path) => path.startsWith('/api/v4/'), ...rule });
    const known = async () => [4242];
    expect(await directory.members(4242, { users: [21], groups: [6] })).toEqual([]);
    expect(await directory.person(21)).toBeNull();
    expect(await directory.projectsOf(21, 20, known)).toEqual([]);
    expect(await directory.groupsOf(21, [6])).toEqual([]);
    expect(directory.problem()).toMatch(/^GitLab cannot be asked who belongs to what \(.+\): nobody gains a right/);
    expect(log.lines.filter(({ level }) => level === 'error')).not.toEqual([]);
    stop();
    clock.advance(1_000);
    expect(levels(await directory.members(4242, { users: [21], groups: [6] }))).toHaveProperty('maria');
    expect(await directory.person(21)).toMatchObject({ id: 21, blocked: false });
    expect(await directory.projectsOf(21, 20, known)).toEqual([4242]);
    expect(await directory.groupsOf(21, [6])).toEqual([{ id: 6, inherited: false }]);
    expect(directory.problem()).toBeNull();
  });

  it('T24 says that its token is refused, and never the token', async () => {
    gitlab.revokePersonToken(token);
    expect(await directory.members(4242)).toEqual([]);
    expect(directory.problem()).toContain('does not take the token of hub.gitlab_members_token_file, 401');
    expect(JSON.stringify([directory.problem(), log.lines])).not.toContain(token);
  });

  it('T17 means by a name whom it meant last while GitLab is away, and nobody whom it never knew', async () => {
    expect(await directory.groupNamed('security')).toBe(8);
    gitlab.fail({ match: () => true, how: 'reset' });
    clock.advance(60_000);
    expect([await directory.groupNamed('security'), await directory.groupNamed('acme/qa')]).toEqual([8, null]);
    expect(await directory.members(4242, { users: [], groups: [8] })).toEqual([]);
  });

  it('gives nobody sight of a project that its token may not see', async () => {
    expect(await directory.projectsOf(21, 20, async () => [4242, 9999])).toEqual([4242]);
    expect(await directory.members(9999)).toEqual([]);
    expect(directory.problem()).toBeNull();
  });

  describe('together with principals.yaml', () => {
    const person = (id: number, username: string, more = {}) => ({
      id,
      username,
      name: username,
      blocked: false,
      ...more,
    });
    const WRITTEN: Principals = {
      users: [person(21, 'maria', { blocked: true }), person(9, 'zoe'), person(50, 'sam'), person(99, 'left')],
      groups: [{ id: 70, path: 'release', members: [{ user: 50, accessLevel: 30 }] }],
      projects: [
        {
          id: 4242,
          path: 'acme/payments/api',
          members: [
            { user: 9, accessLevel: 40 },
            { user: 99, accessLevel: 40 },
          ],
        },
      ],
    };
    let both: Directory;
    beforeEach(() => {
      both = combined(
        directoryOf(() => WRITTEN),
        directory,
      );
    });

    it('gives what either gives, at the higher level, and nothing to whom either blocks', async () => {
      const members = await both.members(4242, { users: [], groups: [70] });
      expect(levels(members)).toMatchObject({ zoe: 40, olga: 50, sam: 0 });
      expect(levels(members)).not.toHaveProperty('maria');
      expect(members.find(({ person: { id } }) => id === 50)?.groups).toEqual([{ id: 70, inherited: false }]);
      expect(await both.projectsOf(21, 20, async () => [4242])).toEqual([]);
    });

    it('T19 counts no voter whom GitLab does not know any more, whatever the file says', async () => {
      expect(levels(await both.members(4242, { users: [99, 9], groups: [] }))).toMatchObject({ zoe: 40 });
      expect(levels(await both.members(4242, { users: [99, 9], groups: [] }))).not.toHaveProperty('left');
      expect(await both.person(99)).toBeNull();
    });

    it('T30 counts no voter at all while GitLab is away, and still knows whoever must look or revoke', async () => {
      gitlab.fail({ match: () => true, how: 'reset' });
      expect(await both.members(4242, { users: [9, 50], groups: [70] })).not.toContainEqual(
        expect.objectContaining({ person: expect.objectContaining({ id: 9 }) }),
      );
      expect(await both.person(9)).toMatchObject({ id: 9, blocked: false });
      expect(await both.projectsOf(9, 20, async () => [4242])).toEqual([4242]);
      expect(both.problem()).toContain('GitLab cannot be asked');
    });
  });
});
