/** The load generator, in a process of its own: connections that ask again as soon as they are answered. */
import { connect, type Socket } from 'node:net';
import { frames } from './framing.ts';
import { percentile } from './measure.ts';
import { jobToken } from './payload.ts';

export interface Steady {
  readonly kind: 'put' | 'patch' | 'job';
  readonly port: number;
  readonly connections: number;
  readonly ms: number;
  /** Requests before the clock starts, per connection. */
  readonly warm: number;
  readonly runnerToken: string;
  /** Ids of running jobs that the requests are about, in turns. */
  readonly jobs: readonly number[];
}

export interface SteadyResult {
  /** Of the timed request, per second. */
  readonly perSecond: number;
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers of another status than wanted. */
  readonly odd: number;
}

export interface Transfer {
  readonly kind: 'upload' | 'download';
  readonly port: number;
  readonly bytes: number;
}

export interface Fill {
  readonly kind: 'fill';
  readonly port: number;
  readonly connections: number;
  readonly polls: number;
  readonly runnerToken: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One keep-alive connection, one request at a time. */
class Client {
  readonly #socket: Socket;
  #done: (answer: Answer) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #status = 0;
  #body = '';
  #keep = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('the connection was closed')));
    const self = this;
    socket.on(
      'data',
      frames({
        onHead(head) {
          self.#status = Number(head.line.slice(9, 12));
          self.#body = '';
        },
        onBody(chunk) {
          if (self.#body.length < self.#keep) self.#body += chunk.toString('latin1', 0, self.#keep - self.#body.length);
        },
        onEnd() {
          if (self.#status >= 200) self.#done({ status: self.#status, body: self.#body });
        },
      }),
    );
  }

  static open(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Client(socket)));
    });
  }

  /** Sends a whole request; the answer's body is kept up to `keep` characters. */
  ask(request: Buffer | string, keep = 0): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#keep = keep;
      this.#socket.write(request);
    });
  }

  /** Sends a head and then a body of so many bytes. */
  upload(head: string, bytes: number): Promise<Answer> {
    const answer = this.ask(head);
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
        left -= piece.length;
        if (!this.#socket.write(piece)) {
          this.#socket.once('drain', more);
          return;
        }
      }
    };
    more();
    return answer;
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }
}

const PIECE = Buffer.alloc(256 * 1024, 'artifact ');
const TRACE = Buffer.alloc(1_000, 'a line of a job log, as a runner sends it\n').toString();

function request(line: string, headers: string, body: string): Buffer {
  return Buffer.from(
    `${line} HTTP/1.1\r\nHost: gitlab.example.com\r\nUser-Agent: gitlab-runner 18.5.0\r\nAccept: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const asJson = (token: string): string => `Content-Type: application/json\r\nJOB-TOKEN: ${token}\r\n`;

function putOf(id: number, state: string): Buffer {
  const token = jobToken(id);
  return request(`PUT /api/v4/jobs/${id}`, asJson(token), JSON.stringify({ token, state }));
}

function patchOf(id: number): Buffer {
  const headers = `Content-Type: text/plain\r\nContent-Range: 0-999\r\nJOB-TOKEN: ${jobToken(id)}\r\n`;
  return request(`PATCH /api/v4/jobs/${id}/trace?debug_trace=false`, headers, TRACE);
}

/** A poll as a runner writes it; `info` of the size that a real one has. */
export function pollOf(token: string): Buffer {
  const features = Object.fromEntries(
    ['variables', 'image', 'services', 'artifacts', 'cache', 'shared', 'terminal', 'refspecs', 'masking', 'proxy'].map(
      (name) => [name, true],
    ),
  );
  const info = { name: 'gitlab-runner', version: '18.5.0', platform: 'linux', architecture: 'amd64', features };
  const body = JSON.stringify({ info, token, system_id: 's_1234567890ab', last_update: '' });
  return request('POST /api/v4/jobs/request', `Content-Type: application/json\r\nRUNNER-TOKEN: ${token}\r\n`, body);
}

async function steady(wanted: Steady): Promise<SteadyResult> {
  const times: number[] = [];
  let odd = 0;
  const clients = await Promise.all(Array.from({ length: wanted.connections }, () => Client.open(wanted.port)));
  const asked = pollOf(wanted.runnerToken);
  let started = 0;
  let count = 0;
  let warm = clients.length;
  let go: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    go = resolve;
  });
  /** One turn: the timed request, and with a job what its runner says until its end. */
  const turn = async (client: Client, own: Buffer, timed: boolean): Promise<void> => {
    const start = performance.now();
    const answer = await client.ask(own, wanted.kind === 'job' ? 20 : 0);
    if (timed) {
      times.push(performance.now() - start);
      count += 1;
    }
    const right = wanted.kind === 'put' ? 200 : wanted.kind === 'patch' ? 202 : 201;
    if (answer.status !== right) odd += 1;
    if (wanted.kind !== 'job' || answer.status !== 201) return;
    const id = Number(/^\{"id":(\d+)/.exec(answer.body)?.[1]);
    await client.ask(putOf(id, 'running'));
    await client.ask(putOf(id, 'success'));
  };
  const loop = async (client: Client, index: number): Promise<void> => {
    const id = wanted.jobs[index % wanted.jobs.length] ?? 1;
    const own = wanted.kind === 'put' ? putOf(id, 'running') : wanted.kind === 'patch' ? patchOf(id) : asked;
    for (let n = 0; n < wanted.warm; n++) await turn(client, own, false);
    warm -= 1;
    if (warm === 0) {
      started = performance.now();
      go();
    }
    await ready;
    while (performance.now() - started < wanted.ms) await turn(client, own, true);
  };
  await Promise.all(clients.map(loop));
  const seconds = (performance.now() - started) / 1000;
  for (const client of clients) client.close();
  return { perSecond: count / seconds, count, p50: percentile(times, 0.5), p99: percentile(times, 0.99), odd };
}

/** Seconds of one transfer. */
async function transfer({ kind, port, bytes }: Transfer): Promise<number> {
  const client = await Client.open(port);
  const base = `/api/v4/jobs/1/artifacts HTTP/1.1\r\nHost: gitlab.example.com\r\nJOB-TOKEN: ${jobToken(1)}\r\n`;
  const start = performance.now();
  const answer =
    kind === 'download'
      ? await client.ask(`GET ${base}\r\n`)
      : await client.upload(
          `POST ${base}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: ${bytes}\r\n\r\n`,
          bytes,
        );
  const seconds = (performance.now() - start) / 1000;
  client.close();
  if (answer.status !== (kind === 'download' ? 200 : 201)) throw new Error(`a transfer was answered ${answer.status}`);
  return seconds;
}

/** Polls so many times that every queued job is taken and parked; the statuses of the answers. */
async function fill({ port, connections, polls, runnerToken }: Fill): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  const asked = pollOf(runnerToken);
  let left = polls;
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.open(port)));
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) {
        const { status } = await client.ask(asked);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }),
  );
  for (const client of clients) client.close();
  return statuses;
}

/** Takes jobs and says that they run, so that there are some that requests can be about; their ids. */
async function take({ port, polls, runnerToken }: Fill): Promise<number[]> {
  const client = await Client.open(port);
  const ids: number[] = [];
  for (let n = 0; n < polls; n++) {
    const { status, body } = await client.ask(pollOf(runnerToken), 20);
    if (status !== 201) throw new Error(`a poll was answered ${status}, wanted a job`);
    const id = Number(/^\{"id":(\d+)/.exec(body)?.[1]);
    await client.ask(putOf(id, 'running'));
    ids.push(id);
  }
  client.close();
  return ids;
}

type Question =
  | { readonly kind: 'hello' }
  | Steady
  | Transfer
  | Fill
  | (Omit<Fill, 'kind'> & { readonly kind: 'take' });

async function answerOf(question: Question): Promise<unknown> {
  switch (question.kind) {
    case 'hello':
      return 'hello';
    case 'put':
    case 'patch':
    case 'job':
      return steady(question);
    case 'upload':
    case 'download':
      return transfer(question);
    case 'fill':
      return fill(question);
    case 'take':
      return take({ ...question, kind: 'fill' });
    default:
      return question satisfies never;
  }
}

if (process.send !== undefined) {
  process.on('message', (question: Question) => {
    answerOf(question).then(
      (answer) => process.send?.({ answer }),
      (error: Error) => {
        process.stderr.write(`load: ${error.message}\n`);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
}
