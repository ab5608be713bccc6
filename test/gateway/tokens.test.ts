import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunnerTokenKeep } from '../../agent/src/ports/runner-tokens.ts';
import { fixture, type Gate, poll, type Reply, send, startGate, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scenes = gateScenes();
/** What config.toml carries in these tests. */
const OWN = 'glrt-gateway-0123456789abcdef0123';
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const EXPIRES = '2027-01-01T00:00:00.000Z';

/** A protected runner whose real token is with the agent alone. */
async function scene(
  more: { keep?: (keep: RunnerTokenKeep) => RunnerTokenKeep; protected?: boolean } = {},
): Promise<GateScene & { readonly real: string }> {
  const one = await scenes({}, { runnerTokenExpiresAt: EXPIRES });
  const real = one.token;
  await one.gate.close();
  one.gate = await startGate({
    gitlabUrl: one.fake.url,
    runners: [{ name: 'builder', token: real, gatewayToken: OWN, protected: more.protected ?? true }],
    ...(more.keep === undefined ? {} : { keep: more.keep }),
  });
  return {
    ...one,
    real,
    get gate() {
      return one.gate;
    },
    set gate(gate: Gate) {
      one.gate = gate;
    },
  };
}

const call = (one: { gate: Gate }, method: string, path: string, token: string, more: object = {}): Promise<Reply> =>
  send(one.gate.port, method, path, {
    headers: { 'content-type': 'application/json', 'runner-token': token },
    body: JSON.stringify({ token, system_id: 's_1', ...more }),
  });
const verify = (one: { gate: Gate }, token: string) => call(one, 'POST', '/api/v4/runners/verify', token);
const RESET = '/api/v4/runners/reset_authentication_token';
const reset = (one: { gate: Gate }, token: string) => call(one, 'POST', RESET, token);
/** Everything of an answer that a runner can see. */
const seen = (reply: Reply): string => JSON.stringify(reply.headers) + reply.body.toString();
const errors = (one: { gate: Gate }): string[] =>
  one.gate.log.lines.filter((line) => line.level === 'error').map((line) => line.message);

describe('a runner whose config.toml has a token of the gateway', () => {
  it('T54: polls with it, GitLab is asked with the real one in header and body, and the job is gated', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.real });
    expect((await poll(one.gate.port, OWN)).status).toBe(204);
    await until('the hold', () => [...one.gate.gatekeeper.holds.values()].some((hold) => hold.jobId === id));
    const asked = one.fake.log.find((line) => line.path === '/api/v4/jobs/request')!;
    expect([asked.headers['runner-token'], JSON.parse(asked.body).token]).toEqual([one.real, one.real]);
    await until('its note', () => one.gate.log.lines.some((line) => line.message === 'a note was written'));
    await one.gate.gatekeeper.release(id);
    const job = await poll(one.gate.port, OWN);
    expect([job.status, seen(job).includes(one.real)]).toEqual([201, false]);
    expect(JSON.stringify(one.fake.log)).not.toContain(OWN);
  });

  it('T54: verify and reset answer with the gateway token, tell the end, and GitLab knows another real one from then on', async () => {
    const one = await scene();
    const verified = await verify(one, OWN);
    expect([verified.status, JSON.parse(verified.body.toString())]).toEqual([
      200,
      { id: 31, token: OWN, token_expires_at: EXPIRES },
    ]);
    const answer = await reset(one, OWN);
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
      201,
      { token: OWN, token_expires_at: EXPIRES },
    ]);
    const now = one.fake.runnerToken('builder');
    expect(now).not.toBe(one.real);
    for (const reply of [verified, answer]) for (const real of [one.real, now]) expect(seen(reply)).not.toContain(real);
    expect((await poll(one.gate.port, OWN)).status).toBe(204);
    expect(one.fake.log.at(-1)?.headers['runner-token']).toBe(now);
  });

  it('T24, T54: a token that was reset survives restarts, sealed and for the owner alone', async () => {
    const one = await scene();
    await reset(one, OWN);
    const now = one.fake.runnerToken('builder');
    const folder = join(one.gate.dir, 'runner-tokens');
    const [file, ...more] = readdirSync(folder);
    expect(more).toEqual([]);
    expect(statSync(join(folder, file!)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, file!)).includes(now)).toBe(false);
    one.gate = await one.gate.restart();
    expect((await verify(one, OWN)).status).toBe(200);
    await reset(one, OWN);
    one.gate = await one.gate.restart();
    expect((await poll(one.gate.port, OWN)).status).toBe(204);
    expect(errors(one)).toEqual([]);
  });

  it('T54: a token that the operator puts into the configuration beats the one that was reset before', async () => {
    const one = await scene();
    await reset(one, OWN);
    const now = one.fake.runnerToken('builder');
    const { gatekeeper } = one.gate;
    // What an operator does after a reset elsewhere: the new token goes into the token file.
    await one.gate.agent.close({ drainMs: 0 });
    const answer = await fetch(`${one.fake.url}${RESET}`, { method: 'POST', body: JSON.stringify({ token: now }) });
    const { token } = (await answer.json()) as { token: string };
    const gate = await startGate({
      gitlabUrl: one.fake.url,
      gatekeeper,
      keep: (keep) => ({
        save: keep.save,
        load: async () => ({ configured: 'other', token: now, expiresAt: null, asked: false }),
      }),
      runners: [{ name: 'builder', token, gatewayToken: OWN, protected: true }],
    });
    expect((await poll(gate.port, OWN)).status).toBe(204);
    await gate.close();
  });

  it('T54: no answer, header or error text of GitLab brings the real token to the runner, however it is written', async () => {
    const one = await scene();
    const escaped = one.real.replace('glrt', '\\u0067lrt');
    const faults: [string, (reply: Reply) => void][] = [
      [`{"message":"403 Forbidden - token ${one.real}"}`, (reply) => expect(seen(reply)).toContain(OWN)],
      [
        `{"message":"token ${escaped}"}`,
        (reply) => expect(JSON.parse(reply.body.toString()).message).toBe(`token ${OWN}`),
      ],
      [`<html>bad token ${one.real}`, (reply) => expect(seen(reply)).toContain(OWN)],
    ];
    for (const path of ['/api/v4/runners/verify', RESET, '/api/v4/jobs/request']) {
      for (const [body, check] of faults) {
        one.fake.fail({
          match: (_, at) => at === path,
          how: 'status',
          status: 422,
          body,
          headers: { 'X-Debug': `runner ${one.real}` },
          times: 1,
        });
        const reply = path.endsWith('request') ? await poll(one.gate.port, OWN) : await call(one, 'POST', path, OWN);
        expect(reply.status).toBe(422);
        expect(seen(reply)).not.toContain(one.real);
        expect(
          JSON.stringify(JSON.parse(`[${reply.body.toString().startsWith('{') ? reply.body : '0'}]`)),
        ).not.toContain(one.real);
        check(reply);
      }
    }
    expect(JSON.stringify(one.gate.log.lines)).not.toContain(one.real);
  });

  it('T54: an answer that cannot be looked through becomes 502', async () => {
    const one = await scene();
    one.fake.fail({
      match: (_, path) => path.endsWith('/verify'),
      how: 'status',
      status: 200,
      body: 'xx',
      headers: { 'Content-Encoding': 'br' },
      times: 1,
    });
    expect((await verify(one, OWN)).status).toBe(502);
  });

  it.each([
    ['DELETE', '/api/v4/runners'],
    ['DELETE', '/api/v4/runners/managers'],
    ['POST', '/api/v4/runners'],
  ])('T25: is refused %s %s, and GitLab is not asked', async (method, path) => {
    const one = await scene();
    expect((await call(one, method, path, OWN)).status).toBe(403);
    expect(one.fake.log).toEqual([]);
  });

  it.each([
    ['PUT', '/api/v4/jobs/1', { 'job-token': OWN }],
    ['PATCH', '/api/v4/jobs/1/trace', { 'job-token': OWN }],
    ['GET', '/api/v4/jobs/1/artifacts', { 'job-token': OWN }],
    ['GET', `/api/v4/jobs/1/artifacts?job_token=${OWN}`, {}],
    ['POST', '/api/v4/jobs/1/artifacts', { authorization: `Bearer ${OWN}` }],
    ['POST', '/api/v4/runners/31/reset_authentication_token', { 'private-token': OWN }],
    ['POST', '/api/v4/runners/31/reset_authentication_token', { 'private-token': 'glpat-of-somebody' }],
  ])('T54: finds no other route that takes it: %s %s', async (method, path, headers) => {
    const one = await scene();
    const reply = await send(one.gate.port, method, path, {
      headers: { 'content-type': 'application/json', ...headers },
    });
    expect(reply.status).toBe(403);
    expect(one.fake.log).toEqual([]);
  });

  it('T54: header and body must agree, and another token beside it goes nowhere', async () => {
    const one = await scene();
    const body = JSON.stringify({ token: OWN });
    for (const other of [one.real, 'glrt-other', '']) {
      const reply = await send(one.gate.port, 'POST', '/api/v4/runners/verify', {
        headers: { 'content-type': 'application/json', 'runner-token': other },
        body,
      });
      expect(reply.status).toBe(400);
    }
    expect(one.fake.log).toEqual([]);
    await send(one.gate.port, 'POST', '/api/v4/runners/verify', {
      headers: {
        'content-type': 'application/json',
        'private-token': 'glpat-x',
        'job-token': 'x',
        authorization: 'Bearer x',
      },
      body,
    });
    expect(Object.keys(one.fake.log.at(-1)!.headers)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(private-token|job-token|authorization)$/)]),
    );
  });

  it('T25: is worth nothing at GitLab itself', async () => {
    const one = await scene();
    const body = JSON.stringify({ token: OWN, info: {} });
    const direct = await send(one.fake.port, 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(direct.status).toBe(403);
  });

  it('T43: a poll with the real token is refused and logged, never with 403, and never reaches GitLab', async () => {
    const one = await scene();
    one.fake.enqueue(fixture('test-unit.run1'));
    expect((await poll(one.gate.port, one.real)).status).toBe(401);
    for (const path of ['/api/v4/runners/verify', RESET])
      expect((await call(one, 'POST', path, one.real)).status).toBe(403);
    expect(one.fake.log).toEqual([]);
    expect(errors(one)[0]).toContain('with the real token of a runner that has a gateway token');
  });

  it('T54: after a reset the old real token and the new one are refused alike', async () => {
    const one = await scene();
    await reset(one, OWN);
    for (const token of [one.real, one.fake.runnerToken('builder')])
      expect((await poll(one.gate.port, token)).status).toBe(401);
  });

  it('T54: two resets at once give one token each, and the last one holds', async () => {
    const one = await scene();
    const replies = await Promise.all([reset(one, OWN), reset(one, OWN), poll(one.gate.port, OWN)]);
    expect(replies.slice(0, 2).map((reply) => reply.status)).toEqual([201, 201]);
    expect((await verify(one, OWN)).status).toBe(200);
  });

  it('an unprotected runner has its token substituted as well, and gets jobs ungated', async () => {
    const one = await scene({ protected: false });
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    const reply = await poll(one.gate.port, OWN);
    expect([reply.status, reply.body.toString()]).toEqual([201, one.fake.job(id).payload]);
  });
});

describe('a reset at a bad moment', () => {
  it('T54: a disk that takes nothing: GitLab is not asked, so no token is lost', async () => {
    const one = await scene({
      keep: (keep) => ({ load: keep.load, save: () => Promise.reject(new Error('ENOSPC')) }),
    });
    expect((await reset(one, OWN)).status).toBe(503);
    expect(one.fake.log).toEqual([]);
    expect((await verify(one, OWN)).status).toBe(200);
  });

  it('T54: a disk that fills between question and answer: the new token is used, said loudly, and written when there is room', async () => {
    let full = false;
    const one = await scene({
      keep: (keep) => ({
        load: keep.load,
        async save(runner, record) {
          if (full && !record.asked) throw new Error('ENOSPC');
          await keep.save(runner, record);
        },
      }),
    });
    full = true;
    expect((await reset(one, OWN)).status).toBe(201);
    expect((await poll(one.gate.port, OWN)).status).toBe(204);
    expect(errors(one).join()).toContain('not on the disk: do not stop the agent');
    expect(one.gate.agent.problems().map((problem) => problem.code)).toEqual(['runner_token']);
    full = false;
    one.gate.clock.skip(6_000);
    await until('the write', () => one.gate.agent.problems().length === 0, one.gate.agent.problems);
    one.gate = await one.gate.restart();
    expect((await verify(one, OWN)).status).toBe(200);
  });

  it('T54: a stop writes what the disk had not taken, when there is room again', async () => {
    let full = false;
    const one = await scene({
      keep: (keep) => ({
        load: keep.load,
        async save(runner, record) {
          if (full && !record.asked) throw new Error('ENOSPC');
          await keep.save(runner, record);
        },
      }),
    });
    full = true;
    await reset(one, OWN);
    full = false;
    one.gate = await one.gate.restart();
    expect([(await verify(one, OWN)).status, one.gate.agent.problems()]).toEqual([200, []]);
  });

  it('T54: an answer that never came whole: the runner keeps its token, and the state says what people must do', async () => {
    const one = await scene();
    one.fake.fail({ match: (_, path) => path === RESET, how: 'close-after-assign', times: 1 });
    expect((await reset(one, OWN)).status).toBe(502);
    expect(one.gate.agent.problems().map((problem) => problem.message)).toEqual([
      expect.stringContaining('make one in GitLab and put it into the token file'),
    ]);
  });

  it('T54: the agent dies between the answer of GitLab and the disk: the next start says so, and lives on if the old token does', async () => {
    const one = await scene();
    const { keep, saved } = (() => {
      const records: unknown[] = [];
      return {
        saved: records,
        keep: (inner: RunnerTokenKeep): RunnerTokenKeep => ({
          load: async () => ({ configured: hash(one.real), token: null, expiresAt: null, asked: true }),
          async save(runner, record) {
            records.push(record);
            await inner.save(runner, record);
          },
        }),
      };
    })();
    const gate = await startGate({
      gitlabUrl: one.fake.url,
      runners: [{ name: 'builder', token: one.real, gatewayToken: OWN, protected: true }],
      keep,
    });
    expect(gate.agent.problems()).toHaveLength(1);
    expect((await poll(gate.port, OWN)).status).toBe(204);
    expect(gate.agent.problems()).toEqual([]);
    await until('the mark to be taken off', () => (saved.at(-1) as { asked?: boolean })?.asked === false);
    await gate.close();
  });

  it('a token that GitLab refuses is a problem that the state names', async () => {
    const one = await scene();
    one.fake.removeRunner(one.real);
    expect((await poll(one.gate.port, OWN)).status).toBe(403);
    expect(one.gate.agent.problems().map((problem) => problem.message)).toEqual([
      expect.stringContaining('GitLab refuses its token'),
    ]);
  });
});
