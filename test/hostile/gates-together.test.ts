/** Where two of the gates, or a gate and an exception, meet: what one of them refuses the other does not let through. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakGlass } from '../../agent/src/app/break-glass.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { type DeploymentWorld, deploymentWorld, PRODUCTION } from '../support/deployment-world.ts';
import { hubWorld, requestFor, VARIABLE_KEY, type World } from '../support/hub-world.ts';

const secret = (value: string): JsonObject => ({
  variables: [
    {
      key: 'DB_PASSWORD',
      value: [{ hmac: variableTag(VARIABLE_KEY, 4242, 'DB_PASSWORD', JSON.stringify(value)) }],
      public: false,
      masked: true,
      file: false,
      raw: false,
    },
  ],
});
const RELEASE = 'refs/heads/release';

describe('a remembered reject', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T15 T56 keeps back what waits elsewhere and is alike to what is approved now', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('autumn') });
    await world.admit({ id: 2, pipeline: 2, ref: RELEASE, extra: secret('autumn') });
    await world.admit({ id: 3, pipeline: 3, ref: RELEASE, extra: secret('summer') });
    await world.reject('maria', 1, { remember: true });
    await world.approve('jonas', 3);
    expect([await world.state(2), await world.state(3)]).toEqual(['waiting_for_approval', 'pending']);
    // Nor does the same job, asked about again.
    expect((await world.admit({ id: 2, pipeline: 2, ref: RELEASE, extra: secret('autumn') })).outcome).toBe('hold');
  });
});

describe('a remembered reject and a deployment', () => {
  let world: DeploymentWorld;
  beforeEach(async () => {
    world = await deploymentWorld(PRODUCTION);
  });
  afterEach(() => world.store.close());

  it('T15 what was rejected on another ref is not deployed by votes that come after', async () => {
    const main = await world.deploy({ id: 1, pipeline: 1 });
    const release = await world.deploy({ id: 2, pipeline: 2, ref: RELEASE });
    await world.approve('jonas', main.hold!);
    await world.reject('jonas', release.hold!, { remember: true });
    const { id } = await world.deployment(main.hold!);
    for (const who of ['quinn', 'sam', 'sina']) await world.vote(who, id);
    await world.run('opal', id);
    expect(await world.state(main.hold!)).toBe('waiting_for_approval');
  });

  it('T20 T30 an environment that GitLab could not be asked about is of the strictest tier that anything protects', async () => {
    await world.protect(
      'olga',
      { level: 'group', owner: 5, name: 'production' },
      {
        deployAccess: [{ who: { kind: 'group', id: 61, name: null, inherited: false } }],
        approvalRules: [{ who: { kind: 'access_level', level: 50 } }],
      },
    );
    const run = { environment: 'customer-a', tier: 'other' };
    const told = await world.deploy({ id: 1, pipeline: 1, ...run });
    expect(await world.store.deploymentOfHold(told.hold!)).toBeNull();
    const untold = await world.deploy({ id: 2, pipeline: 2, ...run, verifiedEnvironment: false });
    expect((await world.deployment(untold.hold!)).rules.sources).toEqual(['group:acme:production']);
  });
});

describe('exceptions', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T34 a glass that takes the place of an approval of this run says in the audit that it ended it', async () => {
    const freeze = `freeze: [{ name: always, time_zone: UTC, daily: [{ from: "00:00", to: "00:00" }] }]
break_glass: { rules: [{ name: release manager, user: maria }], for: 1h, during_freeze: true }
`;
    world.policy = readPolicy(freeze, 'policy.yaml');
    const job = { id: 1, pipeline: 1 };
    await world.admit(job);
    await world.approve('jonas', 1, { lifetime: 'run' });
    expect(await world.state(1)).toBe('waiting_for_approval');
    const { digest } = requestFor(job);
    await breakGlass(world.context, world.caller('maria'), { hold: 1, digest, reason: 'payments are down' });
    expect((await world.store.approval(1))?.revoked).toMatchObject({ by: 'maria' });
    const rows = await world.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(rows.find(({ event }) => event === 'approval_revoked')).toMatchObject({
      approval: 1,
      actor: 'user:21 maria',
    });
  });
});
