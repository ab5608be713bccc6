import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { TokenScope } from '../../agent/src/domain/token.ts';
import { pageOf } from '../../agent/src/wire/api.ts';
import {
  brokenSchema,
  deploymentDetailSchema,
  environmentOutcomeSchema,
  environmentsSchema,
  listedDeploymentSchema,
} from '../../agent/src/wire/deployments.ts';
import { PRODUCTION, TEAM_PEOPLE } from '../support/deployment-world.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await startHub({});
  hub.world.people = TEAM_PEOPLE;
  hub.world.policy = readPolicy(PRODUCTION, 'policy.yaml');
});
afterEach(() => hub.close());

const ask = async (
  who: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  scopes: readonly TokenScope[] = ['read', 'approve', 'deploy'],
) => hub.call(method, `/api/v1/${path}`, await hub.token(who, scopes), body);
const codeOf = async (answer: ReturnType<typeof ask>) => {
  const { status, body } = await answer;
  return [status, body.code ?? body.state];
};
/** A deployment of maria's with its configuration approved. */
async function deploys(id: number, environment = 'production'): Promise<number> {
  const { hold } = await hub.world.admit({ id, pipeline: 100 + id, by: 'maria', name: 'deploy', environment });
  // What was approved once covers the next one.
  if ((await hub.store.hold(hold!))?.configured === null) await hub.world.approve('jonas', hold!);
  return (await hub.store.deploymentOfHold(hold!))!.id;
}

describe('deployments over HTTP', () => {
  it('are listed, shown, approved and run, each with the code that says what is missing', async () => {
    const id = await deploys(1);
    const list = await ask('opal', 'GET', 'deployments?state=blocked,created&environment=production');
    expect(
      pageOf(listedDeploymentSchema)
        .parse(list.body)
        .items.map((one) => one.id),
    ).toEqual([id]);
    expect((await ask('opal', 'GET', 'deployments?state=success')).body.items).toEqual([]);
    expect(await codeOf(ask('opal', 'POST', `deployments/${id}/run`))).toEqual([400, 'approvals_missing']);
    expect(await codeOf(ask('quinn', 'POST', `deployments/${id}/run`))).toEqual([403, 'no_deploy_access']);
    expect(await codeOf(ask('opal', 'POST', `deployments/${id}/approve`))).toEqual([403, 'not_eligible']);
    expect(await codeOf(ask('quinn', 'POST', `deployments/${id}/approve`, { represented_as: 'security' }))).toEqual([
      403,
      'not_eligible',
    ]);
    expect(await codeOf(ask('quinn', 'POST', `deployments/${id}/approve`, { represented_as: 'nobody' }))).toEqual([
      400,
      'bad_input',
    ]);
    for (const who of ['sam', 'sina'])
      expect(await codeOf(ask(who, 'POST', `deployments/${id}/approve`, { comment: 'fine' }))).toEqual([
        200,
        'blocked',
      ]);
    expect(await codeOf(ask('quinn', 'POST', `deployments/${id}/approve`))).toEqual([200, 'created']);
    expect(await codeOf(ask('opal', 'POST', `deployments/${id}/run`))).toEqual([200, 'created']);
    expect(await codeOf(ask('opal', 'POST', `deployments/${id}/run`))).toEqual([409, 'wrong_state']);
    const shown = deploymentDetailSchema.parse((await ask('rita', 'GET', `deployments/${id}`)).body);
    expect(shown).toMatchObject({ state: 'created', hold_state: 'pending', waits_for: [], is_protected: true });
    expect(shown.rules.map(({ name, have, need }) => `${name} ${have}/${need}`)).toEqual(['qa 1/1', 'security 2/2']);
    expect(await codeOf(ask('stranger', 'GET', `deployments/${id}`))).toEqual([404, 'not_found']);
    expect(await codeOf(ask('rita', 'GET', 'deployments/999'))).toEqual([404, 'not_found']);
  });

  it('T24 need a token that may vote or deploy: one that votes runs none, one that reads does nothing', async () => {
    const id = await deploys(1);
    for (const [what, body] of [
      ['run', {}],
      ['mark-broken', { reason: 'x' }],
      ['lift-broken', {}],
    ] as const)
      expect(await codeOf(ask('sam', 'POST', `deployments/${id}/${what}`, body, ['read', 'approve']))).toEqual([
        403,
        'forbidden',
      ]);
    expect(await codeOf(ask('sam', 'POST', `deployments/${id}/approve`, {}, ['read']))).toEqual([403, 'forbidden']);
    expect(await codeOf(ask('sam', 'POST', `deployments/${id}/reject`, { comment: 'no' }, ['read']))).toEqual([
      403,
      'forbidden',
    ]);
    const seen = deploymentDetailSchema.parse((await ask('sam', 'GET', `deployments/${id}`, undefined, ['read'])).body);
    expect(seen.may_approve).toMatchObject({ allowed: false, code: 'forbidden' });
    expect((await hub.store.deploymentVotes(id)).length).toBe(0);
  });

  it('end with a reject that has a comment, and a mark keeps the commit out', async () => {
    const [one, two] = [await deploys(1), await deploys(2)];
    expect(await codeOf(ask('sam', 'POST', `deployments/${one}/reject`))).toEqual([400, 'bad_input']);
    expect(await codeOf(ask('sam', 'POST', `deployments/${one}/reject`, { comment: 'wrong window' }))).toEqual([
      200,
      'failed',
    ]);
    expect((await ask('opal', 'POST', `deployments/${two}/mark-broken`, { reason: 'errors' })).body).toMatchObject({
      environment: 'production',
      lifted_at: null,
    });
    expect(await codeOf(ask('sam', 'POST', `deployments/${two}/approve`))).toEqual([409, 'deployment_broken']);
    const lifted = await ask('sam', 'POST', `deployments/${two}/lift-broken`, { reason: 'mended' });
    expect(brokenSchema.parse(lifted.body).lifted_by?.username).toBe('sam');
    expect(await codeOf(ask('sam', 'POST', `deployments/${two}/approve`))).toEqual([200, 'blocked']);
  });
});

describe('protected environments over HTTP', () => {
  it('are set, changed by element, listed with what waits for a second person, and taken away', async () => {
    const path = 'environments/project/4242/production';
    const made = await ask('maria', 'POST', path, {
      deploy_access_levels: [{ group_id: 61 }],
      approval_rules: [{ group_id: 62, required_approvals: 2 }, { access_level: 40 }],
      options: { on_no_deploy_access: 'refuse', live_s: 60 },
    });
    expect([made.status, made.body.pending]).toEqual([200, null]);
    const { environment } = environmentOutcomeSchema.parse(made.body);
    const [rule] = environment!.approval_rules;
    expect(rule).toMatchObject({ group_id: 62, required_approvals: 2, who: 'members of group 62' });
    expect(environment!.options).toMatchObject({ on_no_deploy_access: 'refuse', live_s: 60 });
    expect(await codeOf(ask('maria', 'POST', path, { deploy_access_levels: [{ group_id: 61 }] }))).toEqual([
      409,
      'already_protected',
    ]);
    const changed = await ask('jonas', 'PUT', path, { approval_rules: [{ id: rule!.id, destroy: true }] });
    expect(environmentOutcomeSchema.parse(changed.body).environment?.approval_rules).toHaveLength(1);
    for (const bad of [[{ group_id: 61, access_level: 40 }], [{}], [{ id: 999, destroy: true }]])
      expect(await codeOf(ask('maria', 'PUT', path, { approval_rules: bad }))).toEqual([400, 'bad_input']);
    expect(
      await codeOf(ask('maria', 'PUT', path, { approval_rules: [{ user_id: 21, required_approvals: 6 }] })),
    ).toEqual([400, 'bad_input']);
    expect(await codeOf(ask('alice', 'DELETE', path))).toEqual([403, 'forbidden']);
    expect(await codeOf(ask('maria', 'DELETE', path, undefined, ['read', 'approve']))).toEqual([403, 'forbidden']);

    await ask('maria', 'PUT', 'environments/project/4242', { allow_pipeline_trigger_approve: true });
    hub.world.policy = readPolicy('edit: { environments_four_eyes: true }\n', 'policy.yaml');
    const asked = await ask('maria', 'DELETE', path);
    expect(asked.body).toMatchObject({ pending: { action: 'unprotect', state: 'open' } });
    const listed = environmentsSchema.parse((await ask('rita', 'GET', 'environments/project/4242')).body);
    expect(listed).toMatchObject({ allow_pipeline_trigger_approve: true, items: [{ name: 'production' }] });
    expect(listed.pending).toHaveLength(1);
    const change = `environment-changes/${environmentOutcomeSchema.parse(asked.body).pending?.id}`;
    expect(await codeOf(ask('maria', 'POST', `${change}/confirm`))).toEqual([403, 'self_approval']);
    expect((await ask('jonas', 'POST', `${change}/confirm`)).body).toEqual({ environment: null, pending: null });
    expect((await ask('rita', 'GET', 'environments/project/4242')).body.items).toEqual([]);
    expect(await codeOf(ask('stranger', 'GET', 'environments/project/4242'))).toEqual([404, 'not_found']);
  });
});
