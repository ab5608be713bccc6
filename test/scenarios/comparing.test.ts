import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { revoke } from '../../agent/src/app/revoke.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { NO_TOLERANCE, SHIPPED_TOLERANCE } from '../../agent/src/domain/tolerate.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { DAY, hubWorld, policyWith, VARIABLE_KEY, type World } from '../support/hub-world.ts';

const PROJECT = 4242;
const secret = (value: string, more: JsonObject = {}): JsonObject => ({
  variables: [
    {
      key: 'DB_PASSWORD',
      value: [{ hmac: variableTag(VARIABLE_KEY, PROJECT, 'DB_PASSWORD', JSON.stringify(value)) }],
      public: false,
      masked: true,
      file: false,
      raw: false,
      ...more,
    },
  ],
});

describe('comparing: what a policy tolerates', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('a maintainer rotates a masked secret, and nobody is asked again', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    const after = await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') });
    expect(after).toMatchObject({ outcome: 'pass', approval: 1 });
    const row = (await world.store.auditRows({ hold: 2, sight: null }, { after: 0, limit: 10 }))[0]!;
    expect(row.event).toBe('job_tolerated');
    expect(row.policy).toBe(world.policy.version);
    expect(row.detail).toMatchObject({
      approved_digest: (await world.store.approval(1))!.digest,
      tolerated: [{ path: 'variables.DB_PASSWORD', why: 'value of a masked variable' }],
    });
    expect(JSON.stringify(row)).not.toContain('autumn');
  });

  it('T56 nothing that passed by tolerance is compared with: steps do not add up', async () => {
    const dependency = (...names: readonly string[]): JsonObject => ({ dependencies: names.map((name) => ({ name })) });
    world.policy = policyWith({ tolerance: { ...NO_TOLERANCE, dependencies: ['a*'] } }, 'a');
    await world.admit({ id: 1, pipeline: 1, extra: dependency('x') });
    await world.approve('maria', 1);
    expect((await world.admit({ id: 2, pipeline: 2, extra: dependency('a', 'x') })).outcome).toBe('pass');
    world.policy = policyWith({ tolerance: { ...NO_TOLERANCE, dependencies: ['x*'] } }, 'x');
    expect((await world.admit({ id: 3, pipeline: 3, extra: dependency('a') })).outcome).toBe('hold');
    expect(await world.store.approvals({ sight: null }, { after: 0, limit: 10 })).toHaveLength(1);
  });

  it('T10 T51 what is tolerated stays in the scope of what was approved', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    const outcome = async (id: number, more: object) =>
      (await world.admit({ id, pipeline: id, extra: secret('autumn'), ...more })).outcome;
    expect(await outcome(2, { name: 'other' })).toBe('hold');
    expect(await outcome(3, { ref: 'refs/heads/x' })).toBe('hold');
    expect(await outcome(4, { protected: false })).toBe('hold');
    expect(await outcome(5, { environment: 'production' })).toBe('hold');
    expect(await outcome(6, { project: 4243 })).toBe('hold');
    expect(await outcome(7, { dependencies: [{ name: 'x', jobId: 999, samePipeline: false }] })).toBe('hold');
    expect(await outcome(8, {})).toBe('pass');
  });

  it('T12 T29 a revoked or lapsed approval tolerates nothing, and what it released falls back', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') });
    expect(await world.state(2)).toBe('pending');
    await revoke(world.context, world.caller('maria'), 1, null);
    expect(await world.state(2)).toBe('waiting_for_approval');
    expect((await world.admit({ id: 3, pipeline: 3, extra: secret('winter') })).outcome).toBe('hold');
  });

  it('T12 a standing approval that nothing used for 90 days tolerates nothing', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    world.clock.advance(91 * DAY);
    expect((await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') })).outcome).toBe('hold');
  });

  it('what was approved for one run alone is compared with nothing', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1, { lifetime: 'run' });
    expect((await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') })).outcome).toBe('hold');
  });

  it('T15 a denied digest is refused, however alike it is', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('autumn') });
    await world.reject('maria', 1, { remember: true });
    await world.admit({ id: 2, pipeline: 2, extra: secret('summer') });
    await world.approve('maria', 2);
    expect((await world.admit({ id: 3, pipeline: 3, extra: secret('autumn') })).outcome).toBe('refuse');
    expect((await world.admit({ id: 4, pipeline: 4, extra: secret('winter') })).outcome).toBe('pass');
  });

  it('T15 an approval of what is alike lets nothing go whose own digest was denied while it waited', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('autumn') });
    await world.admit({ id: 2, pipeline: 2, extra: secret('autumn'), ref: 'refs/heads/other' });
    await world.reject('maria', 2, { remember: true });
    await world.admit({ id: 3, pipeline: 3, extra: secret('summer') });
    await world.approve('maria', 3);
    expect([await world.state(1), await world.state(3)]).toEqual(['waiting_for_approval', 'pending']);
  });

  it('T15 what was released and is denied before a runner has it is rejected, too, and what runs runs on', async () => {
    for (const [id, ref] of [
      [1, 'refs/heads/main'],
      [2, 'refs/heads/main'],
      [3, 'refs/heads/main'],
      [4, 'refs/heads/other'],
    ] as const)
      await world.admit({ id, pipeline: id, ref, extra: secret('autumn') });
    await world.approve('maria', 1, { lifetime: 'run' });
    await world.approve('maria', 2, { lifetime: 'run' });
    await world.approve('maria', 4);
    await world.report('embedded', { hold: 2, jobId: 2, event: 'handed_out' });
    await world.reject('jonas', 3, { remember: true, comment: 'not like this' });
    expect([await world.state(1), await world.state(2), await world.state(3), await world.state(4)]).toEqual([
      'rejected',
      'running',
      'rejected',
      'rejected',
    ]);
    expect((await world.store.hold(1))?.reason).toBe('not like this');
    const told = await world.store.outbox('embedded', 0, 20);
    expect(told.filter(({ type }) => type === 'reject').map(({ hold }) => hold)).toEqual([3, 1, 4]);
    // Its runner came for it at the same moment: the hub does not agree to the hand-out, and it stays rejected.
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    expect(await world.state(1)).toBe('rejected');
  });

  it('T15 a hand-over looks at denials by itself: one that found nothing to reject counts, too', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('autumn') });
    await world.approve('maria', 1, { lifetime: 'run' });
    const { subject, digest } = (await world.store.hold(1))!;
    const [at, until] = [world.context.clock.now(), world.context.clock.now() + 3_600_000];
    await world.store.write((tx) =>
      tx.insertDenial({ subject, digest, review: 1, by: 'jonas', reason: 'never', at, until }),
    );
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    const { reason } = (await world.store.hold(1))!;
    expect(reason).toContain('jonas rejected this configuration since: never');
  });

  it('an approval answers what waits and is alike', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') });
    await world.admit({ id: 3, pipeline: 3, extra: secret('autumn', { file: true }) });
    await world.approve('maria', 1);
    expect([await world.state(1), await world.state(2), await world.state(3)]).toEqual([
      'pending',
      'pending',
      'waiting_for_approval',
    ]);
    expect((await world.store.review(2))?.state).toBe('approved');
    expect((await world.store.review(3))?.state).toBe('open');
  });

  it('a policy that tolerates less sends back what is not handed out yet', async () => {
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') });
    world.policy = policyWith({ tolerance: NO_TOLERANCE }, 'strict');
    expect((await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') })).outcome).toBe('hold');
    expect(await world.state(2)).toBe('waiting_for_approval');
  });

  it('speaks for some projects only where the policy says so', async () => {
    const policy = policyWith({ tolerance: NO_TOLERANCE }, 'some');
    const quiet = {
      name: 'quiet',
      match: { projects: ['acme/payments/*'] },
      settings: { tolerance: SHIPPED_TOLERANCE },
    };
    world.policy = { ...policy, entries: [quiet] };
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1);
    expect((await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') })).outcome).toBe('pass');
    world.policy = { ...policy, entries: [{ ...quiet, match: { projects: ['acme/payments'] } }] };
    expect((await world.admit({ id: 3, pipeline: 3, extra: secret('winter') })).outcome).toBe('hold');
  });

  it('T13 a payload that can bring its own image and checkout is approved for one run only', async () => {
    const extra = { suspend_options: { runtime_environment_key: 'k', suspend_on_success: true } };
    await world.admit({ id: 1, pipeline: 1, extra });
    await expect(world.approve('maria', 1, { lifetime: 'standing' })).rejects.toMatchObject({
      code: 'lifetime_not_allowed',
    });
    await world.approve('maria', 1);
    expect((await world.store.approval(1))?.lifetime).toEqual({ kind: 'run' });
    expect((await world.admit({ id: 2, pipeline: 2, extra })).outcome).toBe('hold');
  });
});
