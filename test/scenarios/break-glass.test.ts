import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakGlass, reviewBreakGlass, watchBreakGlass } from '../../agent/src/app/break-glass.ts';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { verifyApprovals } from '../../agent/src/app/verify-approvals.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { hubWorld, requestFor, type World } from '../support/hub-world.ts';

const HOUR = 3_600_000;
const ON_CALL = `
break_glass:
  rules: [{ name: on call, access_level: owner }, { name: release manager, user: maria }]
  for: 1h
  review_within: 2d
`;

describe('breaking the glass', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
    world.policy = readPolicy(ON_CALL, 'policy.yaml');
  });
  afterEach(() => world.store.close());
  const smash = (who: string, hold = 1, job = { id: 1 }) =>
    breakGlass(world.context, world.caller(who), {
      hold,
      digest: requestFor(job).digest,
      reason: 'payments are down',
    });

  it('T16 is for nobody unless the policy names them', async () => {
    world.policy = readPolicy('remember: 24h', 'policy.yaml');
    await world.admit({ id: 1 });
    for (const who of ['maria', 'olga']) await expect(smash(who)).rejects.toMatchObject({ code: 'not_eligible' });
    world.policy = readPolicy('break_glass: { rules: [], for: 1h }', 'policy.yaml');
    await expect(smash('olga')).rejects.toMatchObject({ code: 'not_eligible' });
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('T34 lets this one run go, says it in the audit, and opens a record that somebody else has to close', async () => {
    await world.admit({ id: 1 });
    await expect(smash('jonas')).rejects.toMatchObject({ code: 'not_eligible' });
    const glass = await smash('maria');
    expect(glass).toMatchObject({ rule: 'release manager', reason: 'payments are down', closed: null });
    expect(await world.state(1)).toBe('pending');
    expect(await world.pushes()).toEqual(['release 1/1']);
    const rows = await world.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 100 });
    expect(rows.find((row) => row.event === 'break_glass_used')?.detail).toMatchObject({
      person: 21,
      reason: 'payments are down',
      rule: 'release manager',
    });
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'break_glass', state: 'open' }));
    await expect(reviewBreakGlass(world.context, world.caller('maria'), 1, 'justified', 'mine')).rejects.toMatchObject({
      code: 'self_approval',
    });
    await expect(reviewBreakGlass(world.context, world.caller('rita'), 1, 'justified', 'x')).rejects.toMatchObject({
      code: 'not_eligible',
    });
    const closed = await reviewBreakGlass(
      world.context,
      world.caller('jonas'),
      1,
      'not_justified',
      'could have waited',
    );
    expect(closed.closed).toMatchObject({ finding: 'not_justified', by: { username: 'jonas' } });
    await expect(reviewBreakGlass(world.context, world.caller('olga'), 1, 'justified', 'x')).rejects.toMatchObject({
      code: 'wrong_state',
    });
  });

  it('T18 is not closed by whose run it was, whoever had opened the question before', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    const people = [{ role: 'author', id: null, name: 'olga', email: 'olga@example.com' }] as const;
    await world.admit({ id: 2, pipeline: 2, by: 'jonas', people });
    await smash('maria', 2);
    for (const who of ['jonas', 'olga'])
      await expect(reviewBreakGlass(world.context, world.caller(who), 1, 'justified', 'ok')).rejects.toMatchObject({
        code: 'self_approval',
      });
  });

  it('T18 is not closed by whoever triggered what ran', async () => {
    await world.admit({ id: 1, by: 'jonas' });
    await smash('maria');
    await expect(reviewBreakGlass(world.context, world.caller('jonas'), 1, 'justified', 'ok')).rejects.toMatchObject({
      code: 'self_approval',
    });
  });

  it('T51 approves nothing: the next job with the same configuration waits, and its artifacts were not admitted', async () => {
    await world.admit({ id: 1 });
    await smash('maria');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    expect(await world.state(1)).toBe('running');
    expect((await world.admit({ id: 2, pipeline: 101 })).outcome).toBe('hold');
    // Nor is it what later jobs are compared with: nobody has approved it.
    expect((await inspectHold(world.context, world.caller('jonas'), 2)).diff.approval).toBeNull();
    const admitted = await world.store.admittedJobs('https://gitlab.example.com', 4242, [1]);
    expect([...admitted]).toEqual([]);
  });

  it('is over when the job did not start in time', async () => {
    await world.admit({ id: 1 });
    await smash('maria');
    world.clock.advance(HOUR);
    const [status] = await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    expect(status).toMatchObject({ current: false });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.state(1)).toBe('waiting_for_approval');
    await smash('olga');
    expect(await world.state(1)).toBe('pending');
    world.clock.advance(HOUR);
    expect(await watchBreakGlass(world.context)).toBe(1);
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('goes on after an undelivered hand-over, within its time', async () => {
    await world.admit({ id: 1 });
    await smash('maria');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.state(1)).toBe('pending');
    expect((await world.admit({ id: 1 })).outcome).toBe('pass');
  });

  it('T15 a run that did not reach its runner goes on although its configuration was denied meanwhile', async () => {
    await world.admit({ id: 1 });
    await world.admit({ id: 2, pipeline: 101, ref: 'refs/heads/next' });
    await smash('maria');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await world.reject('jonas', 2, { remember: true });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.state(1)).toBe('pending');
  });

  it('is flagged once when nobody has looked in time', async () => {
    await world.admit({ id: 1 });
    await smash('maria');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    world.clock.advance(48 * HOUR);
    expect(await watchBreakGlass(world.context)).toBe(1);
    expect(await watchBreakGlass(world.context)).toBe(0);
    expect((await world.audit()).filter((event) => event === 'break_glass_overdue')).toHaveLength(1);
    await reviewBreakGlass(world.context, world.caller('jonas'), 1, 'justified', 'late, but fine');
  });

  it('T15 is not possible for what somebody rejected and had remembered', async () => {
    await world.admit({ id: 1 });
    await world.admit({ id: 2, pipeline: 101, ref: 'refs/heads/next' });
    await world.reject('jonas', 1, { remember: true });
    await expect(smash('maria', 2)).rejects.toMatchObject({ code: 'wrong_state' });
  });

  it('T24 asks for a fresh sign-in where a vote asks for more than a token', async () => {
    world.policy = readPolicy(`step_up: passkey\n${ON_CALL}`, 'policy.yaml');
    await world.admit({ id: 1 });
    await expect(smash('maria')).rejects.toMatchObject({ code: 'step_up_required' });
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('passes the configuration gate alone: what its environment asks for is asked all the same', async () => {
    const environments = `environments:
  - { name: production, environments: [production], approval_rules: [{ name: owners, access_level: owner }], deploy_access_levels: [{ access_level: maintainer }] }
`;
    world.policy = readPolicy(ON_CALL + environments, 'policy.yaml');
    await world.admit({ id: 1, environment: 'production', by: 'jonas' });
    await smash('maria');
    expect(await world.store.hold(1)).toMatchObject({ state: 'waiting_for_approval', configured: 1 });
    expect(await world.pushes()).toEqual([]);
    // The audit knows of what stands for it (T28).
    expect(await verifyApprovals(world.context)).toEqual([]);
    world.clock.advance(HOUR);
    expect(await watchBreakGlass(world.context)).toBe(1);
    expect(await world.store.hold(1)).toMatchObject({ state: 'waiting_for_approval', configured: null });
  });

  it('passes a freeze only where the policy says so', async () => {
    const freeze = 'freeze: [{ name: always, time_zone: UTC, daily: [{ from: "00:00", to: "00:00" }] }]\n';
    world.policy = readPolicy(freeze + ON_CALL, 'policy.yaml');
    await world.admit({ id: 1 });
    await expect(smash('maria')).rejects.toMatchObject({ code: 'frozen' });
    world.policy = readPolicy(`${freeze}${ON_CALL}  during_freeze: true\n`, 'policy.yaml');
    await world.approve('jonas', 1);
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect((await smash('maria')).frozen).toBe(true);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    expect(await world.state(1)).toBe('running');
  });
});
