import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { breathe } from '../app/breathe.ts';
import type { HubContext } from '../app/hub-context.ts';
import type { AgentProblem } from '../domain/agent-problem.ts';
import type { Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { AgentStatus, Agents, LogPiece } from '../ports/agents.ts';
import type { Examined, HubPush } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import type { Tracer } from '../ports/tracer.ts';
import { CLOSE, type HubFrame, MAX_FRAME_BYTES } from '../wire/link.ts';
import type { OwnAgent } from './between/far-hubs.ts';
import { agentKeys, isKey, type KnownAgent } from './link-auth.ts';
import { type LinkConnection, MAX_UNPROVED_BYTES, serveAgent } from './link-connection.ts';
import { createWelcomes } from './link-welcomes.ts';
import { inClear, type Peers } from './proxies.ts';
import type { Snapshots } from './snapshots.ts';
import { refuse } from './viewers.ts';

/**
 * Sockets that have not proved yet; above it the oldest makes room. All agents of a hub that was started again come at once, and each
 * has to keep its place until the hub has had three turns for it: with 64 places the one who had waited longest was always sent away.
 */
const MAX_UNPROVED = 1_000;
/** Of all connections that a hub takes these are left to those who need no link (T30). */
const SHARE_OF_OTHERS = 2;
/** What all of them may have sent together: 64 that send as much as one may. */
const MAX_UNPROVED_TOTAL_BYTES = 64 * 2 * MAX_UNPROVED_BYTES;
/** Of one that has not proved itself: a frame is not gathered up to its full size for a stranger. */
const MAX_UNPROVED_SOCKET_BYTES = 2 * MAX_UNPROVED_BYTES;

/** The hub's end of all links. */
export interface LinkServer extends Agents {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Its outbox has something new: these, or what only the store knows. */
  wake(agent: string, pushes?: readonly HubPush[]): void;
  /** Tells an agent, if it is there, whether somebody looks at a job's log. */
  watch(agent: string, hold: number, on: boolean): void;
  /** Epoch ms, null for an agent that is not connected. */
  connectedSince(agent: string): number | null;
  /** Epoch ms since when an agent is away that was here before; null for any other. */
  awaySince(agent: string): number | null;
  connected(): number;
  /** From where agents have connected since this process began: those that are away for a moment are still machines with jobs. */
  addresses(): ReadonlySet<string>;
  /** True for an agent of this very process: its key is made at each start, and it cannot be enrolled or revoked. */
  isFixed(agent: string): boolean;
  /** Ends the connection of an agent at once: what it sends from here on moves nothing. */
  cut(agent: string, reason: string): void;
  /** The same for every agent that was revoked, or has enrolled anew, at another hub on the same store. */
  cutStale(): Promise<void>;
  /** What a connected agent says is wrong on its side; nothing for one that is away. */
  problems(agent: string): readonly AgentProblem[];
  /** What a connected agent found on its host; null for one that is away or has not looked. */
  examined(agent: string): Examined | null;
  /** What a connected agent has told of its clock and its snapshot; null for one that has not. */
  status(agent: string): AgentStatus | null;
  /** Why somebody who calls itself this agent was refused last, until the agent connects; nothing of it is proved. */
  refusal(agent: string): Refusal | null;
  /** Asks an agent to look at its host now; throws `wrong_state` when it is away. */
  examine(agent: string): void;
  /** All that are connected, as other hubs are told of them. */
  linked(): readonly OwnAgent[];
  /** One of them; null for one that is not connected here. */
  linkedAgent(agent: string): OwnAgent | null;
  close(): Promise<void>;
}

/** Agents that the store is asked about in one question. */
const RECHECKED_AT_ONCE = 1_000;
/** Agents whose going is noted in one write. */
const NOTED_AT_ONCE = 200;
/** Names of agents that were refused; anybody can say one. */
const MAX_REFUSALS = 1_000;

/** Somebody who calls itself an agent speaks no protocol that this hub knows. */
export interface Refusal {
  readonly at: number;
  readonly words: string;
}

/** A socket of which nobody knows yet whose it is. */
interface Unproved {
  bytes: number;
  /** It has proved itself, or is gone: nothing is counted any more. */
  forget(): void;
  cut(): void;
}

/** What the link server is made of. */
export interface LinkServerOptions {
  readonly context: HubContext;
  /** Those of this very process; all others have enrolled, and stand in the store. */
  readonly agents: readonly KnownAgent[];
  /** The hub's own key. */
  readonly signer: Signer;
  readonly variableKey: Uint8Array;
  readonly heartbeatMs: number;
  readonly log: Log;
  readonly snapshots: Pick<Snapshots, 'follow'>;
  /** Names of those that need none. */
  readonly local: readonly string[];
  /** Connections of all kinds that the hub takes. */
  readonly maxConnections: number;
  readonly peers: Peers;
  /** Agents of other machines are served without TLS, too. */
  readonly plainHttp: boolean;
  readonly tracer: Tracer;
  /** A piece of a log that somebody asked to see. */
  onPiece(agent: string, piece: LogPiece): void;
  /** An agent has come, and was welcomed. */
  onReady(agent: string): void;
  /** It has told something of itself, or is gone. */
  onTold(agent: string, what: 'examined' | 'told' | 'gone'): void;
}

/** The hub's end of the link. One connection per agent: a newer one that has proved itself replaces the older. */
export function createLinkServer({
  context,
  agents,
  signer,
  variableKey,
  heartbeatMs,
  log,
  tracer,
  onPiece,
  onReady,
  onTold,
  snapshots,
  local,
  maxConnections,
  peers,
  plainHttp,
}: LinkServerOptions): LinkServer {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    clientTracking: false,
  });
  const { keyOf, isFixed } = agentKeys(context.store, agents);
  const all = new Set<LinkConnection>();
  const byAgent = new Map<string, LinkConnection>();
  const unproved = new Map<LinkConnection, Unproved>();
  const maxUnproved = Math.min(MAX_UNPROVED, Math.floor(maxConnections / SHARE_OF_OTHERS));
  let unprovedBytes = 0;
  const from = new WeakMap<LinkConnection, string>();
  const addresses = new Map<string, string>();
  const refusals = new Map<string, Refusal>();
  const leaving = new Map<string, number>();
  let noting: Promise<void> | null = null;
  const away = new Map<string, number>();
  const changed = (state: string) => context.push.changed({ type: 'agent', id: 0, state, projectId: null });
  const own = (name: string, connection: LinkConnection): OwnAgent => ({
    name,
    since: connection.since,
    address: addresses.get(name) ?? null,
    problems: connection.problems(),
    status: connection.status(),
    examined: connection.examined(),
  });
  /** Many at a time: when a hub stops, or a network, all of them go. */
  async function noteGone(): Promise<void> {
    await breathe();
    while (leaving.size > 0) {
      const part = [...leaving].slice(0, NOTED_AT_ONCE);
      for (const [agent] of part) leaving.delete(agent);
      // Who is back has been seen since.
      const gone = part.filter(([agent]) => !byAgent.has(agent));
      const work = context.store.write(async (tx) => {
        for (const [agent, at] of gone) await tx.seenAgent(agent, at);
      });
      await work.catch((error: unknown) =>
        log.warn({ agents: gone.length, error: String(error) }, 'when agents went away could not be noted'),
      );
    }
  }
  let rechecking: Promise<void> | null = null;
  /** In a few questions for all: each of thousands on its own, every few seconds, would keep the store busy with nothing else. */
  async function recheck(): Promise<void> {
    const linked = [...byAgent].filter(([agent]) => !isFixed(agent));
    for (let from = 0; from < linked.length; from += RECHECKED_AT_ONCE) {
      const part = linked.slice(from, from + RECHECKED_AT_ONCE);
      const found = await context.store.enrolledAmong(part.map(([agent]) => agent)).catch(() => null);
      // What the store cannot say now it says in some seconds.
      if (found === null) return;
      const known = new Map(found.map((each) => [each.name, each]));
      for (const [agent, connection] of part)
        if (!isKey(known.get(agent) ?? null, connection.provedBy()))
          connection.close(CLOSE.revoked, 'this agent was revoked, or has enrolled anew');
    }
  }
  const shared = {
    context,
    keys: keyOf,
    welcomes: createWelcomes(context, isFixed),
    signer,
    variableKey,
    heartbeatMs,
    log,
    tracer,
    nonce: () => randomBytes(32).toString('base64url'),
    proved: (connection: LinkConnection) => unproved.get(connection)?.forget(),
    ready(agent: string, connection: LinkConnection) {
      const older = byAgent.get(agent);
      byAgent.set(agent, connection);
      away.delete(agent);
      refusals.delete(agent);
      addresses.set(agent, from.get(connection) ?? '');
      older?.close(CLOSE.going_away, 'a newer connection of this agent has taken over');
      log.info({ agent }, 'agent connected');
      changed('connected');
      // After the welcome, which is the first thing that an agent may be told.
      queueMicrotask(() => onReady(agent));
    },
    examined(agent: string) {
      changed('examined');
      onTold(agent, 'examined');
    },
    told: (agent: string) => onTold(agent, 'told'),
    refused(agent: string, words: string) {
      log.warn({ agent, why: words }, 'somebody who calls itself this agent was refused');
      const [oldest] = refusals.size >= MAX_REFUSALS ? refusals.keys() : [];
      if (oldest !== undefined) refusals.delete(oldest);
      refusals.set(agent, { at: context.clock.now(), words });
    },
    // One in this very process is away when the hub is.
    follow: (agent: string, has: number, send: (frame: HubFrame) => void) =>
      local.includes(agent) ? () => {} : snapshots.follow({ agent, send }, has),
    piece: onPiece,
    gone(agent: string, connection: LinkConnection) {
      if (byAgent.get(agent) !== connection) return;
      byAgent.delete(agent);
      away.set(agent, context.clock.now());
      changed('disconnected');
      onTold(agent, 'gone');
      noting ??= noteGone().finally(() => {
        noting = null;
      });
      leaving.set(agent, context.clock.now());
    },
  };
  function cutOldest(): void {
    const [oldest] = unproved.values();
    oldest?.cut();
  }
  /** Apart from the request that it came with, which would stay in memory for as long as the agent does. */
  function accept(accepted: WebSocket, socket: Duplex, address: string, early: number): void {
    // Whoever holds places without a proof must not keep an agent out: it needs one for a moment only (T30).
    if (unproved.size >= maxUnproved) cutOldest();
    const connection = serveAgent(accepted, shared);
    all.add(connection);
    from.set(connection, address);
    const count = (bytes: number): void => {
      mine.bytes += bytes;
      unprovedBytes += bytes;
      if (mine.bytes > MAX_UNPROVED_SOCKET_BYTES) accepted.terminate();
      while (unprovedBytes > MAX_UNPROVED_TOTAL_BYTES) cutOldest();
    };
    const countPart = (part: Buffer): void => count(part.length);
    const forget = (): void => {
      socket.off('data', countPart);
      if (unproved.delete(connection)) unprovedBytes -= mine.bytes;
    };
    const mine: Unproved = {
      bytes: 0,
      forget,
      cut: () => {
        forget();
        accepted.terminate();
      },
    };
    socket.on('data', countPart);
    unproved.set(connection, mine);
    count(early);
    accepted.on('close', () => {
      forget();
      all.delete(connection);
    });
  }
  return {
    upgrade(request, socket, head) {
      // An agent is no browser: a page that somebody visits has no business here, not even to take places (T23, T30).
      if (request.headers.origin !== undefined) {
        refuse(socket, new HoldpointError('forbidden', 'no web page may open the link of agents'));
        return;
      }
      // Whoever reads along would have the key of hidden values, and could say what is approved (T27, T28).
      if (!plainHttp && !peers.isPrivate(request)) {
        refuse(socket, inClear());
        return;
      }
      const address = peers.addressOf(request) ?? '';
      server.handleUpgrade(request, socket, head, (accepted) => accept(accepted, socket, address, head.length));
    },
    wake: (agent, pushes = []) => byAgent.get(agent)?.wake(pushes),
    async reveal(agent, question) {
      const connection = byAgent.get(agent);
      if (connection !== undefined) return connection.reveal(question);
      throw new HoldpointError(
        'cannot_reveal',
        `hold ${question.hold}: agent ${agent}, which has the job, is not connected: try again when it is`,
      );
    },
    watch: (agent, hold, on) => byAgent.get(agent)?.watch(hold, on),
    connectedSince: (agent) => byAgent.get(agent)?.since ?? null,
    awaySince: (agent) => away.get(agent) ?? null,
    connected: () => byAgent.size,
    addresses: () => new Set(addresses.values()),
    isFixed,
    cut: (agent, reason) => byAgent.get(agent)?.close(CLOSE.revoked, reason),
    cutStale() {
      // However often somebody says that there is something to look at: one look at a time.
      rechecking ??= recheck().finally(() => {
        rechecking = null;
      });
      return rechecking;
    },
    problems: (agent) => byAgent.get(agent)?.problems() ?? [],
    examined: (agent) => byAgent.get(agent)?.examined() ?? null,
    status: (agent) => byAgent.get(agent)?.status() ?? null,
    refusal: (agent) => refusals.get(agent) ?? null,
    linked: () => [...byAgent].map(([name, connection]) => own(name, connection)),
    linkedAgent(name) {
      const connection = byAgent.get(name);
      return connection === undefined ? null : own(name, connection);
    },
    examine(agent) {
      const connection = byAgent.get(agent);
      if (connection === undefined)
        throw new HoldpointError('wrong_state', `agent ${agent} is not connected: nobody is there to look`);
      connection.examine();
    },
    async close() {
      const open = [...all];
      for (const connection of open) connection.close(CLOSE.going_away, 'the hub stops');
      await Promise.all([...open.map((connection) => connection.idle()), noting]);
    },
  };
}
