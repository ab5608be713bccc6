import { afterEach, describe, expect, it } from 'vitest';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { deaf, rawConnection } from '../support/raw-connection.ts';
import { testStore } from '../support/test-store.ts';

let hub: TestHub;
afterEach(() => hub.close());

const SECOND = 1_000;
const ready = async () => {
  const { status, body } = await hub.call('GET', '/readyz', null);
  return { status, said: JSON.stringify(body) };
};

describe('readiness of a hub', () => {
  it('is not there before its own agent was linked once, bears a link that is down for half a minute, and ends then (T30)', async () => {
    hub = await startHub({ local: ['embedded'] });
    expect((await ready()).status).toBe(503);
    const link = await welcomed(hub.url, hub.keys.embedded);
    expect((await ready()).status).toBe(200);
    link.socket.close();
    const dropped = await eventually(ready, ({ said }) => said.includes('link'));
    expect([dropped.status, dropped.said]).toEqual([200, expect.stringContaining('"status":"degraded"')]);
    hub.world.clock.advance(29 * SECOND);
    expect((await ready()).status).toBe(200);
    hub.world.clock.advance(2 * SECOND);
    expect((await ready()).status).toBe(503);
    await welcomed(hub.url, hub.keys.embedded);
    expect((await ready()).status).toBe(200);
  });

  it('ends while the store takes no write although it can be read; liveness does not depend on it', async () => {
    const store = await testStore();
    let full = false;
    const refuse = () =>
      Promise.reject(new HoldpointError('store_unavailable', 'store /var/lib/holdpoint/hub.sqlite cannot be used'));
    hub = await startHub({ store: { ...store, probe: () => (full ? refuse() : store.probe()) } });
    expect((await ready()).status).toBe(200);
    full = true;
    const refused = await eventually(ready, ({ status }) => status === 503);
    expect(refused.said).toContain('the database cannot be written');
    expect(refused.said).not.toContain('/var/lib');
    expect((await hub.call('GET', '/healthz', null)).status).toBe(200);
    expect(String((await hub.call('GET', '/metrics', null)).body)).toMatch(/^holdpoint_hub_store_writable 0$/m);
    full = false;
    await eventually(ready, ({ status }) => status === 200);
  });

  it('counts what is open in one store as in the other', async () => {
    const store = await testStore();
    hub = await startHub({ store });
    const { world } = hub;
    const nobody = {
      holds: [],
      oldestWaitingAt: null,
      openReviews: 0,
      denials: 0,
      unacknowledged: 0,
      blockedDeployments: 0,
    };
    expect(await store.census(world.clock.now())).toEqual(nobody);
    await world.admit({ id: 1 });
    expect(await store.census(world.clock.now())).toMatchObject({
      holds: [{ state: 'waiting_for_approval', live: 1, detached: 0 }],
      oldestWaitingAt: expect.any(Number),
      openReviews: 1,
    });
    const text = String((await hub.call('GET', '/metrics', null)).body);
    expect(text).toMatch(/^holdpoint_hub_holds\{state="waiting_for_approval",stage="live"\} 1$/m);
    expect(text).toMatch(/^holdpoint_hub_reviews_open 1$/m);
  });

  it('T30 asks for one write however many want to know at once', async () => {
    const store = await testStore();
    let probes = 0;
    hub = await startHub({
      store: {
        ...store,
        probe: () => {
          probes += 1;
          return store.probe();
        },
      },
    });
    await Promise.all(Array.from({ length: 50 }, ready));
    expect(probes).toBe(1);
  });
});

describe('a hub that stops', () => {
  it('serves who connected before and has not asked yet, and waits five seconds for who never does', async () => {
    hub = await startHub();
    const [late, silent] = [await rawConnection(hub.port), await rawConnection(hub.port)];
    // Connections are taken in the order in which they came.
    await hub.call('GET', '/healthz', null);
    const stopping = hub.hub.close();
    await deaf(hub.port);
    late.write('GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n');
    expect(await late.ended).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nConnection: close\r\n/i);
    hub.world.clock.advance(5 * SECOND);
    expect(await silent.ended).toBe('');
    await stopping;
  });
});
