import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  shiftContentRange,
  sizeInRange,
  unshiftRange,
  withoutLogChecksum,
} from '../../agent/src/runners/gitlab/trace.ts';
import { fixture, send, until } from '../support/gate.ts';
import { gateScenes } from '../support/gate-scene.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';

const scene = gateScenes();
const size = fc.nat({ max: 2 ** 40 });

describe('T42: the shift of trace offsets', () => {
  it('moves a patch up by the notes and keeps its length, whatever the numbers', () => {
    fc.assert(
      fc.property(size, size, size, (start, length, by) => {
        const moved = shiftContentRange(`${start}-${start + length}`, by)!;
        const [from, to] = moved.split('-').map(Number);
        expect([from, to! - from!]).toEqual([start + by, length]);
      }),
    );
  });

  it('gives back what it took: a log of notes and runner bytes looks to the runner like its own', () => {
    fc.assert(
      fc.property(size, size, (own, by) => {
        expect(unshiftRange(`0-${own + by}`, by)).toBe(`0-${own}`);
        expect(sizeInRange(unshiftRange(`0-${own + by}`, by))).toBe(own);
      }),
    );
  });

  it('never tells the runner of less than nothing', () => {
    fc.assert(
      fc.property(size, size, (held, by) => {
        expect(sizeInRange(unshiftRange(`0-${held}`, by))).toBe(Math.max(0, held - by));
      }),
    );
  });

  it('lets no text through that is no range', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/^\s*\d{1,15}-\d{1,15}\s*$/.test(text)) expect(shiftContentRange(text, 5)).toBeNull();
      }),
    );
    for (const text of ['', '-', '1-', '-1', 'bytes 0-5', '0-5/9', '0x1-5', '1e3-2e3', '٣-٥'])
      expect(shiftContentRange(text, 5)).toBeNull();
  });

  it('takes the checksum of the runner’s part out of a final update, and nothing else', () => {
    const body = {
      token: 't',
      state: 'success',
      exit_code: 0,
      checksum: 'crc32:1',
      output: { checksum: 'crc32:1', bytesize: 3 },
    };
    expect(withoutLogChecksum(body)).toEqual({ token: 't', state: 'success', exit_code: 0 });
  });
});

describe('T42: the log of a job that was parked', () => {
  it.each(['18.5', '17.0'] as const)('has the note first and every byte of a runner %s behind it', async (version) => {
    const one = await scene();
    const id = await one.park();
    const noteBytes = Buffer.byteLength(one.fake.job(id).trace);
    await one.gate.gatekeeper.release(id);
    let release: () => void = () => {};
    const working = new Promise<void>((resolve) => {
      release = resolve;
    });
    const output = 'first line\nsecond line\n'.repeat(50);
    const runner = startScriptedRunner({
      url: one.gate.url,
      token: one.token,
      version,
      exec: 'none',
      checkIntervalMs: 20,
      updateIntervalMs: 10,
      output,
      work: () => working,
    });
    try {
      await until('the job to be confirmed', () => one.gate.agent.counts().confirmed === 1, one.gate.agent.counts);
      release();
      await until(
        'the job to succeed',
        () => one.fake.job(id).status === 'success',
        () => one.fake.job(id),
      );
      await until('the runner to be through', () => runner.finished.length === 1);
      const { trace, checksum } = one.fake.job(id);
      expect(trace.slice(0, noteBytes)).toContain('waits for approval');
      expect(trace.slice(noteBytes)).toBe(runner.finished[0]?.output);
      expect(runner.finished[0]?.output).toContain('second line');
      expect(checksum).toBeNull();
    } finally {
      await runner.stop();
    }
  });

  it('keeps its shift over a restart of the agent', async () => {
    const one = await scene();
    const id = await one.park();
    const note = one.fake.job(id).trace;
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(201);
    const { token } = one.fake.job(id);
    const patch = (range: string, body: string) =>
      send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, {
        headers: { 'job-token': token, 'content-range': range, 'content-type': 'text/plain' },
        body,
      });
    const first = await patch('0-4', 'hello');
    expect([first.status, first.headers.range]).toEqual([202, '0-5']);
    one.gate = await one.gate.restart();
    const second = await patch('5-10', ' world');
    expect([second.status, second.headers.range]).toEqual([202, '0-11']);
    const wrong = await patch('2-4', 'xyz');
    expect([wrong.status, wrong.headers.range]).toEqual([416, '0-11']);
    expect(one.fake.job(id).trace).toBe(`${note}hello world`);
  });

  it('counts what GitLab has of a note whose answer was lost', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    one.fake.fail({ match: (method) => method === 'PATCH', how: 'close-after-assign', times: 1 });
    await one.poll();
    await until('the first try', () => one.fake.job(id).trace !== '');
    one.gate.clock.skip(10_000);
    await until('the second try', () => one.fake.log.filter((each) => each.method === 'PATCH').length === 2);
    await until('the note', () => one.gate.log.lines.some((line) => line.message === 'a note was written'));
    await one.gate.gatekeeper.release(id);
    await until('the job to be handed out', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    const note = one.fake.job(id).trace;
    expect((await one.poll()).status).toBe(201);
    const { token } = one.fake.job(id);
    const reply = await send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, {
      headers: { 'job-token': token, 'content-range': '0-1', 'content-type': 'text/plain' },
      body: 'ok',
    });
    expect([reply.status, reply.headers.range]).toEqual([202, '0-2']);
    expect(one.fake.job(id).trace).toBe(`${note}ok`);
    expect(note.match(/waits for approval/g)).toHaveLength(1);
  });

  it('is moved by all notes together, when there were several', async () => {
    const one = await scene();
    const id = await one.park();
    const first = one.fake.job(id).trace;
    // The hub has lost the Hold: the job is admitted again, and told again why it waits.
    one.gate.gatekeeper.holds.clear();
    one.gate.gatekeeper.connect();
    await until(
      'the second note',
      () => one.fake.job(id).trace.length > first.length,
      () => one.fake.job(id).trace,
    );
    await until('the hold', () => one.gate.gatekeeper.holds.size === 1);
    await until('both', () => one.gate.log.lines.filter((line) => line.message === 'a note was written').length === 2);
    const notes = one.fake.job(id).trace;
    await one.gate.gatekeeper.release(id);
    await until('the release', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    await until('the job', () => one.fake.job(id).trace === notes);
    const reply = await one.poll();
    expect(reply.status).toBe(201);
    const patched = await send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, {
      headers: { 'job-token': one.fake.job(id).token, 'content-range': '0-1', 'content-type': 'text/plain' },
      body: 'ok',
    });
    expect([patched.status, patched.headers.range]).toEqual([202, '0-2']);
    expect(one.fake.job(id).trace).toBe(`${notes}ok`);
    expect(notes.match(/waits for approval/g)).toHaveLength(2);
  });
});
