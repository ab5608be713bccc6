/** The GitLab of the benchmarks, in a process of its own: answers at once, and no more than what is needed. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { frames } from './framing.ts';
import { JOB, jobTemplate, jobToken } from './payload.ts';

/** As Workhorse keeps an empty poll. */
const LONG_POLL_MS = 50_000;
const FIRST_JOB = 100_000_000;
const FIRST_PIPELINE = 500_000_000;
/** Of an artifact's bytes: written again and again. */
const PIECE = Buffer.alloc(256 * 1024, 'artifact ');

const template = jobTemplate(20_000);
const queue: number[] = [];
const polls: { socket: Socket; timer: NodeJS.Timeout }[] = [];
const ended = new Set<string>();
let endless = true;
let jobs = 0;
let artifactBytes = 0;
let heartbeats = 0;

const tell = (event: object): void => void process.send?.(event);

function message(status: string, body: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Answers a poll with a new job; every job has a pipeline of its own. */
function handOut(socket: Socket, variant: number): void {
  jobs += 1;
  const id = FIRST_JOB + jobs;
  socket.write(message('201 Created', template.render(id, FIRST_PIPELINE + jobs, variant)));
}

function poll(socket: Socket): void {
  const variant = endless ? 0 : queue.shift();
  if (variant !== undefined) {
    handOut(socket, variant);
    return;
  }
  const timer = setTimeout(() => {
    polls.splice(
      polls.findIndex((each) => each.socket === socket),
      1,
    );
    socket.write('HTTP/1.1 204 No Content\r\n\r\n');
  }, LONG_POLL_MS);
  polls.push({ socket, timer });
  tell({ event: 'waiting' });
}

function enqueue(variant: number): void {
  const waiting = polls.shift();
  if (waiting === undefined) {
    queue.push(variant);
    return;
  }
  clearTimeout(waiting.timer);
  handOut(waiting.socket, variant);
}

const UPDATED = message('200 OK', '"200"', 'Job-Status: running\r\nX-GitLab-Trace-Update-Interval: 60\r\n');
const TAKEN = message('202 Accepted', '"0-1000"', 'Job-Status: running\r\nRange: 0-1000\r\n');
const CREATED = message('201 Created', '{"message":"201 Created"}');

function jobAnswer(id: string): string {
  const status = ended.has(id) ? 'success' : 'running';
  const view = {
    id: Number(id),
    status,
    name: 'test:unit',
    source: 'push',
    user: JOB.user,
    pipeline: { id: Number(id) + FIRST_PIPELINE - FIRST_JOB, source: 'push' },
  };
  return message('200 OK', JSON.stringify(view));
}

function download(socket: Socket): void {
  let left = artifactBytes;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: ${left}\r\n\r\n`);
  const more = (): void => {
    while (left > 0) {
      const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
      left -= piece.length;
      if (!socket.write(piece)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

function serve(socket: Socket): void {
  let line = '';
  let head = '';
  let body = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    const at = polls.findIndex((each) => each.socket === socket);
    if (at >= 0) clearTimeout(polls.splice(at, 1)[0]?.timer);
  });
  const answer = (): void => {
    const id = /JOB-TOKEN: glcbt-64_bench(\d+)/i.exec(head)?.[1] ?? '';
    if (line.startsWith('PUT /api/v4/jobs/')) {
      if (body.includes('"state":"success"') || body.includes('"state":"failed"')) ended.add(id);
      else heartbeats += 1;
      socket.write(UPDATED);
    } else if (line.startsWith('PATCH ')) {
      const hold = /\/holds\/(\d+)/.exec(body)?.[1];
      if (hold !== undefined) tell({ event: 'note', job: Number(id), hold: Number(hold) });
      socket.write(TAKEN);
    } else if (line.startsWith('POST /api/v4/jobs/request')) poll(socket);
    else if (line.startsWith('GET /api/v4/job/allowed_agents'))
      socket.write(message('200 OK', JSON.stringify({ allowed_agents: [], job: { id: Number(id) }, user: JOB.user })));
    else if (line.startsWith('GET /api/v4/job ')) socket.write(jobAnswer(id));
    else if (line.startsWith('POST ')) socket.write(CREATED);
    else if (line.includes('/artifacts')) download(socket);
    else if (line.startsWith('GET /oauth/discovery/keys')) socket.write(message('200 OK', '{"keys":[]}'));
    else socket.write(message('404 Not Found', '{}'));
  };
  socket.on(
    'data',
    frames({
      onHead(read) {
        line = read.line;
        head = read.text;
        body = '';
      },
      onBody(chunk) {
        if (!line.startsWith('POST ')) body += chunk.toString('latin1');
      },
      onEnd: answer,
    }),
  );
}

interface Question {
  readonly kind: 'hello' | 'listen' | 'queue' | 'enqueue' | 'artifact' | 'counts' | 'first';
  readonly variants?: readonly number[];
  readonly bytes?: number;
}

const server = createServer(serve);
process.on('message', (question: Question) => {
  const reply = (answer: unknown): void => void process.send?.({ answer });
  switch (question.kind) {
    case 'hello':
      return reply('hello');
    case 'listen':
      server.listen(0, '127.0.0.1', () => reply((server.address() as AddressInfo).port));
      return;
    case 'queue':
      endless = false;
      return reply(null);
    case 'enqueue':
      for (const variant of question.variants ?? []) enqueue(variant);
      return reply(polls.length);
    case 'artifact':
      artifactBytes = question.bytes ?? 0;
      return reply(null);
    case 'counts':
      return reply({ jobs, heartbeats, queued: queue.length, polls: polls.length });
    case 'first':
      return reply({ id: FIRST_JOB + 1, token: jobToken(FIRST_JOB + 1) });
    default:
      question.kind satisfies never;
  }
});
process.on('disconnect', () => process.exit(0));
