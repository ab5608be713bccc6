import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import type { DeploymentDetail, DeploymentView } from '../../agent/src/wire/deployments.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { approveHold, type DetachedScene, maria, openDetachedScene } from '../support/detached-scene.ts';

/** Beside the project's people an owner of its group, and three teams that belong to no project at all. */
const PEOPLE = `users:
  - { id: 9, username: zoe, name: Zoë Müller }
  - { id: 21, username: maria, name: Maria Silva }
  - { id: 22, username: jonas, name: Jonas Berg }
  - { id: 30, username: rob, name: Rob Reporter }
  - { id: 31, username: olga, name: Olga Owner }
  - { id: 71, username: opal, name: Opal Operator }
  - { id: 73, username: quinn, name: Quinn Tester }
  - { id: 75, username: sam, name: Sam Secure }
  - { id: 76, username: sina, name: Sina Secure }
groups:
  - { id: 5, path: acme, members: [{ user: olga, access_level: owner }] }
  - { id: 61, path: operator-group, members: [{ user: opal, access_level: reporter }] }
  - { id: 62, path: qa-group, members: [{ user: quinn, access_level: reporter }] }
  - { id: 63, path: security-group, members: [{ user: sam, access_level: reporter }, { user: sina, access_level: reporter }] }
projects:
  - id: 4242
    path: acme/payments/api
    members:
      - { user: zoe, access_level: developer }
      - { user: maria, access_level: maintainer }
      - { user: jonas, access_level: maintainer }
      - { user: rob, access_level: reporter }
`;

let scene: DetachedScene;
afterEach(async () => scene.close());

/** Opens the scene in which jobs are kept running for an hour, unless a deployment gate says otherwise. */
async function open(policy = ''): Promise<void> {
  scene = await openDetachedScene({
    bot: ['read', 'retry', 'status'],
    live: '1h',
    files: { 'principals.yaml': PEOPLE, 'policy.yaml': `tokens: { idle: 30d }\n${policy}` },
  });
  scene.runner();
}

async function cli(who: string, ...argv: string[]): Promise<CliRun> {
  const { token } = await scene.as(who, ['read', 'approve', 'deploy']);
  return runCli(argv, { env: { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: token } });
}

/** The only deployment of this Hold, as rob sees it. */
async function deploymentOf(hold: number): Promise<DeploymentView> {
  return scene.eventually(`the deployment of hold ${hold}`, async () => {
    const rob = await scene.as('rob', ['read']);
    const list = await rob.get<{ items: DeploymentView[] }>('deployments');
    return list.body.items.find((one) => one.hold === hold);
  });
}
const detail = async (id: number, who = 'rob') =>
  (await (await scene.as(who, ['read', 'deploy'])).get<DeploymentDetail>(`deployments/${id}`)).body;
const until = (id: number, state: DeploymentView['state']) =>
  scene.eventually(`deployment ${id} to be ${state}`, async () => {
    const found = await detail(id);
    return found.state === state ? found : null;
  });

const POLICY = `environments:
  - name: production
    environments: [production]
    deploy_access_levels: [{ group: operator-group }]
    approval_rules: [{ name: qa, group: qa-group }]
`;

describe('a deployment, with a runner and a GitLab', () => {
  it('to a tier that a group protects goes through operators, quality assurance and security, and is asked afresh when it is run again', async () => {
    await open();
    const made = await cli(
      'olga',
      'environments',
      'protect',
      'group:5',
      'production',
      '--deploy',
      'group:61',
      '--approve',
      'group:62=1',
      '--approve',
      'group:63=2',
    );
    expect([made.exit, made.err]).toEqual([0, '']);
    expect(made.out).toContain('2 × members of group 63');

    const job = scene.push('deploy-production', { user: maria });
    const hold = await scene.detached(job);
    expect(hold.waits_for).toEqual(['configuration', 'approvals', 'start']);
    expect(scene.gitlab.job(job).trace.toString()).toMatch(/not kept running here/);
    await approveHold(scene, hold);
    const { id, state } = await deploymentOf(hold.id);
    expect(state).toBe('blocked');

    const early = await cli('opal', 'deployments', 'run', String(id));
    expect([early.exit, early.err]).toEqual([4, expect.stringContaining('approvals are not complete')]);
    expect((await cli('sam', 'deployments', 'approve', String(id))).out).toContain('blocked');
    expect((await cli('sina', 'deployments', 'approve', String(id))).out).toContain('blocked');
    const operator = await cli('opal', 'deployments', 'approve', String(id));
    expect([operator.exit, operator.err]).toEqual([5, expect.stringContaining('and the rules ask for members of')]);
    expect((await cli('quinn', 'deployments', 'approve', String(id))).out).toContain('created; it waits for start');
    expect((await cli('quinn', 'deployments', 'run', String(id))).exit).toBe(5);
    expect((await cli('rob', 'deployments', 'show', String(id))).out).toContain('2 of 2');
    expect((await cli('opal', 'deployments', 'run', String(id))).exit).toBe(0);

    const retried = await scene.retryOf(job);
    const done = await until(id, 'success');
    expect(done.job_id).toBe(retried);
    expect(done.votes.map(({ person }) => person.username).sort()).toEqual(['quinn', 'sam', 'sina']);

    const again = scene.gitlab.retry(retried, maria);
    const second = await scene.detached(again);
    expect(second.id).not.toBe(hold.id);
    expect(second.waits_for).toEqual(['approvals', 'start']);
    const other = await deploymentOf(second.id);
    expect([other.state, other.iid]).toEqual(['blocked', done.iid + 1]);
    const shown = await detail(other.id);
    expect(shown.votes).toEqual([]);
    expect(shown.rules.map(({ have, need }) => [have, need])).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(shown.earlier.map((one) => [one.id, one.state])).toEqual([[id, 'success']]);
    expect((await detail(id)).votes).toHaveLength(3);
  });

  it('is started by an operator who triggers it; a job that waits is ended at once, so that nothing of its resource group waits', async () => {
    await open(POLICY);
    const job = scene.push('deploy-production', { user: { id: 71, username: 'opal', name: 'Opal Operator' } });
    const hold = await scene.detached(job);
    await approveHold(scene, hold);
    const { id, started } = await deploymentOf(hold.id);
    expect(started?.by.username).toBe('opal');
    expect((await detail(id)).waits_for).toEqual(['approvals']);
    expect((await cli('quinn', 'deployments', 'approve', String(id))).exit).toBe(0);
    await scene.retryOf(job);
    await until(id, 'success');
  });

  it('T19 falls back when whoever approved it has left before a runner has it, up to the hand-over', async () => {
    await open(POLICY);
    const runnerless = scene.push('deploy-production', { user: maria });
    const hold = await scene.detached(runnerless);
    await approveHold(scene, hold);
    const { id } = await deploymentOf(hold.id);
    await cli('quinn', 'deployments', 'approve', String(id));
    writeFileSync(
      `${scene.folder}/principals.yaml`,
      PEOPLE.replace('members: [{ user: quinn, access_level: reporter }]', 'members: []'),
    );
    await scene.eventually('the directory to have read the file', async () => {
      const run = await cli('opal', 'deployments', 'run', String(id));
      return run.exit === 4 ? run : null;
    });
    expect((await detail(id)).state).toBe('blocked');
    expect(scene.gitlab.job(runnerless).retriedAs).toBeNull();
  });

  it('says in the log of the job and to the API by which gates it waits, who approves and who runs it', async () => {
    await open(POLICY);
    const job = scene.push('deploy-production', { user: maria });
    const hold = await scene.detached(job);
    const log = scene.gitlab.job(job).trace.toString();
    expect(log).toContain('Environment production is protected (policy:production)');
    expect(log).toContain('Who may approve the deployment: quinn');
    expect(log).toContain('Who may run it once it is approved: opal');
    const seen = (await (await scene.as('rob', ['read'])).get<HoldDetail>(`holds/${hold.id}`)).body;
    expect(seen.deployment).toMatchObject({ state: 'blocked', environment: 'production', started_by: null });
    for (const who of ['quinn', 'opal'])
      expect((await (await scene.as(who, ['read'])).get(`holds/${hold.id}`)).status).toBe(200);
    expect((await (await scene.as('sam', ['read'])).get(`holds/${hold.id}`)).status).toBe(404);
  });

  it('is kept out by a mark that its commit is broken, and refused with the reason when it is run again', async () => {
    await open(POLICY);
    const job = scene.push('deploy-production', { user: maria });
    const hold = await scene.detached(job);
    await approveHold(scene, hold);
    const { id } = await deploymentOf(hold.id);
    await cli('quinn', 'deployments', 'approve', String(id));
    await cli('opal', 'deployments', 'run', String(id));
    const ran = await scene.retryOf(job);
    await until(id, 'success');
    expect((await cli('zoe', 'deployments', 'mark-broken', String(id), '--reason', 'errors')).exit).toBe(5);
    expect((await cli('quinn', 'deployments', 'mark-broken', String(id), '--reason', 'it loses payments')).exit).toBe(
      0,
    );
    const again = scene.gitlab.retry(ran, maria);
    await scene.gitlab.until('the job to be refused', () => scene.gitlab.job(again).status === 'failed');
    await scene.gitlab.until('the note', () => scene.gitlab.job(again).trace.toString().includes('it loses payments'));
    expect((await cli('quinn', 'deployments', 'lift-broken', String(id))).exit).toBe(0);
    expect((await scene.detached(scene.gitlab.retry(again, maria))).waits_for).toEqual(['approvals', 'start']);
  });
});
