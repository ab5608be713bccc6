import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import type { FakePeople } from '../support/fake-gitlab.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const fixture = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const member = (user: number, accessLevel: number) => ({ user, accessLevel });

/** Developers and maintainers push; operators come by an invited group, as reporters; security has no access at all. */
const PEOPLE: FakePeople = {
  users: [
    { ...zoe },
    { id: 21, username: 'maria', name: 'Maria' },
    { id: 60, username: 'otto', name: 'Otto' },
    { id: 61, username: 'oda', name: 'Oda' },
    { id: 70, username: 'sam', name: 'Sam' },
    { id: 90, username: 'deploybot', name: 'Robot', bot: true },
  ],
  groups: [
    { id: 600, path: 'operators', members: [member(60, 40), member(61, 40), member(90, 40)] },
    { id: 700, path: 'security', members: [member(70, 30)] },
  ],
  projects: [
    {
      id: 4242,
      path: 'acme/payments/api',
      members: [member(9, 30), member(21, 40)],
      sharedWith: [{ group: 600, accessLevel: 20 }],
    },
  ],
};
const POLICY = `rules:
  - { name: operators, group: operators }
  - { name: security, group: security }
`;
const without = (group: number, user: number): FakePeople => ({
  ...PEOPLE,
  groups: PEOPLE.groups.map((one) =>
    one.id === group ? { ...one, members: one.members.filter((entry) => entry.user !== user) } : one,
  ),
});

describe('who may approve is what GitLab says at that moment', () => {
  let scene: Scene;
  afterEach(() => scene.close());

  const open = async (more: Parameters<typeof openScene>[0] = {}) => {
    scene = await openScene({
      people: PEOPLE,
      principals: false,
      extra: 'policy: policy.yaml',
      files: { 'policy.yaml': POLICY },
      ...more,
    });
    const runner = scene.runner();
    const job = scene.gitlab.enqueue(fixture, { runner: scene.protectedToken, user: zoe });
    return { runner, job, hold: await scene.hold(job, 'waiting_for_approval') };
  };
  const approve = async (who: string, hold: HoldDetail) => {
    const person = await scene.as(who);
    const answer = await person.post<{ state?: string; code?: string; detail?: string }>(`holds/${hold.id}/approve`, {
      digest: hold.digest,
      lifetime: 'run',
    });
    return { said: answer.body.state ?? answer.body.code, detail: answer.body.detail ?? '' };
  };
  const ready = async () =>
    (await (await fetch(`${scene.agent.hubUrl}/readyz`)).json()) as { problems: { code: string; message: string }[] };

  it('T18 T20 an operator with reporter access and a stranger from security run what a developer pushed', async () => {
    const { job, hold } = await open();
    expect(await approve('zoe', hold)).toMatchObject({ said: 'not_eligible' });
    expect(await approve('maria', hold)).toMatchObject({ said: 'not_eligible' });
    expect(await approve('deploybot', hold)).toMatchObject({ said: 'not_eligible' });
    const sam = await scene.as('sam');
    const seen = (await sam.get<HoldDetail>(`holds/${hold.id}`)).body;
    expect(seen.may_vote).toMatchObject({ allowed: true, rule: 'security' });
    expect(seen.rules.map(({ name, who, eligible }) => [name, who, eligible.map(({ username }) => username)])).toEqual([
      ['operators', 'members of operators', ['oda', 'otto']],
      ['security', 'members of security', ['sam']],
    ]);
    expect(await approve('sam', hold)).toMatchObject({ said: 'waiting_for_approval' });
    expect(await approve('otto', hold)).toMatchObject({ said: 'pending' });
    await scene.gitlab.until('the job runs', () => scene.gitlab.job(job).handOuts === 1);
  });

  it('T19 whoever was taken out of the group a moment ago completes nothing, although the list in memory still has them', async () => {
    const { hold } = await open();
    expect(await approve('sam', hold)).toMatchObject({ said: 'waiting_for_approval' });
    // Just asked for, and so in memory for half a minute.
    expect((await (await scene.as('otto')).get<HoldDetail>(`holds/${hold.id}`)).body.may_vote.allowed).toBe(true);
    scene.gitlab.setPeople(without(600, 60));
    const refused = await approve('otto', hold);
    expect(refused.said).toBe('not_eligible');
    expect(refused.detail).toContain('the rules ask for members of operators or members of security');
    expect(await approve('oda', hold)).toMatchObject({ said: 'pending' });
  });

  it('T19 a vote counts no more when its voter has left by the time that the approval would be written', async () => {
    const clock = turnableClock();
    const { hold } = await open({ clock });
    expect(await approve('sam', hold)).toMatchObject({ said: 'waiting_for_approval' });
    scene.gitlab.setPeople(without(700, 70));
    expect(await approve('otto', hold)).toMatchObject({ said: 'waiting_for_approval' });
    const maria = await scene.as('maria');
    const { votes, quorum } = (await maria.get<HoldDetail>(`holds/${hold.id}`)).body;
    expect(votes.map(({ person, counts }) => [person.username, counts])).toContainEqual(['sam', false]);
    expect(quorum?.possible).toBe(false);
    expect(quorum?.words).toContain('rule security asks for 1 of members of security');
    scene.gitlab.setPeople(PEOPLE);
    clock.advance(31_000);
    const back = (await maria.get<HoldDetail>(`holds/${hold.id}`)).body;
    expect(back.quorum?.words).toBe(
      'All rules are met by the votes that are there: it goes on as soon as anybody who may approve it does so, or does so again.',
    );
    expect(await approve('otto', hold)).toMatchObject({ said: 'pending' });
  });

  it('T30 while GitLab tells nobody who belongs to what, nobody gains a right, and everybody is told why', async () => {
    const clock = turnableClock();
    const { hold } = await open({ clock });
    await scene.as('otto');
    expect(await approve('sam', hold)).toMatchObject({ said: 'waiting_for_approval' });
    expect((await ready()).problems).toEqual([]);
    const away = scene.gitlab.fail({
      match: (_, path) => /\/(members|users|groups)/.test(path),
      how: 'status',
      status: 503,
    });
    const refused = await approve('otto', hold);
    expect(refused.said).not.toBe('pending');
    clock.advance(31_000);
    const later = await approve('otto', hold);
    expect(later.said).toBe('ci_unreachable');
    expect(later.detail).toContain('GitLab cannot be asked who belongs to what');
    const { problems } = await ready();
    expect(problems.map(({ code }) => code)).toContain('people');
    expect(JSON.stringify(problems)).not.toContain('acme');
    away();
    clock.advance(31_000);
    expect(await approve('otto', hold)).toMatchObject({ said: 'pending' });
    expect((await ready()).problems).toEqual([]);
  });

  it('T19 whoever is blocked in GitLab is out within half a minute, token and all', async () => {
    const clock = turnableClock();
    const { hold } = await open({ clock });
    expect((await (await scene.as('otto')).get(`holds/${hold.id}`)).status).toBe(200);
    const users = PEOPLE.users.map((user) => (user.id === 60 ? { ...user, state: 'blocked' } : user));
    scene.gitlab.setPeople({ ...PEOPLE, users });
    expect((await approve('otto', hold)).said).not.toBe('pending');
    clock.advance(31_000);
    expect((await (await scene.as('otto')).get(`holds/${hold.id}`)).status).toBe(401);
  });

  it('a file beside GitLab adds people, and whom GitLab has removed is not brought back by it', async () => {
    const principals = `users:
  - { id: 21, username: maria }
  - { id: 61, username: oda }
  - { id: 99, username: left }
groups:
  - id: 700
    path: security
    members: [{ user: maria, access_level: 30 }, { user: left, access_level: 30 }]
`;
    const { hold } = await open({ principals: true, files: { 'policy.yaml': POLICY, 'principals.yaml': principals } });
    expect(await approve('maria', hold)).toMatchObject({ said: 'waiting_for_approval' });
    expect((await (await scene.as('maria')).get<HoldDetail>(`holds/${hold.id}`)).body.rules[1]).toMatchObject({
      have: 1,
      voted: [{ username: 'maria' }],
    });
    await expect(scene.as('left')).rejects.toThrow(/no token for left/);
    expect(await approve('oda', hold)).toMatchObject({ said: 'pending' });
  });
});
