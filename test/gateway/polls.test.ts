import { describe, expect, it } from 'vitest';
import { fixture, poll, send, until } from '../support/gate.ts';
import { gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const REQUEST = (method: string, path: string): boolean => method === 'POST' && path.startsWith('/api/v4/jobs/request');

describe('a poll', () => {
  it('T46: goes upstream without session and query, with terminal, proxy and two-phase commit off, all else kept', async () => {
    const { fake, gate, token } = await scene();
    const body = JSON.stringify({
      token,
      system_id: 's_1',
      last_update: 'abc',
      session: { url: 'https://x' },
      info: {
        name: 'gitlab-runner',
        features: { session: true, terminal: true, cancelable: true },
        labels: { __proto__x: 'y' },
      },
    });
    await send(gate.port, 'POST', '/api/v4/jobs/request?session[url]=https://x&token=other', {
      headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip', 'x-request-id': 'r1' },
      body,
    });
    const request = fake.log.find((one) => REQUEST(one.method, one.path))!;
    expect(request.path).toBe('/api/v4/jobs/request');
    expect(JSON.parse(request.body)).toEqual({
      token,
      system_id: 's_1',
      last_update: 'abc',
      info: {
        name: 'gitlab-runner',
        features: { session: false, terminal: false, proxy: false, two_phase_job_commit: false, cancelable: true },
        labels: { __proto__x: 'y' },
      },
    });
    expect(request.headers['x-request-id']).toBe('r1');
  });

  it('T46: as a form, where session[url] would be read by GitLab, is refused', async () => {
    const { fake, gate, token } = await scene();
    const reply = await send(gate.port, 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `token=${token}&session[url]=https://x`,
    });
    expect(reply.status).toBe(415);
    expect(fake.log).toEqual([]);
  });

  it('T43: whose header and body name two tokens is refused, never with 403', async () => {
    const { fake, gate, token } = await scene();
    const reply = await send(gate.port, 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/json', 'runner-token': 'glrt-other' },
      body: JSON.stringify({ token }),
    });
    expect(reply.status).toBe(400);
    expect(fake.log).toEqual([]);
  });

  it.each([
    ['not json', 'x'],
    ['no object', '[]'],
    ['no token', '{}'],
    ['a token that is no text', '{"token":5}'],
    ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('T43: with a body that is %s is refused, never with 403', async (_what, body) => {
    const { gate } = await scene();
    const reply = await send(gate.port, 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(reply.status).toBe(400);
  });

  it('with a body of megabytes is refused with 413', async () => {
    const { gate, token } = await scene();
    const body = JSON.stringify({ token, x: 'x'.repeat(70_000) });
    const reply = await send(gate.port, 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(reply.status).toBe(413);
  });

  it.each([403, 409, 429, 500, 503])('T43: gets GitLab’s own %d as it is, with its headers', async (status) => {
    const one = await scene();
    one.fake.fail({
      match: REQUEST,
      how: 'status',
      status,
      body: '{"message":"as GitLab says"}',
      headers: {
        'Retry-After': '7',
        'RateLimit-ResetTime': 'Sun, 22 Nov 2026 02:00:00 GMT',
        'X-GitLab-Last-Update': 'u1',
      },
    });
    const reply = await one.poll();
    expect([reply.status, reply.body.toString()]).toEqual([status, '{"message":"as GitLab says"}']);
    expect(reply.headers).toMatchObject({
      'retry-after': '7',
      'ratelimit-resettime': expect.any(String),
      'x-gitlab-last-update': 'u1',
    });
  });

  it('gets GitLab’s 204 with its queue value', async () => {
    const one = await scene();
    const reply = await one.poll();
    expect([reply.status, reply.headers['x-gitlab-last-update'] !== undefined]).toEqual([204, true]);
  });

  it.each([['reset'], ['garbage']] as const)('T43: is answered 502 when GitLab fails by %s', async (how) => {
    const one = await scene();
    one.fake.fail({ match: REQUEST, how, times: 1 });
    expect((await one.poll()).status).toBe(502);
  });

  it('T30: a job whose 2xx is not 201 is gated all the same', async () => {
    const one = await scene();
    const payload = fixture('test-unit.run1');
    one.fake.fail({
      match: REQUEST,
      how: 'status',
      status: 200,
      body: payload,
      headers: { 'Content-Type': 'text/html' },
      times: 1,
    });
    const reply = await one.poll();
    expect([reply.status, reply.body.length]).toEqual([204, 0]);
    await until(
      'the job to be in the lot',
      () => Object.values(one.gate.agent.counts()).some((n) => n > 0),
      one.gate.agent.counts,
    );
  });

  it.each([
    ['text', 'hello'],
    ['json without an id', '{"token":"x"}'],
    ['an Id that only Go takes for one', '{"Id":5,"Token":"x","steps":[]}'],
    ['a list', '[{"id":5}]'],
    ['nothing', ''],
  ])('T30: a 2xx that is no job (%s) is never handed on', async (_what, body) => {
    const one = await scene();
    one.fake.fail({ match: REQUEST, how: 'status', status: 201, body, times: 1 });
    const reply = await one.poll();
    expect([204, 502]).toContain(reply.status);
    expect(reply.body.toString()).not.toContain('Id');
  });

  it('T40: a payload that breaks off is failed at GitLab, as far as it names the job', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    one.fake.fail({ match: REQUEST, how: 'truncate', times: 1 });
    expect([204, 502]).toContain((await one.poll()).status);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
  });

  it('T40: one that the runner abandoned keeps its job, for the next poll', async () => {
    const one = await scene();
    const id = await one.approved();
    one.fake.fail({ match: REQUEST, how: 'delay', delayMs: 150, times: 1 });
    const gone = new AbortController();
    const abandoned = poll(one.gate.port, one.token, {}, gone.signal).catch(() => null);
    await until('the poll upstream', () => one.fake.log.filter((each) => REQUEST(each.method, each.path)).length === 2);
    gone.abort();
    await abandoned;
    await until('the job to be released', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    const reply = await one.poll();
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, id]);
    expect(one.fake.job(id).handOuts).toBe(1);
  });

  it('is answered at once when a job is released while it waits at GitLab, and keeps what GitLab still answers (T40)', async () => {
    const one = await scene({}, { longPollMs: 400 });
    const parked = await one.park();
    const { headers } = await one.poll();
    const lastUpdate = String(headers['x-gitlab-last-update']);
    one.fake.fail({ match: REQUEST, how: 'delay', delayMs: 300, times: 1 });
    const other = one.fake.enqueue(fixture('build-image.run1'));
    const waiting = one.poll({ last_update: lastUpdate });
    await until('the poll upstream', () => one.fake.log.filter((each) => REQUEST(each.method, each.path)).length === 3);
    const before = Date.now();
    await one.gate.gatekeeper.release(parked);
    const reply = await waiting;
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, parked]);
    expect(Date.now() - before).toBeLessThan(250);
    await until('the other job to be parked', () =>
      [...one.gate.gatekeeper.holds.values()].some((h) => h.jobId === other),
    );
  });

  it('T40: whose runner goes away just before the first byte leaves the job to the next one', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    const gone = new AbortController();
    let closed = false;
    one.gate.gatekeeper.fault = async (call, detail) => {
      if (call !== 'report' || (detail as { event: string }).event !== 'handed_out' || closed) return;
      closed = true;
      gone.abort();
      // The agent sees the end of a connection that it has nothing to read from as soon as it has written to another.
      await send(one.gate.port, 'GET', '/nothing');
      await send(one.gate.port, 'GET', '/nothing');
    };
    await poll(one.gate.port, one.token, {}, gone.signal).catch(() => null);
    await until('the report', () => one.gate.gatekeeper.reports.some((report) => report.event === 'undelivered'));
    await until('the job to be released again', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    const reply = await one.poll();
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, id]);
    const events = one.gate.gatekeeper.reports.filter((report) => report.jobId === id).map((report) => report.event);
    expect(events).toEqual(['parked', 'handed_out', 'undelivered', 'handed_out']);
  });

  it('T41: of many at once, repeated and from several managers, exactly one gets a released job', async () => {
    const one = await scene();
    const id = await one.park();
    const before = Array.from({ length: 5 }, (_, n) => one.poll({ system_id: `s_${n}` }));
    const release = one.gate.gatekeeper.release(id);
    const after = Array.from({ length: 10 }, (_, n) => one.poll({ system_id: `r_${n}` }));
    await release;
    const later = Array.from({ length: 5 }, () => one.poll());
    const replies = await Promise.all([...before, ...after, ...later]);
    expect(replies.filter((reply) => reply.status === 201)).toHaveLength(1);
    expect(one.gate.gatekeeper.reports.filter((report) => report.event === 'handed_out')).toHaveLength(1);
  });

  it('T41: an answer of GitLab that comes twice is one job', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    one.fake.fail({ match: REQUEST, how: 'duplicate', times: 1 });
    const again = await one.poll();
    expect(again.status).toBe(204);
    expect(one.gate.gatekeeper.admitted.filter((each) => each.facts.job.id === id)).toHaveLength(1);
  });

  it('T26: of a runner that nobody named is gated under the name unknown, and its job goes to nobody else', async () => {
    const one = await scene();
    const stranger = one.fake.runnerToken('stranger');
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: stranger });
    expect((await poll(one.gate.port, stranger)).status).toBe(204);
    await until('the hold', () => one.gate.gatekeeper.admitted.length === 1);
    expect(one.gate.gatekeeper.admitted[0]?.facts.runner).toBe('unknown');
    await until('the note', () => one.gate.log.lines.some((line) => line.message === 'a note was written'));
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(204);
    expect((await poll(one.gate.port, stranger)).status).toBe(201);
  });

  it('of an unprotected runner passes ungated', async () => {
    const one = await scene();
    const open = one.fake.runnerToken('open');
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: open });
    const reply = await poll(one.gate.port, open);
    expect([reply.status, reply.body.toString()]).toEqual([201, one.fake.job(id).payload]);
    expect(one.gate.gatekeeper.admitted).toEqual([]);
  });
});
