import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { downloadArtifact, uploadArtifact } from './artifacts.ts';
import { lintRoute } from './ci-yaml.ts';
import { answerInstead, deliver, type Faults } from './faults.ts';
import { jobOfToken } from './job-auth.ts';
import { allowedAgents, currentJob, putJob } from './job-routes.ts';
import { memberRoute } from './member-routes.ts';
import { peopleRoute } from './people-routes.ts';
import { pushRoute } from './push-routes.ts';
import { reap } from './reapers.ts';
import { runnerApi } from './runner-api.ts';
import { deleteManager, deleteRunner, requestJob, resetToken, verifyRunner } from './runner-routes.ts';
import { type Answer, json, refuse, type World } from './state.ts';
import { patchTrace } from './trace.ts';
import type { LoggedRequest } from './types.ts';

/** Workhorse's limit for the body of jobs/request. */
const MAX_REQUEST_BODY = 32 * 1024;
/** For everything else that is read whole; a log patch has 1 MiB at most. */
const MAX_BODY = 8 * 1024 * 1024;
const LOGGED_BYTES = 256 * 1024;

interface Call {
  readonly method: string;
  readonly url: URL;
  readonly path: string;
  readonly request: IncomingMessage;
  readonly header: (name: string) => string;
  readonly body: Buffer;
  readonly gone: Promise<void>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const isUpload = (method: string, path: string) => method === 'POST' && /^\/api\/v4\/jobs\/\d+\/artifacts$/.test(path);

/** Answers one request, spoiled by the rule that strikes it, and writes it down. */
export async function serve(
  world: World,
  faults: Faults,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = request.method ?? 'GET';
  const url = new URL(request.url ?? '/', 'http://fake.invalid');
  const path = url.pathname;
  const entry: Mutable<LoggedRequest> = {
    method,
    path: request.url ?? '/',
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    body: '',
    status: 0,
    at: world.now(),
  };
  world.log.push(entry);
  const note = noteOn(world, request, entry, path);
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  const rule = faults.strike(method, path);
  if (rule?.how === 'late-read') await wait(rule.delayMs ?? 200, undefined, { ref: false });
  const body = isUpload(method, path) ? Buffer.alloc(0) : await readBody(request);
  if (body === null) return; // the client went away in the middle of its own request
  entry.body = body.subarray(0, LOGGED_BYTES).toString('utf8');
  const last = world.runners.find((runner) => runner.token === bodyToken(body))?.lastAnswer ?? null;
  const instead = rule === null ? undefined : answerInstead(rule, response, last);
  if (instead !== undefined) request.resume();
  if (instead === null) return;
  reap(world);
  const header = (name: string) => String(request.headers[name] ?? '');
  const answer = instead ?? (await route(world, { method, url, path, request, header, body, gone }));
  const headers = { 'X-Request-Id': header('x-request-id') || 'fake', ...answer.headers };
  if (response.destroyed) return;
  entry.status = answer.status;
  note(answer.status);
  entry.status = await deliver(response, { ...answer, headers }, rule);
  note(entry.status);
}

/** Keeps a job's own list of requests. */
function noteOn(world: World, request: IncomingMessage, entry: LoggedRequest, path: string): (status: number) => void {
  const id = Number(/^\/api\/v4\/(?:projects\/[^/]+\/)?jobs\/(\d+)/.exec(path)?.[1]);
  const job = world.jobs.get(id) ?? jobOfToken(world, String(request.headers['job-token'] ?? ''));
  const line = { method: entry.method, path, at: entry.at, status: 0 };
  job?.requests.push(line);
  return (status) => {
    line.status = status;
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += (chunk as Buffer).length;
      if (size <= MAX_BODY) chunks.push(chunk as Buffer);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

function bodyToken(body: Buffer): string | null {
  try {
    const value = (JSON.parse(body.toString('utf8')) as { token?: unknown } | null)?.token;
    return typeof value === 'string' ? value : null;
  } catch {
    return null; // no JSON: no runner's call
  }
}

function parsed(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8') || '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {}; // Grape treats a body it cannot read as missing parameters
  }
}

async function route(world: World, call: Call): Promise<Answer> {
  const { method, path, body } = call;
  switch (`${method} ${path}`) {
    case 'POST /api/v4/runners':
      return json(410, { message: '410 Gone - runner registration disallowed' });
    case 'DELETE /api/v4/runners':
      return deleteRunner(world, parsed(body));
    case 'POST /api/v4/runners/verify':
      return verifyRunner(world, parsed(body));
    case 'DELETE /api/v4/runners/managers':
      return deleteManager(world, parsed(body));
    case 'POST /api/v4/runners/reset_authentication_token':
      return resetToken(world, parsed(body));
    case 'GET /api/v4/runners/router/discovery':
      return refuse(501, '501 Not Implemented - Job Router is not available');
    case 'POST /api/v4/jobs/request':
      if (body.length > MAX_REQUEST_BODY) return { status: 413, body: 'Request Entity Too Large\n' };
      return requestJob(world, parsed(body), call.gone);
    case 'GET /api/v4/job':
      return currentJob(world, jobTokenOf(call));
    case 'GET /api/v4/job/allowed_agents':
      return allowedAgents(world, jobTokenOf(call));
    case 'GET /oauth/discovery/keys':
      return json(200, world.signer.jwks());
    default:
      return jobRoute(world, call);
  }
}

function jobTokenOf(call: Call): string {
  return call.header('job-token') || (call.url.searchParams.get('job_token') ?? '');
}

async function jobRoute(world: World, call: Call): Promise<Answer> {
  const { method, path, header, url } = call;
  const match = /^\/api\/v4\/jobs\/(\d+)(?:\/(trace|artifacts))?$/.exec(path);
  if (match !== null) {
    const id = Number(match[1]);
    const token = header('job-token');
    switch (`${method} ${match[2] ?? ''}`.trim()) {
      case 'PUT':
        return putJob(world, id, token, parsed(call.body));
      case 'PATCH trace':
        // As GitLab takes it from a parameter, too.
        return patchTrace(
          world,
          id,
          token || (url.searchParams.get('token') ?? ''),
          call.request.headers['content-range'],
          call.body,
        );
      case 'POST artifacts':
        return uploadArtifact(world, id, token, url.searchParams, call.request);
      case 'GET artifacts':
        return downloadArtifact(world, id, jobTokenOf(call), url.searchParams.get('direct_download') === 'true');
      default:
        return refuse(405, '405 Method Not Allowed');
    }
  }
  const bearer = /^Bearer (.+)$/.exec(header('authorization'))?.[1] ?? '';
  const who = { privateToken: header('private-token') || bearer, jobToken: jobTokenOf(call) };
  const linted = lintRoute(world, method, path, who.privateToken, parsed(call.body));
  if (linted !== null) return linted;
  const runners = runnerApi(world, method, url, who.privateToken);
  if (runners !== null) return runners;
  const pushed = pushRoute(world, method, url, who.privateToken);
  if (pushed !== null) return pushed;
  const members = memberRoute(world, method, url, who.privateToken);
  if (members !== null) return members;
  return peopleRoute(world, method, path, who, parsed(call.body)) ?? json(404, { error: '404 Not Found' });
}
