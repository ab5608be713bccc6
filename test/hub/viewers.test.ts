import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { viewerEventSchema } from '../../agent/src/wire/api.ts';
import { eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { HOUR, requestFor } from '../support/hub-world.ts';

describe('the websocket for viewers', () => {
  let hub: TestHub;
  const sockets: WebSocket[] = [];
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.terminate();
    await hub.close();
  });

  async function follow(token: string | null, path = '/api/v1/events') {
    const socket = new WebSocket(`ws://127.0.0.1:${hub.port}${path}`, {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
    sockets.push(socket);
    const events: unknown[] = [];
    let code: number | null = null;
    socket.on('message', (data) => events.push(viewerEventSchema.parse(JSON.parse(data.toString()))));
    socket.on('close', (closeCode) => {
      code = closeCode;
    });
    const status = await new Promise<number>((resolve) => {
      socket.once('open', () => resolve(101));
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
      socket.once('error', () => {});
    });
    return { status, events, socket, code: () => code };
  }
  const admitted = async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const { digest, configuration, facts } = requestFor({ id: 1 });
    const { toSnake } = await import('../../agent/src/wire/case.ts');
    link.send({ type: 'admit', ref: 'a', digest, configuration, facts: toSnake(facts), policy: null });
    await link.next('verdict');
    return digest;
  };

  it('T32 tells each viewer only of what they may see', async () => {
    const maria = await follow(await hub.token('maria'));
    const stranger = await follow(await hub.token('stranger'));
    const digest = await admitted();
    await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('jonas'), { digest });
    await eventually(
      () => maria.events,
      (seen) => JSON.stringify(seen).includes('"state":"pending"'),
    );
    expect(maria.events).toContainEqual(
      expect.objectContaining({ type: 'hold', id: 1, state: 'waiting_for_approval' }),
    );
    expect(maria.events).toContainEqual(expect.objectContaining({ type: 'approval', id: 1 }));
    expect(stranger.events.filter((event) => (event as { type: string }).type !== 'agent')).toEqual([]);
  });

  it.each([
    ['no token', null, 401],
    ['a wrong token', 'hp_wrong', 401],
  ])('T24 lets %s in as little as elsewhere', async (_, token, status) => {
    expect((await follow(token)).status).toBe(status);
  });

  it('asks for the scope read, and serves no other path', async () => {
    expect((await follow(await hub.token('maria', ['approve']))).status).toBe(403);
    expect((await follow(await hub.token('maria'), '/api/v1/other')).status).toBe(404);
  });

  it('T24 ends when the token is over', async () => {
    const viewer = await follow(await hub.token('maria', ['read'], HOUR));
    hub.world.clock.advance(HOUR);
    hub.world.clock.advance(15_000);
    expect(await eventually(viewer.code, (code) => code !== null)).toBe(4401);
  });
});
