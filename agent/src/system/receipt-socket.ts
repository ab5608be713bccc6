import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Asker, ReceiptDesk } from '../app/receipts/desk.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';
import type { ReceiptRefusal } from '../ports/receipts.ts';
import { PATHS, type ReceiptAnswer, RUNNER_HEADER, SESSION, SESSION_HEADER, viewOf } from '../wire/receipts.ts';
import { openPeerCredentials, type PeerCredentials } from './peer-credentials.ts';

/** A payload of 4 MiB, written by a runner that escapes what need not be. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Jobs that start at the same moment on one host, and some more: whoever is allowed cannot open more. */
const MAX_CONNECTIONS = 256;
/** Of these, so many are for users who may not spend: jobs that only connect and wait must not keep the runner out (T30). */
const MAX_OF_OTHERS = 96;
const MAX_OF_ONE_OTHER = 16;
/** Whoever connects and says nothing is cut off. */
const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** Who may ask; by number, as the kernel has it. */
export interface SocketRights {
  readonly uids: ReadonlySet<number>;
  readonly gids: ReadonlySet<number>;
}

export interface ReceiptSocketOptions {
  readonly path: string;
  readonly mode: number;
  /** Group of the socket's file; null: the agent's own. */
  readonly gid: number | null;
  /** May spend receipts: the users that gitlab-runner and its executor run as. */
  readonly spend: SocketRights;
  /** May only check: users that jobs run as. */
  readonly check: SocketRights;
  readonly desk: ReceiptDesk;
  readonly log: Log;
}

export interface ReceiptSocket {
  close(): Promise<void>;
}

const has = ({ uids, gids }: SocketRights, { uid, gid }: PeerCredentials) => uids.has(uid) || gids.has(gid);

async function bodyOf(req: IncomingMessage, isKept = true): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    if (isKept) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(res: ServerResponse, status: number, body: ReceiptAnswer): void {
  if (res.destroyed || res.headersSent) return;
  const text = Buffer.from(JSON.stringify(body));
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.length });
  res.end(text);
}

const refusal = (code: ReceiptRefusal, words: string): ReceiptAnswer => ({ ok: false, refusal: code, words });

/** Nobody listens on what a process that died has left: it is taken away. What somebody listens on, or is no socket, is refused. */
async function clearPath(path: string): Promise<void> {
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(path);
  } catch {
    return;
  }
  const refuse = (found: string) =>
    new HoldpointError('bad_config', `receipts.socket ${path} ${found}: name another path, or take it away`);
  if (!stat.isSocket()) throw refuse('is there and is no socket');
  const isTaken = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (isTaken) throw refuse('is served by another process');
  unlinkSync(path);
}

/** Serves the desk to processes of this host; each connection is asked about at the kernel before a byte of it is read (T25). */
export async function openReceiptSocket(options: ReceiptSocketOptions): Promise<ReceiptSocket> {
  const { path, desk, log } = options;
  const peerOf = await openPeerCredentials();
  const peers = new WeakMap<Socket, PeerCredentials>();

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const peer = peers.get(req.socket);
    const rights =
      peer === undefined ? 'none' : has(options.spend, peer) ? 'spend' : has(options.check, peer) ? 'check' : 'none';
    const isCheck = req.url === PATHS.check;
    if (peer === undefined || rights === 'none' || (rights === 'check' && !isCheck)) {
      const who = peer === undefined ? 'somebody' : `user ${peer.uid} (group ${peer.gid})`;
      log.warn({ uid: peer?.uid ?? null, pid: peer?.pid ?? null }, 'a user who may not ask for receipts has asked');
      // To its end, and thrown away: whoever writes into a closed socket does not read why.
      await bodyOf(req, false);
      res.setHeader('Connection', 'close');
      const words = `${who} may not ask for receipts on this host: name the user under receipts.${isCheck ? 'check_users' : 'users'} in agent.yml, if it is the one that the runner's executor runs as`;
      answer(res, 403, refusal('not_allowed', words));
      return;
    }
    const asker: Asker = peer;
    if (req.method === 'GET' && req.url === PATHS.list) {
      const items = (await desk.list()).map(viewOf);
      const text = JSON.stringify({ items });
      res.writeHead(200, { 'Content-Type': 'application/json' });
      res.end(text);
      return;
    }
    const body = req.method === 'POST' ? await bodyOf(req) : null;
    const bad = (words: string) => answer(res, 400, refusal('mismatch', words));
    if (body === null) return bad(`a question that is none, or of more than ${MAX_BODY_BYTES / 1024 / 1024} MiB`);
    if (isCheck) {
      const { job_id: jobId, token } = JSON.parse(body.toString()) as { job_id?: unknown; token?: unknown };
      if (!Number.isSafeInteger(jobId) || typeof token !== 'string') return bad('wanted job_id and token of a job');
      return answer(res, 200, await desk.check(Number(jobId), token, asker));
    }
    const session = req.headers[SESSION_HEADER];
    if (typeof session !== 'string' || !SESSION.test(session)) return bad('wanted the name of a session');
    if (req.url === PATHS.finish) {
      await desk.finish(session, asker);
      return answer(res, 200, { ok: true, receipt: null });
    }
    if (req.url !== PATHS.spend) return bad('no such question');
    const sent = req.headers[RUNNER_HEADER];
    const runner = typeof sent === 'string' && sent !== '' ? decodeURIComponent(sent) : null;
    return answer(res, 200, await desk.spend(body, session, runner, asker));
  };

  const server = createServer(
    { headersTimeout: HEAD_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: 1 },
    (req, res) => {
      handle(req, res).catch((error: unknown) => {
        log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'a question for a receipt failed');
        answer(res, 500, refusal('unreachable', 'the agent could not answer: see its log, then retry the job'));
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  const others = new Map<number, number>();
  let otherCount = 0;
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    if (peer !== null) peers.set(socket, peer);
    if (peer !== null && has(options.spend, peer)) return;
    const uid = peer?.uid ?? -1;
    const theirs = others.get(uid) ?? 0;
    if (otherCount >= MAX_OF_OTHERS || theirs >= MAX_OF_ONE_OTHER) return void socket.destroy();
    otherCount++;
    others.set(uid, theirs + 1);
    socket.once('close', () => {
      otherCount--;
      const left = (others.get(uid) ?? 1) - 1;
      if (left === 0) others.delete(uid);
      else others.set(uid, left);
    });
  });
  await clearPath(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const way = 'make its folder, and let the agent write there, or name another path';
      reject(
        new HoldpointError('bad_config', `receipts.socket ${path} cannot be opened (${cause.code}): ${way}`, { cause }),
      );
    });
    server.listen(path, resolve);
  });
  try {
    if (options.gid !== null) chownSync(path, -1, options.gid);
    chmodSync(path, options.mode);
  } catch (cause) {
    server.close();
    const code = (cause as NodeJS.ErrnoException).code;
    const way = 'the agent must be a member of receipts.group';
    throw new HoldpointError('bad_config', `receipts.socket ${path} cannot be given to its group (${code}): ${way}`, {
      cause,
    });
  }
  return {
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
