import WebSocket from 'ws';
import { HoldpointError } from '../domain/errors.ts';
import type { HoldState } from '../domain/hold.ts';
import { type HoldView, viewerEventSchema } from '../wire/api.ts';
import { type HubClient, hubAway } from './client.ts';
import type { Io } from './io.ts';

/** What following needs: how to read, and what to do with each Hold that is new or has changed. */
export interface WatchOptions {
  readonly hub: HubClient;
  readonly io: Io;
  /** Holds that are open now. */
  read(): Promise<readonly HoldView[]>;
  readOne(id: number): Promise<HoldView>;
  show(hold: HoldView): Promise<void>;
}

/** First pause before connecting again; doubled up to the longest, each with jitter, so that viewers do not return as one. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** A connection that has said nothing for two of these is dead, whatever the socket thinks. */
const PING_MS = 20_000;
/** A hint is five short members. */
const MAX_HINT_BYTES = 64 * 1024;

const ENDED: readonly HoldState[] = ['success', 'failed', 'canceled', 'rejected', 'expired'];

/** Resolves after `ms`, or at once when the command is stopped. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener('abort', done);
    if (stop.aborted) done();
  });
}

/** One connection: calls `open` when it stands and `hint` for each Hold that moved; resolves when it is over. */
function listen(hub: HubClient, stop: AbortSignal, open: () => void, hint: (hold: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const url = `${hub.url.replace(/^http/, 'ws')}/api/v1/events`;
    const socket = new WebSocket(url, {
      headers: hub.headers,
      followRedirects: false,
      perMessageDeflate: false,
      maxPayload: MAX_HINT_BYTES,
    });
    let alive = true;
    const ping = setInterval(() => {
      if (!alive) return socket.terminate();
      alive = false;
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, PING_MS);
    const close = () => (socket.readyState === WebSocket.OPEN ? socket.close(1000) : socket.terminate());
    stop.addEventListener('abort', close);
    const over = (error?: unknown) => {
      clearInterval(ping);
      stop.removeEventListener('abort', close);
      if (error === undefined || stop.aborted) resolve();
      else reject(error);
    };
    socket.on('open', () => {
      if (stop.aborted) close();
      else open();
    });
    socket.on('pong', () => {
      alive = true;
    });
    socket.on('message', (data, binary) => {
      alive = true;
      const event = binary ? null : parseHint(data.toString());
      if (event?.type === 'hold') hint(event.id);
    });
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      const refused = response.statusCode === 401 || response.statusCode === 403;
      const way = 'make a new one with "holdpoint token create"';
      socket.terminate();
      over(
        refused
          ? new HoldpointError('unauthenticated', `the hub does not take this token for following; ${way}`)
          : hubAway(hub.url, { code: `it answers ${response.statusCode}` }),
      );
    });
    socket.on('error', (error) => over(hubAway(hub.url, error)));
    socket.on('close', () => over());
  });
}

function parseHint(text: string): { type: string; id: number } | null {
  try {
    const result = viewerEventSchema.safeParse(JSON.parse(text));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

/**
 * Follows Holds until the command is stopped. A hint only says what to read again: after each (re)connection everything
 * open is read anew, so that nothing that happened in between is missed.
 */
export async function watchHolds(options: WatchOptions): Promise<void> {
  const { hub, io } = options;
  const known = new Map<number, HoldView>();
  let failure: unknown;
  let work = Promise.resolve();

  const note = async (hold: HoldView): Promise<void> => {
    const before = known.get(hold.id);
    if (before?.version === hold.version && before.state === hold.state) return;
    if (ENDED.includes(hold.state)) known.delete(hold.id);
    else known.set(hold.id, hold);
    await options.show(hold);
  };
  const noteOne = async (id: number): Promise<void> => {
    const hold = await options.readOne(id).catch((error: unknown) => {
      // Not for this person to see, or gone meanwhile.
      if (error instanceof HoldpointError && error.code === 'not_found') return null;
      throw error;
    });
    if (hold !== null) await note(hold);
  };
  const readAll = async (): Promise<void> => {
    const open = await options.read();
    const missing = [...known.keys()].filter((id) => !open.some((hold) => hold.id === id));
    for (const hold of open) await note(hold);
    for (const id of missing) await noteOne(id);
  };

  let pauseMs = FIRST_PAUSE_MS;
  let everConnected = false;
  while (!io.stop.aborted) {
    const connection = new AbortController();
    const end = AbortSignal.any([io.stop, connection.signal]);
    // One thing after the other; a failed read ends the connection, and the next one reads everything again.
    const queue = (step: () => Promise<void>): void => {
      work = work.then(step).catch((error: unknown) => {
        failure = error;
        connection.abort();
      });
    };
    failure = undefined;
    await listen(
      hub,
      end,
      () => {
        everConnected = true;
        pauseMs = FIRST_PAUSE_MS;
        queue(readAll);
      },
      (id) => queue(() => noteOne(id)),
    ).catch((error: unknown) => {
      failure ??= error;
    });
    await work;
    if (io.stop.aborted) return;
    const away = failure === undefined || (failure instanceof HoldpointError && failure.code === 'hub_unreachable');
    // What a new connection cannot mend, and a hub that never was there, ends the command.
    if (!away || !everConnected) throw failure ?? hubAway(hub.url, null);
    io.err('holdpoint: lost the hub; connecting again\n');
    await pause(pauseMs / 2 + Math.random() * (pauseMs / 2), io.stop);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
