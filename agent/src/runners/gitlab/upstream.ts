import { createSecureContext } from 'node:tls';
import { type Dispatcher, Pool } from 'undici';
import type { AgentMeter } from '../../ports/meter.ts';
import { rawStrings } from './headers.ts';
import { callName } from './routes.ts';

/** A small answer, read whole. */
export interface Answer {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Buffer;
  /** False when the body broke off or was longer than allowed: `body` is what had come. */
  readonly whole: boolean;
}

export interface Call {
  readonly method: Dispatcher.HttpMethod;
  /** Path under GitLab's URL; with `rooted` from the origin's root. */
  readonly path: string;
  readonly rooted?: boolean;
  readonly headers: string[];
  readonly body?: Uint8Array | string | undefined;
  /** Until the answer's headers; and between two pieces of its body. */
  readonly timeoutMs: number;
  /** All together; without it only the above counts. */
  readonly totalMs?: number;
  readonly maxBytes: number;
}

/** Connections to GitLab. */
export interface Upstream {
  readonly origin: string;
  /** Path of GitLab's URL without the slash at its end: empty unless it runs under a relative URL. */
  readonly base: string;
  readonly pool: Pool;
  /** Sends and reads the answer; rejects when none came. A redirect is an answer. */
  call(call: Call): Promise<Answer>;
  /** Counts a request that went out over `pool`: its status, null when GitLab could not be reached. */
  met(method: string, path: string, status: number | null, beganMs: number): void;
  close(): Promise<void>;
}

/** The longest that GitLab keeps a poll open is under a minute; artifacts and logs have no time limit but their idle one. */
export const POLL_TIMEOUT_MS = 10 * 60_000;

async function readUpTo(body: AsyncIterable<Buffer>, maxBytes: number): Promise<{ bytes: Buffer; whole: boolean }> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of body) {
      size += part.length;
      parts.push(part);
      if (size > maxBytes) return { bytes: Buffer.concat(parts), whole: false };
    }
  } catch {
    return { bytes: Buffer.concat(parts), whole: false };
  }
  return { bytes: Buffer.concat(parts), whole: true };
}

/** Opens a pool of connections to GitLab; nothing is connected yet. */
export function createUpstream(options: {
  readonly url: string;
  /** The authorities that are trusted, PEM; without it the usual ones. */
  readonly ca?: string | undefined;
  readonly meter?: Pick<AgentMeter, 'upstream'>;
}): Upstream {
  const url = new URL(options.url);
  const base = url.pathname.replace(/\/+$/, '');
  const pool = new Pool(url.origin, {
    // As many as are needed: a poll keeps its connection for most of a minute.
    connections: null,
    connect: {
      timeout: 15_000,
      // Read once: a hundred and more certificates take 30 ms, and each connection would read them again.
      ...(options.ca === undefined ? {} : { secureContext: createSecureContext({ ca: options.ca }) }),
    },
    // Idle limits of transfers are those of the runner's connection; the small calls bring their own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const met: Upstream['met'] = (method, path, status, beganMs) =>
    options.meter?.upstream(callName(method, path), status, (performance.now() - beganMs) / 1_000);
  return {
    met,
    origin: url.origin,
    base,
    pool,
    async call(call) {
      const began = performance.now();
      const request = pool.request({
        method: call.method,
        path: call.rooted === true ? call.path : base + call.path,
        headers: call.headers,
        body: call.body ?? null,
        headersTimeout: call.timeoutMs,
        bodyTimeout: Math.min(call.timeoutMs, 60_000),
        responseHeaders: 'raw',
        ...(call.totalMs === undefined ? {} : { signal: AbortSignal.timeout(call.totalMs) }),
      });
      request.then(
        ({ statusCode }) => met(call.method, call.path, statusCode, began),
        () => met(call.method, call.path, null, began),
      );
      const answer = await request;
      const { bytes, whole } = await readUpTo(answer.body, call.maxBytes);
      const headers = rawStrings(answer.headers as unknown as (Buffer | string)[]);
      return { status: answer.statusCode, headers, body: bytes, whole };
    },
    close: () => pool.destroy(),
  };
}
