import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import WebSocket from 'ws';
import type { z } from 'zod';
import { type TokenScope, tokenHash, UNUSED } from '../../agent/src/domain/token.ts';
import { createHub, type Hub, type HubOptions } from '../../agent/src/hub/hub.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { hubFrameSchema, proofText } from '../../agent/src/wire/link.ts';
import { auditKeeper } from './audit-keeper.ts';
import { HOUR, hubLog, hubWorld, type JobSpec, requestFor, type World } from './hub-world.ts';
import { testStore } from './test-store.ts';

/** What names the key of a hub in a test. */
export const HUB_KEYID = auditKeeper().signer.keyid;

export interface AgentKey {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}
/** JSON of any shape, read member by member. */
export interface Loose {
  readonly [name: string]: Loose;
}
/** An agent's name and a fresh Ed25519 pair. */
export function agentKey(name: string): AgentKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { name, privateKey, publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url') };
}

export interface TestHub {
  readonly hub: Hub;
  readonly world: World;
  readonly store: Store;
  readonly url: string;
  readonly port: number;
  readonly keys: Readonly<Record<'embedded' | 'other', AgentKey>>;
  readonly log: ReturnType<typeof hubLog>;
  /** A token of a person, as if an administrator had made it. */
  token(username: string, scopes?: readonly TokenScope[], livesMs?: number): Promise<string>;
  /** One request; JSON is parsed. */
  call(
    method: string,
    path: string,
    token: string | null,
    body?: unknown,
  ): Promise<{ status: number; body: Loose; headers: Headers }>;
  close(): Promise<void>;
}

/** A hub on a free port of 127.0.0.1, on a store in memory, with a clock that is turned by hand. */
export async function startHub({
  port: at = 0,
  ...options
}: Partial<HubOptions> & { port?: number } = {}): Promise<TestHub> {
  const store = options.store ?? (await testStore());
  const world = await hubWorld({ store });
  const log = hubLog();
  const keys = { embedded: agentKey('embedded'), other: agentKey('other') };
  const hub = createHub({
    store,
    directory: world.context.directory,
    policy: () => world.policy,
    variableKey: new Uint8Array(32).fill(7),
    audit: auditKeeper(),
    agents: Object.values(keys),
    clock: world.clock,
    log,
    version: '0.0.0',
    ...options,
  });
  const { port } = await hub.listen('127.0.0.1', at);
  const url = `http://127.0.0.1:${port}`;
  let made = 0;
  return {
    hub,
    world,
    store,
    url,
    port,
    keys,
    log,
    async token(username, scopes = ['read', 'approve'], livesMs = 8 * HOUR) {
      made += 1;
      const text = `hp_test${port}-${made}-${username}`;
      const person = world.people.users.find((user) => user.username === username)!;
      const owner = { id: person.id, username };
      // Of the clock that the hub goes by: a token of another's would be over from some day on.
      const now = (options.clock ?? world.clock).now();
      const token = {
        ...UNUSED,
        hash: tokenHash(text),
        prefix: 'hp_',
        name: null,
        owner,
        scopes,
        makers: [],
        createdAt: now,
        expiresAt: now + livesMs,
      };
      await store.write((tx) => tx.insertToken(token));
      return text;
    },
    async call(method, path, token, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const json = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '');
      return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers };
    },
    async close() {
      await hub.close();
      await store.close();
    },
  };
}

/** A frame of the hub as it crosses the wire. */
export type LinkFrame = z.output<typeof hubFrameSchema>;

/** A socket that speaks whatever a test wants, and remembers what came. */
export interface RawLink {
  /** As they came, in order, those taken by `next` left out. */
  readonly frames: LinkFrame[];
  /** Snapshots as they came: they may come at any time, and stand apart. */
  readonly snapshots: Extract<LinkFrame, { type: 'snapshot' }>[];
  readonly socket: WebSocket;
  send(frame: unknown): void;
  /** Resolves with the first frame not yet taken that fits; rejects with what came instead. */
  next<T extends LinkFrame['type']>(type: T): Promise<Extract<LinkFrame, { type: T }>>;
  /** What was said with the close. */
  reason(): string;
  /** Resolves with the close code. */
  closed(): Promise<number>;
}

/** Waits until something holds, and says what was seen last when it never does. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  withinMs = 5_000,
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > until) throw new Error(`never came true; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function rawLink(
  url: string,
  path = '/api/v1/link',
  headers: Record<string, string> = {},
): Promise<RawLink> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers, perMessageDeflate: true });
  const frames: LinkFrame[] = [];
  let code: number | null = null;
  let words = '';
  const snapshots: RawLink['snapshots'] = [];
  socket.on('message', (data) => {
    const frame = hubFrameSchema.parse(JSON.parse(data.toString()));
    if (frame.type === 'snapshot') snapshots.push(frame);
    else frames.push(frame);
  });
  socket.on('close', (closeCode, reason) => {
    code = closeCode;
    words = reason.toString();
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_, response) => reject(new Error(`status ${response.statusCode}`)));
  });
  return {
    frames,
    snapshots,
    socket,
    send: (frame) =>
      socket.send(typeof frame === 'string' || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
    async next<T extends LinkFrame['type']>(type: T) {
      await eventually(
        () => ({ types: frames.map((f) => f.type), code }),
        (seen) => seen.types.includes(type),
      );
      return frames.splice(
        frames.findIndex((f) => f.type === type),
        1,
      )[0] as Extract<LinkFrame, { type: T }>;
    },
    reason: () => words,
    async closed() {
      return (await eventually(
        () => code,
        (seen) => seen !== null,
      )) as number;
    },
  };
}

export const helloOf = (key: AgentKey, cursor = 0) => ({
  type: 'hello',
  protocol: 1,
  agent: key.name,
  version: '1',
  runners: [{ name: 'prod', protected: true }],
  cursor,
  nonce: 'the-challenge-of-a-test',
});
/** What a test may say otherwise in a proof. */
export interface ProofParts {
  readonly context?: string;
  readonly name?: string;
  readonly hub?: string;
  readonly protocol?: number;
}
export const proofOf = (key: AgentKey, nonce: string, parts: ProofParts = {}) => {
  const { context = 'holdpoint.link/v1', name = key.name, hub = HUB_KEYID, protocol = 1 } = parts;
  const text = proofText(nonce, name, hub, protocol).replace('holdpoint.link/v1', context);
  return { type: 'prove', signature: sign(null, Buffer.from(text), key.privateKey).toString('base64url') };
};

/** A link that has been welcomed. */
export async function welcomed(url: string, key: AgentKey, cursor = 0): Promise<RawLink> {
  const link = await rawLink(url);
  link.send(helloOf(key, cursor));
  const { nonce } = await link.next('challenge');
  link.send(proofOf(key, nonce));
  await link.next('welcome');
  return link;
}

/** A job as an agent asks about it. */
export function admitFrame(job: JobSpec, ref = `a${job.id}`) {
  const { digest, configuration, facts } = requestFor(job);
  return { type: 'admit', ref, digest, configuration, facts: toSnake(facts), policy: null };
}
