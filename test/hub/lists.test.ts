import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakGlass } from '../../agent/src/app/break-glass.ts';
import { currentDeployments } from '../../agent/src/app/deployments/current.ts';
import { runDeployment } from '../../agent/src/app/deployments/run.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { holdSchema, pageOf } from '../../agent/src/wire/api.ts';
import { listedApprovalSchema } from '../../agent/src/wire/approvals.ts';
import {
  currentDeploymentSchema,
  deploymentDetailSchema,
  listedDeploymentSchema,
} from '../../agent/src/wire/deployments.ts';
import { deploymentWorld } from '../support/deployment-world.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { DAY } from '../support/hub-world.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await startHub({});
});
afterEach(() => hub.close());

const get = async (path: string, who = 'maria') =>
  (await hub.call('GET', `/api/v1/${path}`, await hub.token(who))).body;
const PARTS = { holds: holdSchema, approvals: listedApprovalSchema, deployments: listedDeploymentSchema } as const;

/** Ids of a whole list, two a page, following its cursor. */
async function walk(list: keyof typeof PARTS, query = ''): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = pageOf(PARTS[list]).parse(await get(`${list}?limit=2${query}${cursor && `&cursor=${cursor}`}`));
    ids.push(...page.items.map(({ id }: { id: number }) => id));
    expect(page.items.length).toBeLessThanOrEqual(2);
    cursor = page.next_cursor;
  }
  return ids;
}

const PRODUCTION = `environments:
  - name: production
    environments: [production, staging]
    deploy_access_levels: [{ user: jonas }]
`;
/** A deployment of zoe's that jonas has started; its configuration is approved by maria. */
async function deploys(id: number, environment = 'production') {
  const script = ['deploy', environment];
  const { hold } = await hub.world.admit({ id, pipeline: id, name: 'deploy', environment, script });
  if ((await hub.store.hold(hold!))?.configured === null) await hub.world.approve('maria', hold!);
  const { id: deployment } = (await hub.store.deploymentOfHold(hold!))!;
  return { hold: hold!, deployment };
}
async function runs(id: number, environment = 'production', status: 'success' | 'failed' = 'success'): Promise<number> {
  const { hold, deployment } = await deploys(id, environment);
  await runDeployment(hub.world.context, hub.world.caller('jonas', ['deploy']), deployment);
  for (const event of ['handed_out', 'confirmed'] as const)
    await hub.world.report('embedded', { hold, jobId: id, event });
  await hub.world.report('embedded', { hold, jobId: id, event: 'ended', detail: { status } });
  return deployment;
}

describe('lists', () => {
  it('begin with the oldest or the newest, each item once, whatever the page', async () => {
    hub.world.policy = readPolicy(PRODUCTION, 'policy.yaml');
    for (let id = 1; id <= 5; id++) await runs(id);
    for (const list of ['holds', 'deployments'] as const) {
      expect([list, await walk(list)]).toEqual([list, [1, 2, 3, 4, 5]]);
      expect([list, await walk(list, '&order=oldest')]).toEqual([list, [1, 2, 3, 4, 5]]);
      expect([list, await walk(list, '&order=newest')]).toEqual([list, [5, 4, 3, 2, 1]]);
    }
    expect((await get('holds?order=last')).code).toBe('bad_input');
  });

  it('of approvals are in either order, too, and are searched by what people remember', async () => {
    for (const [id, name] of [
      [1, 'build'],
      [2, 'deploy:api'],
      [3, 'Deploy:Web'],
      [4, 'deploy_web'],
    ] as const) {
      const { hold } = await hub.world.admit({ id, pipeline: id, name });
      await hub.world.approve('maria', hold!);
    }
    expect(await walk('approvals', '&order=newest')).toEqual([4, 3, 2, 1]);
    expect(await walk('approvals', '&order=newest&text=DEPLOY')).toEqual([4, 3, 2]);
    expect(await walk('approvals', '&text=payments/api')).toEqual([1, 2, 3, 4]);
    expect(await walk('approvals', '&job=build')).toEqual([1]);
    // What the database reads as a pattern is a character of a name here.
    expect(await walk('approvals', '&text=deploy_')).toEqual([4]);
    expect(await walk('approvals', '&text=%25')).toEqual([]);
    expect(await walk('approvals', "&text='")).toEqual([]);
  });

  it('of approvals are narrowed to those that let a job go, and to those that nothing uses', async () => {
    for (const id of [1, 2, 3]) {
      const { hold } = await hub.world.admit({ id, pipeline: id, name: `job${id}` });
      await hub.world.approve('maria', hold!, id === 2 ? { lifetime: 'uses:1' } : {});
    }
    await hub.call('POST', '/api/v1/approvals/1/revoke', await hub.token('maria'), {});
    expect(await walk('approvals', '&valid=true')).toEqual([3]);
    expect(await walk('approvals')).toEqual([1, 2, 3]);
    expect(await walk('approvals', '&unused_days=30')).toEqual([]);
    hub.world.clock.advance(31 * DAY);
    expect(await walk('approvals', '&unused_days=30&valid=true')).toEqual([3]);
    hub.world.clock.advance(100 * DAY);
    expect(await walk('approvals', '&valid=true')).toEqual([]);
  });

  it('T32 say of each approval what it lets run in brief, and show no tag of a hidden value, not even to approvers', async () => {
    const tag = 'ab'.repeat(32);
    const extra = {
      image: { name: ['registry.example.com/', { var: 'CI_PROJECT_NAME' }, ':', { hmac: tag }] },
      services: [{ name: 'postgres:17' }],
      steps: [
        { name: 'script', script: ['\n  deploy --now\nthen more', 'smoke'] },
        { name: 'after_script', script: ['rm -r x'] },
      ],
    };
    const one = await hub.world.admit({ id: 1, pipeline: 1, extra });
    const two = await hub.world.admit({ id: 2, pipeline: 2, name: 'empty', script: [] });
    const three = await hub.world.admit({ id: 3, pipeline: 3, name: 'huge', script: ['x'.repeat(200_000)] });
    for (const { hold } of [one, two, three]) await hub.world.approve('maria', hold!);
    const answer = await get('approvals');
    expect(JSON.stringify(answer)).not.toContain(tag.slice(0, 8));
    const { items } = pageOf(listedApprovalSchema).parse(answer);
    expect(items.map(({ summary }) => summary)).toEqual([
      {
        image: `registry.example.com/\${CI_PROJECT_NAME}:hmac:hidden`,
        services: ['postgres:17'],
        script_lines: 3,
        first_line: '  deploy --now',
      },
      { image: 'alpine:3.20', services: [], script_lines: 0, first_line: null },
      // Too long to be read for a list.
      null,
    ]);
  });

  it('T29 say of a revoked approval who took it back, by their whole name, and why', async () => {
    const { hold } = await hub.world.admit({ id: 1 });
    await hub.world.approve('maria', hold!);
    const { items: before } = pageOf(listedApprovalSchema).parse(await get('approvals'));
    expect(before[0]).toMatchObject({ revoker: null, revoked_reason: null });
    await hub.call('POST', '/api/v1/approvals/1/revoke', await hub.token('jonas'), { comment: 'leaks the key' });
    const { items } = pageOf(listedApprovalSchema).parse(await get('approvals'));
    expect(items[0]).toMatchObject({
      revoker: { username: 'jonas', name: 'JONAS' },
      revoked_reason: 'leaks the key',
    });
  });

  it('T16 say of an approval that nobody gave it: the glass was broken', async () => {
    hub.world.policy = readPolicy('break_glass: { rules: [{ name: duty, user: jonas }] }\n', 'policy.yaml');
    const { hold, digest } = { ...(await hub.world.admit({ id: 1 })), digest: '' };
    const wanted = digest || (await hub.store.hold(hold!))!.digest;
    await breakGlass(hub.world.context, hub.world.caller('jonas'), { hold: hold!, digest: wanted, reason: 'down' });
    const list = pageOf(listedApprovalSchema).parse(await get('approvals'));
    expect(list.items.map((one) => one.break_glass)).toEqual([true]);
  });

  it('document their order, their limit and their cursor', async () => {
    const { paths } = (await hub.call('GET', '/openapi.json', null)).body as unknown as {
      paths: Record<
        string,
        { get: { parameters: { name: string; schema: Record<string, unknown>; description?: string }[] } }
      >;
    };
    for (const list of ['holds', 'approvals', 'deployments']) {
      const named = new Map(paths[`/api/v1/${list}`]!.get.parameters.map((one) => [one.name, one]));
      expect(named.get('limit')).toMatchObject({ schema: { minimum: 1, maximum: 100, default: 50 } });
      expect(named.get('order')).toMatchObject({ schema: { enum: ['oldest', 'newest'], default: 'oldest' } });
      for (const name of ['limit', 'order', 'cursor'])
        expect([name, JSON.stringify(named.get(name))]).toEqual([name, expect.stringContaining('description')]);
    }
  });
});

describe('what runs where now', () => {
  const current = async (query = '', who = 'maria') =>
    pageOf(currentDeploymentSchema).parse(await get(`deployments/current${query}`, who));

  it('is the last that ended well in each environment, with who approved it, whatever came after', async () => {
    hub.world.policy = readPolicy(PRODUCTION, 'policy.yaml');
    const first = await runs(1);
    hub.world.clock.advance(1_000);
    const second = await runs(2);
    const staging = await runs(3, 'staging');
    await runs(4, 'production', 'failed');
    await deploys(5);
    const { items } = await current();
    expect(items.map(({ id, environment: { name }, stopped }) => [name, id, stopped])).toEqual([
      ['production', second, false],
      ['staging', staging, false],
    ]);
    expect(items[0]).toMatchObject({
      job_id: 2,
      approved_by: { configuration: [{ username: 'maria' }], deployment: [] },
    });
    expect(items[0]!.since).toBe(new Date(hub.world.clock.now()).toISOString());
    expect(first).not.toBe(second);
    const page = await current('?limit=1');
    expect(page.items.map(({ id }) => id)).toEqual([second]);
    expect((await current(`?limit=1&cursor=${page.next_cursor}`)).items.map(({ id }) => id)).toEqual([staging]);
    expect((await current('?environment=staging')).items.map(({ id }) => id)).toEqual([staging]);
    expect((await current('?project=acme/payments/api')).items).toHaveLength(2);
    expect((await current('?project=4243')).items).toEqual([]);
    expect((await current('', 'stranger')).items).toEqual([]);
  });

  it('is nothing where the last job has stopped the environment, and not what only looked at it', async () => {
    const world = await deploymentWorld(PRODUCTION.replace('user: jonas', 'group: operator-group'));
    const now = async () =>
      (await currentDeployments(world.context, world.caller('olga'), {}, { after: 0, limit: 10 })).map(
        ({ deployment: { id, environment } }) => [id, environment.action],
      );
    for (const [id, action] of [
      [1, 'start'],
      [2, 'verify'],
      [3, 'stop'],
    ] as const) {
      const { hold } = await world.deploy({ id, pipeline: id, action, script: [action] });
      await world.approve('jonas', hold!);
      await world.run('opal', (await world.deployment(hold!)).id);
      await world.runs(hold!, id);
      world.clock.advance(1_000);
      expect(await now()).toEqual([id === 3 ? [3, 'stop'] : [1, 'start']]);
    }
    await world.store.close();
  });
});

describe('a deployment', () => {
  it('says in one place who triggered it, who approved what it runs and that it may, who started it, and how it ran', async () => {
    hub.world.policy = readPolicy(`${PRODUCTION}    approval_rules: [{ name: owners, user: olga }]\n`, 'policy.yaml');
    const { hold, deployment } = await deploys(1);
    const steps = async () =>
      deploymentDetailSchema
        .parse(await get(`deployments/${deployment}`))
        .let_run.map(({ step, people, at, note }) => [
          step,
          people.map(({ username }) => username).join(),
          at !== null,
          note,
        ]);
    expect(await steps()).toMatchObject([
      ['triggered', 'zoe', true, 'as GitLab says'],
      ['wrote', '', false, expect.stringContaining('nobody could tell')],
      ['configuration', 'maria', true, expect.stringMatching(/^approval 1 \(standing\); rule .*: 1 of /)],
      ['deployment', '', false, expect.stringMatching(/^not complete; rule owners: 1 of /)],
      ['started', '', false, null],
      ['ran', '', false, 'it has not run'],
    ]);
    await hub.call('POST', `/api/v1/deployments/${deployment}/approve`, await hub.token('olga'), {});
    await runDeployment(hub.world.context, hub.world.caller('jonas', ['deploy']), deployment);
    const listed = pageOf(listedDeploymentSchema).parse(await get('deployments?text=PROD'));
    expect(listed.items).toMatchObject([
      { id: deployment, started: { by: { username: 'jonas' } }, hold_state: 'pending', job_id: 1, waits_for: [] },
    ]);
    for (const event of ['handed_out', 'confirmed'] as const)
      await hub.world.report('embedded', { hold, jobId: 1, event });
    expect((await steps()).slice(3)).toMatchObject([
      ['deployment', 'olga', true, expect.stringMatching(/^rule owners: 1 of /)],
      ['started', 'jonas', true, expect.stringMatching(/^may deploy \(deploy_access_levels\): jonas; policy /)],
      ['ran', '', true, 'as job 1 on prod; it has not ended'],
    ]);
  });
});
