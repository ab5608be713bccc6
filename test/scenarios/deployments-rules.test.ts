import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liftBroken, markBroken } from '../../agent/src/app/deployments/broken.ts';
import {
  confirmEnvironmentChange,
  setProjectOptions,
  withdrawEnvironmentChange,
} from '../../agent/src/app/deployments/edit-environment.ts';
import { recheckDeployments } from '../../agent/src/app/deployments/recheck.ts';
import { approveDeployment } from '../../agent/src/app/deployments/vote.ts';
import { expire } from '../../agent/src/app/expire.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import { codeOf, type DeploymentWorld, deploymentWorld, PRODUCTION } from '../support/deployment-world.ts';
import { DAY, HOUR } from '../support/hub-world.ts';

let world: DeploymentWorld;
beforeEach(async () => {
  world = await deploymentWorld(PRODUCTION);
});
afterEach(() => world.store.close());

const PROJECT = { level: 'project', owner: 4242, name: 'production' } as const;
const group = (id: number) => ({ kind: 'group', id, name: null, inherited: false }) as const;
const level = (number: number) => ({ kind: 'access_level', level: number }) as const;

async function approveConfiguration(environment?: string): Promise<number> {
  const answer = await world.deploy({ id: 9_000, pipeline: 90, ...(environment && { environment }) });
  await world.approve('jonas', answer.hold!, { lifetime: 'until:2026-12-20' });
  return (await world.store.approvals({ sight: null }, { after: 0, limit: 10 })).at(-1)!.id;
}
/** A deployment that is approved and run, its job not handed over. */
async function released(id: number, run: object = {}): Promise<{ hold: number; deployment: number }> {
  const answer = await world.deploy({ id, ...run });
  const { id: deployment } = await world.deployment(answer.hold!);
  for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, deployment);
  await world.run('opal', deployment);
  return { hold: answer.hold!, deployment };
}
/** The people without this one in any group. */
function without(username: string): Principals {
  const id = world.people.users.find((user) => user.username === username)!.id;
  const groups = world.people.groups.map((one) => ({ ...one, members: one.members.filter(({ user }) => user !== id) }));
  return { ...world.people, groups };
}

describe('what protects an environment', () => {
  it('T20 is all that applies together: the policy file, the project by name, its groups by tier', async () => {
    await world.protect('maria', PROJECT, {
      deployAccess: [{ who: group(61) }],
      approvalRules: [{ who: { kind: 'user', id: 22, name: null } }],
    });
    await world.protect(
      'olga',
      { level: 'group', owner: 5, name: 'production' },
      { deployAccess: [{ who: level(40) }, { who: group(61) }], approvalRules: [{ who: level(50) }] },
    );
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id, rules } = await world.deployment(answer.hold!);
    expect(rules.sources).toEqual(['policy:production', 'project:production', 'group:acme:production']);
    expect(rules.rules.map(({ element }) => element)).toEqual([null, null, expect.any(Number), expect.any(Number)]);
    for (const who of ['sam', 'sina', 'quinn', 'jonas'])
      expect([who, (await world.vote(who, id)).state]).toEqual([who, 'blocked']);
    expect((await world.vote('olga', id)).state).toBe('created');
    expect(await codeOf(world.run('jonas', id))).toBe('no_deploy_access');
    expect((await world.run('opal', id)).started?.person.username).toBe('opal');
  });

  it('T20 is not escaped by the tier that a job declares, nor by letter case, nor by a group that was renamed', async () => {
    world.policy = DEFAULT_POLICY;
    await world.protect(
      'olga',
      { level: 'group', owner: 5, name: 'production' },
      { deployAccess: [{ who: level(50) }] },
    );
    const isProtected = async (id: number, run: object) =>
      world.store
        .deploymentOfHold((await world.deploy({ id, pipeline: id, ...run })).hold!)
        .then((one) => one !== null);
    expect(await isProtected(1, { environment: 'eu-prod', tier: 'development' })).toBe(true);
    expect(await isProtected(2, { environment: 'eu-west', tier: 'production' })).toBe(true);
    expect(await isProtected(3, { environment: 'PRODUCTION/eu' })).toBe(true);
    expect(await isProtected(4, { environment: 'eu-west', tier: 'other' })).toBe(false);
    world.people = {
      ...world.people,
      groups: world.people.groups.map((one) => (one.id === 5 ? { ...one, path: 'renamed' } : one)),
      projects: world.people.projects.map((one) => ({ ...one, path: one.path.replace('acme', 'renamed') })),
    };
    expect(await isProtected(5, { environment: 'eu-prod' })).toBe(true);
  });

  it('T16 by an empty list satisfies nobody: no group member, nobody with deploy access', async () => {
    world.people = {
      ...world.people,
      groups: world.people.groups.map((one) => (one.path === 'qa-group' ? { ...one, members: [] } : one)),
    };
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    for (const who of ['sam', 'sina', 'sue']) await world.vote(who, id);
    const seen = await world.look('rita', id);
    expect(seen.deployment.state).toBe('blocked');
    expect(seen.quorum?.possible).toBe(false);
    expect(await codeOf(world.protect('maria', { ...PROJECT, name: 'x' }, { deployAccess: [] }))).toBe('bad_input');
    const [access] = (await world.protect('maria', PROJECT, { deployAccess: [{ who: group(61) }] })).environment!
      .deployAccess;
    await world.change('maria', PROJECT, { deployAccess: [{ id: access!.id, destroy: true }] });
    const none = await world.deploy({ id: 2, pipeline: 101, by: 'opal' });
    expect((await world.deployment(none.hold!)).started).toBeNull();
  });

  it('asks for deploy access alone where it has no approval rules, and whoever has it starts by triggering', async () => {
    world.policyText(PRODUCTION.split('    approval_rules')[0]!);
    await approveConfiguration();
    expect((await world.deploy({ id: 1, by: 'opal' })).outcome).toBe('pass');
    const answer = await world.deploy({ id: 2, pipeline: 101, by: 'maria' });
    const { id, state } = await world.deployment(answer.hold!);
    expect([answer.outcome, state]).toEqual(['hold', 'created']);
    expect(await codeOf(world.vote('opal', id))).toBe('no_approval_rules');
    await world.run('otto', id);
    expect(await world.state(answer.hold!)).toBe('pending');
  });

  it('refuses at once, where the policy says so, what was triggered by somebody who may not deploy', async () => {
    world.policyText(PRODUCTION.replace('    approval_rules', '    on_no_deploy_access: refuse\n    approval_rules'));
    const answer = await world.deploy({ id: 1, by: 'maria' });
    expect(answer).toMatchObject({ outcome: 'refuse', hold: null });
    expect(answer.reason).toContain('maria may not deploy to production: members of operator-group may');
    expect((await world.deploy({ id: 2, by: 'opal' })).outcome).toBe('hold');
  });

  it('leaves the 30 days of a configuration to environments that nothing protects: here each deployment asks anyway', async () => {
    const open = await world.deploy({ id: 1, environment: 'review/x' });
    expect(await codeOf(world.approve('jonas', open.hold!, { lifetime: 'standing' }))).toBe('lifetime_not_allowed');
    const guarded = await world.deploy({ id: 2, pipeline: 101 });
    await world.approve('jonas', guarded.hold!, { lifetime: 'standing' });
    expect((await world.store.approvals({ sight: null }, { after: 0, limit: 10 })).at(-1)?.lifetime.kind).toBe(
      'standing',
    );
  });
});

describe('the rights of people around a deployment', () => {
  it('T19 count as they are now: who left before the last approve counts no more', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('sam', id);
    await world.vote('sina', id);
    world.people = without('sam');
    expect((await world.vote('quinn', id)).state).toBe('blocked');
    expect((await world.vote('sue', id)).state).toBe('created');
  });

  it('T19 are looked at again until the hand-over: an approver or a starter who left sends it back', async () => {
    await approveConfiguration();
    const one = await released(1);
    expect(await world.state(one.hold)).toBe('pending');
    world.people = without('sina');
    expect(await recheckDeployments(world.context)).toBe(1);
    expect([await world.state(one.hold), (await world.deployment(one.hold)).state]).toEqual([
      'waiting_for_approval',
      'blocked',
    ]);
    expect(await world.pushes()).toContain(`revoke ${one.hold}/1`);
    await world.vote('sue', one.deployment);
    expect(await world.state(one.hold)).toBe('pending');

    world.people = without('opal');
    const [status] = await world.report('embedded', { hold: one.hold, jobId: 1, event: 'handed_out' });
    expect(status).toMatchObject({ current: false });
    await world.report('embedded', { hold: one.hold, jobId: 1, event: 'undelivered' });
    expect(await world.state(one.hold)).toBe('waiting_for_approval');
    expect((await world.look('rita', one.deployment)).waitsFor).toEqual(['start']);
    await world.run('otto', one.deployment);
    expect(await world.state(one.hold)).toBe('pending');
  });

  it('T21 are those of the rules as they were and as they are: stricter rules are asked for too, laxer ones free nothing', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('sam', id);
    world.policyText(PRODUCTION.replace('count: 2', 'count: 1'));
    expect((await world.vote('quinn', id)).state).toBe('blocked');
    world.policyText(`${PRODUCTION}      - { name: owners, access_level: owner }\n`);
    expect((await world.vote('sina', id)).state).toBe('blocked');
    expect((await world.vote('olga', id).catch(() => null)) === null).toBe(true);
    world.policyText(PRODUCTION);
    await world.vote('sina', id);
    expect((await world.deployment(answer.hold!)).state).toBe('created');
    world.policyText(PRODUCTION.replace('operator-group', 'qa-group'));
    expect(await codeOf(world.run('opal', id))).toBe('no_deploy_access');
    expect(await codeOf(world.run('quinn', id))).toBe('no_deploy_access');
  });

  it('T21 T13 are judged again when somebody changes the rules at the very moment of a vote', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await world.vote('sam', id);
    await world.vote('sina', id);
    const { store } = world;
    let changed = false;
    const racing = {
      ...world.context,
      store: {
        ...store,
        async write<T>(work: Parameters<typeof store.write<T>>[0]): Promise<T> {
          if (!changed) {
            changed = true;
            await world.protect('maria', PROJECT, {
              deployAccess: [{ who: group(61) }],
              approvalRules: [{ who: level(50) }],
            });
          }
          return store.write(work);
        },
      },
    };
    const last = { deployment: id, comment: null, representedAs: null };
    const vote = () => approveDeployment(racing, world.caller('quinn', ['deploy']), last);
    // By the rules as they are now quinn alone completes nothing, and is no owner.
    expect(await codeOf(vote())).toBe('none');
    expect((await world.deployment(answer.hold!)).state).toBe('blocked');
    expect((await world.look('olga', id)).mayApprove).toMatchObject({ allowed: false, code: 'not_eligible' });
  });

  it('T13 what came under protection after a job was released is asked for at its hand-over', async () => {
    world.policy = DEFAULT_POLICY;
    await approveConfiguration();
    const answer = await world.deploy({ id: 1, pipeline: 101 });
    expect(answer.outcome).toBe('pass');
    world.policyText(PRODUCTION);
    const [status] = await world.report('embedded', { hold: answer.hold!, jobId: 1, event: 'handed_out' });
    expect(status).toMatchObject({ current: false });
    await world.report('embedded', { hold: answer.hold!, jobId: 1, event: 'undelivered' });
    expect(await world.state(answer.hold!)).toBe('waiting_for_approval');
    expect((await world.deployment(answer.hold!)).state).toBe('blocked');
  });

  it('T12 a revoked configuration goes nowhere, however approved its deployment is, and comes back with a new approval', async () => {
    const approval = await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    await revoke(world.context, world.caller('jonas'), approval, 'old');
    expect((await world.look('rita', id)).waitsFor).toEqual(['configuration', 'approvals', 'start']);
    for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, id);
    await world.run('opal', id);
    expect(await world.state(answer.hold!)).toBe('waiting_for_approval');
    await world.approve('jonas', answer.hold!);
    expect(await world.state(answer.hold!)).toBe('pending');
  });

  it('T12 a configuration whose approval ends while its deployment waits is asked about again', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    expect((await world.look('rita', id)).waitsFor).toEqual(['approvals', 'start']);
    world.clock.advance(29 * DAY);
    await expire(world.context);
    expect((await world.look('rita', id)).waitsFor).toEqual(['configuration', 'approvals', 'start']);
  });

  it('T12 a configuration whose approval has just ended is not run on the word of that approval', async () => {
    await approveConfiguration();
    const answer = await world.deploy({ id: 1 });
    const { id } = await world.deployment(answer.hold!);
    world.clock.advance(29 * DAY);
    for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, id);
    await world.run('opal', id);
    expect(await world.state(answer.hold!)).toBe('waiting_for_approval');
    expect((await world.look('rita', id)).waitsFor).toEqual(['configuration']);
    await world.approve('jonas', answer.hold!);
    expect(await world.state(answer.hold!)).toBe('pending');
  });
});

describe('a run that follows another one', () => {
  const option = (text: string) =>
    world.policyText(PRODUCTION.replace('    approval_rules', `    ${text}\n    approval_rules`));
  const finished = async (id: number, run: object = {}) => {
    const one = await released(id, run);
    await world.runs(one.hold, id);
    return one;
  };

  it('T14 of the same pipeline, commit and configuration needs no new approvals where the policy allows that, and a start all the same', async () => {
    option('rerun: allow');
    await approveConfiguration();
    await finished(1);
    const again = await world.deploy({ id: 2 });
    expect(again.outcome).toBe('hold');
    expect(await world.deployment(again.hold!)).toMatchObject({ kind: 'rerun', state: 'created', started: null });
    expect((await world.deploy({ id: 3, pipeline: 101 })).outcome).toBe('hold');
    expect((await world.deployment((await world.deploy({ id: 4, pipeline: 101 })).hold!)).kind).toBe('deploy');
  });

  it('T12 back to what ran there asks by the lighter rule, within its time, unless something of it was revoked', async () => {
    option('rollback: { within: 48h, approval_rules: [{ name: qa, group: qa-group }] }');
    const approval = await approveConfiguration();
    const old = { sha: 'a'.repeat(40), pipeline: 100 };
    await finished(1, old);
    await finished(2, { sha: 'b'.repeat(40), pipeline: 101 });
    world.clock.advance(HOUR);
    const back = await world.deploy({ id: 3, ...old });
    const { id, kind } = await world.deployment(back.hold!);
    expect(kind).toBe('rollback');
    expect((await world.vote('quinn', id)).state).toBe('created');
    expect((await world.run('opal', id)).state).toBe('created');
    expect(await world.state(back.hold!)).toBe('pending');
    await world.runs(back.hold!, 3);

    await finished(4, { sha: 'c'.repeat(40), pipeline: 102 });
    // The way back was not approved in full: the time goes on from what was.
    world.clock.advance(46.5 * HOUR);
    const third = await world.deploy({ id: 5, ...old });
    expect((await world.deployment(third.hold!)).kind).toBe('rollback');
    await world.report('embedded', { hold: third.hold!, jobId: 5, event: 'canceled' });
    world.clock.advance(HOUR);
    expect((await world.deployment((await world.deploy({ id: 7, ...old })).hold!)).kind).toBe('deploy');
    world.clock.advance(-47.5 * HOUR);
    await revoke(world.context, world.caller('jonas'), approval, 'leaks');
    const other = await world.deploy({ id: 6, ...old, pipeline: 103 });
    expect((await world.deployment(other.hold!)).kind).toBe('deploy');
  });

  it('is refused where it is older than what was deployed there last with success, and the policy forbids that', async () => {
    option('not_older_than_last_success: true');
    await approveConfiguration();
    await finished(1, { pipeline: 105 });
    const older = await world.deploy({ id: 2, pipeline: 104 });
    expect(older).toMatchObject({ outcome: 'refuse' });
    expect(older.reason).toContain('pipeline 104 is older than pipeline 105');
    expect((await world.deploy({ id: 3, pipeline: 106 })).outcome).toBe('hold');
  });

  it('of an older pipeline that waited while a newer one went ends as superseded when it would go', async () => {
    await approveConfiguration();
    const old = await world.deploy({ id: 1, pipeline: 100 });
    const { id } = await world.deployment(old.hold!);
    world.clock.advance(HOUR);
    await finished(2, { pipeline: 101 });
    world.clock.advance(HOUR);
    for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, id);
    await world.run('opal', id);
    expect(await world.store.hold(old.hold!)).toMatchObject({ state: 'canceled', reason: 'superseded' });
    expect((await world.deployment(old.hold!)).state).toBe('canceled');
    // Whoever runs the old one again means it.
    const again = await world.deploy({ id: 3, pipeline: 100 });
    const meant = await world.deployment(again.hold!);
    for (const who of ['sam', 'sina', 'quinn']) await world.vote(who, meant.id);
    await world.run('opal', meant.id);
    expect(await world.state(again.hold!)).toBe('pending');
  });

  it('T12 of a commit that is marked as broken there is refused, what waits is stopped, and both go on when the mark is lifted', async () => {
    await approveConfiguration();
    const one = await finished(1);
    const waiting = await released(2, { pipeline: 101 });
    expect(await codeOf(markBroken(world.context, world.caller('zoe'), one.deployment, 'x'))).toBe('not_eligible');
    await markBroken(world.context, world.caller('quinn'), one.deployment, 'it loses payments');
    expect(await world.state(waiting.hold)).toBe('waiting_for_approval');
    expect(await world.deployment(waiting.hold)).toMatchObject({ state: 'blocked' });
    expect(await codeOf(world.vote('sue', waiting.deployment))).toBe('deployment_broken');
    expect(await codeOf(world.run('opal', waiting.deployment))).toBe('deployment_broken');
    const refused = await world.deploy({ id: 3, pipeline: 102 });
    expect(refused).toMatchObject({ outcome: 'refuse' });
    expect(refused.reason).toContain('it loses payments');
    expect((await world.deploy({ id: 4, pipeline: 103, sha: 'b'.repeat(40) })).outcome).toBe('hold');
    expect((await world.deploy({ id: 5, pipeline: 104, environment: 'staging' })).outcome).toBe('hold');
    expect(await codeOf(markBroken(world.context, world.caller('opal'), one.deployment, 'y'))).toBe('wrong_state');

    await liftBroken(world.context, world.caller('opal'), one.deployment, 'fixed the data');
    expect(await world.state(waiting.hold)).toBe('pending');
    expect((await world.deploy({ id: 6, pipeline: 105 })).outcome).toBe('hold');
    expect(await world.audit()).toEqual(expect.arrayContaining(['deployment_broken', 'deployment_mended']));
  });
});

describe('who changes what protects an environment', () => {
  const wish = { deployAccess: [{ who: group(61) }], approvalRules: [{ who: group(62), count: 2 }] };

  it('T20 is a maintainer of the project, of the group for its tiers, and nobody whose job it is', async () => {
    expect(await codeOf(world.protect('alice', PROJECT, wish))).toBe('forbidden');
    expect(await codeOf(world.protect('opal', PROJECT, wish))).toBe('not_found');
    expect(await codeOf(world.protect('maria', { level: 'group', owner: 5, name: 'production' }, wish))).toBe(
      'not_found',
    );
    expect(await codeOf(world.protect('olga', { level: 'group', owner: 5, name: 'prod' }, wish))).toBe('bad_input');
    world.policyText(`${PRODUCTION}edit: { environments: owner }\n`);
    expect(await codeOf(world.protect('maria', PROJECT, wish))).toBe('forbidden');
    expect((await world.protect('olga', PROJECT, wish)).environment?.name).toBe('production');
    expect(await codeOf(world.protect('olga', PROJECT, wish))).toBe('already_protected');
  });

  it('is written down with what was and what is, and elements keep their ids', async () => {
    const made = (await world.protect('maria', PROJECT, wish)).environment!;
    const [rule] = made.approvalRules;
    const changed = (
      await world.change('jonas', PROJECT, {
        approvalRules: [{ id: rule!.id, count: 1 }, { who: level(40) }],
      })
    ).environment!;
    expect(changed.approvalRules.map(({ id, count }) => [id, count])).toEqual([
      [rule!.id, 1],
      [expect.any(Number), 1],
    ]);
    expect(changed.approvalRules[1]!.id).not.toBe(rule!.id);
    expect(await codeOf(world.change('jonas', PROJECT, { approvalRules: [{ id: 999, count: 1 }] }))).toBe('bad_input');
    await world.unprotect('maria', PROJECT);
    expect(await codeOf(world.unprotect('maria', PROJECT))).toBe('not_protected');
    await setProjectOptions(world.context, world.caller('maria'), 4242, { allowPipelineTriggerApprove: true });
    const rows = await world.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    const change = rows.find(({ event }) => event === 'environment_changed');
    expect(change?.actor).toBe('user:22 jonas');
    expect(JSON.stringify(change?.detail)).toContain('"before":{"id":1');
    expect(rows.map(({ event }) => event)).toEqual([
      'environment_protected',
      'environment_changed',
      'environment_unprotected',
      'project_options_changed',
    ]);
  });

  it('T18 T13 changes nothing alone where the policy wants four eyes: a second person confirms, of what it was asked for', async () => {
    world.policyText(`${PRODUCTION}edit: { environments_four_eyes: true }\n`);
    const asked = await world.protect('maria', PROJECT, wish);
    expect(asked).toMatchObject({ environment: null, pending: { state: 'open' } });
    const confirm = (who: string, id: number) => confirmEnvironmentChange(world.context, world.caller(who), id);
    expect(await codeOf(confirm('maria', asked.pending!.id))).toBe('self_approval');
    expect(await codeOf(confirm('alice', asked.pending!.id))).toBe('forbidden');
    expect((await confirm('jonas', asked.pending!.id)).environment?.approvalRules).toHaveLength(1);
    expect(await codeOf(confirm('jonas', asked.pending!.id))).toBe('wrong_state');

    const [one, two] = [
      await world.change('maria', PROJECT, { approvalRules: [{ who: level(40) }] }),
      await world.unprotect('maria', PROJECT),
    ];
    await confirm('jonas', one.pending!.id);
    expect(await codeOf(confirm('jonas', two.pending!.id))).toBe('wrong_state');
    expect((await world.store.protectedEnvironmentNamed(PROJECT))?.approvalRules).toHaveLength(2);
    const third = await world.unprotect('maria', PROJECT);
    await withdrawEnvironmentChange(world.context, world.caller('jonas'), third.pending!.id);
    expect(await world.store.protectedEnvironmentNamed(PROJECT)).not.toBeNull();
  });
});
