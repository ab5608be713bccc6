import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Caller, HubContext } from '../app/hub-context.ts';
import { seersOf } from '../app/see.ts';
import { whyOver } from '../app/session.ts';
import { ERRORS, HoldpointError } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';
import { CLOSE } from '../wire/link.ts';
import { type ViewerSays, viewerSaysSchema } from '../wire/logs.ts';
import type { Attendance } from './attendance.ts';
import { identifyRequest, isWrongToken, MAX_FAILED_PER_MINUTE, RateLimited, requireScope } from './auth.ts';
import { failedTries } from './failed-tries.ts';
import type { Logs, Looker } from './logs.ts';
import type { Peers } from './proxies.ts';
import { refuseJobs, useOf } from './token-use.ts';
import { problemOf } from './views.ts';

/** After a close frame the viewer gets this long to answer it. */
const CLOSE_MS = 2_000;
/** Pages and terminals that follow at once. */
const MAX_VIEWERS = 1_000;
/** A viewer has nothing to say but which job they look at, and that they are still there. */
const MAX_VIEWER_FRAME_BYTES = 1_024;
/** Logs that one page opens and closes between two heartbeats; each is a look into the store (T30). */
const MAX_SAID_PER_BEAT = 40;
/** Who does not read is let go: what they miss they read again. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** Those who follow what changes. */
export interface Viewers {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  publish(event: ChangedEvent): void;
  count(): number;
  close(): Promise<void>;
}

interface Viewer extends Looker {
  readonly socket: WebSocket;
  misses: number;
  /** What it has said since the last heartbeat. */
  said: number;
}

/** The websocket `/api/v1/events`: hints of what has changed, each viewer only of what they may see. */
export function createViewers(
  context: HubContext,
  heartbeatMs: number,
  log: Log,
  logs: Logs,
  attendance: Attendance,
  peers: Pick<Peers, 'addressOf'>,
): Viewers {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_VIEWER_FRAME_BYTES,
    clientTracking: false,
  });
  const tries = failedTries(context.clock, MAX_FAILED_PER_MINUTE);
  const viewers = new Set<Viewer>();
  const work = new Set<Promise<void>>();
  let cancelBeat = context.clock.after(heartbeatMs, beat);

  function track(promise: Promise<void>): void {
    const tracked = promise
      .catch((error) => log.warn({ error: String(error) }, 'a viewer could not be served'))
      .finally(() => work.delete(tracked));
    work.add(tracked);
  }

  function beat(): void {
    cancelBeat = context.clock.after(heartbeatMs, beat);
    for (const viewer of viewers) track(check(viewer));
  }
  /** A token that was revoked or is over, and a person who was blocked, end what they had opened. */
  async function check(viewer: Viewer): Promise<void> {
    if (viewer.misses >= 2) return viewer.socket.terminate();
    viewer.misses += 1;
    viewer.said = 0;
    viewer.socket.ping();
    const token = await context.store.token(viewer.caller.token.id);
    const person = await context.directory.person(viewer.caller.person.id);
    const over = token === null || (await whyOver(context, token)) !== null;
    if (over || person === null || person.blocked) {
      // Who may not be here any more is not waited for: no grace for a session that is over.
      await attendance.end(viewer, null);
      viewer.socket.close(CLOSE.unauthenticated, 'the token is over');
    } else {
      await logs.recheck(viewer);
      await attendance.recheck(viewer);
    }
  }

  async function tell(event: ChangedEvent): Promise<void> {
    const { type, id, state, projectId } = event;
    const text = JSON.stringify({ type, id, state, at: new Date(context.clock.now()).toISOString() });
    const seeing = await seersOf(context, event);
    for (const viewer of viewers) {
      if (projectId !== null && !seeing.has(viewer.caller.person.id)) continue;
      viewer.send(text);
    }
  }

  /** What is not understood is not answered: nobody who means well sends it. */
  async function hear(viewer: Viewer, text: string | null): Promise<void> {
    viewer.said += 1;
    if (viewer.said > MAX_SAID_PER_BEAT) return viewer.socket.close(CLOSE.bad_frame, 'too much at once');
    const said = text === null ? null : saidIn(text);
    if (said === null) return viewer.socket.close(CLOSE.bad_frame, 'only a watch is understood here');
    switch (said.type) {
      case 'attend':
        await (said.on ? attendance.attend(viewer, said.hold) : attendance.end(viewer, said.hold));
        if (!viewers.has(viewer)) attendance.lost(viewer);
        return;
      case 'present':
        return attendance.present(viewer, said.hold, said.nonce);
      case 'watch':
        if (!said.on) return logs.leave(viewer, said.hold);
        await logs.look(viewer, said.hold);
        if (!viewers.has(viewer)) logs.leave(viewer, null);
        return;
      default:
        said satisfies never;
    }
  }

  async function callerOf(request: IncomingMessage): Promise<Caller> {
    if (viewers.size >= MAX_VIEWERS)
      throw new HoldpointError('rate_limited', `${MAX_VIEWERS} viewers follow already: try again later`);
    const use = useOf(request.headers, peers.addressOf(request));
    const identity = await identifyRequest(context, null, request.headers, use).catch((error: unknown) => {
      if (isWrongToken(error)) tries.note(use.address);
      throw error;
    });
    await refuseJobs(context, use, true);
    requireScope(identity, { scope: 'read' });
    if (identity.caller === null) throw new HoldpointError('forbidden', 'this token speaks for nobody');
    return identity.caller;
  }

  return {
    async upgrade(request, socket, head) {
      try {
        const caller = await callerOf(request);
        server.handleUpgrade(request, socket, head, (accepted) => {
          const viewer: Viewer = {
            socket: accepted,
            caller,
            misses: 0,
            said: 0,
            send(text) {
              if (accepted.bufferedAmount > MAX_BUFFERED_BYTES) accepted.terminate();
              else accepted.send(text);
            },
          };
          viewers.add(viewer);
          accepted.on('pong', () => {
            viewer.misses = 0;
          });
          accepted.on('message', (data, binary) => track(hear(viewer, binary ? null : data.toString())));
          accepted.on('error', () => accepted.terminate());
          accepted.on('close', () => {
            viewers.delete(viewer);
            logs.leave(viewer, null);
            attendance.lost(viewer);
          });
        });
      } catch (error) {
        const known =
          error instanceof HoldpointError
            ? error
            : new HoldpointError('internal', 'the hub failed at this request: its log says more', { cause: error });
        refuse(socket, known);
      }
    },
    publish(event) {
      if (viewers.size > 0) track(tell(event));
    },
    count: () => viewers.size,
    async close() {
      cancelBeat();
      attendance.close();
      const open = [...viewers];
      for (const { socket } of open) socket.close(CLOSE.going_away, 'the hub stops');
      context.clock.after(CLOSE_MS, () => {
        for (const { socket } of open) socket.terminate();
      });
      await Promise.all(work);
    },
  };
}

function saidIn(text: string): ViewerSays | null {
  try {
    const read = viewerSaysSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

/** Answers an upgrade that is refused like any other request: with a problem document. */
export function refuse(socket: Duplex, error: HoldpointError): void {
  const body = JSON.stringify(problemOf(error));
  const head = [
    `HTTP/1.1 ${ERRORS[error.code].status} ${problemOf(error).title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...(error instanceof RateLimited ? [`retry-after: ${error.retryAfterS}`] : []),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
