import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Log } from '../../ports/log.ts';
import { forwardable, headerIn } from './headers.ts';
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

/** One of the small endpoints that take a runner's token: verify, register, unregister, reset. */
export async function answerRunnerEndpoint(
  upstream: Upstream,
  log: Log,
  target: string,
  body: Uint8Array | null,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  let answer: Answer;
  try {
    answer = await callFollowing(upstream, log, {
      method: req.method as Dispatcher.HttpMethod,
      path: target,
      headers: [...forwardable(req.rawHeaders, REWRITTEN), 'Accept-Encoding', 'identity'],
      body: body ?? undefined,
      timeoutMs: CALL_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
  } catch (error) {
    log.warn({ target, code: (error as NodeJS.ErrnoException).code }, 'GitLab could not be reached');
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
