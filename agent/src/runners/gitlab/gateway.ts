import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Dispatcher } from 'undici';
import { type Parking, reasonOf } from '../../app/parking/parking.ts';
import type { ParkedJob } from '../../domain/parked-job.ts';
import { requestIdOf } from '../../domain/request-id.ts';
import type { Span } from '../../ports/tracer.ts';
import { readBody } from './body.ts';
import { forwardable } from './headers.ts';
import type { InFlight } from './in-flight.ts';
import { answerTrace, answerUpdate, type JobDeps, refuseParked, refuseStopped } from './job-endpoints.ts';
import { MAX_JOB_REQUEST_BYTES, readRunnerBody } from './job-request.ts';
import { answerPoll, type PollDeps, pollerOf } from './poll.ts';
import { type Route, routeOf } from './routes.ts';
import { answerRunnerEndpoint, resetSubstituted, verifySubstituted } from './runner-endpoints.ts';
import type { KnownRunner } from './runner-tokens.ts';
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
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** What is not answered yet, for whoever stops the gateway or asks how it is. */
  readonly inFlight: InFlight;
}

async function withRunnerBody(
  deps: GatewayDeps,
  route: Route,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const bytes = await readBody(req, MAX_JOB_REQUEST_BYTES, deps.parking.clock);
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
  const owner = deps.tokens.ownerOf(read.token);
  if (owner.kind === 'misused') {
    refuseMisused(deps, owner.runner, route, res);
    return;
  }
  if (route.kind === 'jobs_request') {
    await answerPoll(deps, pollerOf(owner, read.token, req.headers['x-request-id']), read.body, req, res);
    return;
  }
  const { target } = route;
  if (owner.kind === 'unknown' || owner.runner.entry.gatewayToken === undefined) {
    await answerRunnerEndpoint(deps, { target, req, body: Buffer.from(JSON.stringify(read.body)) }, res);
    return;
  }
  switch (`${req.method} ${target}`) {
    case 'POST /api/v4/runners/verify':
      return verifySubstituted(deps, owner.runner, target, read.body, req, res);
    case 'POST /api/v4/runners/reset_authentication_token':
      return resetSubstituted(deps, owner.runner, target, read.body, req, res);
    default:
      // Registering and unregistering is for whoever has the real token.
      return refuseGatewayToken(deps, route, res);
  }
}

/** The runner came with its real token though it has one of this gateway: somebody has a copy, or a config.toml from before (T25, T54). */
function refuseMisused(deps: GatewayDeps, runner: KnownRunner, route: Route, res: ServerResponse): void {
  const fields = { runner: runner.entry.name, route: route.target };
  deps.log.error(
    fields,
    'a call with the real token of a runner that has a gateway token: refused; who has a copy of it?',
  );
  const message = "this gateway takes the runner's gateway token, see the log of the agent";
  // A 403 would disable the runner for an hour (T43).
  if (route.kind === 'jobs_request') answerMessage(res, 401, `401 Unauthorized: ${message}`);
  else answerMessage(res, 403, `403 Forbidden: ${message}`);
}

function refuseGatewayToken(deps: GatewayDeps, route: Route, res: ServerResponse): void {
  deps.log.warn({ route: route.target }, 'a gateway token where none is taken: refused');
  answerMessage(res, 403, '403 Forbidden: a gateway token is for polls, verify and reset_authentication_token');
}

/** Whether a token of this gateway stands where only GitLab's own belong. */
function namesGatewayToken(deps: GatewayDeps, req: IncomingMessage): boolean {
  if (!deps.tokens.substitutes) return false;
  const { rawHeaders } = req;
  for (let i = 1; i < rawHeaders.length; i += 2) {
    if (deps.tokens.isGatewayToken(rawHeaders[i]!.replace(/^Bearer\s+/i, ''))) return true;
  }
  if (req.url?.includes('?') !== true) return false;
  const query = new URL(req.url ?? '', 'http://gateway.invalid').searchParams;
  return [...query.values()].some((value) => deps.tokens.isGatewayToken(value));
}

async function answer(deps: GatewayDeps, route: Route, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const takesGatewayToken = route.kind === 'jobs_request' || route.kind === 'runner' || route.kind === 'discovery';
  if (!takesGatewayToken && namesGatewayToken(deps, req)) return refuseGatewayToken(deps, route, res);
  switch (route.kind) {
    case 'jobs_request':
    case 'runner':
      return withRunnerBody(deps, route, req, res);
    case 'reset_by_id': {
      const bytes = await readBody(req, MAX_JOB_REQUEST_BYTES, deps.parking.clock);
      if (bytes === null) return answerMessage(res, 413, '413 Request Entity Too Large');
      if (deps.tokens.substitutes) {
        // The answer would name a new real token, and the agent would be left with a dead one (T54).
        const message = '403 Forbidden: the agent keeps the token; reset it in GitLab and put it into its token file';
        return answerMessage(res, 403, message);
      }
      return answerRunnerEndpoint(deps, { target: route.target, req, body: bytes.length === 0 ? null : bytes }, res);
    }
    case 'discovery':
      // A runner that finds the job router asks it for jobs from then on, past this gateway (T39).
      return answerMessage(res, 501, '501 Not Implemented');
    case 'job_update':
      return answerUpdate(deps, route.id, route.target, req, res);
    case 'job_trace':
      return answerTrace(deps, route.id, route.target, req, res);
    case 'artifacts': {
      const entry = deps.parking.entries.get(route.id);
      if (refuseStopped(entry, res) || refuseParked(deps, entry, res)) return;
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

/** What a job's runner sends or fetches is a part of the job's own trace. */
function transferOf({ tracer }: Parking, { jobId, hold, trace }: ParkedJob, route: string, req: IncomingMessage): Span {
  const request = requestIdOf(req.headers['x-request-id']);
  return tracer.start('transfer', { job: jobId, hold, route: `${req.method} ${route}`, request }, { parent: trace });
}

/** Counts a request from here to its end, however that comes. */
function observe(
  { inFlight, parking }: GatewayDeps,
  route: Route | null,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const began = performance.now();
  const kind = route?.kind ?? 'none';
  inFlight.add(kind, res);
  const job = kind === 'artifacts' || kind === 'job_update' ? parking.entries.get(route?.id ?? 0)?.job : undefined;
  const span = job && transferOf(parking, job, kind, req);
  res.once('close', () => {
    const status = res.writableFinished ? res.statusCode : null;
    parking.meter.request(kind, status, (performance.now() - began) / 1_000);
    span?.end({ status });
  });
  // Whoever asks on a connection that was open before is served, and opens no other one here.
  if (parking.closing) res.setHeader('Connection', 'close');
}

function listener(deps: GatewayDeps): RequestListener {
  return (req, res) => {
    const url = req.url ?? '';
    const route = url.startsWith('/') ? routeOf(req.method ?? '', url) : null;
    observe(deps, route, req, res);
    if (!url.startsWith('/')) {
      answerMessage(res, 400, '400 Bad request: wanted a path');
      return;
    }
    if (route === null) {
      answerMessage(res, 404, '404 Not Found');
      return;
    }
    answer(deps, route, req, res).catch((error: unknown) => {
      const request = requestIdOf(req.headers['x-request-id']);
      deps.log.error({ route: route.kind, request, reason: reasonOf(error) }, 'a request could not be answered');
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
