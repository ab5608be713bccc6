import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { approveDeployment, askDeploymentStepUp } from '../../agent/src/app/deployments/vote.ts';
import type { Caller } from '../../agent/src/app/hub-context.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { Passkey } from '../../agent/src/domain/passkey.ts';
import { webauthn } from '../../agent/src/hub/webauthn.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { requestFor, START } from '../support/hub-world.ts';
import { type SoftAuthenticator, softAuthenticator } from '../support/soft-authenticator.ts';

const ORIGIN = 'http://localhost:8094';
const policy = (stepUp: string) =>
  readPolicy(
    `step_up: ${stepUp}
environments:
  - name: production
    environments: [production]
    approval_rules: [{ name: maintainers, access_level: maintainer, count: 1 }]
    deploy_access_levels: [{ access_level: developer }]
`,
    'policy.yaml',
  );

let hub: TestHub;
let key: SoftAuthenticator;
beforeEach(async () => {
  hub = await startHub();
  key = softAuthenticator();
  hub.world.policy = policy('passkey');
  const link = await welcomed(hub.url, hub.keys.embedded);
  const { digest, configuration, facts } = requestFor({ id: 1, environment: 'production' });
  link.send({ type: 'admit', ref: 'a', digest, configuration, facts: toSnake(facts), policy: null });
  await link.next('verdict');
  link.socket.terminate();
});
afterEach(() => hub.close());

/** maria, as the page knows her, with a passkey that has been confirmed. */
async function maria(): Promise<Caller> {
  const challenge = 'a-challenge-of-the-tests';
  const options = { challenge, rp: { id: 'localhost' } };
  const made = await webauthn().verifyRegistration(ORIGIN, key.create(options, ORIGIN), challenge);
  const { person, token } = hub.world.caller('maria');
  const text = await hub.token('maria');
  const [own] = await hub.store.tokens(person.id, { after: 0, limit: 1 });
  expect(text).toContain('maria');
  const passkey: Omit<Passkey, 'id'> = {
    person: { id: person.id, username: person.username },
    name: 'laptop',
    ...made!,
    createdAt: START,
    confirmed: { at: START, by: 30, username: 'olga' },
    lastUsedAt: null,
    removedAt: null,
  };
  await hub.store.write((tx) => tx.insertPasskey(passkey));
  return { person, token: { ...token, id: own!.id }, address: '127.0.0.1', origin: ORIGIN };
}
const context = () => ({ ...hub.world.context, passkeys: webauthn() });
const wish = { deployment: 1, comment: null, representedAs: null };

describe('T23 the approve of a deployment that needs a passkey', () => {
  it('counts with one, and keeps it with the vote and in the audit', async () => {
    const caller = await maria();
    const asked = await askDeploymentStepUp(context(), caller, wish);
    expect(asked).toMatchObject({ needed: 'passkey', met: false, problem: null });
    const assertion = key.get(asked.options as Record<string, unknown>, ORIGIN);
    expect(await approveDeployment(context(), caller, { ...wish, assertion })).toMatchObject({ state: 'created' });
    expect((await hub.store.deploymentVotes(1))[0]!.proof).toMatchObject({ kind: 'passkey' });
    const rows = await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(rows.find(({ event }) => event === 'deployment_vote_approve')!.detail.step_up).toMatchObject({
      kind: 'passkey',
    });
  });

  it('is refused without one, by whichever way it comes', async () => {
    await expect(approveDeployment(context(), await maria(), wish)).rejects.toMatchObject({ code: 'step_up_required' });
    const token = await hub.token('maria', ['read', 'approve', 'deploy']);
    const path = '/api/v4/projects/4242/deployments/1/approval';
    const answer = await hub.call('POST', path, token, { status: 'approved' });
    expect(answer.status).toBe(403);
    expect((await hub.store.deployment(1))!.state).toBe('blocked');
  });

  it('is asked for with the body of the approve itself, and on the page', async () => {
    const token = await hub.token('maria', ['read', 'approve']);
    const asked = await hub.call('POST', '/api/v1/deployments/1/challenge', token, { comment: 'looks good' });
    expect(asked).toMatchObject({
      status: 200,
      body: { needed: 'passkey', met: false, options: null, problem: expect.stringContaining('/holds/1') },
    });
  });

  it('is not given by the answer for the configuration, which asks something else', async () => {
    const caller = await maria();
    const asked = await askDeploymentStepUp(context(), caller, { ...wish, representedAs: 'maintainers' });
    const assertion = key.get(asked.options as Record<string, unknown>, ORIGIN);
    await expect(approveDeployment(context(), caller, { ...wish, assertion })).rejects.toMatchObject({
      code: 'step_up_required',
    });
  });

  it('T21 does not count from before the policy asked for it', async () => {
    hub.world.policy = policy('none');
    const caller = await maria();
    // The Deployment froze that a passkey is needed: a policy that asks for less afterwards changes nothing.
    await expect(approveDeployment(context(), caller, wish)).rejects.toMatchObject({ code: 'step_up_required' });
  });
});
