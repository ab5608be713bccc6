import { describe, expect, it } from 'vitest';
import { type Reply, send, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();

/** A job that a runner has, and that is recorded so. */
async function recorded(how: 'record' | 'required') {
  const one = await scene();
  one.gate.gatekeeper.recording = how;
  const id = await one.park();
  await one.gate.gatekeeper.release(id);
  expect((await one.poll()).status).toBe(201);
  const { token } = one.fake.job(id);
  const patch = (offset: number, text: string, more: { headers?: Record<string, string>; query?: string } = {}) =>
    send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace${more.query ?? ''}`, {
      headers: {
        'job-token': token,
        'content-range': `${offset}-${offset + Math.max(0, Buffer.byteLength(text) - 1)}`,
        'content-type': 'text/plain',
        ...more.headers,
      },
      body: text,
    });
  const kept = () => one.gate.gatekeeper.recorded.get(id)!;
  const own = () => one.fake.job(id).trace.slice(one.fake.job(id).trace.indexOf('\n\n') + 2);
  return { one, id, token, patch, kept, own };
}
const status = ({ status: code }: Reply): number => code;
/** GitLab takes nothing of the next piece of a log. */
const refuseOne = (one: GateScene) =>
  one.fake.fail({ match: (method, path) => method === 'PATCH' && path.endsWith('/trace'), how: 'status', times: 1 });
const stopped = (one: GateScene, id: number) =>
  until(
    'the job to be failed',
    () => one.fake.job(id).status === 'failed',
    () => one.fake.job(id).status,
  );

describe('the log of a recorded job', () => {
  it('T24 is taken with the token in its header alone, and from a plain place, or it would be written past the recording', async () => {
    const { token, patch, kept, own } = await recorded('record');
    expect(status(await patch(0, 'seen\n'))).toBe(202);
    const unseen = await patch(5, 'unseen', { headers: { 'job-token': '' }, query: `?token=${token}` });
    expect(status(unseen)).toBe(403);
    for (const place of ['+5-10', '0x5-10', '5_-10', '5', ''])
      expect(status(await patch(5, 'unseen', { headers: { 'content-range': place } }))).toBe(400);
    expect([own(), kept().text]).toEqual(['seen\n', 'seen\r\n']);
  });

  it('T34 goes on being recorded when the job itself writes far behind its end, where GitLab takes nothing', async () => {
    const { patch, kept, own } = await recorded('required');
    expect(status(await patch(0, 'one\n'))).toBe(202);
    expect(status(await patch(900_000_000, 'x'))).toBe(416);
    expect(status(await patch(4, 'two\n'))).toBe(202);
    expect([own(), kept().text, kept().problems]).toEqual(['one\ntwo\n', 'one\r\ntwo\r\n', []]);
  });

  it('T34 shows what GitLab has, too, when something else was recorded in its place that GitLab refused', async () => {
    const { one, id, patch, kept, own } = await recorded('record');
    refuseOne(one);
    expect(status(await patch(0, 'harmless words\n'))).toBe(500);
    expect(status(await patch(0, 'rm -rf /\n'))).toBe(202);
    expect(status(await patch(9, 'done\n'))).toBe(202);
    expect(own()).toBe('rm -rf /\ndone\n');
    expect(kept().problems).toEqual(['what was sent here before was sent again with other words']);
    expect(kept().text).toMatch(/^harmless words\r\n\[.*\]rm -rf \/\r\ndone\r\n$/);
    expect(one.fake.job(id).status).toBe('running');
  });

  it('is recorded once where a runner sends ranges again, whole, in part and with more behind them', async () => {
    const { one, patch, kept, own } = await recorded('required');
    refuseOne(one);
    expect(status(await patch(0, 'abcdef'))).toBe(500);
    expect(status(await patch(0, 'abcdef'))).toBe(202);
    expect(status(await patch(2, 'cdefgh'))).toBe(416);
    expect(status(await patch(6, 'ghij\n'))).toBe(202);
    expect([own(), kept().text, kept().problems]).toEqual(['abcdefghij\n', 'abcdefghij\r\n', []]);
  });

  it('T32 keeps what may be half a secret over an agent that is started anew, and misses nothing of it', async () => {
    const { one, token, patch, kept, own } = await recorded('required');
    const half = Math.floor(token.length / 2);
    expect(status(await patch(0, `login ${token.slice(0, half)}`))).toBe(202);
    expect(kept().text).toBe('login ');
    one.gate = await one.gate.restart();
    const at = 6 + half;
    expect(status(await patch(at, `${token.slice(half)} ok\n`))).toBe(202);
    expect([own(), kept().text, kept().problems]).toEqual([`login ${token} ok\n`, 'login [MASKED] ok\r\n', []]);
  });

  it('is not byte by byte any more where it is no UTF-8, and keeps a byte order mark', async () => {
    const { one, id, token, kept } = await recorded('record');
    const bytes = Buffer.concat([Buffer.from('\ufeffa'), Buffer.from([0xff, 0xc3]), Buffer.from('(\n')]);
    const headers = { 'job-token': token, 'content-range': `0-${bytes.length - 1}` };
    await send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, { headers, body: bytes });
    expect(kept().text).toBe('\ufeffa\ufffd\ufffd(\r\n');
  });
});

describe('a job that is stopped', () => {
  it.each([
    ['record', '3'],
    [null, '15'],
  ] as const)('hears of it soon: recorded as %s its runner is to send every %s s', async (how, seconds) => {
    const one = await scene({}, { traceUpdateIntervalS: 60 });
    one.gate.gatekeeper.recording = how;
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(201);
    const headers = { 'job-token': one.fake.job(id).token, 'content-range': '0-1' };
    const answer = await send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, { headers, body: 'ab' });
    expect([answer.status, answer.headers['x-gitlab-trace-update-interval']]).toEqual([202, seconds]);
  });

  it('T29 goes to no runner when that was said while it was handed over', async () => {
    const one = await scene();
    const id = await one.park();
    const { gatekeeper } = one.gate;
    gatekeeper.fault = async (call, detail) => {
      if (call !== 'report' || (detail as { event: string }).event !== 'handed_out') return;
      gatekeeper.fault = null;
      await gatekeeper.push('cancel', id, { stop: true, reason: 'wrong', note: 'Holdpoint: stopped' });
    };
    await gatekeeper.release(id);
    expect((await one.poll()).status).toBe(204);
    await stopped(one, id);
    expect((await one.poll()).status).toBe(204);
    expect(one.fake.job(id).trace).toContain('Holdpoint: stopped');
  });

  it('T42 has the note of it, although its runner was sending when it was stopped', async () => {
    const { one, id, token, patch } = await recorded('record');
    expect(status(await patch(0, 'working\n'))).toBe(202);
    const size = Buffer.byteLength(one.fake.job(id).trace);
    const long = `${'x'.repeat(2_000)}\n`;
    let asked = false;
    const match = (method: string, path: string) => (asked = method === 'PATCH' && path.endsWith('/trace'));
    // How long the log is, as it was before the runner's last piece came.
    one.fake.fail({ match, how: 'delay', delayMs: 300, times: 1 });
    await one.gate.gatekeeper.push('cancel', id, { stop: true, reason: 'wrong', note: 'Holdpoint: stopped by jonas' });
    await until('the log to be looked at', () => asked);
    const headers = { 'job-token': token, 'content-range': `${size}-${size + long.length - 1}` };
    const late = await send(one.fake.port, 'PATCH', `/api/v4/jobs/${id}/trace`, { headers, body: long });
    expect(status(late)).toBe(202);
    await stopped(one, id);
    expect(one.fake.job(id).trace).toContain(`${long}Holdpoint: stopped by jonas`);
  });
});
