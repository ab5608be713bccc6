import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { revoke } from '../../agent/src/app/revoke.ts';
import { agentKeys } from '../../agent/src/hub/link-auth.ts';
import { type LinkShared, serveAgent } from '../../agent/src/hub/link-connection.ts';
import { createWelcomes } from '../../agent/src/hub/link-welcomes.ts';
import type { StoreWriter } from '../../agent/src/ports/store.ts';
import { type HubFrame, MAX_FRAME_BYTES } from '../../agent/src/wire/link.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import {
  admitFrame,
  eventually,
  helloOf,
  proofOf,
  rawLink,
  startHub,
  type TestHub,
  welcomed,
} from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';
import { testStore } from '../support/test-store.ts';

const reportFrame = (
  hold: number,
  jobId: number,
  event: string,
  detail: object = {},
  at = '2026-11-22T08:00:01.000Z',
) => ({ type: 'report', ref: `r${event}${at}`, hold, job_id: jobId, event, at, detail });

/** A mebibyte of a question whose digest does not fit: its answer is an error, and costs little. */
const unfitting = (ref: string) => ({ ...admitFrame({ id: 1 }, ref), configuration: { x: 'x'.repeat(1024 * 1024) } });

describe('the link', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  it('takes an agent from hello to a released hold, and forgets a push when it is acknowledged', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    const verdict = await link.next('verdict');
    expect(verdict).toMatchObject({ ref: 'a1', outcome: 'hold', hold: 1, approval: null, url: `${hub.url}/holds/1` });
    expect(verdict.note).toContain('Who may approve');
    await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), {
      digest: requestFor({ id: 1 }).digest,
    });
    const release = await link.next('release');
    expect(release).toMatchObject({ seq: 1, hold: 1, job_id: 1 });
    link.send({ type: 'ack', seq: 1 });
    await eventually(
      () => hub.world.pushes(),
      (pushes) => pushes.length === 0,
    );
    link.send(reportFrame(1, 1, 'handed_out'));
    expect((await link.next('state')).holds).toEqual([{ hold: 1, job_id: 1, state: 'running', current: true }]);
    link.send(reportFrame(1, 1, 'ended', { status: 'success' }));
    expect((await link.next('state')).holds[0]?.state).toBe('success');
  });

  it('gives the variable key to a proved agent, and negotiates no compression', async () => {
    const link = await rawLink(hub.url);
    expect(link.socket.extensions).toBe('');
    link.send(helloOf(hub.keys.embedded));
    const { nonce } = await link.next('challenge');
    expect(link.frames).toEqual([]);
    link.send(proofOf(hub.keys.embedded, nonce));
    expect(await link.next('welcome')).toMatchObject({
      protocol: 1,
      variable_key: Buffer.alloc(32, 7).toString('base64url'),
    });
  });

  const hostile: readonly [title: string, code: number, frames: (hub: TestHub, nonce: string) => readonly unknown[]][] =
    [
      ['T27 work before the proof', 4409, () => [admitFrame({ id: 1 })]],
      ['T27 a proof with another agent key', 4401, (h, nonce) => [proofOf(h.keys.other, nonce)]],
      [
        'T27 a proof in the name of another agent',
        4401,
        (h, nonce) => [proofOf(h.keys.embedded, nonce, { name: 'other' })],
      ],
      ['T29 a proof of another challenge', 4401, (h) => [proofOf(h.keys.embedded, 'A'.repeat(43))]],
      [
        'T27 a proof made for another protocol',
        4401,
        (h, nonce) => [proofOf(h.keys.embedded, nonce, { context: 'holdpoint.link/v2' })],
      ],
      [
        'T28 a proof made for another hub',
        4401,
        (h, nonce) => [proofOf(h.keys.embedded, nonce, { hub: auditKeeper(2).signer.keyid })],
      ],
      [
        'T29 a proof for an older protocol than was agreed on',
        4401,
        (h, nonce) => [proofOf(h.keys.embedded, nonce, { protocol: 0 })],
      ],
      ['T27 no signature at all', 4401, () => [{ type: 'prove', signature: '' }]],
      ['a second hello', 4409, (h) => [helloOf(h.keys.embedded)]],
      ['something that is not JSON', 4400, () => ['{"type":']],
      ['an unknown type', 4400, () => [{ type: 'approve', hold: 1 }]],
      ['a frame of the hub itself', 4400, () => [{ type: 'verdict', ref: 'x', outcome: 'pass' }]],
      ['a binary frame', 4400, () => [new Uint8Array([1, 2, 3])]],
      ['an unknown member', 4400, (h, nonce) => [{ ...proofOf(h.keys.embedded, nonce), admin: true }]],
      ['more than a proof needs', 1009, () => [JSON.stringify({ type: 'prove', signature: 'x'.repeat(300_000) })]],
    ];
  it.each(hostile)('%s closes with %i and changes nothing', async (_, code, frames) => {
    await hub.world.admit({ id: 1 });
    const head = await hub.store.auditHead();
    const link = await rawLink(hub.url);
    link.send(helloOf(hub.keys.embedded));
    const { nonce } = await link.next('challenge');
    for (const frame of frames(hub, nonce)) link.send(frame);
    expect(await link.closed()).toBe(code);
    expect(await hub.store.auditHead()).toEqual(head);
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
  });

  it('closes on another protocol, on an agent that it does not know, and on work as first frame', async () => {
    const old = await rawLink(hub.url);
    old.send({ ...helloOf(hub.keys.embedded), protocol: 9, oldest: 8 });
    expect(await old.closed()).toBe(4426);
    expect(old.reason()).toBe('the agent speaks protocol 8 to 9, this hub 1 to 2: upgrade the hub');
    const ancient = await rawLink(hub.url);
    ancient.send({ ...helloOf(hub.keys.embedded), protocol: 0 });
    expect(await ancient.closed()).toBe(4426);
    expect(ancient.reason()).toBe('the agent speaks protocol 0, this hub 1 to 2: upgrade the agent');
    const stranger = await rawLink(hub.url);
    stranger.send({ ...helloOf(hub.keys.embedded), agent: 'stranger' });
    const { nonce } = await stranger.next('challenge');
    stranger.send(proofOf(hub.keys.embedded, nonce, { name: 'stranger' }));
    expect(await stranger.closed()).toBe(4401);
    const eager = await rawLink(hub.url);
    eager.send(admitFrame({ id: 1 }));
    expect(await eager.closed()).toBe(4409);
  });

  it.each([
    ['a proof again', 4409, { type: 'prove', signature: 'x' }],
    ['an ack of what was never sent', 4400, { type: 'ack', seq: 99 }],
    ['a report with a wrong event', 4400, { ...reportFrame(1, 1, 'approved') }],
  ])('%s after the welcome closes with %i', async (_, code, frame) => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(frame);
    expect(await link.closed()).toBe(code);
  });

  it('T30 a frame over 10 MiB closes with 1009, and the hub goes on', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(`"${'x'.repeat(MAX_FRAME_BYTES)}"`);
    expect(await link.closed()).toBe(1009);
    await welcomed(hub.url, hub.keys.embedded);
  });

  it('T29 who does not prove in time, and who answers no ping, is let go', async () => {
    const silent = await rawLink(hub.url);
    hub.world.clock.advance(10_000);
    expect(await silent.closed()).toBe(4408);
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.socket.pause();
    for (let beat = 0; beat < 3; beat++) hub.world.clock.advance(15_000);
    await eventually(
      async () =>
        (await hub.call('GET', '/api/v1/agents', await hub.token('maria', ['read']))).body.items?.[0]
          ?.connected as unknown,
      (connected) => connected === false,
    );
    link.socket.terminate();
  });

  it('keeps one connection per agent: the newer one, once it has proved itself', async () => {
    const first = await welcomed(hub.url, hub.keys.embedded);
    const impostor = await rawLink(hub.url);
    impostor.send(helloOf(hub.keys.embedded));
    const { nonce } = await impostor.next('challenge');
    impostor.send(proofOf(hub.keys.other, nonce));
    expect(await impostor.closed()).toBe(4401);
    first.send({ type: 'sync', ref: 's', holds: [] });
    await first.next('state');
    const second = await welcomed(hub.url, hub.keys.embedded);
    expect(await first.closed()).toBe(1001);
    second.send({ type: 'sync', ref: 's', holds: [] });
    await second.next('state');
  });

  it('T27 an agent sees, moves and is told of its own holds only', async () => {
    const own = await welcomed(hub.url, hub.keys.embedded);
    const other = await welcomed(hub.url, hub.keys.other);
    own.send(admitFrame({ id: 1 }));
    await own.next('verdict');
    other.send({
      type: 'sync',
      ref: 's',
      holds: [{ hold: 1, job_id: 1, digest: requestFor({ id: 1 }).digest, state: 'parked', parked_until: null }],
    });
    expect((await other.next('state')).holds).toEqual([{ hold: 1, job_id: 1, state: 'unknown', current: false }]);
    other.send(reportFrame(1, 1, 'canceled'));
    expect((await other.next('state')).holds[0]?.state).toBe('unknown');
    other.send(admitFrame({ id: 1 }));
    expect(await other.next('error')).toMatchObject({ ref: 'a1', code: 'forbidden' });
    await hub.world.approve('maria', 1);
    // The world of the test has its own push port: the next frame of the agent makes the hub read the outbox again.
    const again = await welcomed(hub.url, hub.keys.embedded);
    await again.next('release');
    expect(other.frames).toEqual([]);
    expect(await hub.world.state(1)).toBe('pending');
  });

  it('T27, T40 ends a hold whose verdict was lost when its agent, and nobody else, tells that the job is over', async () => {
    const own = await welcomed(hub.url, hub.keys.embedded);
    const other = await welcomed(hub.url, hub.keys.other);
    for (const id of [1, 2]) {
      own.send(admitFrame({ id, pipeline: id }));
      await own.next('verdict');
    }
    other.send({ ...reportFrame(1, 1, 'canceled'), hold: null });
    expect((await other.next('state')).holds).toEqual([]);
    own.send({ ...reportFrame(1, 3, 'canceled'), hold: null });
    expect((await own.next('state')).holds).toEqual([]);
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
    own.send({ ...reportFrame(1, 1, 'canceled'), hold: null });
    expect((await own.next('state')).holds).toEqual([{ hold: 1, job_id: 1, state: 'canceled', current: true }]);
    own.send({ ...reportFrame(2, 2, 'detached'), hold: null });
    await own.next('state');
    expect(await hub.world.store.hold(2)).toMatchObject({
      state: 'waiting_for_approval',
      attempts: [{ endedAt: expect.any(Number) }],
    });
  });

  it('T29 pushes that were not acknowledged come again in order after a drop, acknowledged ones do not', async () => {
    for (let id = 1; id <= 3; id++) await hub.world.admit({ id, pipeline: id });
    await hub.world.approve('maria', 1);
    const first = await welcomed(hub.url, hub.keys.embedded);
    await eventually(
      () => first.frames.length,
      (count) => count === 3,
    );
    expect(first.frames.map((f) => ('seq' in f ? [f.type, f.seq, f.hold] : f.type))).toEqual([
      ['release', 1, 1],
      ['release', 2, 2],
      ['release', 3, 3],
    ]);
    first.send({ type: 'ack', seq: 1 });
    await eventually(
      () => hub.world.pushes(),
      (pushes) => pushes.length === 2,
    );
    first.socket.terminate();
    await revoke(hub.world.context, hub.world.caller('jonas'), 1, null);
    const second = await welcomed(hub.url, hub.keys.embedded, 2);
    await eventually(
      () => second.frames.length,
      (count) => count === 3,
    );
    expect(second.frames.map((f) => ('seq' in f ? [f.type, f.seq, f.hold] : f.type))).toEqual([
      ['revoke', 4, 1],
      ['revoke', 5, 2],
      ['revoke', 6, 3],
    ]);
  });

  it('T29 a report that is sent again after a drop is taken once', async () => {
    await hub.world.admit({ id: 1 });
    await hub.world.approve('maria', 1);
    const link = await welcomed(hub.url, hub.keys.embedded);
    const handedOut = reportFrame(1, 1, 'handed_out');
    const undelivered = reportFrame(1, 1, 'undelivered', {}, '2026-11-22T08:00:02.000Z');
    for (const frame of [handedOut, undelivered, handedOut]) {
      link.send(frame);
      await link.next('state');
    }
    expect(await hub.world.state(1)).toBe('pending');
  });

  it('answers the same job asked twice with the same hold, whatever the ref', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }, 'first'));
    link.send(admitFrame({ id: 1 }, 'second'));
    const verdicts = [await link.next('verdict'), await link.next('verdict')];
    expect(verdicts.map((v) => [v.ref, v.outcome, v.hold])).toEqual([
      ['first', 'hold', 1],
      ['second', 'hold', 1],
    ]);
  });

  it('answers a job that it cannot judge with an error, and goes on', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send({ ...admitFrame({ id: 1 }), digest: `sha256:${'0'.repeat(64)}` });
    expect(await link.next('error')).toMatchObject({ ref: 'a1', code: 'digest_mismatch' });
    link.send(admitFrame({ id: 2 }));
    expect((await link.next('verdict')).outcome).toBe('hold');
  });

  it('T45 a configuration with __proto__ and constructor as keys keeps its digest over the link', async () => {
    const extra = JSON.parse('{"__proto__": {"a": 1}, "constructor": "x", "toJSON": {"b": 2}}');
    const link = await welcomed(hub.url, hub.keys.embedded);
    const { digestOfText } = await import('../../agent/src/domain/digest.ts');
    const text = '{"__proto__":{"a":1},"constructor":"x","form":"holdpoint.configuration/v1","toJSON":{"b":2}}';
    expect(Object.keys(extra)).toContain('__proto__');
    const frame = { ...admitFrame({ id: 1 }), digest: digestOfText(text), configuration: JSON.parse(text) };
    link.send(frame);
    expect((await link.next('verdict')).outcome).toBe('hold');
    expect(await hub.store.configuration(digestOfText(text))).toBe(text);
  });

  it('T30 a burst of frames is worked on in order, none is lost', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    for (let id = 1; id <= 150; id++) link.send(admitFrame({ id, pipeline: id }));
    await eventually(
      () => link.frames.length,
      (count) => count === 150,
      15_000,
    );
    expect(link.frames.map((f) => 'ref' in f && f.ref)).toEqual(Array.from({ length: 150 }, (_, i) => `a${i + 1}`));
  });

  it('T30 an agent that sends faster than its frames are worked on is read no further, and is answered all of them', async () => {
    const store = await testStore();
    let go = (): void => {};
    const free = new Promise<void>((resolve) => {
      go = resolve;
    });
    let blocks = false;
    const slow = {
      ...store,
      async write<T>(work: (tx: StoreWriter) => Promise<T>): Promise<T> {
        if (blocks) await free;
        return store.write(work);
      },
    };
    const busy = await startHub({ store: slow });
    const link = await welcomed(busy.url, busy.keys.embedded);
    blocks = true;
    const frames = [admitFrame({ id: 1 }, 'first'), ...Array.from({ length: 60 }, (_, n) => unfitting(`b${n}`))];
    for (const frame of frames) link.send(frame);
    // What the hub takes and what the system has room for goes out; the rest stays with who sent it.
    const left: number[] = [];
    const look = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      left.push(link.socket.bufferedAmount);
      return left.slice(-10);
    };
    await eventually(look, (seen) => seen.length === 10 && new Set(seen).size === 1, 20_000);
    expect(left.at(-1)).toBeGreaterThan(10 * 1024 * 1024);
    go();
    await eventually(
      () => link.frames.length,
      (count) => count === frames.length,
      20_000,
    );
    expect(link.frames.map((frame) => 'ref' in frame && frame.ref)).toEqual(frames.map(({ ref }) => ref));
    link.socket.terminate();
    await busy.close();
  });

  it('T29, T30 a slow reader that was cut off has lost nothing when it comes back', async () => {
    for (let id = 1; id <= 2; id++) await hub.world.admit({ id, pipeline: id });
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.socket.pause();
    await hub.world.approve('maria', 1);
    for (let beat = 0; beat < 3; beat++) hub.world.clock.advance(15_000);
    link.socket.resume();
    expect(await link.closed()).toBe(1006);
    const again = await welcomed(hub.url, hub.keys.embedded);
    await eventually(
      () => again.frames.length,
      (count) => count === 2,
    );
    expect(again.frames.map((f) => ('seq' in f ? [f.type, f.seq, f.hold] : f.type))).toEqual([
      ['release', 1, 1],
      ['release', 2, 2],
    ]);
  });

  it('a hub that stops says so to every agent, and cuts nobody off', async () => {
    const leaving = await startHub();
    const links = [await welcomed(leaving.url, leaving.keys.embedded), await welcomed(leaving.url, leaving.keys.other)];
    await leaving.close();
    for (const link of links) expect([await link.closed(), link.reason()]).toEqual([1001, 'the hub stops']);
  });

  it('T30 strangers push no agent out that has proved itself and waits for this hub’s own work', async () => {
    const store = await testStore();
    let go = (): void => {};
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    let waits = false;
    const slow = {
      ...store,
      async write<T>(work: (tx: StoreWriter) => Promise<T>): Promise<T> {
        waits = true;
        await gone;
        return store.write(work);
      },
    };
    const busy = await startHub({ store: slow, maxConnections: 128 });
    const link = await rawLink(busy.url);
    link.send(helloOf(busy.keys.embedded));
    link.send(proofOf(busy.keys.embedded, (await link.next('challenge')).nonce));
    await eventually(
      () => waits,
      (seen) => seen,
    );
    const strangers = [];
    for (let n = 0; n < 65; n++) strangers.push(await rawLink(busy.url));
    // The oldest of those has made room.
    expect(await strangers[0]!.closed()).toBe(1006);
    go();
    expect((await link.next('welcome')).type).toBe('welcome');
    for (const { socket } of [link, ...strangers]) socket.terminate();
    await busy.close();
  });

  it('T30 what strangers send without a proof is bounded for all of them together: the oldest makes room', async () => {
    const strangers = [];
    for (let n = 0; n < 70; n++) {
      const stranger = await rawLink(hub.url);
      strangers.push(stranger);
      // Parts of a message that never ends: half a mebibyte is what one may send.
      for (const part of ['a', 'b']) stranger.socket.send(part.repeat(250_000), { fin: false });
    }
    expect(await strangers[0]!.closed()).toBe(1006);
    expect(strangers.at(-1)!.socket.readyState).toBe(WebSocket.OPEN);
    expect((await welcomed(hub.url, hub.keys.embedded)).socket.readyState).toBe(WebSocket.OPEN);
    for (const { socket } of strangers) socket.terminate();
  });

  it('a hub takes as many connections as it is told, and no further one', async () => {
    const small = await startHub({ maxConnections: 2 });
    const first = await welcomed(small.url, small.keys.embedded);
    const second = await welcomed(small.url, small.keys.other);
    await expect(fetch(`${small.url}/healthz`)).rejects.toThrow('fetch failed');
    first.socket.terminate();
    await first.closed();
    const asked = () =>
      fetch(`${small.url}/healthz`).then(
        ({ status }) => status,
        () => 0,
      );
    await eventually(asked, (status) => status === 200);
    second.socket.terminate();
    await small.close();
  });

  it('T30: an agent that does not read is cut off before what waits for it fills the memory', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    let send: ((frame: HubFrame) => void) | null = null;
    const gone = new Promise<string>((resolve) => {
      server.on('connection', (socket) =>
        serveAgent(socket, {
          context: hub.world.context,
          keys: agentKeys(hub.store, Object.values(hub.keys)).keyOf,
          welcomes: createWelcomes(hub.world.context, () => true),
          signer: auditKeeper().signer,
          variableKey: new Uint8Array(32),
          heartbeatMs: 10_000,
          log: hub.log,
          nonce: () => 'a-challenge-of-this-very-test',
          proved: () => {},
          ready: () => {},
          gone: resolve,
          follow: (_agent: string, _has: number, each: (frame: HubFrame) => void) => {
            send = each;
            return () => {};
          },
        } as unknown as LinkShared),
      );
    });
    const link = await welcomed(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, hub.keys.embedded);
    const push = await eventually(
      () => send,
      (each) => each !== null,
    );
    link.socket.pause();
    const mebibytes8 = { type: 'snapshot', head: '{}', body: 'x'.repeat(8 * 1024 * 1024), signature: '' } as const;
    const why = () => hub.log.lines.map(({ fields }) => fields.reason).filter((reason) => reason !== undefined);
    for (let sent = 0; sent < 8; sent++) push!(mebibytes8);
    expect(why()).toEqual([]);
    // What the system takes of it does not count.
    for (let sent = 0; sent < 4; sent++) push!(mebibytes8);
    expect(await gone).toBe('embedded');
    expect(why()).toEqual(['the agent does not read']);
    link.socket.terminate();
    hub.world.clock.advance(10_000);
    await new Promise((resolve) => server.close(resolve));
  });
});
