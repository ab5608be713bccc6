import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { fixture, send } from '../support/gate.ts';
import { gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const REQUEST = (_method: string, path: string): boolean => path === '/api/v4/jobs/request';

describe('T47: redirects', () => {
  it.each([301, 302, 303, 307, 308])(
    'of jobs/request to another origin (%d) become 502 and say where to',
    async (status) => {
      const one = await scene();
      let asked = 0;
      const elsewhere = createServer((_req, res) => {
        asked++;
        res.end();
      });
      await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
      const origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
      one.fake.fail({
        match: REQUEST,
        how: 'redirect',
        status,
        headers: { Location: `${origin}/api/v4/jobs/request` },
      });
      const reply = await one.poll();
      await new Promise((resolve) => elsewhere.close(resolve));
      expect([reply.status, reply.headers.location, asked]).toEqual([502, undefined, 0]);
      expect(reply.body.toString()).toContain(`GitLab redirects to ${origin}; set gitlab.url`);
    },
  );

  it('of jobs/request within GitLab are followed here, and the job behind them is gated', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    one.fake.fail({
      match: REQUEST,
      how: 'redirect',
      status: 307,
      headers: { Location: '/api/v4/jobs/request' },
      times: 2,
    });
    expect((await one.poll()).status).toBe(204);
    expect(one.fake.job(id).handOuts).toBe(1);
  });

  it('of jobs/request in a circle become 502', async () => {
    const one = await scene();
    one.fake.fail({ match: REQUEST, how: 'redirect', status: 307, headers: { Location: '/api/v4/jobs/request' } });
    expect((await one.poll()).status).toBe(502);
    expect(one.fake.log.length).toBeLessThan(6);
  });

  it.each([
    ['POST', '/api/v4/runners/verify'],
    ['DELETE', '/api/v4/runners'],
    ['DELETE', '/api/v4/runners/managers'],
    ['POST', '/api/v4/runners/reset_authentication_token'],
  ])('of %s %s never reach the runner', async (method, path) => {
    const one = await scene();
    one.fake.fail({
      match: (_m, at) => at === path,
      how: 'redirect',
      status: 308,
      headers: { Location: 'https://elsewhere.invalid/' },
    });
    const reply = await send(one.gate.port, method, path, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: one.token }),
    });
    expect([reply.status, reply.headers.location]).toEqual([502, undefined]);
  });

  it('of a job update or a log never carry the job token elsewhere', async () => {
    const one = await scene();
    one.fake.fail({
      match: (method) => method === 'PUT' || method === 'PATCH',
      how: 'redirect',
      headers: { Location: 'https://elsewhere.invalid/' },
    });
    for (const [method, path] of [
      ['PUT', '/api/v4/jobs/5'],
      ['PATCH', '/api/v4/jobs/5/trace'],
    ] as const) {
      const reply = await send(one.gate.port, method, path, {
        headers: { 'content-type': 'text/plain', 'job-token': 'x' },
        body: '{}',
      });
      expect([method, reply.status, reply.headers.location]).toEqual([method, 502, undefined]);
    }
  });

  it('of artifacts are the runner’s to follow', async () => {
    const one = await scene();
    const location = 'https://storage.invalid/a?sig=1';
    one.fake.fail({
      match: (_m, path) => path.includes('/artifacts'),
      how: 'redirect',
      status: 302,
      headers: { Location: location },
    });
    const reply = await send(one.gate.port, 'GET', '/api/v4/jobs/5/artifacts?direct_download=true', {
      headers: { 'job-token': 'x' },
    });
    expect([reply.status, reply.headers.location]).toEqual([302, location]);
  });
});
