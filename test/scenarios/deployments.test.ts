import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, type DeploymentWorld, deploymentWorld, PRODUCTION } from '../support/deployment-world.ts';

let world: DeploymentWorld;
beforeEach(async () => {
  world = await deploymentWorld(PRODUCTION);
});
afterEach(() => world.store.close());

/** Lets the configuration of the deploy job be approved once, by a deployment nobody finishes. */
async function approveConfiguration(): Promise<void> {
  const answer = await world.deploy({ id: 9_000, pipeline: 90 });
  await world.approve('jonas', answer.hold!, { lifetime: 'standing' });
}

const deployAll = async (deployment: number) => {
  for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, deployment);
  return world.run('opal', deployment);
};

describe('a deployment to a protected environment', () => {
  it('goes only when quality assurance and two of security have approved it and an operator has run it', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    expect(answer.outcome).toBe('hold');
    const { id } = await world.deployment(answer.hold!);
    expect(await world.deployment(answer.hold!)).toMatchObject({ state: 'blocked', iid: 2, started: null });
    expect((await world.look('maria', id)).counted.map(({ rule, have, need }) => [rule.name, have, need])).toEqual([
      ['qa', 0, 1],
      ['security', 0, 2],
    ]);

    expect(await codeOf(world.run('opal', id))).toBe('approvals_missing');
    expect((await world.vote('sam', id)).state).toBe('blocked');
    expect((await world.vote('sina', id)).state).toBe('blocked');
    expect(await codeOf(world.vote('opal', id))).toBe('not_eligible');
    expect((await world.vote('quinn', id)).state).toBe('created');
    expect(await world.state(answer.hold!)).toBe('waiting_for_approval');
    expect(await codeOf(world.run('quinn', id))).toBe('no_deploy_access');

    expect((await world.run('opal', id)).started?.person.username).toBe('opal');
    expect(await world.state(answer.hold!)).toBe('pending');
    expect(await world.pushes()).toContain(`release ${answer.hold}/1`);
    await world.report('embedded', { hold: answer.hold!, jobId: 1, event: 'handed_out' });
    expect((await world.deployment(answer.hold!)).state).toBe('created');
    await world.report('embedded', { hold: answer.hold!, jobId: 1, event: 'confirmed' });
    expect((await world.deployment(answer.hold!)).state).toBe('running');
    await world.report('embedded', { hold: answer.hold!, jobId: 1, event: 'ended', detail: { status: 'success' } });
    const done = await world.look('rita', id);
    expect(done.deployment.state).toBe('success');
    expect(done.votes.map(({ person }) => person.username).sort()).toEqual(['quinn', 'sam', 'sina']);
    expect(await world.audit()).toEqual(
      expect.arrayContaining([
        'deployment_created',
        'deployment_vote_approve',
        'deployment_approved',
        'deployment_run',
        'deployment_running',
        'deployment_ended',
      ]),
    );
  });

  it('T14 asks afresh when it is run again: blocked, nobody has approved, and the first one is kept whole', async () => {
    await approveConfiguration();
    const first = await world.deploy({ id: 1 });
    const before = await world.deployment(first.hold!);
    await deployAll(before.id);
    await world.runs(first.hold!, 1);

    const second = await world.deploy({ id: 2 });
    expect(second).toMatchObject({ outcome: 'hold' });
    expect(second.hold).not.toBe(first.hold);
    const again = await world.look('rita', (await world.deployment(second.hold!)).id);
    expect(again.deployment.state).toBe('blocked');
    expect(again.votes).toEqual([]);
    expect(again.counted.map(({ have }) => have)).toEqual([0, 0]);
    expect(again.earlier.map(({ id }) => id)).toContain(before.id);
    const kept = await world.look('rita', before.id);
    expect(kept.deployment).toMatchObject({ state: 'success', iid: before.iid });
    expect(kept.votes).toHaveLength(3);
  });

  it('asks a job that GitLab retried while it waited nothing twice: it joins its hold, its deployment and its votes', async () => {
    await approveConfiguration();
    const first = await world.deploy({ id: 1 });
    const { id } = await world.deployment(first.hold!);
    await world.vote('sam', id);
    await world.report('embedded', { hold: first.hold!, jobId: 1, event: 'detached', detail: { reason: 'gone' } });
    const retried = await world.deploy({ id: 2, by: 'zoe' });
    expect(retried).toMatchObject({ outcome: 'hold', hold: first.hold });
    expect((await world.look('sam', id)).votes).toHaveLength(1);
    await world.vote('sina', id);
    await world.vote('quinn', id);
    await world.run('opal', id);
    expect(await world.pushes()).toContain(`release ${first.hold}/2`);
  });

  it('T10 neither gate counts for the other: a configuration that was approved deploys nothing, an approved deployment runs nothing', async () => {
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    expect((await world.look('rita', id)).waitsFor).toEqual(['configuration', 'approvals', 'start']);
    await world.approve('jonas', answer.hold!);
    expect(await world.state(answer.hold!)).toBe('waiting_for_approval');
    expect((await world.look('rita', id)).waitsFor).toEqual(['approvals', 'start']);
    expect((await world.look('rita', id)).votes).toEqual([]);

    const other = await world.deploy({ id: 2, pipeline: 101, script: ['make other'] });
    const second = await world.deployment(other.hold!);
    await deployAll(second.id);
    expect(await world.state(other.hold!)).toBe('waiting_for_approval');
    expect((await world.look('rita', second.id)).waitsFor).toEqual(['configuration']);
    await world.approve('jonas', other.hold!);
    expect(await world.state(other.hold!)).toBe('pending');
  });

  it('is started by whoever triggered it, where they may deploy, and then needs approvals alone', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1, by: 'opal' });
    const { id, started, state } = await world.deployment(answer.hold!);
    expect([state, started?.person.username]).toEqual(['blocked', 'opal']);
    await world.vote('sam', id);
    await world.vote('sina', id);
    await world.vote('quinn', id);
    expect(await world.state(answer.hold!)).toBe('pending');
  });

  it('T17 is started by nobody whose name GitLab did not confirm, and by no bot', async () => {
    await approveConfiguration();
    for (const [id, run] of [
      [1, { verified: 'unverified' }],
      [2, { verifiedEnvironment: false }],
    ] as const) {
      const answer = await world.deploy({ id, pipeline: 200 + id, by: 'opal', ...run });
      expect((await world.deployment(answer.hold!)).started).toBeNull();
    }
    world.people = {
      ...world.people,
      users: world.people.users.map((user) => (user.username === 'opal' ? { ...user, bot: true } : user)),
    };
    const byBot = await world.deploy({ id: 3, pipeline: 300, by: 'opal' });
    expect((await world.deployment(byBot.hold!)).started).toBeNull();
    // Not even one that a list names: a bot triggers what somebody else made it trigger.
    world.policyText(PRODUCTION.replace('{ group: operator-group }', '{ user: opal }'));
    const named = await world.deploy({ id: 4, pipeline: 301, by: 'opal' });
    expect((await world.deployment(named.hold!)).started).toBeNull();
  });

  it('T18 is not approved by whoever triggered it, and their own reject counts', async () => {
    world.people = {
      ...world.people,
      groups: world.people.groups.map((group) =>
        group.path === 'qa-group' ? { ...group, members: [...group.members, { user: 21, accessLevel: 20 }] } : group,
      ),
    };
    await approveConfiguration();
    const answer = await world.deploy({ id: 1, by: 'maria' });
    const { id } = await world.deployment(answer.hold!);
    expect(await codeOf(world.vote('maria', id))).toBe('self_approval');
    expect((await world.refuse('maria', id)).state).toBe('failed');
    expect(await world.state(answer.hold!)).toBe('rejected');
  });

  it('lets the trigger approve only where the policy says so, and says so in the audit', async () => {
    world.policyText(
      PRODUCTION.replace('    approval_rules', '    allow_pipeline_trigger_approve: true\n    approval_rules'),
    );
    await approveConfiguration();
    const answer = await world.deploy({ id: 1, by: 'sam' });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('sam', id);
    expect((await world.look('sam', id)).counted[1]!.have).toBe(1);
    expect(await world.audit()).toContain('exception_used');
  });

  it('one reject ends it and its hold, whatever was approved before, and nothing else', async () => {
    await approveConfiguration();
    const [one, two] = [await world.deploy({ id: 1 }), await world.deploy({ id: 2, pipeline: 101 })];
    const [a, b] = [await world.deployment(one.hold!), await world.deployment(two.hold!)];
    await world.vote('sam', a.id);
    expect(await world.refuse('sina', a.id)).toMatchObject({ state: 'failed', reason: 'sina: not like this' });
    expect(await world.state(one.hold!)).toBe('rejected');
    expect(await world.pushes()).toContain(`reject ${one.hold}/1`);
    expect((await world.deployment(two.hold!)).state).toBe('blocked');
    expect(await codeOf(world.vote('quinn', a.id))).toBe('wrong_state');
    expect((await world.vote('sam', b.id)).state).toBe('blocked');
  });

  it('can still be rejected when it is approved and run, as long as no runner has it', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await deployAll(id);
    expect(await world.state(answer.hold!)).toBe('pending');
    expect((await world.refuse('quentin', id)).state).toBe('failed');
    expect(await world.state(answer.hold!)).toBe('rejected');
  });

  it('T22 counts a person once, and lets them say for which rule', async () => {
    world.people = {
      ...world.people,
      groups: world.people.groups.map((group) =>
        group.path === 'security-group'
          ? { ...group, members: [...group.members, { user: 73, accessLevel: 20 }] }
          : group,
      ),
    };
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('quinn', id, 'security');
    expect((await world.look('rita', id)).counted.map(({ have }) => have)).toEqual([0, 1]);
    await world.vote('quinn', id);
    await world.vote('sam', id);
    expect((await world.vote('sina', id)).state).toBe('created');
    expect(await codeOf(world.vote('quentin', id, 'nobody'))).toBe('wrong_state');
  });

  it('ends with its hold: canceled in GitLab, expired, or failed because no runner showed', async () => {
    await approveConfiguration();
    const canceled = await world.deploy({ id: 1 });
    await world.report('embedded', { hold: canceled.hold!, jobId: 1, event: 'canceled' });
    expect((await world.deployment(canceled.hold!)).state).toBe('canceled');
    const lost = await world.deploy({ id: 2, pipeline: 101 });
    await deployAll((await world.deployment(lost.hold!)).id);
    await world.report('embedded', { hold: lost.hold!, jobId: 2, event: 'handed_out' });
    await world.report('embedded', { hold: lost.hold!, jobId: 2, event: 'unconfirmed' });
    expect((await world.deployment(lost.hold!)).state).toBe('failed');
  });

  it('every environment of a job matrix has a deployment of its own', async () => {
    world.policyText(PRODUCTION.replace('[production]', '["production/*"]'));
    const regions = ['eu', 'us'];
    const holds: number[] = [];
    for (const [i, region] of regions.entries()) {
      const name = `deploy: [${region}]`;
      const answer = await world.deploy({ id: 10 + i, name, environment: `production/${region}` });
      await world.approve('jonas', answer.hold!);
      holds.push(answer.hold!);
    }
    const [eu, us] = [await world.deployment(holds[0]!), await world.deployment(holds[1]!)];
    await deployAll(eu.id);
    expect([await world.state(holds[0]!), await world.state(holds[1]!)]).toEqual(['pending', 'waiting_for_approval']);
    expect((await world.look('rita', us.id)).votes).toEqual([]);
    expect(eu.environment.id).not.toBe(us.environment.id);
  });

  it.each(['start', 'stop', 'prepare', 'verify', 'access'])('is asked for to %s an environment', async (action) => {
    const answer = await world.deploy({ id: 1, name: action, action });
    expect(await world.deployment(answer.hold!)).toMatchObject({ state: 'blocked', environment: { action } });
  });

  it('is seen by whoever is asked, though they are in no project, and by no stranger', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    for (const who of ['opal', 'quinn', 'sam', 'rita', 'maria'])
      expect((await world.look(who, id)).deployment.id).toBe(id);
    expect(await codeOf(world.look('stranger', id))).toBe('not_found');
  });

  it('says who may approve, who could complete it, who may run it, and why the one who asks may not', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('sam', id);
    const seen = await world.look('rita', id);
    expect(seen.mayApprove).toMatchObject({ allowed: false, code: 'not_eligible' });
    expect(seen.mayRun).toMatchObject({ allowed: false, code: 'no_deploy_access' });
    expect(seen.deployers.map(({ username }) => username)).toEqual(['opal', 'otto']);
    expect(seen.quorum).toMatchObject({ possible: true });
    expect(seen.rules.map(({ name, need, have }) => `${name} ${have}/${need}`)).toEqual(['qa 0/1', 'security 1/2']);
    expect((await world.look('opal', id)).mayRun).toMatchObject({ allowed: false, code: 'approvals_missing' });
    expect((await world.look('quinn', id)).mayApprove).toEqual({ allowed: true });
  });
});
