import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { CLOSE } from '../../agent/src/wire/link.ts';
import { eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';

const FINDINGS = [
  {
    check: 'executors',
    status: 'fail',
    message: 'privileged containers are root on this host',
    mend: 'set privileged = false',
  },
  { check: 'gitlab', status: 'ok', message: 'it is reached', mend: null },
  { check: 'of_a_newer_agent', status: 'skipped', message: 'not seen', mend: null },
];
const report = (change: object = {}) => ({
  type: 'examined',
  at: '2026-11-22T09:00:00.000Z',
  findings: FINDINGS,
  ...change,
});

interface Listed {
  readonly items: readonly {
    readonly examined: {
      readonly fail: number;
      readonly findings: readonly { title: string; mend: string | null }[] | null;
    } | null;
  }[];
}

describe('what an agent found on its host', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  const list = async (scopes: readonly ('read' | 'admin' | 'audit')[]) => {
    const token = await hub.token('maria', [...scopes]);
    return eventually(
      async () =>
        ((await hub.call('GET', '/api/v1/agents', token)).body as unknown as Listed).items[0]?.examined ?? null,
      (seen) => seen !== null,
    );
  };

  it('stands in the list of agents, with the mend for who administers or audits, and as a count for everybody else (T32)', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(report());
    for (const scope of ['admin', 'audit'] as const) {
      const told = await list(['read', scope]);
      expect(told).toMatchObject({ at: '2026-11-22T09:00:00.000Z', fail: 1, warn: 0, skipped: 1, ok: 1 });
      expect(told?.findings?.map(({ title }) => title)).toEqual(['Executors', 'GitLab', 'of_a_newer_agent']);
      expect(told?.findings?.[0]?.mend).toBe('set privileged = false');
    }
    const others = await list(['read']);
    expect(others).toMatchObject({ fail: 1, findings: null });
    expect(JSON.stringify(others)).not.toContain('privileged');
  });

  it('is asked for by whoever administers, of an agent that is there', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const [admin, reader] = [await hub.token('maria', ['read', 'admin']), await hub.token('jonas', ['read'])];
    expect((await hub.call('POST', '/api/v1/agents/embedded/examine', admin, {})).status).toBe(200);
    expect(await link.next('examine')).toEqual({ type: 'examine' });
    expect((await hub.call('POST', '/api/v1/agents/embedded/examine', reader, {})).status).toBe(403);
    expect((await hub.call('POST', '/api/v1/agents/nobody/examine', admin, {})).status).toBe(404);
    link.socket.close();
    await eventually(
      async () => (await hub.call('POST', '/api/v1/agents/embedded/examine', admin, {})).status,
      (status) => status === 409,
    );
  });

  it.each([
    ['an unknown status', { findings: [{ ...FINDINGS[0], status: 'fine' }] }],
    ['more findings than there are checks', { findings: Array(301).fill(FINDINGS[1]) }],
    ['a message without end', { findings: [{ ...FINDINGS[0], message: 'x'.repeat(2_001) }] }],
    ['a member of its own', { findings: [{ ...FINDINGS[0], secret: 'x' }] }],
    ['a check that is no word', { findings: [{ ...FINDINGS[0], check: '<b>' }] }],
  ])('T27: %s closes the link, and nothing is kept', async (_, change) => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(report(change));
    expect(await link.closed()).toBe(CLOSE.bad_frame);
    const { body } = await hub.call('GET', '/api/v1/agents', await hub.token('maria', ['read', 'admin']));
    expect((body as unknown as Listed).items[0]?.examined).toBeNull();
  });

  it('T30: however often it is told, viewers hear of it once a second, and of the last at the end', async () => {
    const viewer = new WebSocket(`ws://127.0.0.1:${hub.port}/api/v1/events`, {
      headers: { authorization: `Bearer ${await hub.token('maria', ['read', 'admin'])}` },
    });
    const heard: unknown[] = [];
    viewer.on('message', (data) => {
      const event = JSON.parse(data.toString()) as { readonly state: string };
      if (event.state === 'examined') heard.push(event);
    });
    await new Promise((resolve) => viewer.once('open', resolve));
    const link = await welcomed(hub.url, hub.keys.embedded);
    const all = 500;
    for (let n = 1; n <= all; n++) {
      link.send(report({ at: new Date(Date.parse('2026-11-22T09:00:00Z') + n * 1_000).toISOString() }));
      link.send({ type: 'health', problems: [] });
    }
    // Questions are answered in order: all before this one is done.
    link.send({ type: 'sync', ref: 'last', holds: [] });
    await link.next('state');
    await eventually(
      () => heard.length,
      (count) => count === 1,
    );
    hub.world.clock.advance(1_000);
    await eventually(
      () => heard.length,
      (count) => count === 2,
    );
    hub.world.clock.advance(5_000);
    expect(await list(['read', 'admin'])).toMatchObject({ at: '2026-11-22T09:08:20.000Z' });
    expect(heard).toHaveLength(2);
    viewer.terminate();
  });
});
