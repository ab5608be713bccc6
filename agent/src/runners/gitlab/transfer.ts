import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Log } from '../../ports/log.ts';
import { forwardable, rawStrings } from './headers.ts';
import type { Upstream } from './upstream.ts';

/** What of one transfer differs from plain passing on. */
export interface TransferOptions {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  /** Names and values in turn, ready for the other side. */
  readonly headers: string[];
  /** Null: no body; a text or bytes: instead of what the runner sent. */
  readonly body: IncomingMessage | Uint8Array | null;
  /** Only artifacts may be sent elsewhere: a token must not follow a redirect (T47). */
  readonly redirects: boolean;
  /** Changes the answer's headers. */
  readonly edit?: (headers: string[]) => string[];
  /** Called with the answer's status and headers once the whole answer was passed on. */
  readonly done?: (status: number, headers: readonly string[]) => void;
}

/** Answers with GitLab's form of a message. */
export function answerMessage(res: ServerResponse, status: number, message: string): void {
  if (res.headersSent || res.destroyed) return;
  const body = JSON.stringify({ message });
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

/**
 * The body of a request as a stream of its own: when GitLab answers before it has read everything (413, 403), undici
 * destroys the stream it was given, and with the request itself the connection of the runner would go, answer unread.
 */
class RequestBody extends Readable {
  readonly #from: IncomingMessage;

  constructor(from: IncomingMessage) {
    super({ highWaterMark: 64 * 1024 });
    this.#from = from;
    from.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) from.pause();
    });
    from.on('end', () => this.push(null));
    from.on('error', (error) => this.destroy(error));
    from.on('close', () => {
      if (!from.complete) this.destroy(new Error('the runner broke off'));
    });
    from.pause();
  }

  override _read(): void {
    this.#from.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // What still comes is read and dropped, so that the answer reaches the runner.
    this.#from.resume();
    callback(error);
  }
}

class Passing implements Dispatcher.DispatchHandler {
  readonly #res: ServerResponse;
  readonly #options: TransferOptions;
  readonly #log: Log;
  readonly #met: (status: number | null) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #status = 0;
  #headers: string[] = [];
  #refused = false;

  constructor(res: ServerResponse, options: TransferOptions, log: Log, met: (status: number | null) => void) {
    this.#met = met;
    this.#res = res;
    this.#options = options;
    this.#log = log;
    res.on('close', this.#closed);
  }

  readonly #closed = (): void => {
    if (!this.#res.writableFinished) this.#controller?.abort(new Error('the runner is gone'));
  };

  readonly #drained = (): void => this.#controller?.resume();

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#res.destroyed) controller.abort(new Error('the runner is gone'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage?: string,
  ): void {
    if (status < 200) return;
    this.#met(status);
    const raw = rawStrings((controller as unknown as { rawHeaders: Buffer[] }).rawHeaders);
    this.#status = status;
    this.#headers = raw;
    if (status >= 300 && status < 400 && status !== 304 && !this.#options.redirects) {
      this.#refused = true;
      this.#log.error(
        { status, path: this.#options.path.split('?')[0] },
        'GitLab redirects an update of a job: check gitlab.url',
      );
      answerMessage(this.#res, 502, '502 Bad Gateway: GitLab answered with a redirect, see the log of the agent');
      return;
    }
    const headers = forwardable(raw);
    this.#res.sendDate = false;
    this.#res.writeHead(status, statusMessage, this.#options.edit?.(headers) ?? headers);
    this.#res.on('drain', this.#drained);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#refused && !this.#res.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (!this.#refused) this.#res.end();
    this.#options.done?.(this.#status, this.#headers);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    // A runner that goes away is no failure of GitLab's.
    if (this.#res.destroyed) return;
    if (this.#status === 0) this.#met(null);
    if (this.#res.headersSent) {
      // Half an answer must not look whole.
      this.#res.destroy();
      return;
    }
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    this.#log.warn({ path: this.#options.path.split('?')[0], code }, 'GitLab could not be reached');
    answerMessage(this.#res, 502, '502 Bad Gateway: GitLab could not be reached');
  }
}

/** True when the request carries a body. */
export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0';
}

/** Passes a request on and its answer back, both streamed with back-pressure. */
export function pass(upstream: Upstream, res: ServerResponse, options: TransferOptions, log: Log): void {
  const { body } = options;
  const began = performance.now();
  const met = (status: number | null): void => upstream.met(options.method, options.path, status, began);
  const handler = new Passing(res, options, log, met);
  upstream.pool.dispatch(
    {
      method: options.method,
      path: upstream.base + options.path,
      headers: options.headers,
      body: body === null || body instanceof Uint8Array ? body : new RequestBody(body),
    },
    handler,
  );
}
