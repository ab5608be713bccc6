import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { HubContext } from '../app/hub-context.ts';
import type { Log } from '../ports/log.ts';
import { CLOSE, MAX_FRAME_BYTES } from '../wire/link.ts';
import { agentKeys } from './link-auth.ts';
import { type LinkConnection, serveAgent } from './link-connection.ts';

/** Sockets that have not proved yet: agents come one at a time, a crowd is an attack. */
const MAX_UNPROVED = 64;

/** The hub's end of all links. */
export interface LinkServer {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  wake(agent: string): void;
  /** Epoch ms, null for an agent that is not connected. */
  connectedSince(agent: string): number | null;
  connected(): number;
  close(): Promise<void>;
}

/** What the link server is made of. */
export interface LinkServerOptions {
  readonly context: HubContext;
  readonly agents: readonly { readonly name: string; readonly publicKey: Uint8Array }[];
  readonly variableKey: Uint8Array;
  readonly heartbeatMs: number;
  readonly log: Log;
}

/** The hub's end of the link. One connection per agent: a newer one that has proved itself replaces the older. */
export function createLinkServer({ context, agents, variableKey, heartbeatMs, log }: LinkServerOptions): LinkServer {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    clientTracking: false,
  });
  const keys = agentKeys(agents);
  const all = new Set<LinkConnection>();
  const byAgent = new Map<string, LinkConnection>();
  const changed = (state: string) => context.push.changed({ type: 'agent', id: 0, state, projectId: null });
  const shared = {
    context,
    keys,
    variableKey,
    heartbeatMs,
    log,
    nonce: () => randomBytes(32).toString('base64url'),
    ready(agent: string, connection: LinkConnection) {
      const older = byAgent.get(agent);
      byAgent.set(agent, connection);
      older?.close(CLOSE.going_away, 'a newer connection of this agent has taken over');
      log.info({ agent }, 'agent connected');
      changed('connected');
    },
    gone(agent: string, connection: LinkConnection) {
      if (byAgent.get(agent) !== connection) return;
      byAgent.delete(agent);
      changed('disconnected');
    },
  };
  return {
    upgrade(request, socket, head) {
      if (all.size - byAgent.size >= MAX_UNPROVED) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, socket, head, (accepted) => {
        const connection = serveAgent(accepted, shared);
        all.add(connection);
        accepted.on('close', () => all.delete(connection));
      });
    },
    wake: (agent) => byAgent.get(agent)?.wake(),
    connectedSince: (agent) => byAgent.get(agent)?.since ?? null,
    connected: () => byAgent.size,
    async close() {
      const open = [...all];
      for (const connection of open) connection.close(CLOSE.going_away, 'the hub stops');
      await Promise.all(open.map((connection) => connection.idle()));
    },
  };
}
