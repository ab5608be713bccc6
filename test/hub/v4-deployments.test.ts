import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Principals } from '../../agent/src/domain/principal.ts';
import type { TokenScope } from '../../agent/src/domain/token.ts';
import { eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { type JobSpec, MINUTE, PEOPLE, policyWith } from '../support/hub-world.ts';
import { type Asker, asker, listed } from '../support/v4.ts';

/** Quality and operators: groups of people without access to the project. */
const GROUPS: Principals = {
  ...PEOPLE,
  users: [
    ...PEOPLE.users,
    { id: 60, username: 'quinn', name: 'Quinn', blocked: false },
    { id: 61, username: 'queenie', name: 'Queenie', blocked: false },
    { id: 64, username: 'oscar', name: 'Oscar', blocked: false },
  ],
  groups: [
    ...PEOPLE.groups,
    {
      id: 134,
      path: 'acme/qa-group',
      members: [
        { user: 60, accessLevel: 20 },
        { user: 61, accessLevel: 20 },
      ],
    },
    { id: 138, path: 'acme/operator-group', members: [{ user: 64, accessLevel: 20 }] },
  ],
};
const PROJECT = '/projects/acme%2Fpayments%2Fapi';
const NOT_PERMITTED =
  "You don't have permission to review this deployment. Contact the project or group owner for help.";

let hub: TestHub;
const known = new Map<string, Asker>();
beforeEach(async () => {
  known.clear();
  hub = await startHub({ gitlabUrl: 'https://gitlab.example.com' });
  hub.world.people = GROUPS;
});
afterEach(() => hub.close());

async function as(name: string, scopes?: readonly TokenScope[]): Promise<Asker> {
  const key = [name, ...(scopes ?? [])].join(' ');
  const person = known.get(key) ?? (await asker(hub, name, scopes));
  known.set(key, person);
  return person;
}
const said = async (answer: Promise<{ status: number; body: { message?: unknown; error?: unknown } }>) => {
  const { status, body } = await answer;
  return [status, body.message ?? body.error];
};
async function protect(rules: readonly object[] = [{ group_id: 134 }], name = 'production') {
  const wish = { name, deploy_access_levels: [{ group_id: 138 }], approval_rules: rules };
  expect((await (await as('maria')).post(`${PROJECT}/protected_environments`, wish)).status).toBe(201);
}
/** A job of zoe's that deploys to production; its configuration is approved by jonas where that is asked. */
async function deploys(id: number, more: Partial<JobSpec> = {}): Promise<{ hold: number; deployment: number }> {
  const verdict = await hub.world.admit({ id, pipeline: 100 + id, environment: 'production', ...more });
  const hold = verdict.hold!;
  const deployment = (await hub.store.deploymentOfHold(hold))!.id;
  return { hold, deployment };
}
const vote = async (who: string, id: number, body: object = { status: 'approved' }) =>
  (await as(who)).post(`${PROJECT}/deployments/${id}/approval`, body);
const status = async (id: number) => (await (await as('rita')).get(`${PROJECT}/deployments/${id}`)).body.status;

describe('one deployment', () => {
  it('is shown as GitLab shows it, with its job, its rules and who approved what', async () => {
    await protect([{ group_id: 134 }, { access_level: 40, required_approvals: 2 }]);
    const { deployment } = await deploys(7);
    const answer = await vote('quinn', deployment, { status: 'approved', comment: 'looks good' });
    const quinn = {
      id: 60,
      username: 'quinn',
      name: 'Quinn',
      state: 'active',
      avatar_url: null,
      web_url: 'https://gitlab.example.com/quinn',
    };
    const approval = { user: quinn, status: 'approved', created_at: expect.any(String), comment: 'looks good' };
    expect([answer.status, answer.body]).toEqual([201, approval]);
    const { body } = await (await as('rita')).get(`/projects/4242/deployments/${deployment}`);
    expect(body).toMatchObject({
      id: deployment,
      iid: 1,
      ref: 'main',
      sha: 'a'.repeat(40),
      status: 'blocked',
      created_at: '2026-11-22T08:00:00.000Z',
      user: { id: 9, username: 'zoe', name: 'ZOE', web_url: 'https://gitlab.example.com/zoe' },
      environment: { id: expect.any(Number), name: 'production', slug: 'production' },
      deployable: {
        id: 7,
        name: 'build',
        status: 'manual',
        ref: 'main',
        tag: false,
        user: { username: 'zoe' },
        commit: { id: 'a'.repeat(40), short_id: 'aaaaaaaa' },
        pipeline: { id: 107, ref: 'main' },
      },
      pending_approval_count: 2,
      approvals: [approval],
      approval_summary: {
        rules: [
          {
            group_id: 134,
            user_id: null,
            access_level: null,
            access_level_description: 'qa-group',
            required_approvals: 1,
            deployment_approvals: [approval],
          },
          {
            access_level: 40,
            access_level_description: 'Maintainers',
            required_approvals: 2,
            deployment_approvals: [],
          },
        ],
      },
    });
  });

  it('T34: is noted as seen, once, by whoever may decide about it', async () => {
    await protect();
    const { deployment } = await deploys(7);
    for (const name of ['rita', 'quinn', 'quinn']) await (await as(name)).get(`${PROJECT}/deployments/${deployment}`);
    const rows = await hub.store.auditRows({ deployment, sight: null }, { after: 0, limit: 100 });
    const seen = rows.filter(({ event }) => event === 'deployment_seen').map(({ actor }) => actor);
    expect(seen).toEqual(['user:60 quinn']);
  });

  it('T10: is found in its own project only', async () => {
    await protect();
    const { deployment } = await deploys(7);
    expect(await said((await as('stranger')).get(`/projects/4243/deployments/${deployment}`))).toEqual([
      404,
      '404 Not found',
    ]);
    expect(await said((await as('stranger')).get(`${PROJECT}/deployments/${deployment}`))).toEqual([
      404,
      '404 Project Not Found',
    ]);
    expect(await said((await as('maria')).get(`${PROJECT}/deployments/999`))).toEqual([404, '404 Not found']);
    expect(await said((await as('maria')).get(`${PROJECT}/deployments/first`))).toEqual([
      400,
      'deployment_id is invalid',
    ]);
    // A guest knows that the project is there, and nothing of what is deployed from it.
    expect(await said((await as('gus')).get(`${PROJECT}/deployments/${deployment}`))).toEqual([403, '403 Forbidden']);
  });

  it('T22: counts a vote for the rule that it names, and for one rule only', async () => {
    hub.world.people = {
      ...GROUPS,
      groups: GROUPS.groups.map((one) =>
        one.id === 134 ? { ...one, members: [...one.members, { user: 21, accessLevel: 20 }] } : one,
      ),
    };
    await protect([{ group_id: 134 }, { access_level: 40 }]);
    const { deployment } = await deploys(7);
    await vote('maria', deployment, { status: 'approved', represented_as: 'Maintainers' });
    const { body } = await (await as('rita')).get(`${PROJECT}/deployments/${deployment}`);
    const rules = listed(body.approval_summary?.rules).map((rule) => listed(rule.deployment_approvals).length);
    expect([body.status, body.pending_approval_count, rules]).toEqual(['blocked', 1, [0, 1]]);
    await vote('quinn', deployment, { status: 'approved', represented_as: 'qa-group' });
    expect(await status(deployment)).toBe('created');
  });

  it('T21: counts what is missing by the rules of now too, and lets people approve by them', async () => {
    await protect([]);
    const { deployment } = await deploys(7);
    expect(await status(deployment)).toBe('created');
    const maria = await as('maria');
    await maria.put(`${PROJECT}/protected_environments/production`, { approval_rules: [{ group_id: 134 }] });
    hub.world.clock.advance(MINUTE);
    await eventually(
      () => status(deployment),
      (seen) => String(seen) === 'blocked',
    );
    const { body } = await maria.get(`${PROJECT}/deployments/${deployment}`);
    expect(body.pending_approval_count).toBe(1);
    // Whom only the new rules ask for sees what they are asked.
    expect((await vote('quinn', deployment)).status).toBe(201);
    expect(await status(deployment)).toBe('created');
  });

  it('T18: ends with one reject, and its job with it', async () => {
    await protect();
    const { hold, deployment } = await deploys(7);
    const answer = await vote('queenie', deployment, { status: 'rejected', comment: 'not on a Sunday' });
    expect([answer.status, answer.body.status]).toEqual([201, 'rejected']);
    expect(await status(deployment)).toBe('failed');
    expect(await hub.world.state(hold)).toBe('rejected');
  });
});

describe("an approval is refused in GitLab's words and order", () => {
  it('when the status is missing or no status of an approval', async () => {
    await protect();
    const { deployment } = await deploys(7);
    expect(await said(vote('quinn', deployment, {}))).toEqual([400, 'status is missing']);
    expect(await said(vote('quinn', deployment, { status: 'maybe' }))).toEqual([400, 'Unrecognized approval status.']);
  });

  it('T18: to whoever triggered it, unless the project allows that; a reject of theirs counts', async () => {
    await protect([{ access_level: 30 }]);
    const first = await deploys(7);
    const own =
      'You cannot approve your own deployment. This configuration can be adjusted in the protected environment settings.';
    expect(await said(vote('zoe', first.deployment))).toEqual([400, own]);
    expect((await vote('zoe', first.deployment, { status: 'rejected' })).status).toBe(201);
    const allow = { allow_pipeline_trigger_approve_deployment: true };
    expect(await said((await as('zoe')).put(PROJECT, allow))).toEqual([403, '403 Forbidden']);
    const changed = await (await as('maria')).put(PROJECT, allow);
    expect([changed.status, changed.body.allow_pipeline_trigger_approve_deployment]).toEqual([200, true]);
    const second = await deploys(8);
    expect((await vote('zoe', second.deployment)).status).toBe(201);
    expect(await status(second.deployment)).toBe('created');
  });

  it('when nothing protects the environment any more', async () => {
    await protect();
    const { deployment } = await deploys(7);
    expect((await (await as('maria')).remove(`${PROJECT}/protected_environments/production`)).status).toBe(204);
    expect(await said(vote('quinn', deployment))).toEqual([400, 'This environment is not protected.']);
  });

  it("when nobody's approval is asked for, and when it waits for none any more", async () => {
    await protect([]);
    const first = await deploys(7);
    expect(await said(vote('maria', first.deployment))).toEqual([
      400,
      'Deployment approvals is not configured for this environment.',
    ]);
    await protect([{ group_id: 134 }], 'staging');
    const second = await deploys(8, { environment: 'staging' });
    await vote('quinn', second.deployment);
    expect(await said(vote('queenie', second.deployment))).toEqual([
      400,
      'This deployment is not waiting for approvals.',
    ]);
  });

  it('T19: to whoever no rule asks for, or asks for no longer, with the sentence as it was wanted', async () => {
    await protect();
    const { deployment } = await deploys(7);
    for (const name of ['oscar', 'maria', 'rita', 'olga'])
      expect([name, ...(await said(vote(name, deployment)))]).toEqual([name, 400, NOT_PERMITTED]);
    const left = GROUPS.groups.map((one) => (one.id === 134 ? { ...one, members: [] } : one));
    hub.world.people = { ...GROUPS, groups: left };
    expect(await said(vote('quinn', deployment))).toEqual([404, '404 Project Not Found']);
    expect(await status(deployment)).toBe('blocked');
  });

  it('when represented_as names no rule, or one of others', async () => {
    await protect([{ group_id: 134 }, { access_level: 40 }]);
    const { deployment } = await deploys(7);
    const unknown =
      'There are no approval rules for the given `represent_as` parameter. Use a valid User/Group/Role name instead.';
    for (const represented_as of ['nobody', 'Maintainers'])
      expect(await said(vote('quinn', deployment, { status: 'approved', represented_as }))).toEqual([400, unknown]);
    expect(await said(vote('oscar', deployment, { status: 'approved', represented_as: 'nobody' }))).toEqual([
      400,
      NOT_PERMITTED,
    ]);
  });

  it('T23: where the policy asks to show again who one is, which a token alone cannot', async () => {
    await protect();
    hub.world.policy = policyWith({ stepUp: 'passkey' });
    const { deployment } = await deploys(7);
    const [code, message] = await said(vote('quinn', deployment));
    expect(code).toBe(403);
    expect(String(message)).toMatch(/^403 Forbidden - .*passkey.*on the page/);
    expect(await status(deployment)).toBe('blocked');
  });

  it('T24: with a token that only looks', async () => {
    await protect();
    const { deployment } = await deploys(7);
    const reader = await as('quinn', ['read']);
    expect(await said(reader.post(`${PROJECT}/deployments/${deployment}/approval`, { status: 'approved' }))).toEqual([
      403,
      'insufficient_scope',
    ]);
    const voter = await as('oscar', ['read', 'approve']);
    expect(await said(voter.post(`${PROJECT}/jobs/7/play`))).toEqual([403, 'insufficient_scope']);
  });
});

describe('playing a job', () => {
  it('is for those with deploy access, once it is approved, and once only', async () => {
    await protect();
    const { hold, deployment } = await deploys(7);
    await hub.world.approve('jonas', hold);
    const play = async (who: string) => said((await as(who)).post(`${PROJECT}/jobs/7/play`));
    expect(await play('maria')).toEqual([403, '403 Forbidden']);
    expect(await play('oscar')).toEqual([400, '400 Bad request - Unplayable Job']);
    await vote('quinn', deployment);
    expect(await play('quinn')).toEqual([403, '403 Forbidden']);
    const played = await (await as('oscar')).post(`${PROJECT}/jobs/7/play`);
    expect([played.status, played.body]).toMatchObject([200, { id: 7, status: 'pending', name: 'build' }]);
    expect(await hub.world.state(hold)).toBe('pending');
    expect(await play('oscar')).toEqual([400, '400 Bad request - Unplayable Job']);
    expect((await (await as('rita')).get(`${PROJECT}/jobs/7`)).body).toMatchObject({ id: 7, status: 'pending' });
  });

  it('passes one gate and never the other: a job whose configuration nobody approved stays', async () => {
    await protect();
    const { hold, deployment } = await deploys(7);
    await vote('quinn', deployment);
    const played = await (await as('oscar')).post(`${PROJECT}/jobs/7/play`);
    expect([played.status, played.body]).toMatchObject([200, { status: 'manual' }]);
    expect(await hub.world.state(hold)).toBe('waiting_for_approval');
    await hub.world.approve('jonas', hold);
    expect(await hub.world.state(hold)).toBe('pending');
  });

  it('is not there for a job that nobody knows, or that deploys to nothing protected', async () => {
    await protect();
    const verdict = await hub.world.admit({ id: 9, pipeline: 9 });
    expect(verdict.hold).not.toBeNull();
    await deploys(7);
    for (const job of [9, 12345])
      expect(await said((await as('maria')).post(`${PROJECT}/jobs/${job}/play`))).toEqual([404, '404 Not found']);
  });
});

describe('the list of deployments', () => {
  const ids = async (query: string, who = 'rita') => {
    const answer = await (await as(who)).get(`${PROJECT}/deployments?${query}`);
    return answer.status === 200 ? listed(answer.body).map((one) => Number(one.id)) : said(Promise.resolve(answer));
  };

  it('is filtered and ordered as in GitLab', async () => {
    await protect();
    await protect([{ group_id: 134 }], 'staging');
    const a = (await deploys(1)).deployment;
    hub.world.clock.advance(MINUTE);
    const b = (await deploys(2, { environment: 'staging', ref: 'refs/heads/a' })).deployment;
    hub.world.clock.advance(MINUTE);
    const c = (await deploys(3, { name: 'other' })).deployment;
    hub.world.clock.advance(MINUTE);
    await vote('quinn', a);
    expect(await ids('')).toEqual([a, b, c]);
    expect(await ids('sort=desc')).toEqual([c, b, a]);
    expect(await ids('status=created')).toEqual([a]);
    expect(await ids('status=blocked&environment=production')).toEqual([c]);
    expect(await ids('status=skipped')).toEqual([]);
    expect(await ids('environment=staging')).toEqual([b]);
    expect(await ids('order_by=ref&sort=asc')).toEqual([b, a, c]);
    expect(await ids('order_by=updated_at&sort=desc')).toEqual([a, c, b]);
    expect(
      await ids('order_by=updated_at&updated_after=2026-11-22T08:00:30Z&updated_before=2026-11-22T08:02:30Z'),
    ).toEqual([b, c]);
    expect(await ids('status=success&order_by=finished_at&finished_after=2026-01-01')).toEqual([]);
  });

  it("comes in pages with GitLab's headers", async () => {
    await protect();
    const made: number[] = [];
    for (let id = 1; id <= 5; id += 1) made.push((await deploys(id, { name: `job ${id}` })).deployment);
    const rita = await as('rita');
    const second = await rita.get(`${PROJECT}/deployments?per_page=2&page=2&status=blocked`);
    expect(listed(second.body).map((one) => Number(one.id))).toEqual(made.slice(2, 4));
    const head = (name: string) => second.headers.get(name);
    expect(['x-total', 'x-total-pages', 'x-page', 'x-per-page', 'x-next-page', 'x-prev-page'].map(head)).toEqual([
      '5',
      '3',
      '2',
      '2',
      '3',
      '1',
    ]);
    const link = (page: number, rel: string) =>
      `<${hub.url}/api/v4${PROJECT}/deployments?per_page=2&page=${page}&status=blocked>; rel="${rel}"`;
    expect(head('link')).toBe([link(1, 'prev'), link(3, 'next'), link(1, 'first'), link(3, 'last')].join(', '));
    const last = await rita.get(`${PROJECT}/deployments?per_page=500&page=-3`);
    expect([last.headers.get('x-per-page'), last.headers.get('x-page'), last.headers.get('x-next-page')]).toEqual([
      '100',
      '1',
      '',
    ]);
    expect(await ids('per_page=2&page=9')).toEqual([]);
  });

  it('T20: has what a person may see and no more', async () => {
    await protect();
    expect(await ids('', 'quinn')).toEqual([404, '404 Project Not Found']);
    const { deployment } = await deploys(1);
    await protect([{ user_id: 22 }], 'staging');
    await deploys(2, { environment: 'staging' });
    expect(await ids('', 'quinn')).toEqual([deployment]);
    expect(await ids('', 'gus')).toEqual([403, '403 Forbidden']);
  });

  it('refuses the questions that GitLab refuses', async () => {
    await protect();
    await deploys(1);
    const bad = '400 Bad request - ';
    expect(await ids('updated_after=2026-01-01&finished_after=2026-01-01')).toEqual([
      400,
      `${bad}Both \`updated_at\` filter and \`finished_at\` filter can not be specified`,
    ]);
    expect(await ids('finished_after=2026-01-01')).toEqual([
      400,
      `${bad}\`finished_at\` filter and \`finished_at\` sorting must be paired`,
    ]);
    expect(await ids('order_by=finished_at&finished_after=2026-01-01')).toEqual([
      400,
      `${bad}\`finished_at\` filter must be combined with \`success\` status filter.`,
    ]);
    expect(await ids('status=paused')).toEqual([400, 'status does not have a valid value']);
  });
});

describe('projects, groups and environments', () => {
  it('are shown as far as the hub knows them', async () => {
    const maria = await as('maria');
    expect((await maria.get(PROJECT)).body).toMatchObject({
      id: 4242,
      path: 'api',
      name_with_namespace: 'acme / payments / api',
      path_with_namespace: 'acme/payments/api',
      web_url: 'https://gitlab.example.com/acme/payments/api',
      permissions: { project_access: { access_level: 40 } },
      allow_pipeline_trigger_approve_deployment: false,
    });
    expect((await (await as('olga')).get('/groups/acme')).body).toMatchObject({
      id: 5,
      full_path: 'acme',
      web_url: 'https://gitlab.example.com/groups/acme',
      parent_id: null,
    });
    expect(await said(maria.get('/groups/acme'))).toEqual([404, '404 Group Not Found']);
    expect(await said(maria.put(PROJECT, { description: 'x' }))).toEqual([
      400,
      'allow_pipeline_trigger_approve_deployment are missing, at least one parameter must be provided',
    ]);
  });

  it('lists environments that something was to be deployed to', async () => {
    await protect();
    await protect([{ group_id: 134 }], 'review/one');
    await deploys(1);
    await deploys(2, { environment: 'review/one' });
    const maria = await as('maria');
    const names = async (query: string) =>
      listed((await maria.get(`${PROJECT}/environments?${query}`)).body).map((one) => one.name);
    expect(await names('')).toEqual(['production', 'review/one']);
    expect(await names('name=production')).toEqual(['production']);
    expect(await names('search=view')).toEqual(['review/one']);
    expect(await names('states=stopped')).toEqual([]);
    const [first] = listed((await maria.get(`${PROJECT}/environments`)).body);
    expect(first).toMatchObject({ name: 'production', state: 'available', slug: 'production' });
    expect((await maria.get(`${PROJECT}/environments/${Number(first!.id)}`)).body).toEqual(first);
    expect(await said(maria.get(`${PROJECT}/environments/999`))).toEqual([404, '404 Not found']);
    expect(await said(maria.get(`${PROJECT}/environments?search=ab`))).toEqual([
      400,
      '400 Bad request - Search query is less than 3 characters',
    ]);
    expect(await said(maria.get(`${PROJECT}/environments?search=abc&name=x`))).toEqual([
      400,
      'name, search cannot be used together',
    ]);
  });
});
