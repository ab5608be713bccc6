/** Against the gateway's port, by somebody on the runner's host: split and smuggled requests, two tokens, slow bodies, floods, a runner that lies. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fixture, poll, send, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection that writes this; what came back, and whether it was closed, can be looked at. */
async function open(port: number, bytes: string | Buffer) {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  let closed = false;
  socket.on('data', (part) => {
    text += part.toString('latin1');
  });
  socket.on('close', () => {
    closed = true;
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.write(bytes);
  return { socket, text: () => text, closed: () => closed };
}

const POLL = '/api/v4/jobs/request';
const SESSION = '{"url":"https://10.0.0.1:8093","certificate":"x","authorization":"y"}';
const bodyOf = (token: string, more = '') => `{"token":"${token}","info":{"features":{"terminal":true}}${more}}`;
const pollText = (headers: string, body: string) =>
  `POST ${POLL} HTTP/1.1\r\nHost: gitlab\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
/** What GitLab was asked for jobs, as it came there. */
const asked = (one: GateScene) => one.fake.log.filter(({ path }) => path.startsWith('/api/v4/jobs/request'));

describe('a request that two readers could read in two ways', () => {
  const inner = (token: string) => {
    const body = bodyOf(token, `,"session":${SESSION}`);
    return pollText(`Content-Length: ${body.length}`, body);
  };
  const smuggled: readonly [title: string, headers: (length: number) => string, before: string][] = [
    ['a length and chunks', (n) => `Content-Length: ${n + 5}\r\nTransfer-Encoding: chunked`, '0\r\n\r\n'],
    ['chunks and a length', (n) => `Transfer-Encoding: chunked\r\nContent-Length: ${n + 5}`, '0\r\n\r\n'],
    ['two lengths', (n) => `Content-Length: 0\r\nContent-Length: ${n}`, ''],
    ['a length with a sign', () => 'Content-Length: +0', ''],
    ['a list of lengths', (n) => `Content-Length: 0, ${n}`, ''],
    ['chunks under another name', () => 'Transfer-Encoding: xchunked', '0\r\n\r\n'],
    ['chunked twice', () => 'Transfer-Encoding: chunked, chunked', '0\r\n\r\n'],
    ['chunks that are not last', () => 'Transfer-Encoding: chunked, identity', '0\r\n\r\n'],
    ['a blank before the colon', () => 'Transfer-Encoding : chunked', '0\r\n\r\n'],
    ['a folded header', () => 'X: a\r\n Transfer-Encoding: chunked', '0\r\n\r\n'],
    ['a bare line feed', () => 'X: a\nTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['a bare carriage return', () => 'X: a\rTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['a zero byte', () => 'X: a\0\r\nTransfer-Encoding: chunked', '0\r\n\r\n'],
    ['a chunk size with a sign', () => 'Transfer-Encoding: chunked', '+0\r\n\r\n'],
    ['a chunk size of the wrong base', () => 'Transfer-Encoding: chunked', '0x0\r\n\r\n'],
  ];
  it.each(smuggled)('T3 T47 %s: is not read, and what is behind it neither', async (_, headers, before) => {
    const one = await scene();
    const hidden = inner(one.token);
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    const { text, closed } = await open(one.gate.port, pollText(headers(hidden.length), before + hidden));
    await until('the connection to be closed', closed, text);
    expect(text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect([asked(one).length, one.fake.job(id).handOuts]).toEqual([0, 0]);
  });

  it('T46 a second request in the same connection is gated like the first', async () => {
    const one = await scene();
    const first = one.fake.enqueue(fixture('test-unit.run1'));
    const second = one.fake.enqueue(fixture('release.run1'));
    const { text } = await open(one.gate.port, inner(one.token) + inner(one.token));
    await until('two answers', () => (text().match(/HTTP\/1\.1 204/g) ?? []).length === 2, text);
    expect([first, second].map((id) => one.gate.gatekeeper.holdOf(id).state)).toEqual(
      Array(2).fill('waiting_for_approval'),
    );
    expect(asked(one).every(({ body }) => !body.includes('10.0.0.1') && body.includes('"terminal":false'))).toBe(true);
  });

  it('T47 a body that names two tokens reaches GitLab with the one it was judged by', async () => {
    const one = await scene();
    const openToken = one.fake.runnerToken('open');
    for (const body of [
      `{"token":"${openToken}","token":"${one.token}"}`,
      `{"token":"${openToken}","\\u0074oken":"${one.token}"}`,
    ]) {
      const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.token });
      const headers = { 'content-type': 'application/json' };
      expect((await send(one.gate.port, 'POST', POLL, { headers, body })).status).toBe(204);
      expect(one.gate.gatekeeper.holdOf(id).state).toBe('waiting_for_approval');
    }
    expect(asked(one).map(({ body }) => JSON.parse(body).token)).toEqual([one.token, one.token]);
    expect(asked(one).every(({ body }) => body.split(one.token).length === 2 && !body.includes(openToken))).toBe(true);
  });

  it.each([
    ['another in the header', (o: string) => ({ 'runner-token': o })],
    ['two in the header', (o: string, t: string) => ({ 'runner-token': `${t}, ${o}` })],
  ])('T43 T47 a token in the body and %s: is refused, and not with 403', async (_, headers) => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.token });
    for (const [body, other] of [
      [one.token, one.fake.runnerToken('open')],
      [one.fake.runnerToken('open'), one.token],
    ] as const) {
      const reply = await send(one.gate.port, 'POST', POLL, {
        headers: { 'content-type': 'application/json', ...headers(other, body) },
        body: bodyOf(body),
      });
      expect(reply.status).toBe(400);
    }
    expect([asked(one).length, one.fake.job(id).handOuts]).toEqual([0, 0]);
  });

  it('T47 headers that make another request of it at GitLab stay here', async () => {
    const one = await scene();
    const body = bodyOf(one.token);
    await send(one.gate.port, 'POST', POLL, {
      headers: {
        'content-type': 'application/json',
        'x-http-method-override': 'DELETE',
        x_http_method_override: 'DELETE',
        runner_token: one.fake.runnerToken('open'),
        connection: 'close, content-type',
      },
      body,
    });
    const names = Object.keys(asked(one)[0]?.headers ?? {});
    expect(names.filter((name) => /override|_/.test(name))).toEqual([]);
    expect(asked(one)[0]?.headers['content-type']).toBe('application/json');
  });
});

describe('a stolen config.toml', () => {
  it('T25 brings nothing that was not approved, however often it polls and under whatever system id', async () => {
    const one = await scene();
    const ids = Array.from({ length: 5 }, () => one.fake.enqueue(fixture('test-unit.run1')));
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => poll(one.gate.port, one.token, { system_id: `s_${n}` })),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([204]));
    expect(ids.map((id) => one.gate.gatekeeper.holdOf(id).state)).toEqual(Array(5).fill('waiting_for_approval'));
  });

  it('T26 of a runner that this gateway does not know is gated, and a released job of another goes nowhere', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    const own = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.fake.runnerToken('stranger') });
    expect((await poll(one.gate.port, one.fake.runnerToken('stranger'))).status).toBe(204);
    expect(one.gate.gatekeeper.holdOf(own).state).toBe('waiting_for_approval');
    expect((await poll(one.gate.port, one.fake.runnerToken('open'))).status).toBe(204);
    expect(one.fake.job(id).status).toBe('running');
    expect((await one.poll()).status).toBe(201);
  });
});

describe('slow and many', () => {
  it('T30 a poll whose body drips in is let go, so that it holds no place for ever', async () => {
    const one = await scene();
    const { closed, text, socket } = await open(one.gate.port, pollText('Content-Length: 60000', '{"to'));
    const drip = (): boolean => {
      if (!closed()) socket.write('k');
      one.gate.clock.skip(1_000);
      return closed();
    };
    await until('the connection to be closed', drip, text);
    expect(asked(one)).toEqual([]);
    expect((await one.poll()).status).toBe(204);
  });

  it('T30 headers that drip in are cut by the server itself', async () => {
    const one = await scene();
    const { closed } = await open(one.gate.port, `POST ${POLL} HTTP/1.1\r\nX: ${'a'.repeat(20_000)}`);
    await until('the connection to be closed', closed);
  });

  it('T30 polls without end by a stranger do not reach GitLab without end, and the runner is served', async () => {
    const one = await scene();
    one.fake.fail({ match: (_, path) => path === POLL, how: 'delay', delayMs: 1_500, times: 200 });
    const stranger = one.fake.runnerToken('stranger');
    const flood = Array.from({ length: 300 }, () => poll(one.gate.port, stranger).then(({ status }) => status));
    const refused = Promise.race(flood);
    expect(await refused).toBe(503);
    expect(asked(one).length).toBeLessThanOrEqual(100);
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.token });
    expect((await one.poll()).status).toBe(204);
    expect(one.gate.gatekeeper.holdOf(id).state).toBe('waiting_for_approval');
    const statuses = await Promise.all(flood);
    expect(new Set(statuses)).toEqual(new Set([204, 503]));
  });

  it('T30 thousand jobs of one person leave the one of another parked', async () => {
    const one = await scene({ limits: { maxHolds: 20 } });
    const mine = one.fake.enqueue(fixture('test-unit.run1'), { user: { id: 12, username: 'alice', name: 'Alice' } });
    expect((await one.poll()).status).toBe(204);
    const flood = Array.from({ length: 60 }, () => one.fake.enqueue(fixture('test-unit.run1')));
    for (let n = 0; n < 60; n++) await one.poll();
    const failed = () => flood.filter((id) => one.fake.job(id).status === 'failed').length;
    await until('the flooder to lose forty', () => failed() >= 41, failed);
    expect(one.fake.job(mine).status).toBe('running');
  });
});

describe('a runner that lies', () => {
  const json = { 'content-type': 'application/json' };

  it('T25 cannot end, confirm or write to a job that waits here, even with its token', async () => {
    const one = await scene();
    const id = await one.park();
    const { token } = one.fake.job(id);
    const before = one.fake.job(id).trace;
    const put = (state: string) =>
      send(one.gate.port, 'PUT', `/api/v4/jobs/${id}`, {
        headers: { ...json, 'job-token': token },
        body: `{"token":"${token}","state":"${state}"}`,
      });
    const patch = send(one.gate.port, 'PATCH', `/api/v4/jobs/${id}/trace`, {
      headers: { 'job-token': token, 'content-range': '0-3', 'content-type': 'text/plain' },
      body: 'evil',
    });
    const replies = await Promise.all([put('running'), put('success'), put('failed'), patch]);
    expect(replies.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect([one.fake.job(id).status, one.fake.job(id).trace]).toEqual(['running', before]);
    expect(one.gate.gatekeeper.holdOf(id).state).toBe('waiting_for_approval');
  });

  it('T25 T31 cannot put artifacts in the name of a job that waits here', async () => {
    const one = await scene();
    const id = await one.park();
    const reply = await send(one.gate.port, 'POST', `/api/v4/jobs/${id}/artifacts`, {
      headers: { 'job-token': one.fake.job(id).token, 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nevil\r\n--x--\r\n',
    });
    expect(reply.status).toBe(403);
    expect(one.fake.job(id).artifacts).toEqual([]);
  });

  it('T30 T41 with the token of its own job neither confirms nor ends another’s, nor makes GitLab be asked about it', async () => {
    const one = await scene();
    const victim = await one.approved();
    expect((await one.poll()).status).toBe(201);
    await one.put(victim, { state: 'running' });
    const own = one.fake.enqueue(fixture('test-unit.run1'));
    expect((await one.poll()).status).toBe(201);
    const other = one.fake.job(own).token;
    await until('the victim to be confirmed', () =>
      one.gate.gatekeeper.reports.some(({ event }) => event === 'confirmed'),
    );
    const looks = () => one.fake.log.filter(({ method, path }) => method === 'GET' && path === '/api/v4/job').length;
    const before = looks();
    for (let n = 0; n < 10; n++)
      await send(one.gate.port, 'PUT', `/api/v4/jobs/${victim}`, {
        headers: { ...json, 'job-token': other },
        body: JSON.stringify({ token: other, state: 'success' }),
      });
    expect(one.fake.job(victim).status).toBe('running');
    const confirmed = one.gate.gatekeeper.reports.filter(({ event }) => event === 'confirmed');
    expect(confirmed.map(({ jobId }) => jobId)).toEqual([victim]);
    expect(looks()).toBe(before);
  });

  it('T41 that polls from twenty processes at once for one released job starts it once', async () => {
    const one = await scene();
    const id = await one.park();
    const polls = Array.from({ length: 20 }, (_, n) => poll(one.gate.port, one.token, { system_id: `s_${n}` }));
    await one.gate.gatekeeper.release(id);
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    const later = [await one.poll(), await one.poll()].map(({ status }) => status);
    expect([...statuses, ...later].filter((status) => status === 201)).toEqual([201]);
  });

  it('ends as GitLab says, whatever a job PUTs of itself with CI_JOB_TOKEN while it runs', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    await one.put(id, { state: 'running' });
    one.fake.fail({
      match: (method, path) => method === 'PUT' && path.startsWith('/api/v4/jobs/'),
      how: 'status',
      status: 200,
      body: '200',
      times: 1,
    });
    await one.put(id, { state: 'success' });
    await until('GitLab to be asked', () =>
      one.fake.log.some(({ method, path }) => method === 'GET' && path === '/api/v4/job'),
    );
    expect(one.gate.gatekeeper.holdOf(id).state).toBe('running');
  });
});
