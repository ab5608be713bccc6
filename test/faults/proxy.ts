import { createServer, type Server, Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { frameCutter } from './frames.ts';
import type { Random } from './random.ts';

/** `up`: from whoever connects to what is behind; `down`: back. */
export type Way = 'up' | 'down';

/** A wire between two processes that can be pulled, bent and cut. Every fault answers with what heals it. */
export interface Wire {
  readonly port: number;
  /** Where new connections lead from now on; those that are open stay. */
  retarget(port: number): void;
  /** Nothing moves on these ways, and no connection is closed: what lost packets and a lost network look like. */
  stall(ways: readonly Way[]): () => void;
  delay(ms: number, ways: readonly Way[]): () => void;
  /** Every open connection is reset. */
  cut(): void;
  /** New connections are reset, too. */
  refuse(): () => void;
  /** Messages are repeated and overtake each other; only where the wire carries websockets. */
  shuffle(ways: readonly Way[], random: Random): () => void;
  /** Certificate that is shown to who connects from now on. */
  certificate(pem: { readonly cert: string; readonly key: string }): void;
  /** Messages sent twice and out of turn so far. */
  counts(): { readonly twice: number; readonly overtaken: number };
  close(): Promise<void>;
}

export interface ProxyOptions {
  readonly target: number;
  /** Where it listens; default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Carries websockets. */
  readonly frames?: boolean;
  readonly tls?: { readonly cert: string; readonly key: string };
}

interface Item {
  readonly bytes: Buffer | null;
  readonly at: number;
}
/** A message that waits to be overtaken is let go after so long. */
const OVERTAKE_MS = 150;
/** Above it no more is read from whoever sends. */
const MAX_QUEUED_BYTES = 256 * 1024;

/** Starts a wire on loopback. */
export async function startProxy(options: ProxyOptions): Promise<Wire> {
  const { target: first, host = '127.0.0.1', port = 0, frames = false, tls } = options;
  let target = first;
  const stalled: Record<Way, number> = { up: 0, down: 0 };
  const delays: Record<Way, number[]> = { up: [], down: [] };
  const shuffles: Record<Way, Random[]> = { up: [], down: [] };
  const pumps = new Set<() => void>();
  const open = new Set<Socket>();
  let refusing = 0;
  let twice = 0;
  let overtaken = 0;

  function pipe(from: Socket, to: Socket, way: Way): void {
    const queue: Item[] = [];
    let queued = 0;
    let held: Buffer | null = null;
    let heldTimer: NodeJS.Timeout | null = null;
    let timer: NodeJS.Timeout | null = null;
    const cutter = frames ? frameCutter() : null;
    const put = (bytes: Buffer | null): void => {
      queue.push({ bytes, at: Date.now() + Math.max(0, ...delays[way]) });
      queued += bytes?.length ?? 0;
      if (queued > MAX_QUEUED_BYTES) from.pause();
    };
    const letGo = (): void => {
      if (heldTimer !== null) clearTimeout(heldTimer);
      heldTimer = null;
      if (held !== null) put(held);
      held = null;
    };
    const pump = (): void => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      while (stalled[way] === 0) {
        const [next] = queue;
        if (next === undefined) return;
        const wait = next.at - Date.now();
        if (wait > 0) {
          timer = setTimeout(pump, wait);
          return;
        }
        queue.shift();
        if (next.bytes === null) {
          to.end();
          continue;
        }
        queued -= next.bytes.length;
        if (queued <= MAX_QUEUED_BYTES && from.isPaused()) from.resume();
        if (!to.destroyed && !to.write(next.bytes)) {
          to.once('drain', pump);
          return;
        }
      }
    };
    pumps.add(pump);
    from.on('data', (chunk: Buffer) => {
      const random = shuffles[way].at(-1);
      for (const { bytes, isText } of cutter?.(chunk) ?? [{ bytes: chunk, isText: false }]) {
        if (random === undefined || !isText) {
          letGo();
          put(bytes);
          continue;
        }
        const before = held !== null;
        if (!before && random.chance(0.35)) {
          held = bytes;
          heldTimer = setTimeout(() => {
            letGo();
            pump();
          }, OVERTAKE_MS);
          continue;
        }
        put(bytes);
        if (before) overtaken++;
        letGo();
        if (random.chance(0.3)) {
          twice++;
          put(bytes);
        }
      }
      pump();
    });
    from.on('end', () => {
      letGo();
      put(null);
      pump();
    });
    from.on('close', () => {
      pumps.delete(pump);
      if (timer !== null) clearTimeout(timer);
      letGo();
      open.delete(from);
      // Who has gone without a word takes the other end along, once the wire lets the news through.
      const tell = (): void => {
        if (stalled[way] === 0) {
          pumps.delete(tell);
          to.destroySoon();
        }
      };
      pumps.add(tell);
      pump();
      tell();
    });
    from.on('error', () => {});
  }

  const take = (client: Socket): void => {
    client.on('error', () => {});
    if (refusing > 0) {
      client.destroy();
      return;
    }
    const server = new Socket({ allowHalfOpen: true });
    open.add(client).add(server);
    pipe(client, server, 'up');
    pipe(server, client, 'down');
    server.connect(target, '127.0.0.1');
  };
  const listener: Server | TlsServer =
    tls === undefined
      ? createServer({ allowHalfOpen: true }, take)
      : createTlsServer({ ...tls, allowHalfOpen: true }, (socket: TLSSocket) => take(socket));
  // A handshake that failed leaves its connection half open for ever, and the listener would wait for it at its end.
  if (tls !== undefined) (listener as TlsServer).on('tlsClientError', (_error, socket) => socket.destroy());
  const accepted = new Set<Socket>();
  listener.on('connection', (socket: Socket) => {
    accepted.add(socket);
    socket.on('close', () => accepted.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, host, resolve);
  });
  const flow = (): void => {
    for (const pump of [...pumps]) pump();
  };
  const once = (heal: () => void): (() => void) => {
    let healed = false;
    return () => {
      if (healed) return;
      healed = true;
      heal();
      flow();
    };
  };
  const taken = <T>(lists: Record<Way, T[]>, ways: readonly Way[], value: T): (() => void) => {
    for (const way of ways) lists[way].push(value);
    return once(() => {
      for (const way of ways) lists[way].splice(lists[way].indexOf(value), 1);
    });
  };
  return {
    port: (listener.address() as { port: number }).port,
    retarget: (port) => {
      target = port;
    },
    stall(ways) {
      for (const way of ways) stalled[way]++;
      return once(() => {
        for (const way of ways) stalled[way]--;
      });
    },
    delay: (ms, ways) => taken(delays, ways, ms),
    shuffle: (ways, random) => taken(shuffles, ways, random),
    cut() {
      for (const socket of [...open]) socket.destroy();
    },
    refuse() {
      refusing++;
      return once(() => {
        refusing--;
      });
    },
    certificate(pem) {
      (listener as TlsServer).setSecureContext(pem);
    },
    counts: () => ({ twice, overtaken }),
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      stalled.up = 0;
      stalled.down = 0;
      for (const socket of [...open, ...accepted]) socket.destroy();
      await closed;
    },
  };
}
