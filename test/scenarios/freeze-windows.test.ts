import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expire } from '../../agent/src/app/expire.ts';
import { followCalendar } from '../../agent/src/app/follow-calendar.ts';
import { inbox } from '../../agent/src/app/inbox.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { hubWorld, START, type World } from '../support/hub-world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The world begins on Sunday, 22 November 2026, at 08:00 UTC. */
const WEEKENDS = `
freeze:
  - name: weekends
    time_zone: UTC
    weekly: [{ from: fri 16:00, to: mon 07:00 }]
    except: [{ name: hotfixes, match: { jobs: [hotfix] } }]
`;
const EXTRA = `
freeze:
  - name: quiet hours
    time_zone: UTC
    weekly: [{ from: fri 16:00, to: mon 07:00 }]
    mode: extra_approval
    rules: [{ name: owners, access_level: owner }]
`;
const monday = Date.parse('2026-11-23T07:00:00Z');

describe('a freeze window', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());
  const policy = (text: string) => {
    world.policy = readPolicy(text, 'policy.yaml');
  };
  const turnTo = (time: number) => world.clock.advance(time - world.clock.now());

  it('keeps back what is approved while it holds, says until when, and lets it go by itself afterwards', async () => {
    policy(WEEKENDS);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    const held = await world.store.hold(1);
    expect(held).toMatchObject({ state: 'waiting_for_approval', frozenUntil: monday, approval: null });
    expect(held?.reason).toContain('frozen by weekends until 2026-11-23T07:00Z');
    expect(await world.pushes()).toEqual([]);
    expect((await world.store.approvals({ sight: null }, { after: 0, limit: 10 })).length).toBe(1);
    // Nobody is asked about what only the calendar keeps back.
    const mine = await inbox(world.context, world.caller('jonas'), { lane: 'me' }, { after: 0, limit: 10 });
    expect(mine).toEqual([]);

    turnTo(monday - 1);
    await followCalendar(world.context);
    expect(await world.state(1)).toBe('waiting_for_approval');
    turnTo(monday);
    await followCalendar(world.context);
    expect(await world.store.hold(1)).toMatchObject({ state: 'pending', frozenUntil: null, reason: null });
    expect(await world.pushes()).toEqual(['release 1/1']);
    expect((await world.store.review(1))?.state).toBe('approved');
    expect(await world.audit()).toEqual(expect.arrayContaining(['hold_frozen', 'hold_released']));
  });

  it('keeps back a job that a standing approval covers, and another one of the same pipeline it does not touch', async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    policy(WEEKENDS);
    expect(await world.admit({ id: 2, pipeline: 101 })).toMatchObject({ outcome: 'hold' });
    expect(await world.store.hold(2)).toMatchObject({ frozenUntil: monday });
    expect((await world.admit({ id: 2, pipeline: 101 })).outcome).toBe('hold');
    await world.admit({ id: 3, pipeline: 101, name: 'hotfix' });
    expect((await world.approve('maria', 3)).state).toBe('pending');
  });

  it('that begins before the hand-over takes a released job back, and one that runs runs on', async () => {
    turnTo(monday + 4 * DAY);
    policy(WEEKENDS);
    await world.admit({ id: 1 });
    await world.admit({ id: 2, pipeline: 101 });
    await world.approve('maria', 1);
    await world.report('embedded', { hold: 2, jobId: 2, event: 'handed_out' });
    expect(await world.state(2)).toBe('running');

    turnTo(Date.parse('2026-11-27T16:00:00Z'));
    const [status] = await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    expect(status).toMatchObject({ current: false });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.store.hold(1)).toMatchObject({
      state: 'waiting_for_approval',
      frozenUntil: Date.parse('2026-11-30T07:00:00Z'),
    });
    expect(await world.state(2)).toBe('running');
    turnTo(Date.parse('2026-11-30T07:00:00Z'));
    await followCalendar(world.context);
    expect(await world.state(1)).toBe('pending');
  });

  it('takes back what waits for its runner when it begins, without anybody asking for it', async () => {
    turnTo(monday + 4 * DAY);
    policy(WEEKENDS);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    turnTo(Date.parse('2026-11-27T16:00:00Z'));
    await followCalendar(world.context);
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect(await world.pushes()).toEqual(['revoke 1/1']);
  });

  it('T12 lets nothing go whose approval was revoked while it held', async () => {
    policy(WEEKENDS);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    const { revoke } = await import('../../agent/src/app/revoke.ts');
    await revoke(world.context, world.caller('jonas'), 1, 'not this weekend');
    turnTo(monday);
    await followCalendar(world.context);
    expect(await world.store.hold(1)).toMatchObject({ state: 'waiting_for_approval', frozenUntil: null });
    expect((await world.store.review(1))?.state).toBe('open');
  });

  it('that goes on hides nothing that another one no longer keeps back, however much it keeps back', async () => {
    policy(
      `${WEEKENDS}  - { name: year, time_zone: UTC, match: { environments: [prod] }, dates: [{ from: 2026-01-01, to: 2026-12-31 }] }\n`,
    );
    await world.admit({ id: 500, pipeline: 1, environment: 'prod' });
    await world.approve('maria', 1);
    for (let i = 1; i <= 110; i++) await world.admit({ id: 500 + i, pipeline: 1 + i, environment: 'prod' });
    await world.admit({ id: 1, pipeline: 900 });
    const last = 112;
    await world.approve('maria', last);
    expect(await world.state(last)).toBe('waiting_for_approval');
    turnTo(monday);
    await followCalendar(world.context);
    expect(await world.state(last)).toBe('pending');
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('does not stop the clock of a request: what nobody answers expires all the same', async () => {
    policy(`request_ttl: 1h\n${WEEKENDS}`);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    world.clock.advance(HOUR);
    await expire(world.context);
    expect(await world.state(1)).toBe('expired');
  });

  it('that is taken out of the policy lets go at once', async () => {
    policy(WEEKENDS);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    policy('remember: 24h');
    await followCalendar(world.context);
    expect(await world.state(1)).toBe('pending');
  });
});

describe('a window that asks for more people', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('wants its rules met beside the others, and no longer when it is over', async () => {
    world.policy = readPolicy(EXTRA, 'policy.yaml');
    await world.admit({ id: 1 });
    expect((await world.approve('maria', 1)).state).toBe('waiting_for_approval');
    expect((await world.approve('olga', 1)).state).toBe('pending');

    world.clock.advance(monday - START);
    await world.admit({ id: 2, pipeline: 101, script: ['make other'] });
    expect((await world.approve('maria', 2)).state).toBe('pending');
  });

  it('may ask for people whom the other rules do not know', async () => {
    world.policy = readPolicy(EXTRA.replace('access_level: owner', 'user: rita'), 'policy.yaml');
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect((await world.approve('rita', 1)).state).toBe('pending');
  });

  it('lets an approval from before it count again only when it is over', async () => {
    world.policy = readPolicy(EXTRA, 'policy.yaml');
    world.clock.advance(monday + 3 * DAY - START);
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    world.clock.advance(DAY + 9 * HOUR);
    expect(new Date(world.clock.now()).toISOString()).toBe('2026-11-27T16:00:00.000Z');
    expect((await world.admit({ id: 2, pipeline: 101 })).outcome).toBe('hold');
    world.clock.advance(3 * DAY);
    expect((await world.admit({ id: 3, pipeline: 102 })).outcome).toBe('pass');
  });

  it('T21 lets a job pass on an approval from before it only after it', async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    world.policy = readPolicy(EXTRA, 'policy.yaml');
    expect((await world.admit({ id: 2, pipeline: 101 })).outcome).toBe('hold');
    await world.approve('maria', 2);
    await world.approve('olga', 2);
    expect(await world.state(2)).toBe('pending');
    expect((await world.admit({ id: 3, pipeline: 102 })).outcome).toBe('pass');
  });
});
