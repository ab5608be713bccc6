import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { reasonOf } from '../../app/parking/parking.ts';
import type { Log } from '../../ports/log.ts';
import { forwardable, headerIn } from './headers.ts';
import type { KnownRunner, RunnerTokens } from './runner-tokens.ts';
import { forRunner, OTHER_TOKENS, readReset } from './substitution.ts';
import { answerMessage } from './transfer.ts';
import type { Answer, Call, Upstream } from './upstream.ts';

/** GitLab behind a proxy that adds a slash or a language takes one; more is a loop. */
const MAX_REDIRECTS = 3;
const CALL_MS = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** What the runner gets instead of a redirect: Go would post token and body again, straight to where it points (T47). */
function noRedirect(log: Log, where: string): Answer {
  log.error({ where }, 'GitLab redirects the API of runners: set gitlab.url to the address that it redirects to');
  const message = `502 Bad Gateway: GitLab redirects to ${where}; set gitlab.url of the agent to that address`;
  return {
    status: 502,
    headers: ['Content-Type', 'application/json'],
    body: Buffer.from(JSON.stringify({ message })),
    whole: true,
  };
}

/** A call with a runner's token: redirects are followed within GitLab's own origin, and answered with 502 beyond it. */
export async function callFollowing(upstream: Upstream, log: Log, call: Call): Promise<Answer> {
  let path = upstream.base + call.path;
  for (let hop = 0; ; hop++) {
    const answer = await upstream.call({ ...call, path, rooted: true });
    if (answer.status < 300 || answer.status >= 400 || answer.status === 304) return answer;
    const location = headerIn(answer.headers, 'location');
    let target: URL;
    try {
      target = new URL(location ?? '', upstream.origin + path);
    } catch {
      return noRedirect(log, 'nowhere that is understood');
    }
    if (location === null) return noRedirect(log, 'nowhere');
    if (target.origin !== upstream.origin) return noRedirect(log, target.origin);
    if (hop >= MAX_REDIRECTS) return noRedirect(log, 'itself, again and again');
    path = target.pathname + target.search;
  }
}

const REWRITTEN: ReadonlySet<string> = new Set(['content-length', 'accept-encoding']);
const SUBSTITUTED: ReadonlySet<string> = new Set([...REWRITTEN, 'runner-token', ...OTHER_TOKENS]);

export interface RunnerEndpointDeps {
  readonly upstream: Upstream;
  readonly log: Log;
  readonly tokens: RunnerTokens;
  /** What GitLab still owes: a new token that arrives is kept, whoever is still there. */
  readonly open: Set<Promise<unknown>>;
}

/** A question of a runner with one of the small endpoints. */
export interface RunnerCall {
  readonly target: string;
  readonly body: Uint8Array | null;
  readonly req: IncomingMessage;
}

async function send(deps: RunnerEndpointDeps, call: RunnerCall, headers: string[]): Promise<Answer | null> {
  try {
    return await callFollowing(deps.upstream, deps.log, {
      method: call.req.method as Dispatcher.HttpMethod,
      path: call.target,
      headers: [...headers, 'Accept-Encoding', 'identity'],
      body: call.body ?? undefined,
      timeoutMs: CALL_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    deps.log.warn({ target: call.target, code }, 'GitLab could not be reached');
    return null;
  }
}

function passOn(res: ServerResponse, answer: Answer | null): void {
  if (answer === null) {
    answerMessage(res, 502, '502 Bad Gateway: GitLab could not be reached');
    return;
  }
  if (!answer.whole) {
    answerMessage(res, 502, '502 Bad Gateway: the answer of GitLab broke off');
    return;
  }
  if (res.destroyed) return;
  res.sendDate = false;
  const empty = answer.status === 204 || answer.status === 304;
  const headers = forwardable(answer.headers, new Set(['content-length']));
  if (!empty) headers.push('Content-Length', String(answer.body.length));
  res.writeHead(answer.status, headers);
  res.end(empty ? undefined : answer.body);
}

/** One of the small endpoints that take a runner's token: verify, register, unregister, reset. */
export async function answerRunnerEndpoint(
  deps: RunnerEndpointDeps,
  call: RunnerCall,
  res: ServerResponse,
): Promise<void> {
  passOn(res, await send(deps, call, forwardable(call.req.rawHeaders, REWRITTEN)));
}

/** The headers of a substituted call: the real token where the runner sent its own, and no other token beside it. */
export function substitutedHeaders(req: IncomingMessage, real: string, drop: ReadonlySet<string>): string[] {
  const headers = forwardable(req.rawHeaders, new Set([...drop, 'runner-token', ...OTHER_TOKENS]));
  if (req.headers['runner-token'] !== undefined) headers.push('RUNNER-TOKEN', real);
  return headers;
}

function bodyWith(body: Record<string, unknown>, token: string): Buffer {
  return Buffer.from(JSON.stringify({ ...body, token }));
}

/** `verify` of a runner that has a token of this gateway: asked with the real one, answered with its own (T54). */
export async function verifySubstituted(
  deps: RunnerEndpointDeps,
  runner: KnownRunner,
  target: string,
  body: Record<string, unknown>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { real } = runner;
  const headers = substitutedHeaders(req, real, SUBSTITUTED);
  const answer = await send(deps, { target, req, body: bodyWith(body, real) }, headers);
  if (answer?.status === 200) deps.tokens.works(runner);
  if (answer?.status === 403) deps.tokens.refused(runner);
  passOn(res, answer === null ? null : forRunner(answer, runner));
}

/** A reset: the new token is stored here, the runner keeps its own and is told the new end. */
export async function resetSubstituted(
  deps: RunnerEndpointDeps,
  runner: KnownRunner,
  target: string,
  body: Record<string, unknown>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  let reply: Answer | null = null;
  const reset = deps.tokens.reset(runner, async (real) => {
    const answer = await send(
      deps,
      { target, req, body: bodyWith(body, real) },
      substitutedHeaders(req, real, SUBSTITUTED),
    );
    if (answer === null) return 'lost';
    const read = readReset(answer);
    if (typeof read === 'object') {
      const json = { token: runner.entry.gatewayToken, token_expires_at: read.expiresAt };
      reply = { ...answer, headers: ['Content-Type', 'application/json'], body: Buffer.from(JSON.stringify(json)) };
    } else if (read === 'refused') {
      reply = forRunner(answer, runner);
    }
    return read;
  });
  deps.open.add(reset);
  try {
    await reset;
  } catch (error) {
    deps.log.error({ runner: runner.entry.name, reason: reasonOf(error) }, 'GitLab was not asked for a new token');
    answerMessage(res, 503, '503 Service Unavailable: the agent could not keep a new token, see its log');
    return;
  } finally {
    deps.open.delete(reset);
  }
  passOn(res, reply);
}
