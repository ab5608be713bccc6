import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Signer } from '../../agent/src/domain/dsse.ts';
import { createLinkClient, type LinkClientOptions } from '../../agent/src/link/client.ts';
import type { Gatekeeper, HubPush } from '../../agent/src/ports/gatekeeper.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import {
  type AgentFrame,
  challengeText,
  frameText,
  type HubFrame,
  parseAgentFrame,
  proofText,
} from '../../agent/src/wire/link.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { fixture, rememberingLog, until } from '../support/gate.ts';
import { protocol1Complaint } from '../support/link-protocol-1.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const { signer } = auditKeeper();
const KEY = new Uint8Array(32).fill(9);
const DIGEST = `sha256:${'a'.repeat(64)}`;
const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Hub {
  readonly port: number;
  readonly frames: AgentFrame[];
  readonly closes: number[];
  readonly sockets: WebSocket[];
  /** Frames that need an answer of the test's own. */
  answer: (frame: AgentFrame, send: (frame: HubFrame) => void) => void;
  send(frame: HubFrame): void;
}

/** A hub that speaks the handshake and leaves the rest to the test. */
async function hub(
  options: {
    signer?: Signer;
    publicKey?: KeyObject;
    heartbeatMs?: number;
    silent?: boolean;
    skip?: 'challenge' | 'welcome';
    /** What the hub speaks; the first where absent. */
    protocol?: number;
  } = {},
): Promise<Hub> {
  const { protocol = 1 } = options;
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: options.silent !== true });
  await new Promise((resolve) => server.once('listening', resolve));
  const self: Hub = {
    port: (server.address() as AddressInfo).port,
    frames: [],
    closes: [],
    sockets: [],
    answer: () => {},
    send: (frame) => self.sockets.at(-1)?.send(frameText(frame)),
  };
  server.on('connection', (socket) => {
    self.sockets.push(socket);
    const nonce = `nonce-of-connection-${self.sockets.length}`;
    const send = (frame: HubFrame): void => socket.send(frameText(frame));
    const welcome = (): void =>
      send({
        type: 'welcome',
        protocol,
        heartbeatMs: options.heartbeatMs ?? 10_000,
        time: new Date().toISOString(),
        variableKey: Buffer.from(KEY).toString('base64url'),
        policy: 'p1',
      });
    socket.on('close', (code) => self.closes.push(code));
    socket.on('message', (data) => {
      const parsed = parseAgentFrame(data.toString());
      if (!parsed.ok) throw new Error(parsed.message);
      const { frame } = parsed;
      self.frames.push(frame);
      if (frame.type === 'hello') {
        if (options.skip === 'challenge') welcome();
        else {
          const text = Buffer.from(challengeText(frame.nonce, nonce, frame.agent, protocol));
          const signature = Buffer.from((options.signer ?? signer).sign(text)).toString('base64url');
          send({ type: 'challenge', protocol, nonce, hub: signer.keyid, signature });
        }
      } else if (frame.type === 'prove') {
        const proved =
          options.publicKey === undefined ||
          verify(
            null,
            Buffer.from(proofText(nonce, 'agent-1', signer.keyid, protocol)),
            options.publicKey,
            Buffer.from(frame.signature, 'base64url'),
          );
        if (!proved) socket.close(4401, 'no');
        else if (options.skip !== 'welcome') welcome();
      } else self.answer(frame, send);
    });
  });
  closing.push(() => {
    for (const socket of server.clients) socket.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  return self;
}

interface Client {
  readonly link: Gatekeeper;
  readonly saved: number[];
  readonly log: ReturnType<typeof rememberingLog>;
}

function client(port: number, more: Partial<LinkClientOptions> = {}): Client {
  const saved: number[] = [];
  const log = rememberingLog();
  const link = createLinkClient({
    url: `http://127.0.0.1:${port}`,
    agent: 'agent-1',
    version: '0.0.1',
    runners: [{ name: 'builder', protected: true }],
    hubKey: signer.publicKey,
    sign: () => new Uint8Array(64),
    cursor: {
      load: async () => 41,
      save: async (seq) => {
        saved.push(seq);
      },
    },
    clock: createClock(),
    log,
    random: () => 0.01,
    ...more,
  });
  closing.push(() => link.close());
  return { link, saved, log };
}

const up = (link: Gatekeeper) => until('the link', () => link.connected());
const push = (seq: number, type: 'release' | 'revoke' = 'release'): HubFrame => ({
  type,
  seq,
  hold: 1,
  jobId: 2,
  digest: DIGEST,
  reason: null,
  note: null,
});

function admission() {
  const reading = readPayload(Buffer.from(fixture('test-unit.run1')), {
    instance: 'https://gitlab.example.com',
    runner: 'builder',
    variableKey: KEY,
    verifyIdToken: () => null,
  });
  if (!reading.ok) throw new Error(reading.reason);
  const { digest, configuration, facts } = reading;
  return { digest, configuration, facts };
}

describe('the handshake', () => {
  it('T27: proves the agent’s key over nonce and name, and is welcomed', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const one = await hub({ publicKey });
    const { link } = client(one.port, { sign: (bytes) => sign(null, bytes, privateKey) });
    let connects = 0;
    link.onConnect(() => connects++);
    await up(link);
    expect(link.variableKey()).toEqual(KEY);
    expect(connects).toBe(1);
    expect(one.frames[0]).toMatchObject({ type: 'hello', protocol: 2, oldest: 1, agent: 'agent-1', cursor: 41 });
  });

  it('T27: with another key is turned away, and nothing is known', async () => {
    const one = await hub({ publicKey: generateKeyPairSync('ed25519').publicKey });
    const { link } = client(one.port, { random: () => 1 });
    await until('the refusal', () => one.closes.length > 0);
    expect([link.connected(), link.variableKey()]).toEqual([false, null]);
    await expect(link.sync([])).rejects.toMatchObject({ code: 'hub_unreachable' });
  });

  it('that lacks the challenge is ended with a code', async () => {
    const one = await hub({ skip: 'challenge' });
    const { link } = client(one.port, { random: () => 1 });
    await until('the end', () => one.closes.length > 0);
    expect([one.closes[0], link.connected()]).toEqual([4409, false]);
  });
});

describe('versions', () => {
  const held = { seq: 7, policy: 'sha256:p', ageMs: 1_234.5 };
  const work = async (link: Gatekeeper, one: Hub) => {
    one.answer = (frame, send) => {
      if (frame.type === 'sync') send({ type: 'state', ref: frame.ref, holds: [] });
    };
    link.health?.([]);
    link.examined?.({ at: '2026-11-22T08:00:00.000Z', findings: [] });
    one.send({ type: 'snapshot', head: '{}', body: null, signature: '' });
    await link.sync([]);
  };

  it('a hub of the version before is sent nothing that it would close the link on', async () => {
    const one = await hub();
    const { link } = client(one.port, { snapshot: () => held });
    await up(link);
    await work(link, one);
    expect(one.frames.length).toBeGreaterThan(4);
    const complaints = one.frames.map((frame) => protocol1Complaint('agent', toSnake(frame)));
    expect(complaints.filter((words) => words !== null)).toEqual([]);
    expect(one.closes).toEqual([]);
  });

  it('one of this version is told of the snapshot after the welcome, and after each that comes', async () => {
    const one = await hub({ protocol: 2 });
    const { link } = client(one.port, { snapshot: () => held });
    await up(link);
    await work(link, one);
    const statuses = () => one.frames.filter((frame) => frame.type === 'status');
    await until('the second', () => statuses().length > 1);
    const told = statuses();
    expect(told).toMatchObject([{ snapshot: { seq: 7, ageMs: 1_235 } }, { snapshot: { seq: 7 } }]);
  });

  it('one that speaks what this agent does not know is left, in words that say what to upgrade', async () => {
    const one = await hub({ protocol: 3 });
    const { link, log } = client(one.port, { random: () => 1 });
    await until('the refusal', () => one.closes.length > 0);
    expect([one.closes[0], link.connected()]).toEqual([4426, false]);
    expect(JSON.stringify(log.lines)).toContain(
      'it speaks protocol 3, this agent 1 to 2: upgrade the older of the two',
    );
  });
});

describe('questions', () => {
  it('are answered by ref, in whatever order, with what was asked in full', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    const waiting: (() => void)[] = [];
    one.answer = (frame, send) => {
      if (frame.type !== 'sync') return;
      const hold = frame.holds[0]?.hold ?? 0;
      waiting.push(() =>
        send({ type: 'state', ref: frame.ref, holds: [{ hold, jobId: 1, state: 'pending', current: true }] }),
      );
    };
    const of = (hold: number) => link.sync([{ hold, jobId: 1, digest: DIGEST, state: 'parked', parkedUntil: null }]);
    const both = Promise.all([of(5), of(6)]);
    await until('both', () => waiting.length === 2);
    waiting.reverse().forEach((each) => {
      each();
    });
    expect((await both).map((holds) => holds[0]?.hold)).toEqual([5, 6]);
  });

  it('carry Configuration and Facts unharmed, and bring the verdict', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    const request = admission();
    one.answer = (frame, send) => {
      if (frame.type !== 'admit') return;
      expect(JSON.stringify(frame.configuration)).toBe(JSON.stringify(request.configuration));
      expect(frame.facts).toEqual(request.facts);
      send({
        type: 'verdict',
        ref: frame.ref,
        outcome: 'hold',
        hold: 3,
        approval: null,
        expires: null,
        reason: null,
        note: 'n',
        url: 'u',
      });
    };
    expect(await link.admit(request)).toEqual({
      outcome: 'hold',
      hold: 3,
      approval: null,
      expires: null,
      reason: null,
      note: 'n',
      url: 'u',
    });
  });

  it('T30: without an answer in time are hub_unreachable', async () => {
    const one = await hub();
    const { link } = client(one.port, { answerMs: 50 });
    await up(link);
    await expect(link.sync([])).rejects.toMatchObject({ code: 'hub_unreachable' });
  });

  it('T30: go out so many at a time, each with its own time from then on: a slow hub is not asked twice', async () => {
    const one = await hub();
    const clock = turnableClock();
    const { link } = client(one.port, { answerMs: 10_000, clock });
    await up(link);
    const asked: (() => void)[] = [];
    one.answer = (frame, send) => {
      if (frame.type === 'sync') asked.push(() => send({ type: 'state', ref: frame.ref, holds: [] }));
    };
    const all = Promise.all(Array.from({ length: 300 }, () => link.sync([])));
    // Nothing more goes out until one is answered; a ping that comes back says that all before it has been read.
    const read = async () => {
      one.sockets.at(-1)!.ping();
      await new Promise((resolve) => one.sockets.at(-1)!.once('pong', resolve));
      return asked.length;
    };
    await until('the first', () => asked.length > 0);
    expect(await read()).toBe(64);
    asked[0]!();
    await until('another', () => asked.length === 65);
    expect(await read()).toBe(65);
    for (let n = 1; n < 300; n++) {
      await until(`number ${n}`, () => asked.length > n);
      // Twelve seconds for the last of them, of which it has waited six for its turn.
      if (n === 100 || n === 200) clock.advance(6_000);
      asked[n]!();
    }
    expect(await all).toHaveLength(300);
    expect(one.frames.filter((frame) => frame.type === 'sync')).toHaveLength(300);
  });

  it('T30: that wait for their turn at a hub that answers nothing are hub_unreachable with the first', async () => {
    const one = await hub();
    const { link } = client(one.port, { answerMs: 100 });
    await up(link);
    const settled = await Promise.allSettled(Array.from({ length: 300 }, () => link.sync([])));
    expect(new Set(settled.map((each) => each.status === 'rejected' && each.reason.code))).toEqual(
      new Set(['hub_unreachable']),
    );
    expect(one.frames.filter((frame) => frame.type === 'sync').length).toBeLessThanOrEqual(64);
  });

  it('T30: that wait when the link drops are hub_unreachable at once, and so are those asked meanwhile', async () => {
    const one = await hub();
    const { link } = client(one.port, { random: () => 1 });
    await up(link);
    const asked = link.sync([]);
    await until('the question', () => one.frames.some((frame) => frame.type === 'sync'));
    one.sockets.at(-1)?.terminate();
    await expect(asked).rejects.toMatchObject({ code: 'hub_unreachable' });
    await expect(link.sync([])).rejects.toMatchObject({ code: 'hub_unreachable' });
  });

  it('that the hub refuses have the hub’s code', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    one.answer = (frame, send) => {
      if ('ref' in frame) send({ type: 'error', ref: frame.ref, code: 'wrong_state', message: 'no' });
    };
    await expect(link.sync([])).rejects.toMatchObject({ code: 'wrong_state', message: 'no' });
  });

  it('T30: that the hub would close on are refused here, and the link stays for all others', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    const request = admission();
    const long = {
      ...request,
      facts: { ...request.facts, commit: { ...request.facts.commit, title: 'x'.repeat(70_000) } },
    };
    await expect(link.admit(long)).rejects.toMatchObject({ code: 'bad_input' });
    await expect(link.admit({ ...request, configuration: { x: 'y'.repeat(11_000_000) } })).rejects.toMatchObject({
      code: 'too_large',
    });
    expect([link.connected(), one.closes]).toEqual([true, []]);
  });
});

describe('pushes', () => {
  it('are acknowledged one after the other, each after it was acted upon', async () => {
    const one = await hub();
    const { link, saved } = client(one.port);
    const seen: number[] = [];
    let free: () => void = () => {};
    link.onPush(async (each) => {
      seen.push(each.seq);
      if (each.seq === 50) await new Promise<void>((resolve) => (free = resolve));
    });
    await up(link);
    one.send(push(50));
    one.send(push(51, 'revoke'));
    await until('the first', () => seen.length === 1);
    expect(one.frames.filter((frame) => frame.type === 'ack')).toEqual([]);
    free();
    await until('both', () => one.frames.filter((frame) => frame.type === 'ack').length === 2);
    expect([seen, saved]).toEqual([
      [50, 51],
      [50, 51],
    ]);
  });

  it('T29: that could not be acted upon are not acknowledged, and the link is made anew so that they come again', async () => {
    const one = await hub();
    const { link } = client(one.port);
    let fails = true;
    const seen: HubPush[] = [];
    link.onPush(async (each) => {
      if (fails) throw new Error('disk full');
      seen.push(each);
    });
    await up(link);
    one.send(push(60));
    await until('another connection', () => one.sockets.length === 2);
    expect(one.frames.filter((frame) => frame.type === 'ack')).toEqual([]);
    fails = false;
    await up(link);
    one.send(push(60));
    await until('the ack', () => one.frames.some((frame) => frame.type === 'ack'));
    expect(seen.map((each) => each.seq)).toEqual([60]);
  });

  it('that come before anybody listens wait', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    one.send(push(70));
    const seen: number[] = [];
    link.onPush(async (each) => {
      seen.push(each.seq);
    });
    await until('it', () => seen.length === 1);
  });
});

describe('a link that drops', () => {
  it('comes back by itself, from the last push that was acted upon, and tells who listens', async () => {
    const one = await hub();
    const { link } = client(one.port);
    let connects = 0;
    link.onConnect(() => {
      expect(link.connected()).toBe(true);
      connects++;
    });
    link.onPush(async () => {});
    await up(link);
    one.send(push(80));
    await until('the ack', () => one.frames.some((frame) => frame.type === 'ack'));
    one.sockets.at(-1)?.terminate();
    await until('the second welcome', () => connects === 2);
    expect(one.frames.filter((frame) => frame.type === 'hello').map((frame) => frame.cursor)).toEqual([41, 80]);
  });

  it('T29: silently is noticed after two heartbeats', async () => {
    const one = await hub({ silent: true, heartbeatMs: 40 });
    const { link } = client(one.port);
    await up(link);
    await until('another connection', () => one.sockets.length >= 2);
  });

  it('is ended by a frame that nobody understands, and made anew', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    one.sockets[0]?.send('{"type":"gift"}');
    await until('another connection', () => one.sockets.length >= 2);
    expect(one.closes[0]).toBe(4400);
    expect(link.variableKey()).toEqual(KEY);
  });

  it('is not made anew after close', async () => {
    const one = await hub();
    const { link } = client(one.port);
    await up(link);
    await link.close();
    await until('the end', () => one.closes.length === 1);
    expect([link.connected(), one.sockets.length, one.closes]).toEqual([false, 1, [1001]]);
    await expect(link.sync([])).rejects.toMatchObject({ code: 'hub_unreachable' });
  });
});
