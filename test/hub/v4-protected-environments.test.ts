import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { PEOPLE } from '../support/hub-world.ts';
import { type Asker, asker, listed, type Sent } from '../support/v4.ts';

/** Groups for quality and operators below acme, whose members have no access to any project. */
const GROUPS: Principals = {
  ...PEOPLE,
  users: [
    ...PEOPLE.users,
    { id: 60, username: 'quinn', name: 'Quinn', blocked: false },
    { id: 61, username: 'blocked', name: 'Blocked', blocked: true },
  ],
  groups: [
    ...PEOPLE.groups,
    { id: 134, path: 'acme/qa-group', members: [{ user: 60, accessLevel: 20 }] },
    { id: 138, path: 'acme/operator-group', members: [] },
  ],
};
const PROJECT = '/projects/acme%2Fpayments%2Fapi/protected_environments';
const GROUP = '/groups/acme/protected_environments';
const WISH = { name: 'production', deploy_access_levels: [{ group_id: 138 }], approval_rules: [{ group_id: 134 }] };

let hub: TestHub;
let maria: Asker;
let olga: Asker;
beforeEach(async () => {
  hub = await startHub();
  hub.world.people = GROUPS;
  maria = await asker(hub, 'maria');
  olga = await asker(hub, 'olga');
});
afterEach(() => hub.close());

describe('protecting an environment', () => {
  it('answers as GitLab does, for a project by path and by id', async () => {
    const made = await maria.post(PROJECT, {
      name: 'production',
      deploy_access_levels: [{ access_level: 40 }, { access_level: 30 }, { user_id: 9 }, { group_id: 138 }],
      approval_rules: [{ group_id: 134, required_approvals: 2, group_inheritance_type: 1 }, { access_level: 60 }],
    });
    expect(made.status).toBe(201);
    const nobody = { user_id: null, group_id: null, access_level: null, group_inheritance_type: 0 };
    expect(made.body).toEqual({
      name: 'production',
      required_approval_count: 0,
      deploy_access_levels: [
        { ...nobody, id: expect.any(Number), access_level: 40, access_level_description: 'Maintainers' },
        { ...nobody, id: expect.any(Number), access_level: 30, access_level_description: 'Developers + Maintainers' },
        { ...nobody, id: expect.any(Number), user_id: 9, access_level_description: 'ZOE' },
        { ...nobody, id: expect.any(Number), group_id: 138, access_level_description: 'operator-group' },
      ],
      approval_rules: [
        {
          ...nobody,
          id: expect.any(Number),
          group_id: 134,
          access_level_description: 'qa-group',
          group_inheritance_type: 1,
          required_approvals: 2,
        },
        {
          ...nobody,
          id: expect.any(Number),
          access_level: 60,
          access_level_description: 'Administrators',
          required_approvals: 1,
        },
      ],
    });
    expect((await maria.get('/projects/4242/protected_environments/production')).body).toEqual(made.body);
    expect(await hub.world.audit()).toContain('environment_protected');
  });

  it('takes the same from JSON, form, indexed form, multipart and query', async () => {
    const ways: [string, Sent | undefined, string][] = [
      ['json', { json: { ...WISH, name: 'json' } }, ''],
      ['form', { form: 'name=form&deploy_access_levels[][group_id]=138&approval_rules[][group_id]=134' }, ''],
      ['index', { form: 'name=index&deploy_access_levels[0][group_id]=138&approval_rules[0][group_id]=134' }, ''],
      [
        'parts',
        {
          multipart: { name: 'parts', 'deploy_access_levels[][group_id]': '138', 'approval_rules[][group_id]': '134' },
        },
        '',
      ],
      ['query', undefined, '?name=query&deploy_access_levels[][group_id]=138&approval_rules[][group_id]=134'],
    ];
    for (const [name, sent, query] of ways) {
      const made = await maria.ask('POST', `${PROJECT}${query}`, sent);
      expect([name, made.status, made.body.name]).toEqual([name, 201, name]);
      expect(made.body).toMatchObject({ approval_rules: [{ group_id: 134, required_approvals: 1 }] });
    }
    const all = await maria.get(PROJECT);
    expect(listed(all.body).map((one) => one.name)).toEqual(['form', 'index', 'json', 'parts', 'query']);
    expect(all.headers.get('x-total')).toBe('5');
  });

  it('knows names with slashes, and takes two that differ in letter case for one', async () => {
    expect((await maria.post(PROJECT, { ...WISH, name: 'review/main' })).status).toBe(201);
    expect((await maria.get(`${PROJECT}/review%2Fmain`)).body.name).toBe('review/main');
    expect((await maria.get(`${PROJECT}/Review%2FMain`)).body.name).toBe('review/main');
    const again = await maria.post(PROJECT, { ...WISH, name: 'Review/Main' });
    expect([again.status, again.body.message]).toEqual([409, "Environment 'Review/Main' is already protected"]);
  });

  it('of a group goes by tier, and says in its own words that it is there already', async () => {
    expect((await olga.post(GROUP, WISH)).status).toBe(201);
    const again = await olga.post('/groups/5/protected_environments', WISH);
    expect([again.status, again.body.message]).toEqual([409, "Protected environment 'production' already exists"]);
    const other = await olga.post(GROUP, { ...WISH, name: 'prod' });
    expect([other.status, other.body.message]).toEqual([
      422,
      ['Name must be one of environment tiers: production, staging, testing, development, other.'],
    ]);
    expect(listed((await olga.get(GROUP)).body)).toHaveLength(1);
  });

  it('changes elements by id, adds those without and takes away what is to be destroyed; ids stay', async () => {
    const { body: before } = await maria.post(PROJECT, WISH);
    const rule = Number(listed(before.approval_rules)[0]!.id);
    const level = Number(listed(before.deploy_access_levels)[0]!.id);
    const one = `${PROJECT}/production`;
    const counted = await maria.put(one, { approval_rules: [{ id: rule, required_approvals: 3 }] });
    expect(counted.status).toBe(200);
    expect(counted.body.approval_rules).toMatchObject([{ id: rule, group_id: 134, required_approvals: 3 }]);
    // What is not named stays, the number too.
    const moved = await maria.ask('PUT', one, {
      form: `approval_rules[][id]=${rule}&approval_rules[][access_level]=40`,
    });
    expect(moved.body.approval_rules).toMatchObject([{ id: rule, access_level: 40, required_approvals: 3 }]);
    const more = await maria.put(one, {
      deploy_access_levels: [{ access_level: 30 }, { id: level, _destroy: true }],
      approval_rules: [{ id: rule, _destroy: 'true' }, { user_id: 22 }],
    });
    expect(more.body).toMatchObject({
      deploy_access_levels: [{ access_level: 30, access_level_description: 'Developers + Maintainers' }],
      approval_rules: [{ user_id: 22, access_level_description: 'JONAS', required_approvals: 1 }],
    });
    expect((await maria.put(one, {})).body).toEqual(more.body);
    expect((await maria.remove(one)).status).toBe(204);
    const gone = await maria.get(one);
    expect([gone.status, gone.body.message]).toEqual([404, '404 Not found']);
    expect((await maria.remove(one)).status).toBe(404);
  });
});

describe("protecting an environment is refused in GitLab's words", () => {
  const refused = async (who: Asker, body: object, path = PROJECT) => {
    const { status, body: said } = await who.post(path, body);
    return [status, said.message ?? said.error];
  };

  it('where parameters are missing or wrong, all at once', async () => {
    expect(await refused(maria, {})).toEqual([400, 'name is missing, deploy_access_levels is missing']);
    expect(await refused(maria, { ...WISH, deploy_access_levels: [{ access_level: 20 }] })).toEqual([
      400,
      'deploy_access_levels[0][access_level] does not have a valid value',
    ]);
    expect(await refused(maria, { ...WISH, name: '' })).toEqual([422, ["Name can't be blank"]]);
    expect(await refused(maria, { ...WISH, required_approval_count: 2 })).toEqual([
      422,
      "Parameter 'required_approval_count' is deprecated and shouldn't be used. See https://gitlab.com/groups/gitlab-org/-/epics/9662",
    ]);
    expect((await maria.post(PROJECT, { ...WISH, required_approval_count: 0 })).status).toBe(201);
  });

  it('T16: where nobody could deploy, or a rule would be met by nobody at all', async () => {
    const short = [422, ['Deploy access levels is too short (minimum is 1 character)']];
    expect(await refused(maria, { ...WISH, deploy_access_levels: [] })).toEqual(short);
    const { body } = await maria.post(PROJECT, WISH);
    const level = Number(listed(body.deploy_access_levels)[0]!.id);
    const emptied = await maria.put(`${PROJECT}/production`, {
      deploy_access_levels: [{ id: level, _destroy: true }],
    });
    expect([emptied.status, emptied.body.message]).toEqual(short);
    const wish = { ...WISH, name: 'other', approval_rules: [{ group_id: 134, required_approvals: 0 }] };
    expect(await refused(maria, wish)).toEqual([
      422,
      ['Approval rules required approvals must be greater than or equal to 1'],
    ]);
  });

  it('T30: above the limit of approvals, which the policy sets', async () => {
    const asking = (count: number) => ({ ...WISH, approval_rules: [{ group_id: 134, required_approvals: count }] });
    const limit = (count: number) => [
      422,
      [`Approval rules required approvals must be less than or equal to ${count}`],
    ];
    expect(await refused(maria, asking(6))).toEqual(limit(5));
    hub.world.policy = { ...DEFAULT_POLICY, edit: { ...DEFAULT_POLICY.edit, maxRequiredApprovals: 7 } };
    expect(await refused(maria, asking(8))).toEqual(limit(7));
    expect((await maria.post(PROJECT, asking(7))).status).toBe(201);
  });

  it('T16 T20: where a rule names nobody, several, strangers, blocked people or unknown groups, instead of dropping it', async () => {
    const rule = (one: object) => refused(maria, { ...WISH, approval_rules: [{ group_id: 134 }, one] });
    const unfit = (id: number) => [
      422,
      [`Approval rules user ${id} is not allowed: they must be known, not blocked, and have access to this project`],
    ];
    expect(await rule({ user_id: 999 })).toEqual(unfit(999));
    expect(await rule({ user_id: 61 })).toEqual(unfit(61));
    expect(await rule({ user_id: 50 })).toEqual(unfit(50));
    expect(await rule({ group_id: 999 })).toEqual([
      422,
      ['Approval rules group 999 is not allowed: there must be such a group'],
    ]);
    expect(await rule({ user_id: 9, group_id: 134 })).toEqual([
      422,
      ['Approval rules must have exactly one of user_id, group_id and access_level'],
    ]);
    expect(await rule({})).toEqual([
      400,
      'approval_rules[1][access_level], approval_rules[1][user_id], approval_rules[1][group_id] are missing, at least one parameter must be provided',
    ]);
    const level = await refused(maria, { ...WISH, deploy_access_levels: [{}] });
    expect(level).toEqual([422, ['Deploy access levels must have exactly one of user_id, group_id and access_level']]);
    expect(await refused(olga, { ...WISH, approval_rules: [{ user_id: 9 }] }, GROUP)).toEqual([
      422,
      ['Approval rules user 9 is not allowed: they must be known, not blocked, and have access to this group'],
    ]);
    expect(listed((await maria.get(PROJECT)).body)).toEqual([]);
  });

  it('where an id belongs to no element of it', async () => {
    await maria.post(PROJECT, WISH);
    const other = await maria.put(`${PROJECT}/production`, { approval_rules: [{ id: 999, _destroy: true }] });
    expect([other.status, other.body.message]).toEqual([404, '404 Not found']);
  });

  it('T20: to those who may not, without telling strangers what is there', async () => {
    const who = async (name: string, scopes?: Parameters<typeof asker>[2]) => {
      const person = await asker(hub, name, scopes);
      const { status, body } = await person.post(PROJECT, {});
      return [status, body.message ?? body.error, (await person.get(PROJECT)).status];
    };
    expect(await who('zoe')).toEqual([403, '403 Forbidden', 403]);
    expect(await who('gus')).toEqual([403, '403 Forbidden', 403]);
    expect(await who('stranger')).toEqual([404, '404 Project Not Found', 404]);
    expect(await who('maria', ['read', 'approve'])).toEqual([403, 'insufficient_scope', 200]);
    const group = await maria.post(GROUP, WISH);
    expect([group.status, group.body.message]).toEqual([404, '404 Group Not Found']);
    const quinn = await (await asker(hub, 'quinn')).get('/groups/acme%2Fqa-group/protected_environments');
    expect([quinn.status, quinn.body.message]).toEqual([403, '403 Forbidden']);
  });

  it('T18: where the policy asks for four eyes nothing holds before a second person has confirmed it', async () => {
    hub.world.policy = { ...DEFAULT_POLICY, edit: { ...DEFAULT_POLICY.edit, fourEyes: true } };
    const asked = await maria.post(PROJECT, WISH);
    expect(asked.status).toBe(202);
    expect(String(asked.body.message)).toMatch(/^202 Accepted - change \d+ holds when a second person/);
    expect(listed((await maria.get(PROJECT)).body)).toEqual([]);
  });

  it('T2: where the body has two readings, is no JSON, is a file or is of another kind', async () => {
    const post = async (sent: Sent) => {
      const { status, body } = await maria.ask('POST', PROJECT, sent);
      return [status, body.error ?? body.message];
    };
    const unreadable = [400, 'message body does not match declared format'];
    const twice = '{"name":"a","name":"b","deploy_access_levels":[{"group_id":138}]}';
    expect(await post({ raw: twice, type: 'application/json' })).toEqual(unreadable);
    expect(await post({ raw: '{"name":', type: 'application/json' })).toEqual(unreadable);
    expect(await post({ raw: '["production"]', type: 'application/json' })).toEqual(unreadable);
    expect(await post({ form: 'name=a&name=b' })).toEqual(unreadable);
    for (const type of ['multipart/form-data', 'multipart/form-data; boundary=x', 'bogus'])
      expect(await post({ raw: 'name=x', type }), type).toEqual(unreadable);
    const form = new FormData();
    form.append('name', new Blob(['production']), 'name.txt');
    expect((await post({ multipart: form }))[0]).toBe(415);
    expect(await post({ raw: 'name: x', type: 'text/yaml' })).toEqual([
      415,
      "The provided content-type 'text/yaml' is not supported.",
    ]);
    expect((await post({ json: { ...WISH, name: 'x'.repeat(300_000) } }))[0]).toBe(413);
  });
});
