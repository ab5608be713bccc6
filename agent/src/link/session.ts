import { createPublicKey, randomBytes, verify } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { WebSocket } from 'ws';
import type { AgentProblem } from '../domain/agent-problem.ts';
import { ERRORS, type ErrorCode, HoldpointError } from '../domain/errors.ts';
import { keyidOf, pemOf } from '../domain/hub-key.ts';
import type { HeldSnapshot, SignedSnapshot } from '../domain/snapshot.ts';
import type { LogPiece, RevealedValue, RevealQuestion } from '../ports/agents.ts';
import type { Clock } from '../ports/clock.ts';
import type { Examined } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import { toSnake } from '../wire/case.ts';
import { MAX_FINDING_CHARS, MAX_FINDINGS } from '../wire/doctor.ts';
import {
  type AgentFrame,
  agentFrameSchema,
  CLOSE,
  challengeText,
  frameText,
  type HubFrame,
  MAX_FRAME_BYTES,
  MAX_LOG_PIECE_BYTES,
  MAX_REVEALED_CHARS,
  type Push,
  parseHubFrame,
  proofText,
  SPEAKS,
} from '../wire/link.ts';
import { openQuestions, unreachable } from './questions.ts';

/** From opening the connection to the hub's welcome. */
const WELCOME_MS = 15_000;
/** Logs wait behind nothing: a verdict must not wait behind a log. */
const MAX_LOG_BUFFERED_BYTES = 512 * 1024;

/** The protocol that an agent's `status` came with. */
const STATUS_SINCE = 2;

/** What is trusted as the hub's certificate instead of what the system trusts. */
export interface LinkTrust {
  /** PEM. */
  readonly ca: string;
  /** `ca` is the very certificate, and no other will do; else the authority that it comes from. */
  readonly exact: boolean;
}

function tlsOf({ ca, exact }: LinkTrust): ConnectionOptions {
  return exact ? { ca, allowPartialTrustChain: true, checkServerIdentity: () => undefined } : { ca };
}

export interface SessionOptions {
  readonly url: string;
  readonly agent: string;
  readonly version: string;
  readonly runners: readonly { readonly name: string; readonly protected: boolean }[];
  readonly cursor: number;
  readonly trust: LinkTrust | null;
  /** The hub's public key as it was told at the enrolment, 32 bytes: no other hub is talked to (T28). */
  readonly hubKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly clock: Clock;
  readonly log: Log;
  readonly answerMs: number;
  readonly onWelcome: (welcome: Extract<HubFrame, { type: 'welcome' }>) => void;
  /** Resolves when the push has been acted upon; it is acknowledged then. A rejection ends the session, so that it comes again. */
  readonly onPush: (push: Push) => Promise<void>;
  /** Hidden values for one person at the hub; a HoldpointError says there why there are none. */
  readonly onReveal: (question: RevealQuestion) => Promise<readonly RevealedValue[]>;
  /** Somebody begins or ends to look at a running job's log. */
  readonly onWatch: (hold: number, on: boolean) => void;
  /** Somebody wants the host looked at. */
  readonly onExamine: () => void;
  readonly onSnapshot: (snapshot: SignedSnapshot) => void;
  /** Number of the newest snapshot that the agent has. */
  readonly snapshot: number;
  readonly onEnd: (why: string) => void;
}

/** One connection to the hub: `hello`, `challenge`, `prove`, `welcome`, then questions and pushes until it ends. */
export interface Session {
  /** Sends a question; the answer has the same ref. Rejects with `hub_unreachable` when none comes in time. */
  ask(frame: Extract<AgentFrame, { ref: string }>): Promise<HubFrame>;
  /** Says what is wrong on the agent's side. */
  health(problems: readonly AgentProblem[]): void;
  /** What was found on the host. */
  examined(report: Examined): void;
  /** What the agent holds; a hub that speaks a protocol without it is told nothing. */
  status(holds: HeldSnapshot | null): void;
  /** A piece of a log that is watched; dropped while the hub does not read. */
  log(piece: LogPiece): void;
  close(): void;
}

/** A question as it goes over the wire. Throws `bad_input` or `too_large` for one that the hub does not take. */
function askText(frame: AgentFrame): string {
  const wire = toSnake(frame);
  // The hub closes on a frame that it does not take, and then nobody is answered: one job must not do that to all (T30).
  const checked = agentFrameSchema.safeParse(wire);
  if (!checked.success) {
    const path = checked.error.issues[0]?.path.join('.') ?? '';
    throw new HoldpointError('bad_input', `${frame.type} is no frame that the hub takes, at ${path}`);
  }
  const text = JSON.stringify(wire);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_FRAME_BYTES) return text;
  throw new HoldpointError('too_large', `${frame.type} has ${bytes} bytes, a frame may have ${MAX_FRAME_BYTES}`);
}

/** Opens one connection; everything that happens is told through the options. */
export function openSession(options: SessionOptions): Session {
  const { clock, log } = options;
  let phase: 'hello' | 'proved' | 'welcomed' | 'over' = 'hello';
  let spoken = 0;
  let missed = 0;
  let pushes: Promise<void> = Promise.resolve();
  let cancelBeat: () => void = () => {};
  const nonce = randomBytes(32).toString('base64url');
  const hub = keyidOf(options.hubKey);
  const socket = new WebSocket(options.url, {
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: WELCOME_MS,
    followRedirects: false,
    ...(options.trust === null ? {} : tlsOf(options.trust)),
  });
  const questions = openQuestions({ clock, answerMs: options.answerMs, send: (text) => socket.send(text) });
  const cancelWelcome = clock.after(WELCOME_MS, () => finish('no welcome in time', CLOSE.timeout));

  function finish(why: string, code?: number): void {
    if (phase === 'over') return;
    phase = 'over';
    cancelWelcome();
    cancelBeat();
    questions.end(why);
    if (code !== undefined && socket.readyState === WebSocket.OPEN) socket.close(code);
    // A peer that does not answer the close is not waited for: the next connection must not find this one half open.
    if (socket.readyState !== WebSocket.CLOSED) clock.after(1_000, () => socket.terminate());
    options.onEnd(why);
  }

  function write(frame: AgentFrame): void {
    socket.send(frameText(frame));
  }

  /** Two beats without a sign of life end the session: a connection that died silently is not to be waited for. */
  function beat(everyMs: number): void {
    cancelBeat = clock.after(everyMs, () => {
      if (missed >= 2) {
        socket.terminate();
        finish('two heartbeats were missed');
        return;
      }
      missed++;
      socket.ping();
      beat(everyMs);
    });
  }

  function takePush(push: Push): void {
    // One after the other, in the order sent: a revoke never overtakes the release before it.
    pushes = pushes.then(async () => {
      if (phase !== 'welcomed') return;
      try {
        await options.onPush(push);
        if (phase === 'welcomed') write({ type: 'ack', seq: push.seq });
      } catch (error) {
        log.error(
          { seq: push.seq, type: push.type, reason: (error as Error).message },
          'a push could not be acted upon',
        );
        finish('a push could not be acted upon', CLOSE.going_away);
      }
    });
  }

  async function takeReveal({
    request,
    hold,
    jobId,
    digest,
    names,
  }: Extract<HubFrame, { type: 'reveal' }>): Promise<void> {
    const told = await options.onReveal({ hold, jobId, digest, names }).then(
      (values) => {
        const chars = values.reduce((sum, each) => sum + each.name.length + each.value.length, 0);
        if (chars <= MAX_REVEALED_CHARS) return { values, reason: null };
        return { values: null, reason: `the values have ${chars} characters together: ask for fewer names at once` };
      },
      (error: unknown) => ({
        values: null,
        reason: error instanceof HoldpointError ? error.message : 'the agent failed at it: its log says more',
      }),
    );
    if (phase === 'welcomed') write({ type: 'revealed', request, ...told } as AgentFrame);
  }

  function take(frame: HubFrame): void {
    if (frame.type === 'error') {
      const code: ErrorCode = frame.code in ERRORS ? (frame.code as ErrorCode) : 'internal';
      if (frame.ref === null) log.warn({ code: frame.code, reason: frame.message }, 'the hub reports an error');
      else questions.refused(frame.ref, new HoldpointError(code, frame.message));
      return;
    }
    if (phase === 'hello' && frame.type === 'challenge') {
      const text = Buffer.from(challengeText(nonce, frame.nonce, options.agent, frame.protocol));
      const signed = Buffer.from(frame.signature, 'base64url');
      if (frame.hub !== hub || !verify(null, text, createPublicKey(pemOf(options.hubKey)), signed)) {
        // Nothing was said of this agent yet but its name, and nothing will be.
        finish(
          `it has another key than the hub that this agent has enrolled with (${frame.hub.slice(0, 16)}…, wanted ${hub.slice(0, 16)}…)`,
          CLOSE.unauthenticated,
        );
        return;
      }
      const { protocol } = frame;
      if (protocol < SPEAKS.oldest || protocol > SPEAKS.newest) {
        const known = `this agent ${SPEAKS.oldest} to ${SPEAKS.newest}`;
        finish(`it speaks protocol ${protocol}, ${known}: upgrade the older of the two`, CLOSE.unknown_protocol);
        return;
      }
      phase = 'proved';
      spoken = protocol;
      const proof = Buffer.from(proofText(frame.nonce, options.agent, hub, protocol));
      write({ type: 'prove', signature: Buffer.from(options.sign(proof)).toString('base64url') });
      return;
    }
    if (phase === 'proved' && frame.type === 'welcome') {
      phase = 'welcomed';
      cancelWelcome();
      beat(frame.heartbeatMs);
      options.onWelcome(frame);
      return;
    }
    if (phase !== 'welcomed') {
      finish(`${frame.type} out of order`, CLOSE.wrong_order);
      return;
    }
    switch (frame.type) {
      case 'challenge':
      case 'welcome':
        finish(`${frame.type} out of order`, CLOSE.wrong_order);
        return;
      case 'verdict':
      case 'recorded':
      case 'state':
        questions.answered(frame.ref, frame);
        return;
      case 'release':
      case 'reject':
      case 'expire':
      case 'revoke':
      case 'cancel':
        takePush(frame);
        return;
      case 'reveal':
        void takeReveal(frame);
        return;
      case 'examine':
        options.onExamine();
        return;
      case 'snapshot': {
        const { head, body } = frame;
        options.onSnapshot({ head, body, signature: Uint8Array.from(Buffer.from(frame.signature, 'base64url')) });
        return;
      }
      case 'watch':
        options.onWatch(frame.hold, frame.on);
        return;
      default:
        frame satisfies never;
    }
  }

  socket.on('open', () => {
    const { agent, version, runners, cursor, snapshot } = options;
    const named = runners.map(({ name, protected: guarded }) => ({ name, protected: guarded }));
    const { newest: protocol, oldest } = SPEAKS;
    write({
      type: 'hello',
      protocol,
      oldest,
      agent,
      version,
      runners: named,
      cursor,
      snapshot,
      nonce,
      features: ['sections', 'watching'],
    });
  });
  socket.on('message', (data, binary) => {
    missed = 0;
    if (phase === 'over') return;
    const parsed = binary ? { ok: false as const, message: 'frame is binary' } : parseHubFrame(data.toString());
    if (parsed.ok) take(parsed.frame);
    else {
      log.error({ reason: parsed.message }, 'the hub sent a frame that is not understood');
      finish(parsed.message, CLOSE.bad_frame);
    }
  });
  socket.on('ping', () => {
    missed = 0;
  });
  socket.on('pong', () => {
    missed = 0;
  });
  socket.on('error', (error) => finish((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', (code, reason) =>
    finish(`closed with ${code}${reason.length > 0 ? ` (${reason.toString()})` : ''}`),
  );

  return {
    ask(frame) {
      if (phase !== 'welcomed') return Promise.reject(unreachable('not connected'));
      return questions.ask(frame, () => askText(frame));
    },
    health(problems) {
      if (phase === 'welcomed') write({ type: 'health', problems: problems.map((problem) => ({ ...problem })) });
    },
    status(snapshot) {
      if (phase !== 'welcomed' || spoken < STATUS_SINCE) return;
      write({
        type: 'status',
        at: new Date(clock.now()).toISOString(),
        snapshot: snapshot && { ...snapshot, ageMs: Math.round(snapshot.ageMs) },
      });
    },
    examined({ at, findings }) {
      const short = (text: string): string => text.slice(0, MAX_FINDING_CHARS);
      // The worst first: what is beyond the limit is the least that people have to know.
      const order = { fail: 0, warn: 1, skipped: 2, ok: 3 };
      const told = [...findings].sort((a, b) => order[a.status] - order[b.status]).slice(0, MAX_FINDINGS);
      const kept = findings.filter((finding) => told.includes(finding));
      if (phase !== 'welcomed') return;
      write({
        type: 'examined',
        at,
        findings: kept.map(({ check, status, message, mend }) => ({
          check,
          status,
          message: short(message),
          mend: mend === null ? null : short(mend),
        })),
      });
    },
    log({ hold, jobId, offset, bytes }) {
      for (let at = 0; at < bytes.length; at += MAX_LOG_PIECE_BYTES) {
        if (phase !== 'welcomed' || socket.bufferedAmount > MAX_LOG_BUFFERED_BYTES) return;
        const chunk = Buffer.from(bytes.subarray(at, at + MAX_LOG_PIECE_BYTES)).toString('base64');
        write({ type: 'log', hold, jobId, offset: offset + at, chunk });
      }
    },
    close: () => finish('closed by the agent', CLOSE.going_away),
  };
}
