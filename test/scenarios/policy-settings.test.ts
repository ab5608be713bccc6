import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { demandedMode, stricterMode } from '../../agent/src/domain/policy-demands.ts';
import { hubWorld, type World } from '../support/hub-world.ts';

describe('what a policy says of single jobs', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());
  const policy = (text: string) => {
    world.policy = readPolicy(text, 'policy.yaml');
  };

  it('is decided by the first entry that fits and speaks of it, setting by setting', async () => {
    policy(`configurations:
  - { name: deployments, match: { environments: [prod*] }, comment: required }
  - { name: api, match: { projects: [ACME/payments/*] }, comment: optional, rules: [{ name: owners, access_level: owner }] }
`);
    await world.admit({ id: 1, environment: 'production' });
    await expect(world.approve('olga', 1)).rejects.toMatchObject({ code: 'comment_required' });
    await expect(world.approve('olga', 1, { comment: '  ' })).rejects.toMatchObject({ code: 'comment_required' });
    await expect(world.approve('maria', 1, { comment: 'fine' })).rejects.toMatchObject({ code: 'not_eligible' });
    expect((await world.approve('olga', 1, { comment: 'fine' })).state).toBe('pending');
    await world.admit({ id: 2, pipeline: 101 });
    expect((await world.approve('olga', 2)).state).toBe('pending');
  });

  it('T20 is not widened by what a job calls itself: patterns match the whole name, and a path is of the project', async () => {
    policy(`configurations:
  - { name: free, match: { projects: [acme/web], jobs: [lint] }, rules: [{ name: anybody, access_level: developer }] }
`);
    await world.admit({ id: 1, name: 'lint' });
    await world.admit({ id: 2, pipeline: 101, name: 'lint-and-deploy' });
    for (const hold of [1, 2])
      await expect(world.approve('alice', hold)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('asks about each run of a job whose time-out is out of bounds, whatever is approved', async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    policy('timeout: { max: 30m }\n');
    expect((await world.admit({ id: 2, pipeline: 101 })).outcome).toBe('hold');
    const { keeps } = await inspectHold(world.context, world.caller('maria'), 2);
    expect(keeps).toEqual([
      'it may run for 3600 s, and the policy allows 1800 s at most: an approve is for this run alone',
    ]);
    await expect(world.approve('maria', 2, { lifetime: 'standing' })).rejects.toMatchObject({
      code: 'lifetime_not_allowed',
    });
    expect((await world.approve('maria', 2)).state).toBe('pending');
    expect((await world.admit({ id: 3, pipeline: 102 })).outcome).toBe('hold');
    policy('timeout: { min: 30m, max: 2h }\n');
    expect((await world.admit({ id: 4, pipeline: 103 })).outcome).toBe('pass');
    policy('timeout: { min: 2h }\n');
    expect((await world.admit({ id: 5, pipeline: 104 })).outcome).toBe('hold');
  });

  it('T21 stands with its version in the review, the approval and every row', async () => {
    policy('remember: 24h\n');
    const { version } = world.policy;
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    expect((await world.store.review(1))?.requirement.policy).toBe(version);
    expect((await world.store.approval(1))?.policy).toBe(version);
    policy('remember: 48h\n');
    await world.admit({ id: 2, pipeline: 101, script: ['make other'] });
    const rows = await world.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(new Set(rows.map((row) => row.policy))).toEqual(new Set([version, world.policy.version]));
    expect(rows.filter(({ hold }) => hold === 2).map((row) => row.policy)).toEqual(
      rows.filter(({ hold }) => hold === 2).map(() => world.policy.version),
    );
  });
});

describe('T26 how a runner is gated', () => {
  it('is the stricter of what its agent and the policy say', () => {
    const demands = [
      { runner: 'prod-*', mode: 'enforce' },
      { runner: '*', mode: 'monitor' },
    ] as const;
    expect(['prod-1', 'open-1', 'prod'].map((name) => demandedMode(demands, name))).toEqual([
      'enforce',
      'monitor',
      'monitor',
    ]);
    expect(demandedMode([], 'prod-1')).toBeNull();
    const modes = ['pass', 'monitor', 'enforce'] as const;
    const table = modes.map((own) =>
      [null, 'monitor', 'enforce'].map((wanted) => stricterMode(own, wanted as 'monitor' | 'enforce' | null)),
    );
    expect(table).toEqual([
      ['pass', 'monitor', 'enforce'],
      ['monitor', 'monitor', 'enforce'],
      ['enforce', 'enforce', 'enforce'],
    ]);
  });
});
