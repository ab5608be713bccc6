import WebSocket from 'ws';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { safeTerminal } from '../domain/safe-terminal.ts';
import { viewerEventSchema } from '../wire/api.ts';
import { attendingSchema, beatSchema, logPieceSchema, watchingLogSchema } from '../wire/logs.ts';
import { type HubClient, hubAway } from './client.ts';
import type { Io } from './io.ts';

/** A piece of a log is 48 KiB of base64 at most. */
const MAX_MESSAGE_BYTES = 256 * 1024;
/** A connection that has said nothing for two of these is dead. */
const PING_MS = 10_000;
const REFUSALS: readonly [test: RegExp, code: 'self_approval' | 'not_eligible' | 'wrong_state'][] = [
  [/policy forbids to approve it oneself/, 'self_approval'],
  [/nothing of it runs|no job of it runs/, 'wrong_state'],
];

/** What watching needs. */
export interface WatchLiveOptions {
  readonly hub: HubClient;
  readonly io: Io;
  readonly hold: number;
  /** Counts as the second pair of eyes, where that is asked for. */
  readonly attend: boolean;
  /** How the Hold stands now, and whether its job is the same. */
  read(): Promise<{ readonly state: string; readonly isOver: boolean; readonly runs: boolean }>;
}

/**
 * Shows the log of one job in this terminal until the Hold has ended or the command is stopped; with `attend` somebody watches it
 * as long. Rejects where they may not, and with `hub_unreachable` when the connection is lost: whoever watches has to know.
 */
export async function watchLive({ hub, io, hold, attend, read }: WatchLiveOptions): Promise<void> {
  const filter = safeTerminal();
  const decoder = new TextDecoder();
  let next: number | null = null;
  let said = '';
  let writing: Promise<unknown> = Promise.resolve();
  const write = (text: string): void => {
    writing = writing.then(() => io.out(text));
  };
  const note = (words: string): void => {
    if (words !== said) io.err(`${printable(words)}\n`);
    said = words;
  };
  await new Promise<void>((resolve, reject) => {
    const socket = new WebSocket(`${hub.url.replace(/^http/, 'ws')}/api/v1/events`, {
      headers: hub.headers,
      followRedirects: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
    });
    let alive = true;
    let failure: Error | null = null;
    let isDone = false;
    const ping = setInterval(() => {
      if (!alive) return socket.terminate();
      alive = false;
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, PING_MS);
    const say = (message: object): void => socket.send(JSON.stringify(message));
    const stop = (error: Error | null = null): void => {
      failure ??= error;
      isDone = true;
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      else socket.terminate();
    };
    const onAbort = (): void => {
      if (attend && socket.readyState === WebSocket.OPEN) say({ type: 'attend', hold, on: false });
      stop();
    };
    io.stop.addEventListener('abort', onAbort);
    const look = async (): Promise<void> => {
      const now = await read();
      if (now.isOver) {
        note(`hold ${hold} is ${now.state}`);
        stop();
      } else if (now.runs) say({ type: 'watch', hold, on: true });
      else note(`hold ${hold} is ${now.state}: its log is shown here once it runs`);
    };
    const looked = (): void => {
      look().catch((error: unknown) => stop(error instanceof Error ? error : new Error(String(error))));
    };
    socket.on('open', () => {
      if (io.stop.aborted) return stop();
      if (attend) say({ type: 'attend', hold, on: true });
      looked();
    });
    socket.on('pong', () => {
      alive = true;
    });
    socket.on('message', (data, binary) => {
      alive = true;
      let message: unknown = null;
      try {
        message = binary ? null : JSON.parse(data.toString());
      } catch {
        return;
      }
      const beat = beatSchema.safeParse(message);
      if (beat.success && attend) return say({ type: 'present', hold, nonce: beat.data.nonce });
      const attending = attendingSchema.safeParse(message);
      if (attending.success) {
        if (attending.data.on) return note(`you watch hold ${hold}; Ctrl-C ends that`);
        const reason = attending.data.reason ?? 'you do not watch it any more';
        const code = REFUSALS.find(([test]) => test.test(reason))?.[1] ?? 'not_eligible';
        return isDone ? undefined : stop(new HoldpointError(code, reason));
      }
      const watching = watchingLogSchema.safeParse(message);
      if (watching.success) return watching.data.reason === null ? undefined : note(watching.data.reason);
      const piece = logPieceSchema.safeParse(message);
      if (piece.success) {
        const bytes = Buffer.from(piece.data.chunk, 'base64');
        const end = piece.data.offset + bytes.length;
        if (next !== null && end <= next) return;
        const fresh = next === null ? bytes : bytes.subarray(Math.max(0, next - piece.data.offset));
        next = end;
        return write(filter(decoder.decode(fresh, { stream: true })));
      }
      const event = viewerEventSchema.safeParse(message);
      if (event.success && event.data.type === 'hold' && event.data.id === hold) looked();
    });
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      const refused = response.statusCode === 401 || response.statusCode === 403;
      failure = refused
        ? new HoldpointError(
            'unauthenticated',
            'the hub does not take this token: make a new one with "holdpoint token create"',
          )
        : hubAway(hub.url, { code: `it answers ${response.statusCode}` });
      socket.terminate();
    });
    socket.on('error', (error) => {
      failure ??= hubAway(hub.url, error);
    });
    socket.on('close', () => {
      clearInterval(ping);
      io.stop.removeEventListener('abort', onAbort);
      if (!isDone) failure ??= hubAway(hub.url, { code: 'the connection was lost, and with it your watch' });
      if (failure === null) resolve();
      else reject(failure);
    });
  });
  await writing;
}
