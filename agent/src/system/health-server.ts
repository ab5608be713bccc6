import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HoldpointError } from '../domain/errors.ts';
import type { Readiness } from '../domain/readiness.ts';

/** What the agent says of itself. */
export interface HealthAnswers {
  ready(): Readiness;
  /** Text of the metrics. */
  metrics(): Promise<string>;
}

/** A Prometheus or two, a service manager, somebody with curl. */
const MAX_CONNECTIONS = 32;
const REQUEST_MS = 10_000;
const MAX_HEADER_BYTES = 8 * 1024;

function answer(res: ServerResponse, status: number, type: string, text: string): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  res.end(text);
}

const json = (res: ServerResponse, status: number, body: unknown): void =>
  answer(res, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);

/** A server of its own for whoever watches the agent: not on the gateway, where jobs can ask (T32). */
export function createHealthServer({ ready, metrics }: HealthAnswers) {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_MS }, (req, res) => {
    if (req.method !== 'GET') return json(res, 405, { message: 'only GET is answered here' });
    switch (req.url) {
      case '/healthz':
        return json(res, 200, { status: 'ok' });
      case '/readyz': {
        const { notReady, status, problems } = ready();
        return json(res, notReady === null ? 200 : 503, { status: notReady === null ? status : 'not_ready', problems });
      }
      case '/metrics':
        metrics().then(
          (text) => answer(res, 200, 'text/plain; version=0.0.4; charset=utf-8', text),
          () => json(res, 500, { message: 'the metrics cannot be told' }),
        );
        return;
      default:
        return json(res, 404, { message: 'only /healthz, /readyz and /metrics are here' });
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  return {
    /** Rejects with `bad_config` when the address cannot be taken. */
    listen(host: string, port: number): Promise<number> {
      return new Promise((resolve, reject) => {
        server.once('error', (cause: NodeJS.ErrnoException) => {
          const message = `metrics cannot be told on ${host}:${port} (${cause.code}): choose another metrics.listen`;
          reject(new HoldpointError('bad_config', message, { cause }));
        });
        server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
      });
    },
    close(): Promise<void> {
      if (!server.listening) return Promise.resolve();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}
