import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldpointError } from '../../domain/errors.ts';
import type { Log } from '../../ports/log.ts';
import type { Params } from '../../wire/v4/form.ts';
import { problemsOf } from '../../wire/v4/params.ts';
import { type Guard, type Identity, RateLimited, tokenText } from '../auth.ts';
import { acceptBodies, paramsOfRequest, queryOf } from './bodies.ts';
import { V4Error, v4Error } from './errors.ts';
import type { V4Request, V4Route } from './route.ts';

/** Parameters by which GitLab would take a token from the URL. */
const TOKEN_PARAMETERS = ['private_token', 'access_token', 'job_token'];

/** GitLab's API under /api/v4: its own bodies, its own errors, and nothing of the page's cookie. */
export async function serveV4(
  app: FastifyInstance,
  options: {
    readonly routes: readonly V4Route[];
    readonly guard: Guard;
    readonly log: Log;
  },
): Promise<void> {
  const { routes, guard, log } = options;
  await app.register(
    async (v4) => {
      v4.setErrorHandler((error, _request, reply) => answer(reply, asV4Error(error as FastifyError, log), error));
      v4.setNotFoundHandler((_request, reply) => answer(reply, new V4Error('no_route')));
      await acceptBodies(v4);
      // GitLab's own pages write some of them with a slash at the end.
      for (const route of routes) for (const end of ['', '/']) serve(v4, route, `${route.url}${end}`, guard);
    },
    { prefix: '/api/v4' },
  );
}

function serve(app: FastifyInstance, route: V4Route, url: string, guard: Guard): void {
  const identities = new WeakMap<FastifyRequest, Identity>();
  app.route({
    method: route.method,
    url,
    schema: { hide: true },
    // Before the body is read: whoever has no token has no business here.
    onRequest: async (request) => {
      identities.set(request, await identityOf(request, route, guard));
    },
    handler: async (request, reply) => {
      const caller = identities.get(request)?.caller;
      if (caller === undefined || caller === null) throw new V4Error('unauthorized');
      const { status = 200, body, headers = {} } = await route.handle(await requestOf(request, caller));
      reply.status(status).headers(headers);
      if (body === undefined) return reply.send();
      return json(reply, body);
    },
  });
}

async function identityOf(request: FastifyRequest, route: V4Route, guard: Guard): Promise<Identity> {
  const { headers } = request;
  const query = queryOf(request);
  if (TOKEN_PARAMETERS.some((name) => query[name] !== undefined)) throw new V4Error('token_in_url');
  if (headers['job-token'] !== undefined) throw new V4Error('job_token');
  // The page's cookie speaks for the page alone (T23).
  if (headers.cookie !== undefined && tokenText(headers) === null) throw new V4Error('unauthorized');
  const demand = { scope: null, ...(route.vote === true ? { vote: true } : {}) };
  const identity = await guard.identify(request, demand);
  if (headers.sudo !== undefined) throw new V4Error('sudo');
  const { scopes } = route;
  if (scopes.length > 0 && !scopes.some((scope) => identity.token.scopes.includes(scope)))
    throw new V4Error('insufficient_scope', { scope: scopes.join(' ') });
  return identity;
}

async function requestOf(request: FastifyRequest, caller: V4Request['caller']): Promise<V4Request> {
  const params: Params = await paramsOfRequest(request);
  if (params.sudo !== undefined) throw new V4Error('sudo');
  const path = request.params as Readonly<Record<string, string>>;
  return {
    caller,
    params,
    rawPath: (request.raw.url ?? '').split('?')[0]!,
    path: (name) => path[name] ?? '',
    read(schema) {
      const read = schema.safeParse(params);
      if (read.success) return read.data;
      throw new V4Error('parameters', { problems: problemsOf(read.error) });
    },
  };
}

function answer(reply: FastifyReply, error: V4Error, thrown: unknown = null): FastifyReply {
  if (thrown instanceof RateLimited) reply.header('retry-after', thrown.retryAfterS);
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  return json(reply.status(error.status), error.body);
}

/** With exactly GitLab's type, which python-gitlab compares as text: fastify would add a charset to a string. */
function json(reply: FastifyReply, body: unknown): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}

/** What fastify refuses, in GitLab's words; what nobody foresaw goes to the log, not to the caller. */
function asV4Error(error: FastifyError, log: Log): V4Error {
  if (error instanceof V4Error) return error;
  const known = error instanceof HoldpointError ? v4Error(error) : null;
  if (known !== null && known.code !== 'internal') return known;
  const cause = { cause: error };
  if (error.code === 'FST_FILES_LIMIT')
    return new V4Error('content_type', { type: 'multipart/form-data with a file' }, cause);
  if (error.statusCode === 413 || /_LIMIT$|TOO_LARGE$/.test(error.code ?? ''))
    return new V4Error('too_large', {}, cause);
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new V4Error('unreadable', {}, cause);
  log.error({ error: error.message, code: error.code, stack: error.stack }, 'request failed');
  return new V4Error('internal', {}, cause);
}
