import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Dispatcher } from 'undici';
import { reasonOf } from '../../app/parking/parking.ts';
import { readBody } from './body.ts';
import { forwardable } from './headers.ts';
import { answerTrace, answerUpdate, type JobDeps } from './job-endpoints.ts';
import { MAX_JOB_REQUEST_BYTES, readRunnerBody } from './job-request.ts';
import { answerPoll, type PollDeps, pollerOf } from './poll.ts';
import { type Route, routeOf } from './routes.ts';
import { answerRunnerEndpoint } from './runner-endpoints.ts';
import { answerMessage, hasBody, pass } from './transfer.ts';

/** A connection on which nothing moves; GitLab may take minutes to put away an artifact of gigabytes. */
const IDLE_MS = 20 * 60_000;
/** From the first byte of a request to the end of its headers. */
const HEADERS_MS = 30_000;
/** Longer than the 90 s after which the runner itself closes an idle connection, so that it never writes into a closing one. */
const KEEP_ALIVE_MS = 120_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Of one host's runners and their jobs' uploads. */
const MAX_CONNECTIONS = 10_000;

export interface GatewayDeps extends PollDeps, JobDeps {
  readonly runners: readonly { readonly name: string; readonly token: string; readonly protected: boolean }[];
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

async function withRunnerBody(
  deps: GatewayDeps,
  route: Route,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const bytes = await readBody(req, MAX_JOB_REQUEST_BYTES);
  if (bytes === null) {
    answerMessage(res, 413, '413 Request Entity Too Large');
    return;
  }
  const header = req.headers['runner-token'];
  const read = readRunnerBody(bytes, req.headers['content-type'], Array.isArray(header) ? header.join(', ') : header);
  if (!read.ok) {
    answerMessage(res, read.status, read.message);
    return;
  }
  if (route.kind === 'runner') {
    await answerRunnerEndpoint(deps.upstream, deps.log, route.target, Buffer.from(JSON.stringify(read.body)), req, res);
    return;
  }
  await answerPoll(deps, pollerOf(deps.runners, read.token), read.body, req, res);
}

async function answer(deps: GatewayDeps, route: Route, req: IncomingMessage, res: ServerResponse): Promise<void> {
  switch (route.kind) {
    case 'jobs_request':
    case 'runner':
      return withRunnerBody(deps, route, req, res);
    case 'reset_by_id': {
      const bytes = await readBody(req, MAX_JOB_REQUEST_BYTES);
      if (bytes === null) return answerMessage(res, 413, '413 Request Entity Too Large');
      return answerRunnerEndpoint(deps.upstream, deps.log, route.target, bytes.length === 0 ? null : bytes, req, res);
    }
    case 'discovery':
      // A runner that finds the job router asks it for jobs from then on, past this gateway (T39).
      return answerMessage(res, 501, '501 Not Implemented');
    case 'job_update':
      return answerUpdate(deps, route.id, route.target, req, res);
    case 'job_trace':
      return answerTrace(deps, route.id, route.target, req, res);
    case 'artifacts': {
      const body = req.method === 'POST' && hasBody(req) ? req : null;
      const method = req.method as Dispatcher.HttpMethod;
      const headers = forwardable(req.rawHeaders);
      return pass(deps.upstream, res, { method, path: route.target, headers, body, redirects: true }, deps.log);
    }
    default:
      route.kind satisfies never;
      return answerMessage(res, 404, '404 Not Found');
  }
}

function listener(deps: GatewayDeps): RequestListener {
  return (req, res) => {
    const url = req.url ?? '';
    if (!url.startsWith('/')) {
      answerMessage(res, 400, '400 Bad request: wanted a path');
      return;
    }
    const route = routeOf(req.method ?? '', url);
    if (route === null) {
      answerMessage(res, 404, '404 Not Found');
      return;
    }
    answer(deps, route, req, res).catch((error: unknown) => {
      deps.log.error({ route: route.kind, reason: reasonOf(error) }, 'a request could not be answered');
      // Never a 403, and never half an answer that looks whole (T43).
      if (res.headersSent) res.destroy();
      else answerMessage(res, 502, '502 Bad Gateway');
    });
  };
}

/** The server that runners take for GitLab. Node's parser stays strict: no request is read in two ways (T47). */
export function createGateway(deps: GatewayDeps): Server {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: false,
    requireHostHeader: true,
    headersTimeout: HEADERS_MS,
    // An upload may take hours: only standing still ends it.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
  };
  const handle = listener(deps);
  const server =
    deps.tls === undefined
      ? createServer(options, handle)
      : createTlsServer({ ...options, ...deps.tls, minVersion: 'TLSv1.2' }, handle);
  server.timeout = IDLE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return server as Server;
}
