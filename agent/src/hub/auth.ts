import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authenticate } from '../app/authenticate.ts';
import type { Caller, HubContext } from '../app/hub-context.ts';
import { authenticateSession } from '../app/session.ts';
import { ERRORS, HoldpointError } from '../domain/errors.ts';
import { isForPipelines, type Token, type TokenScope } from '../domain/token.ts';
import { addressGroup, type TokenUse } from '../domain/token-use.ts';
import { cookieOf, requireOrigin, requireOwnPage, sessionCookie, siteOf } from './browser.ts';
import { refuseJobs, useOf } from './token-use.ts';

/** Wrong tokens per address and minute: enough for a mistyped script, hopeless for guessing 256 bits. */
export const MAX_FAILED_PER_MINUTE = 30;
/** Votes per person and minute, with however many tokens: more is a loop, not a person; a list of up to 200 counts once. */
const MAX_VOTES_PER_MINUTE = 60;

/** What a route asks of who calls it; `bootstrap`: the bootstrap token will do. */
export interface Demand {
  /** One of several will do. */
  readonly scope: TokenScope | readonly TokenScope[] | null;
  readonly bootstrap?: boolean;
  readonly vote?: boolean;
  /** True: nothing is changed by it, whatever its method. */
  readonly reads?: boolean;
}
/** Who calls: the token, and the person unless it is the bootstrap token's. */
export interface Identity {
  readonly token: Token;
  readonly caller: Caller | null;
  /** Origin of the page whose cookie authenticates; null for a token in a header. */
  readonly origin: string | null;
}

/** The token's text in `Authorization: Bearer` or `PRIVATE-TOKEN`. Never from the URL: it would stand in every log (T24). */
export function tokenText(headers: { readonly [name: string]: string | string[] | undefined }): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(String(headers.authorization ?? ''))?.[1] ?? null;
  const own = headers['private-token'];
  const named = typeof own === 'string' && own !== '' ? own : null;
  if (bearer !== null && named !== null && bearer !== named) {
    throw new HoldpointError('unauthenticated', 'two different tokens were sent: send one, as Authorization: Bearer');
  }
  return bearer ?? named;
}

/** Whoever sends no token guesses none: that counts against nobody who sits behind the same address. */
class NothingSent extends HoldpointError {}

/** True for a credential that was sent and is none. */
export function isWrongToken(error: unknown): boolean {
  return error instanceof HoldpointError && !(error instanceof NothingSent) && ERRORS[error.code].status === 401;
}

/** Who a token's text stands for. The person is asked for each time: who was blocked or removed is out at once (T19). */
export async function identify(context: HubContext, text: string | null, use: TokenUse): Promise<Identity> {
  if (text === null) {
    throw new NothingSent(
      'unauthenticated',
      'no token was sent: send one as Authorization: Bearer, made with "holdpoint token create"',
    );
  }
  return identityOf(context, await authenticate(context, text, use), use, null);
}

async function identityOf(context: HubContext, token: Token, use: TokenUse, origin: string | null): Promise<Identity> {
  if (token.owner === null) return { token, caller: null, origin };
  const person = await context.directory.person(token.owner.id);
  if (person === null || person.blocked) {
    throw new HoldpointError(
      'unauthenticated',
      `user ${token.owner.username} is blocked or no longer known: ask an administrator`,
    );
  }
  return { token, caller: { person, token, address: use.address, client: use.client, origin }, origin };
}

/**
 * Who asks: by a token in a header, or by the page's cookie, which speaks only for requests of the page itself (T23). Both
 * at once are refused: it would be a guess whose request it is. `method` null is the handshake of a websocket.
 */
export async function identifyRequest(
  context: HubContext,
  method: string | null,
  headers: IncomingHttpHeaders,
  use: TokenUse,
): Promise<Identity> {
  const text = tokenText(headers);
  if (!/(?:^|;) *(?:__Host-)?holdpoint=/.test(headers.cookie ?? '')) return identify(context, text, use);
  const site = siteOf(headers, context.externalUrl());
  const cookie = cookieOf(headers, sessionCookie(site));
  if (cookie === null) return identify(context, text, use);
  if (text !== null)
    throw new HoldpointError('unauthenticated', 'a token and a session were sent: send one of the two');
  if (method === null) requireOrigin(headers, site);
  else requireOwnPage({ method, headers }, site, cookie);
  return identityOf(context, await authenticateSession(context, cookie, use), use, site.origin);
}

/** Throws `forbidden` when the token may not do it. */
export function requireScope({ token, caller }: Identity, demand: Demand): void {
  if (caller === null && demand.bootstrap !== true) {
    throw new HoldpointError(
      'forbidden',
      'the bootstrap token only makes the first token: do that with "holdpoint token create --user NAME"',
    );
  }
  const scopes = typeof demand.scope === 'string' ? [demand.scope] : (demand.scope ?? []);
  if (demand.scope !== null && !scopes.some((scope) => token.scopes.includes(scope))) {
    throw new HoldpointError('forbidden', `this token has no scope ${scopes.join(' or ')}: use one that has`);
  }
  // It lies where jobs are: not even its owner's other tokens may be listed or ended with it.
  if (demand.scope === null && isForPipelines(token))
    throw new HoldpointError(
      'forbidden',
      'this token has the scope check alone: it asks what would wait, nothing else',
    );
}

/** What stands before every route. */
export interface Guard {
  identify(request: FastifyRequest, demand: Demand): Promise<Identity>;
  /** Runs what tries a credential; wrong ones are limited by address. */
  trying<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T>;
  /** Limits requests of one address to a route. */
  limited(route: string, perMinute: number): (request: FastifyRequest) => Promise<void>;
}

/** Checks who calls; failed tries are limited by address, votes by person, with Retry-After. */
export function guard(app: FastifyInstance, context: HubContext): Guard {
  const failed = app.createRateLimit({
    max: MAX_FAILED_PER_MINUTE,
    timeWindow: 60_000,
    keyGenerator: (r: FastifyRequest) => `failed ${addressGroup(r.ip)}`,
  });
  const votes = app.createRateLimit({
    max: MAX_VOTES_PER_MINUTE,
    timeWindow: 60_000,
    keyGenerator: (r: FastifyRequest) => `votes ${r.voter}`,
  });
  const trying: Guard['trying'] = async (request, work) => {
    try {
      return await work();
    } catch (error) {
      if (isWrongToken(error)) requireAllowed(await failed(request), 'wrong tokens');
      throw error;
    }
  };
  return {
    trying,
    limited(route, perMinute) {
      const requests = app.createRateLimit({
        max: perMinute,
        timeWindow: 60_000,
        keyGenerator: (r: FastifyRequest) => `${route} ${addressGroup(r.ip)}`,
      });
      return async (request) => requireAllowed(await requests(request), 'requests');
    },
    async identify(request, demand) {
      const { method, headers } = request;
      const use = useOf(headers, request.ip);
      const identity = await trying(request, () => identifyRequest(context, method, headers, use));
      const reads = method === 'GET' || demand.reads === true;
      if (!isForPipelines(identity.token)) await refuseJobs(context, use, reads);
      requireScope(identity, demand);
      if (demand.vote === true) {
        request.voter = String(identity.caller?.person.id ?? `token ${identity.token.id}`);
        requireAllowed(await votes(request), 'votes');
      }
      const { caller } = identity;
      return caller === null ? identity : { ...identity, caller: { ...caller, request: request.id } };
    },
  };
}

/** A refusal that says when to come again. */
export class RateLimited extends HoldpointError {
  readonly retryAfterS: number;
  /** What there was too much of. */
  readonly what: string;
  constructor(what: string, retryAfterS: number) {
    super('rate_limited', `too many ${what} in a minute: try again in ${retryAfterS} s`);
    this.what = what;
    this.retryAfterS = retryAfterS;
  }
}

type Allowed =
  | { readonly isAllowed: true }
  | { readonly isAllowed: false; readonly isExceeded: boolean; readonly ttlInSeconds: number };
function requireAllowed(allowed: Allowed, what: string): void {
  if (!allowed.isAllowed && allowed.isExceeded) throw new RateLimited(what, Math.max(1, allowed.ttlInSeconds));
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who votes, for their rate limit. */
    voter: string;
  }
}
