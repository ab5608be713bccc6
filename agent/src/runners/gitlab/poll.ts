import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { failUnread } from '../../app/parking/fail-unread.ts';
import { claimReleased, type Delivery, handOut } from '../../app/parking/hand-out.ts';
import { monitor } from '../../app/parking/monitor.ts';
import { type Entry, isFull, type Parking, reasonOf } from '../../app/parking/parking.ts';
import { letGo, receive } from '../../app/parking/receive.ts';
import { type RunnerMode, stricterMode } from '../../domain/policy-demands.ts';
import { requestIdOf } from '../../domain/request-id.ts';
import type { Log } from '../../ports/log.ts';
import { forwardable, headerIn } from './headers.ts';
import { rewriteJobRequest } from './job-request.ts';
import { callFollowing, substitutedHeaders } from './runner-endpoints.ts';
import type { KnownRunner, RunnerTokens, TokenOwner } from './runner-tokens.ts';
import { forRunner } from './substitution.ts';
import { answerMessage } from './transfer.ts';
import { type Answer, POLL_TIMEOUT_MS, type Upstream } from './upstream.ts';

/** A payload is refused over 4 MiB; more is read only to find out whose it is, and not without end. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** Written by the gateway itself, or such that GitLab would answer in a form that cannot be read here. */
const REWRITTEN: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'content-encoding',
  'accept-encoding',
]);

/** Polls of one runner that GitLab has not answered: all its managers together have fewer jobs at once. */
const MAX_POLLS_OF_RUNNER = 1_000;
/** Of all that no `runners[]` entry names together: a flood of them must not take the connections of the others (T30). */
const MAX_POLLS_OF_STRANGERS = 100;

/** Whose poll it is. */
export interface Poller {
  readonly name: string;
  /** As the agent's own file has it; the policy may want it stricter. */
  readonly gate: RunnerMode;
  /** Jobs are handed out within a pool only. */
  readonly pool: string;
  /** The runner with its token at GitLab; null for one that no entry names. */
  readonly runner: KnownRunner | null;
  /** Id of the request: the runner's own where it is one, else made here. */
  readonly request: string;
}

export interface PollDeps {
  readonly parking: Parking;
  readonly upstream: Upstream;
  readonly log: Log;
  readonly tokens: RunnerTokens;
  /** How strictly the policy wants a runner gated at least; absent where no policy says anything. */
  readonly wanted?: ((runner: string) => 'monitor' | 'enforce' | null) | undefined;
  /** Polls that GitLab has not answered yet: what it answers is kept, whoever is still there (T40). */
  readonly open: Set<Promise<unknown>>;
}

/** Who polls with this token; one that no `runners[]` entry names is treated as protected, apart from all others (T26). */
export function pollerOf(owner: TokenOwner, token: string, sent: unknown): Poller {
  const request = requestIdOf(sent) ?? randomUUID().replaceAll('-', '');
  if (owner.kind === 'runner') {
    const { entry } = owner.runner;
    const gate = !entry.protected ? 'pass' : (entry.mode ?? 'enforce');
    return { name: entry.name, gate, pool: `runner:${entry.name}`, runner: owner.runner, request };
  }
  const hash = createHash('sha256').update(token).digest('hex').slice(0, 32);
  return { name: 'unknown', gate: 'enforce', pool: `unknown:${hash}`, runner: null, request };
}

/** How the runner is gated at this moment: as its file and the policy want it, the stricter of both (T26). */
function gateOf({ wanted }: PollDeps, { name, gate }: Poller): RunnerMode {
  return stricterMode(gate, wanted?.(name) ?? null);
}

/** Writes a job to the runner; resolves when every byte has gone to the operating system, or cannot any more. */
function deliver(res: ServerResponse, payload: Uint8Array): Promise<Delivery> {
  return new Promise((resolve) => {
    if (res.destroyed || res.headersSent || res.socket === null || res.socket.destroyed) {
      resolve('gone');
      return;
    }
    res.once('finish', () => resolve('flushed'));
    res.once('close', () => resolve(res.writableFinished ? 'flushed' : 'gone'));
    res.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': payload.length });
    res.end(payload);
  });
}

/** Nothing for the runner. Never with X-GitLab-Last-Update: the runner must ask again at once for the rest of the queue. */
function answerNothing(res: ServerResponse): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(204);
  res.end();
}

function passOn(res: ServerResponse, answer: Answer): void {
  if (res.headersSent || res.destroyed) return;
  res.sendDate = false;
  const headers = forwardable(answer.headers, new Set(['content-length']));
  const empty = answer.status === 204 || answer.status === 304;
  if (!empty) headers.push('Content-Length', String(answer.body.length));
  res.writeHead(answer.status, headers);
  res.end(empty ? undefined : answer.body);
}

/** The bytes of an answer as GitLab meant them; null when they are not whole. */
function bodyOf(answer: Answer): Buffer | null {
  if (!answer.whole) return null;
  const encoding = headerIn(answer.headers, 'content-encoding')?.toLowerCase() ?? 'identity';
  if (encoding === 'identity') return answer.body;
  if (encoding !== 'gzip') return null;
  try {
    return gunzipSync(answer.body, { maxOutputLength: MAX_ANSWER_BYTES });
  } catch {
    return null;
  }
}

/** A 2xx with a body is a job, whatever its number; what no job can be told from is never the runner's to read. */
async function takeJob(deps: PollDeps, poller: Poller, answer: Answer, res: ServerResponse | null): Promise<void> {
  const { parking, log } = deps;
  const payload = bodyOf(answer);
  const received =
    payload === null
      ? null
      : await receive(parking, payload, { runner: poller.name, pool: poller.pool, request: poller.request });
  if (received === null || received.outcome === 'not_understood') {
    const failed = failUnread(parking, answer.body, poller);
    const fields = {
      status: answer.status,
      bytes: answer.body.length,
      job: failed,
      runner: poller.name,
      request: poller.request,
    };
    log.error(fields, 'GitLab answered a poll with something that is no job: nothing of it goes to the runner');
    if (res !== null && failed !== null) answerNothing(res);
    else if (res !== null) answerMessage(res, 502, '502 Bad Gateway: the answer of GitLab was not understood');
    return;
  }
  if (received.outcome === 'held') {
    if (res !== null) answerNothing(res);
    return;
  }
  if (res === null || res.destroyed || res.headersSent) {
    // Whoever asked is gone or has got another job: this one is there for the next poll.
    letGo(parking, received.entry);
    return;
  }
  if (!(await handOut(parking, received.entry, received.payload, (bytes) => deliver(res, bytes)))) answerNothing(res);
}

/** A job that nobody gates is not kept from its runner by a receipt; without one its executor refuses it, if it asks. */
async function writeReceipt(deps: PollDeps, poller: Poller, answer: Answer, gate: RunnerMode): Promise<void> {
  const { receipts, ci, log } = deps.parking;
  const payload = receipts === undefined ? null : bodyOf(answer);
  if (receipts === undefined || payload === null) return;
  try {
    const read = await ci.read(payload, poller.name);
    const through = gate === 'monitor' ? 'monitor' : 'unprotected';
    const digest = read.ok ? read.digest : null;
    await receipts.issue(payload, { runner: poller.name, digest, hold: null, through, images: {} });
  } catch (error) {
    log.error(
      { runner: poller.name, reason: reasonOf(error) },
      'no receipt could be written for a job that is not gated',
    );
  }
}

async function takeAnswer(deps: PollDeps, poller: Poller, answer: Answer, res: ServerResponse | null): Promise<void> {
  const isJob = answer.status >= 200 && answer.status < 300 && answer.status !== 204;
  if (poller.runner !== null && (isJob || answer.status === 204)) deps.tokens.works(poller.runner);
  if (poller.runner !== null && answer.status === 403) deps.tokens.refused(poller.runner);
  // Asked again: the policy may have been made stricter while GitLab kept the poll.
  const gate = gateOf(deps, poller);
  if (isJob && gate === 'enforce') await takeJob(deps, poller, answer, res);
  else if (isJob && !answer.whole && res !== null)
    answerMessage(res, 502, '502 Bad Gateway: the answer of GitLab broke off');
  else if (res !== null && (isJob || poller.runner === null)) {
    if (isJob && gate !== 'enforce') await writeReceipt(deps, poller, answer, gate);
    passOn(res, answer);
    const payload = isJob && gate === 'monitor' ? bodyOf(answer) : null;
    if (payload !== null) monitor(deps.parking, payload, poller.name);
  } else if (res !== null && poller.runner !== null) passOn(res, forRunner(answer, poller.runner));
}

async function handOutTo(parking: Parking, entry: Entry, res: ServerResponse): Promise<boolean> {
  if (res.destroyed) {
    letGo(parking, entry);
    return false;
  }
  return handOut(parking, entry, null, (bytes) => deliver(res, bytes));
}

/** Resolves when a job may have been released for this pool, or the poll is over. */
function releaseOrEnd(
  parking: Parking,
  pool: string,
  res: ServerResponse,
): { wait: () => Promise<void>; stop: () => void } {
  let wake: () => void = () => {};
  let pending = false;
  const ring = (): void => {
    pending = true;
    wake();
  };
  const set = parking.waiting.get(pool) ?? new Set();
  parking.waiting.set(pool, set.add(ring));
  res.once('close', ring);
  return {
    wait: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
        if (pending) resolve();
        pending = false;
      }),
    stop: () => {
      set.delete(ring);
      if (set.size === 0) parking.waiting.delete(pool);
      res.off('close', ring);
    },
  };
}

/** What its runner gave up still counts: GitLab has not answered it. */
function hasTooMany({ waiting }: Parking, poller: Poller): boolean {
  if (poller.runner !== null) return (waiting.get(poller.pool)?.size ?? 0) >= MAX_POLLS_OF_RUNNER;
  let strangers = 0;
  for (const [pool, bells] of waiting) if (pool.startsWith('unknown:')) strangers += bells.size;
  return strangers >= MAX_POLLS_OF_STRANGERS;
}

function ask(deps: PollDeps, poller: Poller, req: IncomingMessage, body: Record<string, unknown>): Promise<Answer> {
  const { runner } = poller;
  const substituted = runner?.entry.gatewayToken !== undefined;
  const headers =
    runner !== null && substituted
      ? substitutedHeaders(req, runner.real, REWRITTEN)
      : forwardable(req.rawHeaders, REWRITTEN);
  headers.push('Content-Type', 'application/json', 'Accept-Encoding', 'identity');
  const asked = runner !== null && substituted ? { ...body, token: runner.real } : body;
  return callFollowing(deps.upstream, deps.log, {
    method: 'POST',
    path: '/api/v4/jobs/request',
    headers,
    body: JSON.stringify(rewriteJobRequest(asked)),
    timeoutMs: POLL_TIMEOUT_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
}

/**
 * One poll. A released job goes out at once, also while the poll waits at GitLab; what GitLab still answers then is read
 * to its end and gated like any job. Nothing that happens to the runner's connection ends the question to GitLab.
 */
export async function answerPoll(
  deps: PollDeps,
  poller: Poller,
  body: Record<string, unknown>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { parking, log } = deps;
  if (parking.closing) {
    // On a connection that was still open: nobody would be there to take what GitLab answers (T40).
    res.setHeader('Connection', 'close');
    answerMessage(res, 503, '503 Service Unavailable: the agent is being stopped');
    return;
  }
  // Also for a runner that is not gated: it may be given what was diverted to it.
  for (let entry = claimReleased(parking, poller.pool); entry !== null; entry = claimReleased(parking, poller.pool)) {
    if (await handOutTo(parking, entry, res)) return;
    if (res.destroyed || entry.job.state === 'released') break;
  }
  if (res.destroyed) return;
  if (gateOf(deps, poller) !== 'enforce') {
    await takeAnswer(deps, poller, await ask(deps, poller, req, body), res);
    return;
  }
  if (parking.closing || isFull(parking) || hasTooMany(parking, poller)) {
    answerMessage(res, 503, '503 Service Unavailable: no job can be taken in now, see the log of the agent');
    return;
  }
  const bell = releaseOrEnd(parking, poller.pool, res);
  // The one who takes the answer: the runner while it waits, nobody once it is gone or has got a released job.
  let taker: ServerResponse | null = res;
  const asked = ask(deps, poller, req, body);
  const settled = asked
    .then((answer) => takeAnswer(deps, poller, answer, taker))
    .catch((error: unknown) => {
      const { name: runner, request } = poller;
      log.warn({ runner, request, reason: reasonOf(error) }, 'a poll at GitLab failed');
      if (taker !== null) answerMessage(taker, 502, '502 Bad Gateway: GitLab could not be reached');
    });
  let answered = false;
  asked.then(
    () => (answered = true),
    () => (answered = true),
  );
  deps.open.add(settled);
  const over = settled.finally(() => deps.open.delete(settled));
  try {
    while (!answered && !res.destroyed) {
      await Promise.race([bell.wait(), over]);
      if (answered || res.destroyed) break;
      const entry = claimReleased(parking, poller.pool);
      if (entry === null) continue;
      taker = null;
      if (await handOutTo(parking, entry, res)) return;
      if (answered) {
        // GitLab's answer came while nobody could take it; whatever it was is in the lot by now.
        answerNothing(res);
        return;
      }
      taker = res;
      if (entry.job.state === 'released') break;
    }
    if (res.destroyed) taker = null;
    await over;
  } finally {
    bell.stop();
  }
}
