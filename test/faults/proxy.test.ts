/** The wires of the storms: a fault that does nothing would prove nothing. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../support/hub-server.ts';
import { startProxy, type Wire } from './proxy.ts';
import { randomFrom } from './random.ts';
import { kindsFor, stormOf } from './schedule.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function echo(): Promise<Wire> {
  const server: Server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  const proxy = await startProxy({ target: (server.address() as { port: number }).port });
  closing.push(() => proxy.close());
  return proxy;
}
async function websockets() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const got: string[] = [];
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      got.push(String(data));
      socket.send(`${data}!`);
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => server.close());
  const proxy = await startProxy({ target: (server.address() as { port: number }).port, frames: true });
  closing.push(() => proxy.close());
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}`);
  closing.push(() => socket.terminate());
  const back: string[] = [];
  socket.on('message', (data) => back.push(String(data)));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('open', resolve));
  return { proxy, socket, got, back };
}

describe('the wires of the storms', () => {
  it('stand still on one way or both without closing anything, and lose nothing', async () => {
    const { proxy, socket, got, back } = await websockets();
    const deaf = proxy.stall(['down']);
    socket.send('one');
    await eventually(
      () => got.length,
      (count) => count === 1,
    );
    expect(back).toEqual([]);
    const mute = proxy.stall(['up']);
    deaf();
    await eventually(
      () => back.length,
      (count) => count === 1,
    );
    socket.send('x'.repeat(70_000));
    expect(got).toHaveLength(1);
    mute();
    await eventually(
      () => back.at(-1)?.length,
      (length) => length === 70_001,
    );
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });

  it('repeat messages and let them overtake each other, and lose none', async () => {
    const { proxy, socket, got } = await websockets();
    const heal = proxy.shuffle(['up'], randomFrom(3));
    const sent = Array.from({ length: 60 }, (_, n) => `message ${n}`);
    for (const text of sent) socket.send(text);
    await eventually(
      () => new Set(got).size,
      (count) => count === sent.length,
    );
    expect(got.length).toBeGreaterThan(sent.length);
    const firsts = got.filter((text, at) => got.indexOf(text) === at);
    expect(firsts).not.toEqual(sent);
    expect(proxy.counts().twice).toBeGreaterThan(0);
    expect(proxy.counts().overtaken).toBeGreaterThan(0);
    heal();
    got.length = 0;
    for (const text of sent) socket.send(text);
    await eventually(
      () => got.length,
      (count) => count >= sent.length,
    );
    expect(got.slice(-sent.length)).toEqual(sent);
  });

  it('take their time, are cut, and refuse', async () => {
    const proxy = await echo();
    const { connect } = await import('node:net');
    const socket = connect(proxy.port, '127.0.0.1');
    closing.push(() => socket.destroy());
    socket.on('error', () => {});
    const answer = () => new Promise((resolve) => socket.once('data', resolve));
    const heal = proxy.delay(300, ['up', 'down']);
    const since = performance.now();
    socket.write('slow');
    await answer();
    expect(performance.now() - since).toBeGreaterThan(550);
    heal();
    const gone = new Promise((resolve) => socket.once('close', resolve));
    proxy.cut();
    await gone;
    const open = proxy.refuse();
    const refused = connect(proxy.port, '127.0.0.1');
    refused.on('error', () => {});
    await new Promise((resolve) => refused.once('close', resolve));
    open();
    const again = connect(proxy.port, '127.0.0.1');
    closing.push(() => again.destroy());
    again.write('back');
    expect(String(await new Promise((resolve) => again.once('data', resolve)))).toBe('back');
  });
});

describe('a seed', () => {
  it('is one storm, and another is another', () => {
    const shape = { store: 'postgres', hubs: 2, agents: 2, tls: true } as const;
    const storm = (seed: number) => stormOf(randomFrom(seed), shape, { forMs: 20_000, faults: 40 });
    expect(storm(1)).toEqual(storm(1));
    expect(storm(1)).not.toEqual(storm(2));
    const seen = new Set(
      Array.from({ length: 40 }, (_, seed) => storm(seed)).flatMap((s) => s.map(({ kind }) => kind)),
    );
    expect([...seen].sort()).toEqual([...kindsFor(shape)].sort());
  });
});
