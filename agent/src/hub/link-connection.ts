import type { RawData, WebSocket } from 'ws';
import { admit } from '../app/admit.ts';
import { agentActor, type HubContext } from '../app/hub-context.ts';
import { correlated } from '../app/measured-store.ts';
import { report } from '../app/report.ts';
import { sync } from '../app/sync.ts';
import type { AgentProblem } from '../domain/agent-problem.ts';
import type { Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { LogPiece, RevealedValue, RevealQuestion } from '../ports/agents.ts';
import type { Examined } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import type { StoreReader } from '../ports/store.ts';
import type { Tracer } from '../ports/tracer.ts';
import {
  type AgentFrame,
  CLOSE,
  challengeText,
  commonProtocol,
  frameText,
  type HubFrame,
  parseAgentFrame,
  SPEAKS,
} from '../wire/link.ts';
import { type AgentKeys, proves } from './link-auth.ts';

/** What all connections share. */
export interface LinkShared {
  readonly context: HubContext;
  readonly keys: AgentKeys;
  /** The hub's own key: by it an agent knows which hub it talks to. */
  readonly signer: Signer;
  readonly variableKey: Uint8Array;
  readonly heartbeatMs: number;
  readonly log: Log;
  /** False for an agent that is revoked. */
  mayConnect(tx: Pick<StoreReader, 'enrolled'>, agent: string): Promise<boolean>;
  readonly tracer: Tracer;
  /** A fresh challenge. */
  readonly nonce: () => string;
  /** The connection has proved that it is this agent. */
  ready(agent: string, connection: LinkConnection): void;
  gone(agent: string, connection: LinkConnection): void;
  /** It has told what it found on its host. */
  examined(agent: string): void;
  /** Sends the agent what it may decide by while this hub is away; the answer ends it. */
  follow(agent: string, has: number, send: (frame: HubFrame) => void): () => void;
  /** A piece of a log that somebody asked to see. */
  piece(agent: string, piece: LogPiece): void;
}
/** One socket of an agent, as the link server sees it. */
export interface LinkConnection {
  readonly since: number;
  /** The outbox has something new. */
  wake(): void;
  close(code: number, reason: string): void;
  /** Asks the agent for hidden values of a job. Rejects with `cannot_reveal`. */
  reveal(question: RevealQuestion): Promise<readonly RevealedValue[]>;
  /** Somebody begins or ends to look at a running job's log. */
  watch(hold: number, on: boolean): void;
  /** What its agent says is wrong on its side. */
  problems(): readonly AgentProblem[];
  /** What its agent found on its host; null while it has not looked. */
  examined(): Examined | null;
  /** Asks its agent to look. */
  examine(): void;
  /** Resolves when nothing of this connection is being worked on any more. */
  idle(): Promise<void>;
}

/** Whoever connects proves who they are within this time. */
const PROVE_MS = 10_000;
/** `hello` and `prove` are small; who sends more before the proof is nobody of ours. */
export const MAX_UNPROVED_BYTES = 256 * 1024;
/** Frames read but not yet worked on; above the first no more are read, below the second again. */
const MAX_QUEUED = 32;
const RESUME_QUEUED = 8;
/** Pushes sent and not acknowledged. */
const MAX_UNACKED = 256;
/** An agent that does not read: pushes stop at the first, the connection ends at the second. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const MAX_SLOW_BYTES = 64 * 1024 * 1024;
/** A person waits for the answer; an agent reads one payload for it. */
const REVEAL_MS = 15_000;
/** Questions for hidden values that wait at once on one agent; each is a person who looks. */
const MAX_REVEALS = 32;
/** After a close frame the peer gets this long to answer it. */
const CLOSE_MS = 2_000;

type Stage =
  | { readonly at: 'hello' }
  | { readonly at: 'prove'; readonly hello: Hello; readonly nonce: string; readonly protocol: number }
  | { readonly at: 'ready'; readonly agent: string };
type Answer = Extract<AgentFrame, { type: 'revealed' }>;
type Hello = Extract<AgentFrame, { type: 'hello' }>;

/** An agent was revoked between its proof and its welcome. */
class Revoked extends Error {}

/** Serves one socket of an agent: frames strictly one after the other, in the order of the protocol, or the socket is closed. */
export function serveAgent(socket: WebSocket, shared: LinkShared): LinkConnection {
  const { context, heartbeatMs, log } = shared;
  const { clock, store } = context;
  const queue: string[] = [];
  const unacked = new Set<number>();
  const reveals = new Map<string, (answer: Answer | null) => void>();
  let requests = 0;
  let problems: readonly AgentProblem[] = [];
  let examined: Examined | null = null;
  let stage: Stage = { at: 'hello' };
  let open = true;
  let working: Promise<void> | null = null;
  let flushing: Promise<void> | null = null;
  let flushAgain = false;
  let sentSeq = 0;
  let misses = 0;
  let unfollow = (): void => {};

  const send = (frame: HubFrame): void => {
    if (!open) return;
    if (socket.bufferedAmount > MAX_SLOW_BYTES) end(CLOSE.timeout, 'the agent does not read');
    else socket.send(frameText(frame));
  };
  function end(code: number, reason: string): void {
    if (!open) return;
    over();
    log.info({ agent: stage.at === 'ready' ? stage.agent : null, code, reason }, 'link closed by the hub');
    socket.resume();
    socket.close(code, reason.slice(0, 100));
    clock.after(CLOSE_MS, () => socket.terminate());
  }
  function over(): void {
    open = false;
    queue.length = 0;
    cancelProof();
    cancelBeat();
    unfollow();
    for (const answered of [...reveals.values()]) answered(null);
    if (stage.at === 'ready') shared.gone(stage.agent, connection);
  }

  const cancelProof = clock.after(PROVE_MS, () => stage.at !== 'ready' && end(CLOSE.timeout, 'no proof in time'));
  let cancelBeat = clock.after(heartbeatMs, beat);
  function beat(): void {
    if (!open) return;
    // Two pings without an answer: whoever was there is gone, whatever the socket thinks.
    if (misses >= 2) {
      over();
      socket.terminate();
      return;
    }
    misses += 1;
    socket.ping();
    cancelBeat = clock.after(heartbeatMs, beat);
  }

  async function drain(): Promise<void> {
    for (let text = queue.shift(); text !== undefined; text = queue.shift()) {
      if (queue.length <= RESUME_QUEUED && socket.isPaused) socket.resume();
      const parsed = parseAgentFrame(text);
      if (!parsed.ok) return end(CLOSE.bad_frame, parsed.message);
      try {
        await take(parsed.frame);
      } catch (error) {
        answerError('ref' in parsed.frame ? parsed.frame.ref : null, error);
      }
      if (!open) return;
    }
  }
  function answerError(ref: string | null, error: unknown): void {
    const known = error instanceof HoldpointError;
    if (!known) log.error({ error: error instanceof Error ? error.stack : 'unknown' }, 'a frame failed');
    send({
      type: 'error',
      ref,
      code: known ? error.code : 'internal',
      message: known ? error.message : 'the hub failed at this frame: its log says more',
    });
  }

  async function take(frame: AgentFrame): Promise<void> {
    const wrongOrder = (wanted: string) => end(CLOSE.wrong_order, `${frame.type} came where ${wanted} was due`);
    if (stage.at === 'hello') {
      if (frame.type !== 'hello') return wrongOrder('hello');
      const protocol = commonProtocol({ oldest: frame.oldest ?? frame.protocol, newest: frame.protocol });
      if (protocol === null) return end(CLOSE.unknown_protocol, protocolWords(frame.protocol));
      const nonce = shared.nonce();
      stage = { at: 'prove', hello: frame, nonce, protocol };
      const { signer } = shared;
      const signature = Buffer.from(signer.sign(Buffer.from(challengeText(frame.nonce, nonce, frame.agent, protocol))));
      return send({
        type: 'challenge',
        protocol,
        nonce,
        hub: signer.keyid,
        signature: signature.toString('base64url'),
      });
    }
    if (stage.at === 'prove') {
      if (frame.type !== 'prove') return wrongOrder('prove');
      const { hello, nonce, protocol } = stage;
      const proof = { nonce, agent: hello.agent, hub: shared.signer.keyid, protocol, signature: frame.signature };
      if (!(await proves(shared.keys, proof)))
        return end(CLOSE.unauthenticated, 'the agent is not known, was revoked, or its proof is wrong');
      return welcome(hello, protocol).catch((error) => {
        if (!(error instanceof Revoked)) throw error;
        end(CLOSE.revoked, 'this agent was revoked');
      });
    }
    const { agent } = stage;
    switch (frame.type) {
      case 'hello':
      case 'prove':
        return wrongOrder('a frame of work');
      case 'admit': {
        const { ref, digest, configuration, facts, monitor = false, divert = [], offline } = frame;
        const { request = null, trace } = frame;
        const span = shared.tracer.start(
          'give a verdict',
          { request, digest, job: facts.job.id },
          { parent: trace, kind: 'server' },
        );
        const asked = { ...context, store: correlated(store, request) };
        try {
          const verdict = await admit(asked, agent, {
            digest,
            configuration,
            facts,
            monitor,
            divert,
            ...(offline && { offline }),
          });
          span.end({ hold: verdict.hold, outcome: verdict.outcome });
          return send({ type: 'verdict', ref, ...verdict });
        } catch (error) {
          span.end({ outcome: error instanceof HoldpointError ? error.code : 'internal' });
          throw error;
        }
      }
      case 'report': {
        const { ref, hold, jobId, event, at, detail } = frame;
        return send({
          type: 'state',
          ref,
          holds: await report(context, agent, { hold, jobId, event, at, detail: given(detail) }),
        });
      }
      case 'sync':
        return send({ type: 'state', ref: frame.ref, holds: await sync(context, agent, frame.holds) });
      case 'ack': {
        if (!unacked.has(frame.seq))
          return frame.seq > sentSeq ? end(CLOSE.bad_frame, 'ack of what was never sent') : undefined;
        await store.write((tx) => tx.acknowledgeOne(agent, frame.seq));
        unacked.delete(frame.seq);
        return flush();
      }
      case 'log': {
        const { hold, jobId, offset, chunk } = frame;
        return shared.piece(agent, { hold, jobId, offset, bytes: Buffer.from(chunk, 'base64') });
      }
      case 'health':
        problems = frame.problems;
        return;
      case 'examined':
        examined = { at: frame.at, findings: frame.findings };
        shared.examined(agent);
        return;
      case 'revealed':
        // An answer that nobody waits for any more is dropped unread.
        reveals.get(frame.request)?.(frame);
        return;
      default:
        return frame satisfies never;
    }
  }

  function reveal(question: RevealQuestion): Promise<readonly RevealedValue[]> {
    const refuse = (why: string): HoldpointError =>
      new HoldpointError('cannot_reveal', `hold ${question.hold}: ${why}`);
    if (!open || reveals.size >= MAX_REVEALS) {
      return Promise.reject(refuse('its agent has too many such questions at once: try again in a minute'));
    }
    const request = `${++requests}`;
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer | null, why: string): void => {
        cancel();
        reveals.delete(request);
        if (answer?.values) resolve(answer.values);
        else reject(refuse(answer?.reason ?? why));
      };
      const cancel = clock.after(REVEAL_MS, () => settle(null, 'its agent did not answer in time: try again'));
      reveals.set(request, (answer) => settle(answer, 'its agent went away: try again when it is back'));
      send({ type: 'reveal', request, ...question, names: [...question.names] });
    });
  }

  async function welcome(hello: Hello, protocol: number): Promise<void> {
    const { agent, version, runners, cursor } = hello;
    const now = clock.now();
    const { version: policy } = await context.policy();
    const isBehind = await store.write(async (tx) => {
      // Once more, now that nothing can come between: who was revoked a moment ago is told nothing (T27).
      if (!(await shared.mayConnect(tx, agent))) throw new Revoked();
      await tx.putAgent({ name: agent, version, runners, seenAt: now });
      if (!(await tx.acknowledge(agent, cursor))) return false;
      const about = { hold: null, review: null, approval: null, digest: null, policy };
      const [actor, detail] = [agentActor(agent), { cursor }];
      await tx.audit({ at: now, actor, address: null, event: 'store_behind', ...about, detail });
      return true;
    });
    if (isBehind) {
      // What was revoked since then is approved again, and nothing here can know of it: somebody has to look (T29).
      const message =
        'an agent has acted on more than this store ever said: was an older copy of the store put back? Approvals revoked since then count again: compare them with an audit export';
      log.error({ agent, cursor }, message);
    }
    if (!open) return;
    sentSeq = cursor;
    stage = { at: 'ready', agent };
    cancelProof();
    shared.ready(agent, connection);
    send({
      type: 'welcome',
      protocol,
      heartbeatMs,
      time: new Date(now).toISOString(),
      variableKey: Buffer.from(shared.variableKey).toString('base64url'),
      policy,
    });
    unfollow = shared.follow(agent, hello.snapshot, send);
    flush();
  }

  function flush(): void {
    if (flushing !== null) {
      flushAgain = true;
      return;
    }
    flushing = sendPushes()
      .catch((error) => log.error({ error: String(error) }, 'the outbox could not be read'))
      .finally(() => {
        flushing = null;
        if (flushAgain && open) {
          flushAgain = false;
          flush();
        }
      });
  }
  async function sendPushes(): Promise<void> {
    while (open && stage.at === 'ready' && unacked.size < MAX_UNACKED && socket.bufferedAmount < MAX_BUFFERED_BYTES) {
      const pushes = await store.outbox(stage.agent, sentSeq, MAX_UNACKED - unacked.size);
      if (pushes.length === 0) return;
      for (const push of pushes) {
        sentSeq = push.seq;
        unacked.add(push.seq);
        send(push);
      }
    }
  }

  socket.on('message', (data: RawData, binary: boolean) => {
    if (!open) return;
    if (binary) return end(CLOSE.bad_frame, 'a binary frame');
    const text = data.toString();
    if (stage.at !== 'ready' && text.length > MAX_UNPROVED_BYTES)
      return end(CLOSE.too_big, 'too much before the proof');
    queue.push(text);
    if (queue.length >= MAX_QUEUED) socket.pause();
    working ??= drain().finally(() => {
      working = null;
    });
  });
  socket.on('pong', () => {
    misses = 0;
  });
  socket.on('close', () => open && over());
  socket.on('error', (error) => log.warn({ error: error.message }, 'link failed'));

  const connection: LinkConnection = {
    since: clock.now(),
    wake: flush,
    close: end,
    problems: () => problems,
    examined: () => examined,
    examine: () => send({ type: 'examine' }),
    reveal,
    watch: (hold, on) => send({ type: 'watch', hold, on }),
    async idle() {
      while (working !== null || flushing !== null) await Promise.all([working, flushing]);
    },
  };
  return connection;
}

/** Who has to be brought up to date, in the few words that a close has room for. */
function protocolWords(theirs: number): string {
  const { oldest, newest } = SPEAKS;
  const here = oldest === newest ? `${newest}` : `${oldest} to ${newest}`;
  return `the agent speaks protocol ${theirs}, this hub ${here}: upgrade the ${theirs > newest ? 'hub' : 'agent'}`;
}

/** Members that are there: an absent member and one that is undefined are two things to the compiler. */
function given<T extends object>(detail: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined)) as never;
}
