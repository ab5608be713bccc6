/** Where two of the gates, or a gate and an exception, meet: what one of them refuses the other does not let through. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { inspectAsk } from '../../agent/src/app/asks.ts';
import { breakGlass } from '../../agent/src/app/break-glass.ts';
import { liftDenial } from '../../agent/src/app/denials.ts';
import { markBroken } from '../../agent/src/app/deployments/broken.ts';
import { importConfigurations } from '../../agent/src/app/import-configurations.ts';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { type DeploymentWorld, deploymentWorld, PRODUCTION } from '../support/deployment-world.ts';
import { configurationFor, factsFor, hubWorld, requestFor, VARIABLE_KEY, type World } from '../support/hub-world.ts';

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

  it('T20 a commit that is marked as broken is so whatever letter case its environment is written in', async () => {
    const first = await world.deploy({ id: 1, pipeline: 1 });
    const { id } = await world.deployment(first.hold!);
    await markBroken(world.context, world.caller('opal', ['read', 'deploy']), id, 'loses payments');
    const outcome = async (job: number, environment: string) =>
      (await world.deploy({ id: job, pipeline: job, environment })).outcome;
    expect([await outcome(2, 'production'), await outcome(3, 'PRODUCTION')]).toEqual(['refuse', 'refuse']);
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

describe('a question that no job waits on', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T32 shows the tags of hidden values to whom it asks, and to nobody else who may see it', async () => {
    await world.admit({ id: 1 });
    const configuration = configurationFor(['make'], secret('summer'));
    const place = { ref: 'refs/heads/main', refProtected: true, environment: null };
    const digest = digestOfText(canonicalJson(configuration));
    const one = { note: 'a.json', projectId: 4242, job: 'build', place, digest, configuration };
    const [asked] = await importConfigurations(world.context, world.caller('zoe'), [one], null);
    expect(asked).toMatchObject({ outcome: 'asked', error: null });
    const shown = async (who: string) =>
      JSON.stringify((await inspectAsk(world.context, world.caller(who), asked!.review!)).configuration);
    const tag = variableTag(VARIABLE_KEY, 4242, 'DB_PASSWORD', JSON.stringify('summer'));
    expect(await shown('maria')).toContain(tag);
    for (const who of ['rita', 'zoe']) expect(await shown(who)).not.toContain(tag);
  });
});

describe('an outage of whoever knows people', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T18 T30 does not let authors approve later what nobody could tell was theirs', async () => {
    const known = world.people;
    world.people = { users: [], groups: [], projects: [] };
    await world.admit({ id: 1, people: [{ role: 'author', id: null, name: 'maria', email: 'maria@example.com' }] });
    world.people = known;
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'self_approval' });
    expect((await inspectHold(world.context, world.caller('maria'), 1)).mayVote).toMatchObject({
      code: 'self_approval',
    });
    await world.approve('jonas', 1);
    expect(await world.state(1)).toBe('pending');
  });
});

describe('an outage and a denial', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T15 T18 does not let authors lift what others have said no to', async () => {
    const known = world.people;
    world.people = { users: [], groups: [], projects: [] };
    await world.admit({ id: 1, people: [{ role: 'author', id: null, name: 'maria', email: 'maria@example.com' }] });
    world.people = known;
    await world.reject('jonas', 1, { remember: true });
    await expect(liftDenial(world.context, world.caller('maria'), 1, null)).rejects.toMatchObject({
      code: 'self_approval',
    });
    expect(await liftDenial(world.context, world.caller('jonas'), 1, null)).toMatchObject({ by: 'jonas' });
  });
});

describe('what whoever asks does not say', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T20 a payload without the path of its project is under the rules of that project all the same', async () => {
    const text = `rules: [{ name: one, access_level: maintainer }]
configurations:
  - name: payments
    match: { projects: [acme/payments/*] }
    rules: [{ name: two, access_level: maintainer, count: 2 }]
`;
    world.policy = readPolicy(text, 'policy.yaml');
    const facts = { ...factsFor({ id: 1 }), project: { id: 4242, path: null } };
    const { hold } = await admit(world.context, 'embedded', { ...requestFor({ id: 1 }), facts });
    const asked = await world.store.review((await world.store.hold(hold!))!.review!);
    expect(asked?.requirement.rules.map(({ name }) => name)).toEqual(['two']);
  });

  it('T20 another letter case of an environment escapes neither its freeze nor its stricter rules', async () => {
    const text = `rules: [{ name: one, access_level: maintainer }]
configurations:
  - name: production
    match: { environments: [production] }
    rules: [{ name: two, access_level: maintainer, count: 2 }]
freeze:
  - { name: always, time_zone: UTC, match: { environments: [production] }, daily: [{ from: "00:00", to: "00:00" }] }
`;
    world.policy = readPolicy(text, 'policy.yaml');
    await world.admit({ id: 1, environment: 'Production' });
    const hold = (await world.store.hold(1))!;
    expect((await world.store.review(hold.review!))?.requirement.rules.map(({ name }) => name)).toEqual(['two']);
    await world.approve('maria', 1);
    await world.approve('jonas', 1);
    const frozen = await world.store.hold(1);
    expect([frozen?.state, frozen?.reason]).toEqual(['waiting_for_approval', expect.stringContaining('frozen')]);
  });

  it('T12 T48 artifacts of a job whose approval was taken back are not those of an approved job', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    await world.approve('maria', 1);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await revoke(world.context, world.caller('maria'), 1, 'it was a miner');
    const dependencies = [{ name: 'build', jobId: 1, samePipeline: true }];
    await world.admit({ id: 2, pipeline: 1, name: 'deploy', environment: 'production', dependencies });
    expect((await world.store.hold(2))?.inputs).toBe('same_pipeline');
  });
});
