import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { routeOf } from '../../agent/src/runners/gitlab/routes.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { startGate } from '../support/gate.ts';
import { type RawLink, startHub, welcomed } from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';
import { type GoObject, parseGo } from '../support/scripted-runner/go-json.ts';
import type { Target } from './fuzz.ts';
import { frames, must } from './readers.ts';

/** A target that has something running behind it. */
export interface LiveTarget extends Target {
  close(): Promise<void>;
}

/** Longer than any answer here takes; what hangs is a finding. */
const ANSWER_MS = 5_000;
const TOKEN = 'glrt-fuzzed0000000000000';

/** Writes bytes, says that no more come, and gives what came back when the connection is closed. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the connection; so far ${JSON.stringify(text.slice(0, 200))}`));
    }, ANSWER_MS);
    socket.on('data', (part) => {
      text += part.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.end(bytes);
  });
}

interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** What must be true of everything that reaches GitLab, whatever somebody wrote to the gateway. */
function checkArrived({ method, url, rawHeaders, body }: Arrived): void {
  const route = routeOf(method, url);
  must(route !== null, `GitLab was asked for ${method} ${url}`);
  const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  must(
    !names.some((name) => name.includes('_') || name === 'x-http-method-override'),
    `a header went on: ${names.join()}`,
  );
  if (route!.kind !== 'jobs_request') return;
  const asked = JSON.parse(body) as {
    token?: unknown;
    session?: unknown;
    info?: { features?: Record<string, unknown> };
  };
  must(
    !url.includes('?') && asked.session === undefined && !names.includes('transfer-encoding'),
    'a session, a query or chunks went on',
  );
  must(asked.info?.features?.terminal !== true && asked.info?.features?.session !== true, 'the terminal went on');
  const top = parseGo(body) as GoObject;
  must(top.entries.filter(([key]) => key === 'token').length === 1 && typeof asked.token === 'string', 'not one token');
}

/** Request line, headers and body of the gateway, as bytes on a socket. */
export async function gatewayTarget(): Promise<LiveTarget> {
  const arrived: Arrived[] = [];
  let garbled = 0;
  const upstream = createServer((req: IncomingMessage, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('error', () => {});
    req.on('end', () => {
      arrived.push({
        method: req.method ?? '',
        url: req.url ?? '',
        rawHeaders: req.rawHeaders,
        body: Buffer.concat(parts).toString(),
      });
      res.writeHead(204).end();
    });
  });
  upstream.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') garbled++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const gate = await startGate({
    gitlabUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    runners: [{ name: 'fuzzed', token: TOKEN, protected: true }],
  });
  const body = JSON.stringify({
    token: TOKEN,
    info: { features: { terminal: true, session: true } },
    session: { url: 'https://x' },
  });
  const request = (line: string, headers: string, content = '') =>
    `${line} HTTP/1.1\r\nHost: g\r\n${headers}Content-Length: ${Buffer.byteLength(content)}\r\n\r\n${content}`;
  const poll = request('POST /api/v4/jobs/request', 'Content-Type: application/json\r\n', body);
  return {
    name: 'gateway',
    json: false,
    words: [
      ...[
        '\r\n',
        '\n',
        '\r',
        ' ',
        '\t',
        '\0',
        ':',
        '/',
        '//',
        '/../',
        '%2e',
        '%72',
        '?',
        '#',
        ';',
        'HTTP/1.0',
        'HTTP/1.1',
        'HTTP/2.0',
      ],
      ...[
        'GET',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'CONNECT',
        'OPTIONS',
        'TRACE',
        'HEAD',
        '/api/v4/jobs/request',
        '/api/v4/jobs/7',
        '/trace',
      ],
      ...[
        'Transfer-Encoding: chunked\r\n',
        'Content-Length: 0\r\n',
        'Connection: Upgrade\r\nUpgrade: websocket\r\n',
        'Expect: 100-continue\r\n',
      ],
      ...[
        'Connection: content-length\r\n',
        'RUNNER-TOKEN: x\r\n',
        'Runner_Token: x\r\n',
        'X-HTTP-Method-Override: PUT\r\n',
        '0\r\n\r\n',
        '5\r\n',
        'f;x=y\r\n',
      ],
      ...[
        '"token"',
        '"session"',
        '"info"',
        '"features"',
        '\\u0074',
        '{',
        '}',
        '[',
        ',',
        TOKEN,
        '1',
        '9999999999',
        '-1',
        '+1',
        '0x1',
      ],
    ],
    seeds: [
      poll,
      poll + poll,
      `POST /api/v4/jobs/request HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      request(
        'PUT /api/v4/jobs/7',
        'JOB-TOKEN: t\r\nContent-Type: application/json\r\n',
        '{"token":"t","state":"success"}',
      ),
      request('PATCH /api/v4/jobs/7/trace?debug_trace=false', 'JOB-TOKEN: t\r\nContent-Range: 0-3\r\n', 'abcd'),
      request(
        'POST /api/v4/jobs/7/artifacts?expire_in=1',
        'JOB-TOKEN: t\r\nContent-Type: multipart/form-data; boundary=x\r\n',
        '--x--',
      ),
      request('GET /api/v4/jobs/7/artifacts', 'JOB-TOKEN: t\r\n'),
      request('POST /api/v4/runners/verify', 'Content-Type: application/json\r\n', `{"token":"${TOKEN}"}`),
      request('GET /api/v4/runners/router/discovery', `RUNNER-TOKEN: ${TOKEN}\r\n`),
    ],
    async run(input) {
      const text = await exchange(gate.port, input);
      for (const each of arrived.splice(0)) checkArrived(each);
      must(garbled === 0, 'what went to GitLab was no HTTP');
      return (text.match(/HTTP\/1\.1 \d+[^\r]*|"message":"[^"]{0,40}/g) ?? ['closed']).join(' ');
    },
    async close() {
      await gate.close();
      upstream.closeAllConnections();
      await new Promise((resolve) => upstream.close(resolve));
    },
  };
}

/** Frames to a hub that runs, from an agent that has proved itself: nothing of them approves anything. */
export async function linkTarget(): Promise<LiveTarget> {
  const hub = await startHub();
  const { digest, configuration, facts } = requestFor({ id: 1 });
  await hub.world.admit({ id: 1 });
  let link: RawLink = await welcomed(hub.url, hub.keys.embedded);
  let probes = 0;
  return {
    ...frames,
    name: 'link',
    seeds: [
      ...frames.seeds,
      JSON.stringify({ type: 'admit', ref: '1', digest, configuration, facts: toSnake(facts), policy: null }),
      ...['parked', 'handed_out', 'confirmed', 'undelivered', 'canceled', 'ended'].map((event) =>
        JSON.stringify({ type: 'report', ref: '1', hold: 1, job_id: 1, event, at: '2026-11-22T08:00:00Z', detail: {} }),
      ),
    ],
    async run(input) {
      if (link.socket.readyState !== link.socket.OPEN) link = await welcomed(hub.url, hub.keys.embedded);
      const ref = `probe${++probes}`;
      const closed = new Promise<string>((resolve) => link.socket.once('close', (code) => resolve(`closed ${code}`)));
      const answered = new Promise<string>((resolve) => {
        const look = (data: unknown): void => {
          if (!String(data).includes(`"${ref}"`)) return;
          link.socket.off('message', look);
          resolve(link.frames.map((frame) => (frame.type === 'error' ? frame.code : frame.type)).join());
        };
        link.socket.on('message', look);
      });
      link.frames.length = 0;
      link.send(input.toString());
      link.send({ type: 'sync', ref, holds: [] });
      const way = await Promise.race([closed, answered]);
      link.socket.removeAllListeners('close');
      if (way.startsWith('closed')) link.socket.terminate();
      const passed = await hub.store.holds(
        { states: ['pending', 'running', 'success'], sight: null },
        { after: 0, limit: 1 },
      );
      must(passed.length === 0, 'a hold went on that nobody approved');
      return way;
    },
    close: () => hub.close(),
  };
}
