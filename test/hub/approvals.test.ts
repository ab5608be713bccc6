import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expire } from '../../agent/src/app/expire.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import type { HoldpointError } from '../../agent/src/domain/errors.ts';
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
    title: 'T10 another job, project, branch, protection or environment with the same digest waits again',
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
    title: 'T11 a tag called like the branch is another ref; protected tags are one class, unprotected ones are not',
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
    title: 'T44 T52 a retried job joins its hold: same review, no second question, votes stay',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: says('detached', 1, 1), expect: 'waiting_for_approval not current' },
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
      { who: 'agent', does: says('detached', 1, 1), expect: 'waiting_for_approval not current' },
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
    title: 'T41 the job whose place another has taken is not current, and its hand-out counts for nothing',
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
    title: 'T51 a job that comes under another protection of its ref does not slip into the approved hold',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: admits({ id: 2, pipeline: 100, protected: false }), expect: ['hold', 2, null] },
      { who: 'hub', does: stateOf(1), expect: 'canceled' },
    ],
  },
  {
    title: 'T51 where the pipeline is not known, no other job takes a hold over',
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
      { who: 'agent', does: says('detached', 1, 1), expect: 'pending not current' },
      { who: 'agent', does: admits({ id: 3, pipeline: 100 }), expect: ['pass', 1, 1] },
      { who: 'agent', does: says('handed_out', 1, 3), expect: 'running' },
      { who: 'agent', does: ends('failed', 1, 3), expect: 'failed' },
      { who: 'agent', does: admits({ id: 4, pipeline: 100 }), expect: ['hold', 3, null] },
    ],
  },
  {
    title: 'T12 until a date, and no longer',
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
    title: 'T12 a released hold whose approval is over before the hand-out waits again',
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
    title: 'T12 a standing approval lapses after 90 days without use, each use renews it',
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
    title: 'T29 revoking stops the next job, takes back what was released, and leaves what runs',
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
    title: 'T29 a hand-out that crosses the revocation is recorded as what it is, and not agreed to',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'jonas', does: revokes('jonas', 1), expect: 'jonas' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running not current' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'waiting_for_approval' },
      { who: 'jonas', does: approves('jonas', 1), expect: 'pending' },
    ],
  },
  {
    title: 'T27 an agent that says it handed out what was never released changes nothing, and that stands in the audit',
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
    title: 'T15 a remembered reject refuses later jobs at once for 24 hours, on every ref, and cannot be outvoted',
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
    title: 'T15 a denial comes before an approval that was there already',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 2, ref: 'refs/heads/other' }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'jonas', does: rejects('jonas', 2, true), expect: 'rejected' },
      { who: 'agent', does: admits({ id: 3, pipeline: 3 }), expect: ['refuse', null, null] },
    ],
  },
  {
    title: 'T35 time approves nothing: after 30 days the hold expires and the review closes',
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
    title: 'T29 a job whose approval was revoked on its way to a runner that it never reached is not handed out again',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1, 'run'), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'jonas', does: revokes('jonas', 1), expect: 'jonas' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'pending' },
      {
        who: 'agent, which hands out where it is still the current job',
        does: async (w) =>
          (await w.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' })).map(({ current }) => current),
        expect: [false],
      },
    ],
  },
  {
    title:
      'T15 what is denied while its hand-out crosses a revocation is rejected when it comes back, and asked about by nobody',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'jonas', does: revokes('jonas', 1), expect: 'jonas' },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['hold', 2, null] },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running not current' },
      { who: 'maria', does: rejects('maria', 2, true), expect: 'rejected' },
      { who: 'hub', does: stateOf(1), expect: 'running' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'rejected' },
      { who: 'hub', does: async (w) => (await w.pushes()).at(-1), expect: 'reject 1/1' },
      { who: 'hub', does: async (w) => (await w.store.hold(1))?.attempts[0]?.ended, expect: 'rejected' },
      { who: 'audit', does: async (w) => (await w.audit()).slice(-2), expect: ['job_undelivered', 'hold_rejected'] },
    ],
  },
  {
    title: 'T15 what is denied on its way to a runner that it never reached is rejected, whatever let it go',
    steps: [
      { who: 'agent', does: admits(one), expect: ['hold', 1, null] },
      { who: 'agent', does: admits({ id: 2, pipeline: 101 }), expect: ['hold', 2, null] },
      { who: 'maria', does: approves('maria', 1, 'run'), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
      { who: 'jonas', does: rejects('jonas', 2, true), expect: 'rejected' },
      { who: 'agent', does: says('undelivered', 1, 1), expect: 'rejected' },
      { who: 'agent, once more', does: says('undelivered', 1, 1), expect: 'rejected' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'rejected' },
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
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      {
        who: 'agent, which has it still, is told, so that it does not hand it out in vain for ever',
        does: says('handed_out', 1, 1),
        expect: 'pending not current',
      },
    ],
  },
  {
    title:
      'a job that is parked by an agent whose clock is two hours behind is not taken for one of an agent that fell silent',
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
              at: new Date(w.clock.now() - 120 * MINUTE).toISOString(),
              detail: { parkedUntil: new Date(w.clock.now() - 60 * MINUTE).toISOString() },
            })
            .then(([s]) => s?.state),
        expect: 'waiting_for_approval',
      },
      { who: 'time', does: waits(65 * MINUTE), expect: 0 },
      { who: 'maria', does: approves('maria', 1), expect: 'pending' },
      { who: 'agent', does: says('handed_out', 1, 1), expect: 'running' },
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
});
