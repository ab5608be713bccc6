import { randomBytes } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

/** An answer, read to its end. */
export interface Reply {
  /** 0 for a connection that broke, -1 for an answer that is no JSON where JSON was wanted. */
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** One call of the runner; retries and redirects happen below it. */
export interface Call {
  readonly method: string;
  /** Below `<url>/api/v4/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** The runner's HTTP client: one keep-alive connection pool, retries, redirects and the memory of last_update. */
export interface RunnerHttp {
  call(call: Call): Promise<Reply>;
  lastUpdate(): string;
  /** Ends what is on the way; later calls fail at once. */
  close(): void;
}

const ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 60_000;
const MAX_REDIRECTS = 10;
/** Go's client waits this long for the head of an answer. */
const HEADER_TIMEOUT_MS = 600_000;

const retried = (status: number) => [408, 429, 500, 502, 503, 504].includes(status) || status >= 512;

/** Makes the client; `timeScale` is how many real seconds one second of waiting lasts. */
export function createHttp(base: string, userAgent: string, timeScale: number): RunnerHttp {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const stopped = new AbortController();
  let lastUpdate = '';
  async function call(one: Call): Promise<Reply> {
    for (let attempt = 1; ; attempt += 1) {
      const reply = await follow(one);
      const update = reply.headers['x-gitlab-last-update'];
      if (typeof update === 'string' && update !== '') lastUpdate = update;
      if (!retried(reply.status) || attempt >= ATTEMPTS || stopped.signal.aborted) return reply;
      const backoff = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1));
      const pause = (toldMs(reply) ?? backoff) * timeScale;
      await wait(pause, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  /** As Go: 307 and 308 repeat method, body and headers at the Location, 301, 302 and 303 become a GET without body. */
  async function follow(one: Call): Promise<Reply> {
    let url = new URL(`${base.replace(/\/+$/, '')}/api/v4/${one.path}`);
    let { method, body } = one;
    const headers: Record<string, string> = {
      'User-Agent': userAgent,
      'X-Request-Id': randomBytes(16).toString('hex'),
      ...one.headers,
    };
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const reply = await send(url, method, headers, body);
      const location = reply.headers.location;
      if (location === undefined || ![301, 302, 303, 307, 308].includes(reply.status)) return reply;
      if (reply.status <= 303 && method !== 'HEAD') {
        method = 'GET';
        body = undefined;
        delete headers['Content-Type'];
      }
      url = new URL(location, url);
    }
    return { status: 0, headers: {}, body: Buffer.alloc(0) };
  }
  function send(
    url: URL,
    method: string,
    headers: Readonly<Record<string, string>>,
    body: string | Buffer | undefined,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const broken = () => resolve({ status: 0, headers: {}, body: Buffer.alloc(0) });
      if (stopped.signal.aborted) return broken();
      const outgoing = request(
        url,
        { method, headers, agent, signal: stopped.signal, timeout: HEADER_TIMEOUT_MS },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
          );
          answer.on('error', broken);
          answer.on('aborted', broken);
        },
      );
      outgoing.on('timeout', () => outgoing.destroy());
      outgoing.on('error', broken);
      outgoing.end(body);
    });
  }
  return {
    call,
    lastUpdate: () => lastUpdate,
    close() {
      stopped.abort();
      agent.destroy();
    },
  };
}

/** What the server says to wait, milliseconds: RateLimit-ResetTime before Retry-After. */
function toldMs(reply: Reply): number | null {
  const reset = Date.parse(String(reply.headers['ratelimit-resettime'] ?? ''));
  if (!Number.isNaN(reset)) return Math.max(0, reset - Date.now());
  const after = String(reply.headers['retry-after'] ?? '');
  return /^\d+$/.test(after) ? Number(after) * 1000 : null;
}
