import { describe, expect, it } from 'vitest';
import { readinessOf } from '../../agent/src/domain/readiness.ts';
import { createHealthServer } from '../../agent/src/system/health-server.ts';
import { send, until } from '../support/gate.ts';
import { gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();

describe('the health of an agent whose hub is elsewhere', () => {
  it('bears a hub that is away for half a minute, is not ready then, and is again when the hub is back', async () => {
    const one = await scene();
    await one.park();
    const state = () => readinessOf(one.gate.agent.problems());
    await until('the first look', () => state().status === 'ok');
    one.gate.clock.skip(5_000);
    one.gate.gatekeeper.disconnect();
    expect(state()).toMatchObject({ notReady: null, status: 'degraded', problems: [{ code: 'link' }] });
    one.gate.clock.skip(31_000);
    expect(state().notReady).toMatch(/not linked to its hub/);
    // What is parked stays so, and is kept alive meanwhile.
    expect(one.gate.agent.counts()).toEqual({ parked: 1 });
    one.gate.gatekeeper.connect();
    await until('readiness', () => state().notReady === null);
  });

  it('has an address of its own that answers three questions and nothing else, and says no names', async () => {
    const server = createHealthServer({
      ready: () =>
        readinessOf([
          { code: 'disk', blocks: true },
          { code: 'runner_token', blocks: false },
        ]),
      metrics: async () => 'holdpoint_x 1\n',
    });
    const port = await server.listen('127.0.0.1', 0);
    const ask = async (method: string, path: string) => {
      const { status, body, headers } = await send(port, method, path);
      return [status, headers['content-type'], body.toString()];
    };
    expect(await ask('GET', '/healthz')).toEqual([200, 'application/json; charset=utf-8', '{"status":"ok"}\n']);
    expect(await ask('GET', '/metrics')).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8', 'holdpoint_x 1\n']);
    const [status, , text] = await ask('GET', '/readyz');
    expect([status, JSON.parse(String(text))]).toMatchObject([503, { status: 'not_ready' }]);
    for (const [method, path, wanted] of [
      ['POST', '/readyz', 405],
      ['GET', '/api/v4/jobs/request', 404],
      ['GET', '/metrics/../healthz', 404],
      ['GET', '/metrics?x', 404],
    ] as const)
      expect((await ask(method, path))[0]).toBe(wanted);
    await expect(
      createHealthServer({ ready: () => readinessOf([]), metrics: async () => '' }).listen('127.0.0.1', port),
    ).rejects.toMatchObject({
      code: 'bad_config',
      message: expect.stringContaining('metrics.listen'),
    });
    await server.close();
  });

  it('T32 is not told on the gateway, where jobs can ask', async () => {
    const one = await scene();
    for (const path of ['/metrics', '/readyz', '/healthz'])
      expect((await send(one.gate.port, 'GET', path)).status).toBe(404);
  });
});
