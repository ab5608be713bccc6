import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyRetention, BY_TIME } from '../../agent/src/app/apply-retention.ts';
import { readRecording } from '../../agent/src/app/watching/look.ts';
import { beginWatching, endWatching, stillWatching, watchPresence } from '../../agent/src/app/watching/presence.ts';
import { endRecordings, MAX_RECORDING_BYTES, takePiece } from '../../agent/src/app/watching/record.ts';
import { stopJob } from '../../agent/src/app/watching/stop.ts';
import { parseCast } from '../../agent/src/domain/asciicast.ts';
import type { Token } from '../../agent/src/domain/token.ts';
import { PRESENCE_BEAT_MS, PRESENCE_GRACE_MS, PRESENCE_LOOK_MS, present } from '../../agent/src/domain/watching.ts';
import { type Attendance, createAttendance } from '../../agent/src/hub/attendance.ts';
import { runCli } from '../support/cli.ts';
import { eventually, startHub, welcomed } from '../support/hub-server.ts';
import { DAY, hubLog, hubWorld, policyWith, requestFor, type World } from '../support/hub-world.ts';

let world: World;
beforeEach(async () => {
  world = await hubWorld();
});

const at = (viewer: string, who: string) => ({ caller: world.caller(who), viewer });
const watch = (who: string, hold = 1) => beginWatching(world.context, at(who, who), hold);
const runs = async (jobId: number, hold = 1) => {
  const [status] = await world.report('embedded', { hold, jobId, event: 'handed_out' });
  if (status?.state === 'running') await world.report('embedded', { hold, jobId, event: 'confirmed' });
  return status;
};
const problem = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: Error & { code: string }) => error.code,
  );
const stops = async () =>
  (await world.store.outbox('embedded', 0, 100)).filter(({ stop }) => stop === true).map(({ reason }) => reason);

describe('a job that is stopped while it runs', () => {
  beforeEach(async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    await runs(1);
  });
  const stop = (who: string, comment = 'wrong database') =>
    stopJob(world.context, world.caller(who), { hold: 1, comment });

  it('is ended by its agent, with a note of who and why, and is stopped once however often it is asked', async () => {
    expect((await stop('jonas')).stop.person?.username).toBe('jonas');
    expect((await stop('maria', 'me too')).stop).toMatchObject({
      person: { username: 'jonas' },
      reason: 'wrong database',
    });
    const [push] = await world.store.outbox('embedded', 0, 10);
    expect(push).toMatchObject({ type: 'cancel', stop: true, hold: 1, jobId: 1 });
    expect(push?.note).toContain('hold 1 was stopped by jonas: wrong database');
    expect((await world.audit()).filter((event) => event === 'job_stopped')).toHaveLength(1);
    expect(await world.state(1)).toBe('running');
    await world.report('embedded', { hold: 1, jobId: 1, event: 'ended', detail: { status: 'failed' } });
    expect(await world.state(1)).toBe('failed');
    expect(await problem(stop('jonas'))).toBe('wrong_state');
  });

  it('T29 goes to nobody when it was stopped before it reached its runner', async () => {
    await world.admit({ id: 2, pipeline: 101, name: 'other' });
    await world.approve('maria', 2);
    await world.report('embedded', { hold: 2, jobId: 2, event: 'handed_out' });
    await stopJob(world.context, world.caller('jonas'), { hold: 2, comment: 'no' });
    await world.report('embedded', { hold: 2, jobId: 2, event: 'undelivered' });
    expect(await world.state(2)).toBe('canceled');
    expect(await world.audit()).toContain('hold_canceled');
  });

  it('T24 is stopped by nobody who may not decide on it, nor without a word why', async () => {
    expect(await problem(stop('zoe'))).toBe('not_eligible');
    expect(await problem(stop('stranger'))).toBe('not_found');
    expect(await problem(stop('jonas', '  '))).toBe('comment_required');
    const reader = world.caller('jonas', ['read']);
    expect(await problem(stopJob(world.context, reader, { hold: 1, comment: 'x' }))).toBe('forbidden');
    expect(await stops()).toEqual([]);
  });
});

describe('a job that somebody has to watch', () => {
  let look: () => Promise<number>;
  beforeEach(async () => {
    world.policy = policyWith({ fourEyesLive: 'required' });
    await world.admit({ id: 1 });
    look = watchPresence(world.context);
    await world.approve('maria', 1);
  });
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= PRESENCE_LOOK_MS) {
      world.clock.advance(Math.min(left, PRESENCE_LOOK_MS));
      await look();
    }
  };

  it('waits although it is approved, goes when somebody watches, and ends when the last one has left', async () => {
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect((await world.store.hold(1))?.configured).toBe(1);
    await watch('jonas');
    expect(await world.state(1)).toBe('pending');
    expect((await runs(1))?.state).toBe('running');
    for (let beats = 0; beats < 10; beats++) {
      await stillWatching(world.context, at('jonas', 'jonas'), 1);
      await pass(4_000);
    }
    expect(await stops()).toEqual([]);
    await pass(PRESENCE_GRACE_MS);
    expect(await stops()).toEqual(['its policy asks for four eyes live, and nobody watches it any more']);
    await pass(PRESENCE_GRACE_MS);
    expect((await world.audit()).filter((event) => event === 'job_stopped')).toHaveLength(1);
  });

  it('says in its log, while it waits for its approve, who can watch it then', async () => {
    const { note } = await world.admit({ id: 12, by: 'jonas', pipeline: 120, name: 'later' });
    expect(note).toContain(
      'Besides: once it is approved, it starts when somebody watches it live, and runs only as long (maria and olga).',
    );
  });

  it('T18 is watched by nobody who caused it or may not approve it', async () => {
    expect(await problem(watch('zoe'))).toBe('not_eligible');
    world.policy = policyWith({ fourEyesLive: 'required' }, 'again');
    await world.admit({ id: 2, by: 'jonas', pipeline: 101, name: 'other' });
    expect(await problem(watch('jonas', 2))).toBe('self_approval');
    expect(await problem(watch('gus', 2))).toBe('not_found');
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('T18 is not watched by whoever retried it, though they watched before', async () => {
    await world.report('embedded', { hold: 1, jobId: 1, event: 'detached' });
    await watch('jonas');
    await world.admit({ id: 11, by: 'jonas' });
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect(await problem(watch('jonas'))).toBe('self_approval');
    await watch('maria');
    expect(await world.state(1)).toBe('pending');
  });

  it('T18 needs two where nobody can tell who made the commit', async () => {
    await world.admit({ id: 3, pipeline: 102, people: null, name: 'third' });
    await world.approve('maria', 2);
    await world.approve('jonas', 2);
    expect(await world.state(2)).toBe('waiting_for_approval');
    await watch('maria', 2);
    expect(await world.state(2)).toBe('waiting_for_approval');
    await beginWatching(world.context, at('second page', 'maria'), 2);
    expect(await world.state(2)).toBe('waiting_for_approval');
    await watch('jonas', 2);
    expect(await world.state(2)).toBe('pending');
  });

  it('falls back at the hand-over when whoever watched has left before it', async () => {
    await watch('jonas');
    world.clock.advance(PRESENCE_GRACE_MS);
    // The agent that asks takes it back on this answer; one that gave it out already is shown as running.
    expect(await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' })).toMatchObject([
      { current: false },
    ]);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'undelivered' });
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect(await world.audit()).toContain('hold_unwatched');
    await watch('jonas');
    expect(await world.state(1)).toBe('pending');
  });

  it('T19 ends at once when whoever watched may not any more, and goes on for whoever has another page', async () => {
    await watch('jonas');
    await runs(1);
    await beginWatching(world.context, at('other page', 'jonas'), 1);
    await endWatching(world.context, at('jonas', 'jonas'), 1);
    await pass(PRESENCE_LOOK_MS);
    expect(await stops()).toEqual([]);
    await endWatching(world.context, at('other page', 'jonas'), 1);
    await look();
    expect(await stops()).toHaveLength(1);
  });

  it('outlives a hub that starts anew, for as long as it takes to come back', async () => {
    await watch('jonas');
    await runs(1);
    world.clock.advance(10 * 60_000);
    look = watchPresence(world.context);
    await look();
    await pass(PRESENCE_GRACE_MS - PRESENCE_LOOK_MS);
    expect(await stops()).toEqual([]);
    await stillWatching(world.context, at('jonas', 'jonas'), 1);
    await pass(PRESENCE_GRACE_MS - PRESENCE_LOOK_MS);
    expect(await stops()).toEqual([]);
    await pass(2 * PRESENCE_LOOK_MS);
    expect(await stops()).toHaveLength(1);
  });

  it('waits again when an approval that is there would have let it pass at once', async () => {
    const again = await world.admit({ id: 9, pipeline: 109 });
    expect(again).toMatchObject({ outcome: 'hold' });
    expect(again.note).toMatch(
      /^Holdpoint: this job is approved, and its policy asks for four eyes live: .* \(hold 2\)\.$/m,
    );
    expect(again.note).toContain('Who can watch it: jonas, maria and olga.');
    expect(again.note).toContain('holdpoint holds watch 2 --live');
    expect((await world.store.hold(2))?.configured).toBe(1);
    await watch('maria', 2);
    expect(await world.state(2)).toBe('pending');
  });
});

describe('a page in which somebody watches', () => {
  let attendance: Attendance;
  const opened: Attendance[] = [];
  afterEach(() => {
    for (const one of opened.splice(0)) one.close();
  });
  beforeEach(async () => {
    world.policy = policyWith({ fourEyesLive: 'required' });
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    attendance = createAttendance(world.context, hubLog());
    opened.push(attendance);
    await world.store.write(async (tx) => {
      for (const who of ['maria', 'jonas', 'zoe']) {
        const { id: _, ...token } = world.caller(who).token;
        const known = await tx.insertToken({ ...token, hash: who.padEnd(64, '0') });
        tokens.set(who, known);
      }
    });
  });
  const tokens = new Map<string, Token>();
  /** A connection of somebody, and what it was told. */
  function page(who: string) {
    const told: { type: string; nonce?: string; on?: boolean; reason?: string | null }[] = [];
    const looker = {
      caller: { ...world.caller(who), token: tokens.get(who)! },
      send: (text: string) => void told.push(JSON.parse(text)),
    };
    return { looker, told, nonce: () => told.findLast(({ type }) => type === 'beat')?.nonce ?? 'none' };
  }
  const answers = ({ looker, nonce }: ReturnType<typeof page>) => attendance.present(looker, 1, nonce());

  it('T24 counts once it has answered what it was asked, and not because it says that it watches', async () => {
    const script = page('jonas');
    for (let again = 0; again < 5; again++) await attendance.attend(script.looker, 1);
    expect(await world.store.watchers(1)).toEqual([]);
    expect(await world.state(1)).toBe('waiting_for_approval');
    await answers(script);
    expect(await world.state(1)).toBe('pending');
    expect(script.told.at(-1)).toMatchObject({ type: 'attending', on: true });
    // Said again it keeps nobody there.
    world.clock.advance(PRESENCE_GRACE_MS);
    await attendance.attend(script.looker, 1);
    expect(present(await world.store.watchers(1), world.clock.now())).toEqual([]);
  });

  it("T24 is not there with another page's word, nor with one of its own that it has used or that is old", async () => {
    const [one, other] = [page('jonas'), page('maria')];
    for (const { looker } of [one, other]) await attendance.attend(looker, 1);
    await attendance.present(one.looker, 1, other.nonce());
    await attendance.present(one.looker, 1, '');
    expect(await world.store.watchers(1)).toEqual([]);
    const used = one.nonce();
    await answers(one);
    world.clock.advance(PRESENCE_BEAT_MS);
    await attendance.present(one.looker, 1, used);
    world.clock.advance(PRESENCE_GRACE_MS);
    await attendance.present(one.looker, 1, used);
    expect(present(await world.store.watchers(1), world.clock.now())).toEqual([]);
  });

  it('T18 is not asked where somebody may not watch, and is told why', async () => {
    const zoe = page('zoe');
    await attendance.attend(zoe.looker, 1);
    expect(zoe.told).toMatchObject([{ type: 'attending', on: false, reason: expect.stringContaining('hold 1') }]);
    await attendance.present(zoe.looker, 1, 'none');
    expect(await world.store.watchers(1)).toEqual([]);
  });

  it('T24 ends with the session, at its next answer', async () => {
    const jonas = page('jonas');
    await attendance.attend(jonas.looker, 1);
    await answers(jonas);
    const token = tokens.get('jonas')!;
    await world.store.write((tx) => tx.updateToken({ ...token, revokedAt: world.clock.now(), revokedBy: 'x' }));
    world.clock.advance(PRESENCE_BEAT_MS);
    await answers(jonas);
    expect(await world.store.watchers(1)).toEqual([]);
    expect(jonas.told.at(-1)).toMatchObject({ type: 'attending', on: false });
  });

  it('T24 does not come back with an answer that was on its way when they left', async () => {
    const presence = at('page', 'jonas');
    await beginWatching(world.context, presence, 1);
    await endWatching(world.context, presence, 1);
    expect(await stillWatching(world.context, presence, 1)).toBe(false);
    expect(await world.store.watchers(1)).toEqual([]);
  });
});

describe('the recording of a job', () => {
  const piece = (offset: number, text: string, more: object = {}) => ({
    hold: 1,
    jobId: 1,
    offset,
    size: Buffer.byteLength(text),
    at: world.clock.now(),
    text,
    problem: null,
    ...more,
  });
  const take = (...given: Parameters<typeof piece>) => takePiece(world.context, 'embedded', piece(...given));
  const end = () => world.report('embedded', { hold: 1, jobId: 1, event: 'ended', detail: { status: 'success' } });
  async function read(who = 'maria'): Promise<string> {
    let text = '';
    const body = await readRecording(world.context, world.caller(who), false, { hold: 1, job: null });
    for await (const bytes of body) text += Buffer.from(bytes).toString();
    return text;
  }
  async function begin(recording: 'record' | 'required') {
    world.policy = policyWith({ recording });
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    return runs(1);
  }

  it('is asked of the agent at the hand-over, kept sealed in order, and ends with a hash in the audit', async () => {
    expect(await begin('required')).toMatchObject({ state: 'running', recording: 'required' });
    expect(await take(0, 'make\r\n')).toEqual({ next: 6, problem: null });
    world.clock.advance(3_000);
    expect(await take(6, 'done\r\n')).toEqual({ next: 12, problem: null });
    // Sent again, since its answer was lost: it is there already.
    expect(await take(6, 'done\r\n')).toEqual({ next: 12, problem: null });
    expect(await problem(read())).toBe('wrong_state');
    await end();
    await endRecordings(world.context);
    const text = await read();
    expect(parseCast(text)?.events.map(({ text: shown }) => shown)).toEqual(['make\r\n', 'done\r\n']);
    expect(parseCast(text)?.header.title).toContain('build (hold 1, job 1)');
    const rows = await world.store.auditRows({ sight: null, events: ['recording_ended'] }, { after: 0, limit: 9 });
    const sha256 = createHash('sha256').update(text).digest('hex');
    expect(rows.map(({ detail }) => detail)).toMatchObject([{ sha256, whole: true, bytes: Buffer.byteLength(text) }]);
    expect(await world.audit()).toContain('recording_read');
    expect(Buffer.from((await world.store.recordingPiece(1, 1))!).includes('make')).toBe(false);
    expect(await problem(take(12, 'late'))).toBe('wrong_state');
  });

  it('T28 cannot be read any more when somebody has changed what is kept of it', async () => {
    await begin('record');
    await take(0, 'first\r\n');
    await take(7, 'second\r\n');
    await end();
    await endRecordings(world.context);
    const [one, two] = [(await world.store.recordingPiece(1, 1))!, (await world.store.recordingPiece(1, 2))!];
    await world.store.write(async (tx) => {
      await tx.dropRecordingPieces(1);
      await tx.putRecordingPiece(1, 0, one);
      await tx.putRecordingPiece(1, 1, two);
      await tx.putRecordingPiece(1, 2, one);
    });
    expect(await problem(read())).toBe('bad_input');
  });

  it('T27 is taken from the agent that has the job, and from no other', async () => {
    await begin('record');
    expect(await problem(takePiece(world.context, 'other', piece(0, 'lies')))).toBe('not_found');
    expect(await problem(take(0, 'x', { jobId: 77 }))).toBe('not_found');
  });

  it('notes what is missing and goes on, where it is not required', async () => {
    await begin('record');
    await take(0, 'one');
    expect(await take(100, 'two', { problem: '97 bytes did not come through' })).toEqual({ next: 103, problem: null });
    await end();
    await endRecordings(world.context);
    expect(await read()).toContain('97 bytes did not come through');
    expect(await stops()).toEqual([]);
    expect((await world.audit()).filter((event) => event === 'recording_failed')).toHaveLength(1);
  });

  it('ends the job where it is required and cannot be whole', async () => {
    await begin('required');
    await take(0, 'one');
    expect((await take(100, 'two', { problem: '97 bytes did not come through' })).problem).toContain('97 bytes');
    expect(await stops()).toEqual(['its policy asks for a recording, and 97 bytes did not come through']);
  });

  it('T30 has an end, whatever a job writes', async () => {
    await begin('record');
    const mebibyte = 'x'.repeat(1024 * 1024);
    let offset = 0;
    let full: string | null = null;
    for (let n = 0; n < 40 && full === null; n++) {
      ({ next: offset, problem: full } = await take(offset, mebibyte));
    }
    expect(full).toContain('longer than');
    expect((await world.store.recording(1, 1))?.bytes).toBeLessThanOrEqual(MAX_RECORDING_BYTES);
  });

  it('T32 is for those who see its Hold, and is removed when its time is over', async () => {
    await begin('record');
    await take(0, 'one');
    await end();
    await endRecordings(world.context);
    expect(await problem(read('stranger'))).toBe('not_found');
    world.policy = { ...world.policy, retention: { ...world.policy.retention, recordingsMs: 30 * DAY } };
    const go = (dryRun: boolean) => applyRetention(world.context, BY_TIME, { cursor: 'recordings', dryRun });
    expect(await go(false)).toEqual({ counts: {}, next: null });
    world.clock.advance(30 * DAY);
    expect(await go(true)).toEqual({ counts: { recordings: 1 }, next: null });
    expect(await problem(read())).toBe('done');
    expect(await go(false)).toEqual({ counts: { recordings: 1 }, next: null });
    expect(await go(false)).toEqual({ counts: {}, next: null });
    expect((await world.audit()).filter((event) => event === 'recording_removed')).toHaveLength(1);
    expect(await problem(read())).toBe('wrong_state');
    expect(await world.store.recordingPiece(1, 0)).toBeNull();
    expect((await world.store.recording(1, 1))?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is missed when nothing of it ever comes', async () => {
    await begin('required');
    await end();
    await endRecordings(world.context);
    expect(await world.store.recording(1, 1)).toMatchObject({ state: 'ended', problem: 'nothing of it has come' });
  });
});

describe('a stop over the network', () => {
  it('says whether the agent that has the job is there: until it is, the job runs on', async () => {
    const hub = await startHub();
    const link = await welcomed(hub.url, hub.keys.embedded);
    const { digest } = requestFor({ id: 1 });
    await hub.world.admit({ id: 1 });
    await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), { digest });
    await hub.world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    const token = await hub.token('jonas');
    const stop = async () => {
      const { exit, out, err } = await runCli(['holds', 'stop', '1', '--comment', 'no'], {
        env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: token },
      });
      expect(exit, err).toBe(0);
      return out;
    };
    expect(await stop()).toMatch(/^hold 1: job 1 is stopped \(jonas, .*\); the hold follows when GitLab says so\n$/);
    link.socket.terminate();
    await eventually(stop, (words) =>
      /is to be stopped \(jonas, .*its agent embedded is not connected: it runs on until/.test(words),
    );
    await hub.close();
  });
});
