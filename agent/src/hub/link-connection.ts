import type { RawData, WebSocket } from 'ws';
import type { HubContext } from '../app/hub-context.ts';
import { takePiece } from '../app/watching/record.ts';
import type { AgentProblem } from '../domain/agent-problem.ts';
import type { Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { AgentStatus, LogPiece, RevealedValue, RevealQuestion } from '../ports/agents.ts';
import type { Examined, HubPush } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import type { Tracer } from '../ports/tracer.ts';
import {
  type AgentFrame,
  CLOSE,
  challengeText,
  commonProtocol,
  frameText,
  type HubFrame,
  MAX_FRAME_BYTES,
  parseAgentFrame,
  SPEAKS,
} from '../wire/link.ts';
import { type AgentKeys, proves } from './link-auth.ts';
import { type LinkOutbox, linkOutbox } from './link-outbox.ts';
import { linkReveals } from './link-reveals.ts';
import type { Welcomes } from './link-welcomes.ts';
import { answerWork, plainly } from './link-work.ts';
import { spaced } from './spaced.ts';

/** What all connections share. */
export interface LinkShared {
  readonly context: HubContext;
  readonly keys: AgentKeys;
  /** The hub's own key: by it an agent knows which hub it talks to. */
  readonly signer: Signer;
  readonly variableKey: Uint8Array;
  readonly heartbeatMs: number;
  readonly log: Log;
  readonly welcomes: Welcomes;
  readonly tracer: Tracer;
  /** A fresh challenge. */
  readonly nonce: () => string;
  /** The connection has proved that it has the key of an agent. */
  proved(connection: LinkConnection): void;
  /** It is welcome as this agent. */
  ready(agent: string, connection: LinkConnection): void;
  gone(agent: string, connection: LinkConnection): void;
  /** It has told what it found on its host. */
  examined(agent: string): void;
  /** It has told something else of itself. */
  told(agent: string): void;
  /** Somebody who calls itself this agent speaks no protocol that this hub knows; nothing of it is proved. */
  refused(agent: string, words: string): void;
  /** Sends the agent what it may decide by while this hub is away; the answer ends it. */
  follow(agent: string, has: number, send: (frame: HubFrame) => void): () => void;
  /** A piece of a log that somebody asked to see. */
  piece(agent: string, piece: LogPiece): void;
}
/** One socket of an agent, as the link server sees it. */
export interface LinkConnection {
  readonly since: number;
  /** The key that its agent has proved; empty before. */
  provedBy(): Uint8Array;
  /** The outbox has something new: these, or what only the store knows. */
  wake(pushes: readonly HubPush[]): void;
  close(code: number, reason: string): void;
  /** Asks the agent for hidden values of a job. Rejects with `cannot_reveal`. */
  reveal(question: RevealQuestion): Promise<readonly RevealedValue[]>;
  /** Somebody begins or ends to look at a running job's log. */
  watch(hold: number, on: boolean): void;
  /** What its agent says is wrong on its side. */
  problems(): readonly AgentProblem[];
  /** What its agent found on its host; null while it has not looked. */
  examined(): Examined | null;
  /** What its agent has told of its clock and its snapshot; null before it has, and for one that speaks protocol 1. */
  status(): AgentStatus | null;
  /** Asks its agent to look. */
  examine(): void;
  /** Resolves when nothing of this connection is being worked on any more. */
  idle(): Promise<void>;
}

/** Whoever connects proves who they are within this time. */
const PROVE_MS = 10_000;
/** `hello` and `prove` are small; who sends more before the proof is nobody of ours. */
export const MAX_UNPROVED_BYTES = 256 * 1024;
/** Frames read but not yet worked on, and their characters; above these no more are read, below the last again. */
const MAX_QUEUED = 32;
const MAX_QUEUED_CHARS = 2 * MAX_FRAME_BYTES;
const RESUME_QUEUED = 8;
/** Of an agent that does not read: the connection ends. */
const MAX_SLOW_BYTES = 64 * 1024 * 1024;
/** What an agent tells of itself is passed on to viewers and to other hubs no oftener than this. */
const TELL_EVERY_MS = 1_000;
/** After a close frame the peer gets this long to answer it. */
const CLOSE_MS = 2_000;

type Stage =
  | { readonly at: 'hello' }
  | { readonly at: 'prove'; readonly hello: Hello; readonly nonce: string; readonly protocol: number }
  | { readonly at: 'ready'; readonly agent: string; readonly outbox: LinkOutbox; readonly covers: boolean };
type Hello = Extract<AgentFrame, { type: 'hello' }>;

/** Serves one socket of an agent: frames strictly one after the other, in the order of the protocol, or the socket is closed. */
export function serveAgent(socket: WebSocket, shared: LinkShared): LinkConnection {
  const { context, heartbeatMs, log } = shared;
  const { clock, store } = context;
  const queue: string[] = [];
  let queuedChars = 0;
  let problems: readonly AgentProblem[] = [];
  let examined: Examined | null = null;
  let status: AgentStatus | null = null;
  let provedBy: Uint8Array = new Uint8Array();
  let stage: Stage = { at: 'hello' };
  let open = true;
  let working: Promise<void> | null = null;
  let watches = false;
  let misses = 0;
  let unfollow = (): void => {};

  const send = (frame: HubFrame): void => {
    if (!open) return;
    if (socket.bufferedAmount > MAX_SLOW_BYTES) end(CLOSE.timeout, 'the agent does not read');
    else socket.send(frameText(frame));
  };
  const reveals = linkReveals(clock, send);
  const tellExamined = spaced(clock, TELL_EVERY_MS, () => stage.at === 'ready' && shared.examined(stage.agent));
  const tellOther = spaced(clock, TELL_EVERY_MS, () => stage.at === 'ready' && shared.told(stage.agent));
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
    reveals.end();
    tellExamined.end();
    tellOther.end();
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
      queuedChars -= text.length;
      if (queue.length <= RESUME_QUEUED && queuedChars <= MAX_FRAME_BYTES && socket.isPaused) socket.resume();
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
      const theirs = { oldest: frame.oldest ?? frame.protocol, newest: frame.protocol };
      const protocol = commonProtocol(theirs);
      if (protocol === null) {
        shared.refused(frame.agent, protocolWords(theirs));
        return end(CLOSE.unknown_protocol, protocolWords(theirs));
      }
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
      const key = await proves(shared.keys, proof);
      if (key === null) return end(CLOSE.unauthenticated, 'the agent is not known, was revoked, or its proof is wrong');
      // What it waits for from here on is this hub's own work.
      shared.proved(connection);
      return welcome(hello, protocol, key);
    }
    const { agent, outbox, covers } = stage;
    switch (frame.type) {
      case 'hello':
      case 'prove':
        return wrongOrder('a frame of work');
      case 'admit':
      case 'report':
      case 'sync': {
        const answer = await answerWork(shared, agent, frame, { covers, watches });
        return send(watches ? answer : plainly(answer));
      }
      case 'ack': {
        const { seq } = frame;
        const awaited = outbox.awaits(seq);
        if (awaited === null) return end(CLOSE.bad_frame, 'ack of what was never sent');
        if (!awaited) return;
        await store.write((tx) => tx.acknowledgeOne(agent, seq));
        return outbox.acknowledged(seq);
      }
      case 'log': {
        const { hold, jobId, offset, chunk } = frame;
        return shared.piece(agent, { hold, jobId, offset, bytes: Buffer.from(chunk, 'base64') });
      }
      case 'record': {
        const { type: _, ref, ...piece } = frame;
        return send({ type: 'recorded', ref, ...(await takePiece(context, agent, piece)) });
      }
      case 'health':
        problems = frame.problems;
        return tellOther.want();
      case 'examined':
        examined = { at: frame.at, findings: frame.findings };
        return tellExamined.want();
      case 'status': {
        const heardAt = clock.now();
        const { snapshot } = frame;
        status = {
          skewMs: Date.parse(frame.at) - heardAt,
          snapshot: snapshot && { seq: snapshot.seq, policy: snapshot.policy, heardAt: heardAt - snapshot.ageMs },
        };
        return tellOther.want();
      }
      case 'revealed':
        return reveals.answered(frame);
      default:
        return frame satisfies never;
    }
  }

  async function welcome(hello: Hello, protocol: number, key: Uint8Array): Promise<void> {
    const { agent, version, runners, cursor } = hello;
    const now = clock.now();
    const { version: policy } = await context.policy();
    const arrival = await shared.welcomes.note({ name: agent, version, runners, cursor, key, policy });
    if (arrival === 'revoked') return end(CLOSE.revoked, 'this agent was revoked, or has enrolled anew');
    if (arrival === 'behind') {
      // What was revoked since then is approved again, and nothing here can know of it: somebody has to look (T29).
      const message =
        'an agent has acted on more than this store ever said: was an older copy of the store put back? Approvals revoked since then count again: compare them with an audit export';
      log.error({ agent, cursor }, message);
    }
    if (!open) return;
    const outbox = linkOutbox({
      store,
      agent,
      cursor,
      send: (frame) => send(watches ? frame : plainly(frame)),
      buffered: () => socket.bufferedAmount,
      isOpen: () => open,
      log,
    });
    stage = { at: 'ready', agent, outbox, covers: hello.features?.includes('sections') === true };
    provedBy = key;
    watches = hello.features?.includes('watching') === true;
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
    outbox.flush();
  }

  socket.on('message', (data: RawData, binary: boolean) => {
    if (!open) return;
    if (binary) return end(CLOSE.bad_frame, 'a binary frame');
    const text = data.toString();
    if (stage.at !== 'ready' && text.length > MAX_UNPROVED_BYTES)
      return end(CLOSE.too_big, 'too much before the proof');
    queue.push(text);
    queuedChars += text.length;
    if (queue.length >= MAX_QUEUED || queuedChars >= MAX_QUEUED_CHARS) socket.pause();
    working ??= drain().finally(() => {
      working = null;
    });
  });
  socket.on('pong', () => {
    misses = 0;
    if (stage.at === 'ready') stage.outbox.goOn();
  });
  socket.on('close', () => open && over());
  socket.on('error', (error) => log.warn({ error: error.message }, 'link failed'));

  const connection: LinkConnection = {
    since: clock.now(),
    provedBy: () => provedBy,
    wake(pushes) {
      if (stage.at !== 'ready') return;
      if (pushes.length > 0) stage.outbox.offer(pushes);
      else stage.outbox.flush();
    },
    close: end,
    problems: () => problems,
    examined: () => examined,
    status: () => status,
    examine: () => send({ type: 'examine' }),
    reveal: reveals.ask,
    watch: (hold, on) => send({ type: 'watch', hold, on }),
    async idle() {
      const sending = (): Promise<void> | null => (stage.at === 'ready' ? stage.outbox.working() : null);
      while (working !== null || sending() !== null) await Promise.all([working, sending()]);
    },
  };
  return connection;
}

/** Who has to be brought up to date, in the few words that a close has room for. */
function protocolWords(theirs: Span): string {
  const older = theirs.newest < SPEAKS.oldest ? 'agent' : 'hub';
  return `the agent speaks protocol ${spanWords(theirs)}, this hub ${spanWords(SPEAKS)}: upgrade the ${older}`;
}
interface Span {
  readonly oldest: number;
  readonly newest: number;
}
const spanWords = ({ oldest, newest }: Span): string => (oldest === newest ? `${newest}` : `${oldest} to ${newest}`);
