import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDirectory, readPrincipals } from '../../agent/src/directories/principals-file.ts';
import { rosterOf } from '../../agent/src/domain/membership.ts';
import { satisfies } from '../../agent/src/domain/rule.ts';
import { DAY, hubLog, manualClock } from '../support/hub-world.ts';
import { openScene } from '../support/scene.ts';
import { groupRule } from '../support/story.ts';

const USERS = `users:
  - { id: 1, username: root, admin: true }
  - { id: 9, username: zoe }
  - { id: 21, username: maria }
  - { id: 30, username: olga }
  - { id: 60, username: otto }
  - { id: 61, username: oda, state: ldap_blocked }
  - { id: 90, username: robot, bot: true }
`;
const FILE = `${USERS}
groups:
  - { id: 5, path: acme, members: [{ user: olga, access_level: owner }] }
  - { id: 6, path: acme/payments, shared_with: [{ group: operators/night, access_level: developer }] }
  - { id: 7, path: operators, members: [{ user: maria, access_level: owner }] }
  - id: 8
    path: operators/night
    members:
      - { user: otto, access_level: 40 }
      - { user: oda, access_level: 40 }
      - { user: robot, access_level: 40 }
    shared_with: [{ group: far, access_level: owner }]
  - { id: 10, path: far, members: [{ user: zoe, access_level: owner }] }
projects:
  - { id: 1, path: acme/payments/api }
  - { id: 2, path: other/app, shared_with: [{ group: acme, access_level: planner }] }
`;
const levels = (text: string, project: number) =>
  Object.fromEntries(
    rosterOf(readPrincipals(text, 'principals.yaml'))
      .members(project)
      .map(({ person, accessLevel }) => [person.username, accessLevel]),
  );

describe('principals.yaml', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-people-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('nests groups by path and invites others at most at the level that is named, one step far', () => {
    // olga from above; otto, robot and maria (above their group) by the invitation, maria at most as developer; zoe is a step too far.
    expect(levels(FILE, 1)).toEqual({ maria: 30, olga: 50, otto: 30, robot: 30 });
    expect(levels(FILE, 2)).toEqual({ olga: 15 });
  });

  it('tells own members of a group from those that it has otherwise: only the rule that says so counts them', () => {
    const roster = rosterOf(readPrincipals(FILE, 'principals.yaml'));
    const members = roster.members(1, { users: [], groups: [6, 8] });
    const who = (id: number, inherited: boolean) =>
      members.filter((one) => satisfies(groupRule(id, 'g', 1, inherited), one)).map(({ person }) => person.username);
    expect([who(8, false), who(8, true)]).toEqual([['otto'], ['maria', 'otto', 'zoe']]);
    expect([who(6, false), who(6, true)]).toEqual([[], ['maria', 'olga', 'otto']]);
    expect(roster.keepers({ group: 8 }).map(({ username }) => username)).toEqual(['maria', 'zoe']);
    expect(roster.keepers({ project: 1 }).map(({ username }) => username)).toEqual(['olga']);
  });

  it('T19 ends a membership as its day begins, without anybody touching the file', async () => {
    const path = join(folder, 'principals.yaml');
    const until = (day: string) => `${USERS}
groups: [{ id: 7, path: ops, members: [{ user: otto, access_level: 40 }] }]
projects:
  - id: 1
    path: app
    members: [{ user: maria, access_level: 40, expires_at: ${day} }]
    shared_with: [{ group: ops, access_level: 30, expires_at: 2026-11-24 }]
`;
    writeFileSync(path, until('2026-11-23'));
    const clock = manualClock();
    const directory = openDirectory({ path, log: hubLog(), clock });
    const names = async () => (await directory.members(1)).map(({ person }) => person.username);
    expect(await names()).toEqual(['maria', 'otto']);
    clock.advance(16 * 3_600_000 - 1);
    expect(await names()).toEqual(['maria', 'otto']);
    clock.advance(1);
    expect(await names()).toEqual(['otto']);
    clock.advance(DAY);
    expect(await names()).toEqual([]);
    expect(await directory.projectsOf(60, 10)).toEqual([]);
  });

  it.each([
    [
      'an unknown user',
      `${USERS}\ngroups: [{ id: 1, path: a, members: [{ user: nobody, access_level: 40 }] }]`,
      /nobody is none of the users/,
    ],
    [
      'an unknown group',
      `${USERS}\nprojects: [{ id: 1, path: a, shared_with: [{ group: gone, access_level: 40 }] }]`,
      /gone is none of the groups/,
    ],
    [
      'a level that GitLab does not have',
      `${USERS}\ngroups: [{ id: 1, path: a, members: [{ user: zoe, access_level: 45 }] }]`,
      /45 is no access level/,
    ],
    [
      'a day that is none',
      `${USERS}\ngroups: [{ id: 1, path: a, members: [{ user: zoe, access_level: 40, expires_at: soon }] }]`,
      /a day is like/,
    ],
    ['one group twice', `${USERS}\ngroups: [{ id: 1, path: a }, { id: 2, path: A }]`, /A stands twice/],
    ['a word that it does not know', `${USERS}\ngroups: [{ id: 1, path: a, owner: zoe }]`, /owner/],
  ])('T16 refuses %s, with line and way out', (_, text, problem) => {
    expect(() => readPrincipals(text, 'principals.yaml')).toThrow(problem);
    expect(() => readPrincipals(text, 'principals.yaml')).toThrow(/principals\.yaml:\d+/);
  });

  it('T19 a file that was spoiled keeps what it said, and says so in the log and where health is asked', async () => {
    const scene = await openScene();
    try {
      const ready = async () =>
        ((await (await fetch(`${scene.agent.hubUrl}/readyz`)).json()) as { problems: { code: string }[] }).problems.map(
          ({ code }) => code,
        );
      const path = join(scene.folder, 'principals.yaml');
      const maria = await scene.as('maria');
      writeFileSync(path, 'users: [{ id: 21, username: maria, blocked: maybe }]\n');
      expect((await maria.get('me')).status).toBe(200);
      expect(await ready()).toContain('people');
      expect(scene.log.lines.join('\n')).toMatch(
        /changed file is not used; the last good one stays.*principals\.yaml:1/,
      );
      writeFileSync(path, 'users: [{ id: 21, username: maria, blocked: true }]\n');
      expect((await maria.get('me')).status).toBe(401);
      expect(await ready()).not.toContain('people');
    } finally {
      await scene.close();
    }
  });
});
