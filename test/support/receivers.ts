import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** What an HTTP receiver was sent. */
export interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
/** How it answers: a status, or whatever the function does with the answer (nothing at all: it is slow for ever). */
export type Answer = number | ((response: ServerResponse) => void);

/** An HTTP receiver on a free port of this machine, that remembers what came and answers as it is told. */
export interface Receiver {
  readonly url: string;
  readonly posted: readonly Posted[];
  /** For the next requests, one each; afterwards 204. */
  answer(...next: readonly Answer[]): void;
  /** For all that come from now on. */
  always(answer: Answer): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const posted: Posted[] = [];
  const queue: Answer[] = [];
  let usual: Answer = 204;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      posted.push({
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString('utf8'),
      });
      const answer = queue.shift() ?? usual;
      if (typeof answer === 'number') response.writeHead(answer).end();
      else answer(response);
    });
    request.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    posted,
    answer: (...next) => void queue.push(...next),
    always: (answer) => {
      usual = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A mail as it arrived: the envelope, and the text of the whole message. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  readonly secure: boolean;
  readonly user: string | null;
}
/** A mail server on a free port of this machine. */
export interface MailServer {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** Status with which the next messages are refused after their text, one each. */
  refuse(...statuses: readonly number[]): void;
  close(): Promise<void>;
}

export async function startMailServer(
  options: {
    readonly tls?: { readonly key: string; readonly cert: string };
    readonly user?: string;
    readonly password?: string;
  } = {},
): Promise<MailServer> {
  const mails: Mail[] = [];
  const refusals: number[] = [];
  const sockets = new Set<Socket>();
  const server = new SMTPServer({
    ...(options.tls === undefined ? { hideSTARTTLS: true } : { key: options.tls.key, cert: options.tls.cert }),
    authOptional: options.user === undefined,
    disabledCommands: options.user === undefined ? ['AUTH'] : [],
    disableReverseLookup: true,
    logger: false,
    onAuth({ username, password }, _session, done) {
      if (username === options.user && password === options.password) return done(null, { user: username });
      const wrong = Object.assign(new Error('no such user'), { responseCode: 535 });
      return done(wrong);
    },
    onData(stream, session, done) {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const status = refusals.shift();
        if (status !== undefined) return done(Object.assign(new Error('not now'), { responseCode: status }));
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(parts).toString('utf8'),
          secure: session.secure === true,
          user: typeof session.user === 'string' ? session.user : null,
        });
        return done();
      });
    },
  });
  server.on('error', () => {});
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    mails,
    refuse: (...statuses) => void refusals.push(...statuses),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** A header of a mail, unfolded; null where it is not there. */
export function headerOf(raw: string, name: string): string | null {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  const line = head.split('\r\n').find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line === undefined ? null : line.slice(name.length + 1).trim();
}

/** The text parts of a mail, their transfer encoding undone. */
export function bodyOf(raw: string): string {
  return raw
    .slice(raw.indexOf('\r\n\r\n'))
    .replace(/=\r\n/g, '')
    .replace(/(?:=[0-9A-F]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll('=', ''), 'hex').toString('utf8'));
}
