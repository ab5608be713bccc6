import { randomUUID } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { HubContext } from '../app/hub-context.ts';
import { ERRORS, HoldpointError } from '../domain/errors.ts';
import { requestIdOf } from '../domain/request-id.ts';
import type { Log } from '../ports/log.ts';
import type { Tracer } from '../ports/tracer.ts';
import { problemSchema } from '../wire/api.ts';
import { type Guard, guard, type Identity, RateLimited } from './auth.ts';
import type { HubMetrics, Surface } from './metrics.ts';
import { servePage } from './page.ts';
import { inClear, type Peers } from './proxies.ts';
import { Answer, type Route } from './route.ts';
import { serveV4 } from './v4/plugin.ts';
import type { V4Route } from './v4/route.ts';
import { problemOf } from './views.ts';

/** 200 decisions with comments of 4,000 characters. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** A client that sends slower than this is no client of ours. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Between two lines about callers that are told to come again later. */
const SAY_LIMITED_MS = 10_000;

/** What the HTTP server is made of. */
export interface ServerOptions {
  readonly context: HubContext;
  readonly routes: readonly Route[];
  /** GitLab's own API, below /api/v4. */
  readonly v4: readonly V4Route[];
  readonly log: Log;
  readonly metrics: Pick<HubMetrics, 'request' | 'limited'>;
  readonly tracer: Tracer;
  readonly version: string;
  /** Folder of the built page; null: the hub has none. */
  readonly page: string | null;
  /** Certificate and key, PEM; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /**
   * What is served to whoever names the host, once it was renewed: the sockets that fastify opens beside the first, for a host that is
   * a name, are nobody's to set.
   */
  readonly renewed: () => SecureContext | undefined;
  readonly peers: Peers;
  /** What may be asked without TLS from another machine is asked so all the same. */
  readonly plainHttp: boolean;
}

type Named = (error: null, context: SecureContext | undefined) => void;

/** The HTTP server with all its routes; not yet listening. */
export async function buildServer({
  context,
  routes,
  v4,
  log,
  metrics,
  tracer,
  version,
  page,
  tls,
  renewed,
  peers,
  plainHttp,
}: ServerOptions): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    // The kind of server does not show in the types of what is built on it.
    ...((tls === null
      ? {}
      : { https: { ...tls, SNICallback: (_: string, done: Named) => done(null, renewed()) } }) as object),
    trustProxy: peers.isTrusted,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // What is being answered is answered; whoever closes the hub bounds that.
    forceCloseConnections: 'idle',
    // Who connected before the stop is served: everything behind the server is closed after it.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id']) ?? randomUUID().replaceAll('-', ''),
    // A project's full path or the name of an environment, percent-encoded, is one part of a path of /api/v4.
    routerOptions: { maxParamLength: 2_000 },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  let saidAt = Number.NEGATIVE_INFINITY;
  /** One line now and then: whoever is told a thousand times must not fill the log with it (T30). */
  const limited = (error: RateLimited, request: FastifyRequest): void => {
    metrics.limited(error.what);
    const now = context.clock.now();
    if (now - saidAt < SAY_LIMITED_MS) return;
    saidAt = now;
    log.warn({ address: request.ip, request: request.id }, `too many ${error.what}: told to come again later`);
  };
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof RateLimited) limited(error, request);
    return sendProblem(reply, asHoldpointError(error as FastifyError, log.child({ request: request.id })));
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new HoldpointError('not_found', `there is no ${request.method} ${request.url.split('?')[0]}: see /openapi.json`),
    ),
  );
  app.decorateRequest('voter', '');
  await app.register(helmet);
  await app.register(rateLimit, { global: false });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Holdpoint hub', version },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          token: { type: 'apiKey', in: 'header', name: 'PRIVATE-TOKEN' },
          session: { type: 'apiKey', in: 'cookie', name: 'holdpoint' },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
  // Every answer is about one moment and one person: nothing of it may be kept by a proxy or a browser (T32). Only the
  // page's files, which are the same for everybody, say otherwise.
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method, id, routeOptions } = request;
    metrics.request(surfaceOf(routeOptions.url ?? ''), reply.statusCode, reply.elapsedTime / 1_000);
    if (method === 'GET' || method === 'HEAD') return;
    const route = `${method} ${routeOptions.url ?? 'none'}`;
    const at = Date.now() - reply.elapsedTime;
    tracer.start('answer a request', { request: id, route }, { kind: 'server', at }).end({ status: reply.statusCode });
  });
  const gate = guard(app, context);
  const isPrivate = (request: FastifyRequest) => plainHttp || peers.isPrivate(request.raw);
  for (const route of routes) register(app, route, gate, isPrivate);
  await serveV4(app, { routes: v4, guard: gate, log });
  await servePage(app, page);
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  return app;
}

/** The part of the hub that a route belongs to; what no route answers is the page's. */
function surfaceOf(url: string): Surface {
  if (url.startsWith('/api/v4/')) return 'gitlab_api';
  if (url.startsWith('/api/')) return 'api';
  return ['/healthz', '/readyz', '/metrics'].includes(url) ? 'health' : 'page';
}

function register(
  app: FastifyInstance,
  route: Route,
  gate: Guard,
  isPrivate: (request: FastifyRequest) => boolean,
): void {
  const identities = new WeakMap<object, Identity>();
  const limit = route.perMinute === undefined ? null : gate.limited(route.url, route.perMinute);
  app.route({
    method: route.method,
    url: route.url,
    schema: {
      summary: route.summary,
      params: route.params,
      querystring: route.query,
      ...(route.body && { body: route.body }),
      ...(route.reply
        ? { response: { [route.status ?? 200]: route.reply, default: problemSchema } }
        : { produces: [route.type ?? 'text/plain'] }),
      security: route.demand === null ? [] : [{ bearer: [] }, { token: [] }, { session: [] }],
    },
    // Before the body is read: whoever has no token has no business here.
    onRequest: async (request) => {
      await limit?.(request);
      if (route.confidential === true && !isPrivate(request)) throw inClear();
      if (route.demand !== null) identities.set(request, await gate.identify(request, route.demand));
    },
    handler: async (request, reply) => {
      const identity = identities.get(request);
      if (route.demand !== null && identity === undefined)
        throw new HoldpointError('unauthenticated', 'no token was checked');
      const input = {
        params: request.params,
        query: request.query,
        body: request.body,
        identity: identity as Identity,
        caller: identity?.caller as NonNullable<Identity['caller']>,
        address: request.ip,
        headers: request.headers,
        url: request.url,
      };
      const answer = await (route.tries === true
        ? gate.trying(request, () => route.handle(input))
        : route.handle(input));
      if (route.type !== undefined) reply.type(route.type);
      if (!(answer instanceof Answer)) return reply.status(route.status ?? 200).send(answer);
      for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
      return reply.status(answer.status ?? route.status ?? 200).send(answer.body);
    },
  });
}

function sendProblem(reply: FastifyReply, error: HoldpointError): FastifyReply {
  if (error instanceof RateLimited) reply.header('retry-after', error.retryAfterS);
  if (ERRORS[error.code].status === 401) reply.header('www-authenticate', 'Bearer');
  return reply
    .status(ERRORS[error.code].status)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problemOf(error));
}

/** What fastify and zod refuse, in words of ours; what nobody foresaw is `internal` and goes to the log, not to the caller. */
function asHoldpointError(error: FastifyError, log: Log): HoldpointError {
  if (error instanceof HoldpointError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = error.validationContext ?? 'request';
    const problems = error.validation
      .slice(0, 5)
      .map((v) => `${where}${v.instancePath.replaceAll('/', '.')}: ${v.message}`);
    return new HoldpointError('bad_input', problems.join('; '), { cause: error });
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new HoldpointError('too_large', `the body is larger than ${MAX_BODY_BYTES} bytes: send less at once`, {
      cause: error,
    });
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new HoldpointError(
      'bad_input',
      `the request is not understood (${error.code ?? error.statusCode}): send JSON as /openapi.json says`,
      { cause: error },
    );
  }
  log.error({ error: error.message, code: error.code, stack: error.stack }, 'request failed');
  return new HoldpointError('internal', 'the hub failed at this request: its log says more', { cause: error });
}
