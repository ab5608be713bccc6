import { describe, expect, it } from 'vitest';
import { directoryOf } from '../../agent/src/directories/principals-file.ts';
import { claimedOf, claimedUser, joinClaims } from '../../agent/src/domain/claims.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';

const ROLE = 'https://gitlab.org/claims/groups/';
const GITLAB = { groupsClaim: 'groups_direct', roles: true };

describe('who a claim names (T17)', () => {
  it.each([
    ['a number', 21, 21],
    ['its digits', '21', 21],
    ['a name', 'maria', null],
    ['an address', 'maria@example.com', null],
    ['nought', 0, null],
    ['less than nothing', -21, null],
    ['a fraction', 21.5, null],
    ['digits with something behind them', '21 ', null],
    ['digits with a nought before them', '021', null],
    ['more digits than are exact', '9'.repeat(17), null],
    ['a list', [21], null],
    ['nothing', undefined, null],
  ])('%s', (_, sub, user) => {
    expect(claimedUser({ sub }, 'sub')).toBe(user);
  });

  it('is nobody whom an object only inherits', () => {
    expect(claimedUser({}, 'constructor')).toBeNull();
    expect(claimedUser(JSON.parse('{"__proto__": {"sub": 21}}'), 'sub')).toBeNull();
  });
});

describe('what claims say of groups', () => {
  it("takes GitLab's roles, the highest where there are several, and a guest where there is none", () => {
    const claims = {
      preferred_username: 'nina',
      name: 'Nina',
      groups_direct: ['acme', 'acme/web', 'Other'],
      [`${ROLE}owner`]: ['acme/payments'],
      [`${ROLE}maintainer`]: ['acme/payments', 'acme'],
      [`${ROLE}developer`]: ['acme'],
    };
    expect(claimedOf(claims, 77, GITLAB)).toEqual({
      username: 'nina',
      name: 'Nina',
      groups: [
        { path: 'acme', accessLevel: 40 },
        { path: 'acme/web', accessLevel: 10 },
        { path: 'other', accessLevel: 10 },
        { path: 'acme/payments', accessLevel: 50 },
      ],
    });
  });

  it('T17 takes no roles from any provider but that GitLab', () => {
    expect(claimedOf({ [`${ROLE}owner`]: ['acme'] }, 77, { groupsClaim: 'groups', roles: false }).groups).toEqual([]);
  });

  it('leaves out what is no path, and whatever is no list', () => {
    const groups_direct = ['acme', '../acme', '/acme', 'acme/', 'a b', '', 7, null, ['acme'], 'x'.repeat(2_000)];
    expect(claimedOf({ groups_direct }, 77, GITLAB).groups).toEqual([{ path: 'acme', accessLevel: 10 }]);
    expect(claimedOf({ groups_direct: 'acme' }, 77, GITLAB).groups).toEqual([]);
    expect(claimedOf({ groups_direct: { 0: 'acme', length: 1 } }, 77, GITLAB).groups).toEqual([]);
  });

  it('T30 ends at two thousand groups', () => {
    const groups_direct = Array.from({ length: 3_000 }, (_, i) => `group-${i}`);
    expect(claimedOf({ groups_direct }, 77, GITLAB).groups).toHaveLength(2_000);
  });
});

const FILE: Principals = {
  users: [
    { id: 21, username: 'maria', name: 'Maria', blocked: false },
    { id: 22, username: 'jonas', name: 'Jonas', blocked: true },
  ],
  groups: [
    { id: 5, path: 'acme', members: [{ user: 21, accessLevel: 20 }] },
    { id: 6, path: 'acme/payments', members: [] },
    { id: 7, path: 'other', members: [] },
  ],
  projects: [
    { id: 100, path: 'acme/payments/api', members: [] },
    { id: 200, path: 'other/site', members: [] },
  ],
};
const said = (id: number, username: string, ...groups: [string, number][]) => ({
  id,
  username,
  name: username,
  groups: groups.map(([path, accessLevel]) => ({ path, accessLevel })),
});
const levels = async (principals: Principals, project: number) =>
  (await directoryOf(() => principals).members(project)).map(({ person, accessLevel }) => [
    person.username,
    accessLevel,
  ]);

describe('T19 claims and the directory', () => {
  it('give somebody whom it does not name what the provider says, in groups that it knows and below them', async () => {
    const joined = joinClaims(FILE, [said(77, 'nina', ['acme', 40])]);
    expect(await levels(joined, 100)).toEqual([
      ['maria', 20],
      ['nina', 40],
    ]);
    expect(await levels(joined, 200)).toEqual([]);
  });

  it('give nobody more than it says of them', async () => {
    const joined = joinClaims(FILE, [said(21, 'maria', ['acme', 50], ['other', 50]), said(22, 'jonas', ['acme', 50])]);
    expect(joined).toBe(FILE);
    expect(await levels(joined, 100)).toEqual([['maria', 20]]);
  });

  it('T20 make nobody a member of a group that it does not have, or of a project by its path', async () => {
    const joined = joinClaims(FILE, [said(77, 'nina', ['acme/payments/api', 50], ['acm', 50], ['acme/pay', 50])]);
    expect(await levels(joined, 100)).toEqual([['maria', 20]]);
  });

  it('T17 never show somebody under the name of another', async () => {
    const joined = joinClaims(FILE, [
      said(77, 'Maria', ['acme', 40]),
      said(78, 'nina', ['acme', 30]),
      said(79, 'nina', ['acme', 30]),
    ]);
    expect(joined.users.map(({ id, username }) => [id, username])).toEqual([
      [21, 'maria'],
      [22, 'jonas'],
      [77, 'Maria#77'],
      [78, 'nina'],
      [79, 'nina#79'],
    ]);
  });

  it('are the newest word where somebody is signed in twice', async () => {
    const joined = joinClaims(FILE, [said(77, 'nina', ['acme', 50]), said(77, 'nina', ['acme', 30])]);
    expect(await levels(joined, 100)).toEqual([
      ['maria', 20],
      ['nina', 30],
    ]);
  });
});
