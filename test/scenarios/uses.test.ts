import { describe, expect, it } from 'vitest';
import { narrowest, parseLifetime } from '../../agent/src/domain/lifetime.ts';
import { DAY, hubWorld, START, type World } from '../support/hub-world.ts';

async function approvedFor(uses: number): Promise<World> {
  const world = await hubWorld();
  await world.admit({ id: 1 });
  await world.approve('maria', 1, { lifetime: `uses:${uses}` });
  return world;
}
const used = async (world: World, id = 1) => (await world.store.approval(id))?.timesUsed;
const verdict = async (world: World, id: number) => (await world.admit({ id, pipeline: id + 100 })).outcome;

describe('an approval for so many runs', () => {
  it('T12 lets that many go, the one it was given for among them, and then asks again', async () => {
    const world = await approvedFor(3);
    expect(await world.state(1)).toBe('pending');
    expect([await verdict(world, 2), await verdict(world, 3), await verdict(world, 4)]).toEqual([
      'pass',
      'pass',
      'hold',
    ]);
    expect(await used(world)).toBe(3);
    expect(await world.state(4)).toBe('waiting_for_approval');
    // Whoever has a use keeps it: asked again about the same job, the answer is the same.
    expect((await world.admit({ id: 2, pipeline: 102 })).outcome).toBe('pass');
  });

  it('releases waiting jobs in the order of their pipelines, and no more than there are uses', async () => {
    const world = await hubWorld();
    for (const id of [1, 2, 3, 4]) await world.admit({ id, pipeline: 200 - id });
    await world.approve('maria', 1, { lifetime: 'uses:2' });
    expect(await Promise.all([1, 2, 3, 4].map((id) => world.state(id)))).toEqual([
      'waiting_for_approval',
      'waiting_for_approval',
      'pending',
      'pending',
    ]);
    expect((await world.store.review(1))?.state).toBe('open');
    await world.approve('jonas', 1, { lifetime: 'standing' });
    expect(await world.state(1)).toBe('pending');
  });

  it('is counted exactly when many jobs ask at the same moment', async () => {
    const world = await approvedFor(3);
    const outcomes = await Promise.all(Array.from({ length: 12 }, (_, i) => verdict(world, i + 10)));
    expect(outcomes.filter((outcome) => outcome === 'pass')).toHaveLength(2);
    expect(await used(world)).toBe(3);
  });

  it('gives a use back only for what never reached a runner: not for a cancel, not for a job that failed', async () => {
    const world = await approvedFor(1);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'canceled' });
    expect(await world.state(1)).toBe('canceled');
    expect(await verdict(world, 2)).toBe('hold');

    const other = await approvedFor(1);
    await other.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await other.report('embedded', { hold: 1, jobId: 1, event: 'ended', detail: { status: 'failed' } });
    expect(await verdict(other, 2)).toBe('hold');
  });

  it('an undelivered job keeps its use while it waits to be handed out again, and gives it back when it ends unrun', async () => {
    const world = await approvedFor(1);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.state(1)).toBe('pending');
    expect(await verdict(world, 2)).toBe('hold');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'canceled' });
    expect(await used(world)).toBe(0);
    expect((await world.admit({ id: 3, pipeline: 300 })).outcome).toBe('pass');
    expect(await used(world)).toBe(1);
  });

  it('takes no use of it where a standing approval covers the job as well', async () => {
    const world = await approvedFor(5);
    await world.admit({ id: 2, pipeline: 2, ref: 'refs/heads/next' });
    await world.approve('jonas', 2, { lifetime: 'standing' });
    const { base } = world.policy;
    world.policy = { ...world.policy, base: { ...base, scopes: { ...base.scopes, refs: 'protected' } } };
    await world.admit({ id: 3, pipeline: 3, ref: 'refs/heads/other' });
    await world.approve('maria', 3, { lifetime: 'standing', scope: { ref: { kind: 'protected' } } });
    expect(await used(world)).toBe(1);
    expect(await verdict(world, 4)).toBe('pass');
    expect([await used(world, 1), await used(world, 3)]).toEqual([1, 2]);
  });

  it('T12 lapses like a standing one, and ends where the policy ends everything', async () => {
    const world = await approvedFor(5);
    world.clock.advance(91 * DAY);
    expect(await verdict(world, 2)).toBe('hold');

    const limited = await hubWorld();
    limited.policy = {
      ...limited.policy,
      base: { ...limited.policy.base, lifetimes: { ...limited.policy.base.lifetimes, max: { kind: 'days', days: 7 } } },
    };
    await limited.admit({ id: 1 });
    await limited.approve('maria', 1, { lifetime: 'uses:5' });
    expect((await limited.store.approval(1))?.lifetime).toEqual({ kind: 'uses', count: 5, until: START + 7 * DAY });
    limited.clock.advance(7 * DAY);
    expect(await verdict(limited, 2)).toBe('hold');
  });

  it('is not to be had where only single runs are allowed', async () => {
    const world = await hubWorld();
    const { lifetimes } = world.policy.base;
    world.policy = {
      ...world.policy,
      base: { ...world.policy.base, lifetimes: { ...lifetimes, max: { kind: 'run' } } },
    };
    await world.admit({ id: 1 });
    await expect(world.approve('maria', 1, { lifetime: 'uses:2' })).rejects.toMatchObject({
      code: 'lifetime_not_allowed',
    });
  });

  it.each([
    [['uses:5', 'uses:3'], 'uses:3'],
    [['uses:5', 'standing'], 'uses:5'],
    [['uses:5', 'run'], 'run'],
    [['uses:5', 'until:2026-12-01'], 'uses:5,until:2026-12-01'],
    [['until:2026-12-01', 'until:2026-11-30'], 'until:2026-11-30'],
    [['standing', 'standing'], 'standing'],
  ])('of %j the narrowest is %s: nobody is outvoted', (texts, wanted) => {
    const [first, ...rest] = texts.map(parseLifetime);
    expect(narrowest([first!, ...rest])).toEqual(parseLifetime(wanted));
    expect(narrowest([...rest, first!] as [typeof first & {}])).toEqual(parseLifetime(wanted));
  });

  it.each(['uses:0', 'uses:-1', 'uses:1.5', 'uses:10001', 'uses:', 'uses:3,run', 'uses:3,until:2026-02-31', 'uses:3,'])(
    'refuses the lifetime %s',
    (text) => {
      expect(() => parseLifetime(text)).toThrow();
    },
  );
});
