import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../../app/hub-context.ts';
import { visibleHold } from '../../app/see.ts';
import { authenticateSession } from '../../app/session.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Token } from '../../domain/token.ts';
import type { TokenUse } from '../../domain/token-use.ts';
import { PAGE_PATHS, returnPath } from '../../wire/page-paths.ts';
import { freshBody, providerUrlSchema } from '../../wire/session.ts';
import { cookieOf, cookiesLike, type Site, sessionCookie, setCookie, siteOf } from '../browser.ts';
import { Answer, idParam, none, type Route, route } from '../route.ts';
import type { Purpose, Redirect } from '../sign-in.ts';
import { useOf } from '../token-use.ts';
import type { RouteContext } from './context.ts';

/** Sign-ins that one address may begin in a minute: a person begins one. */
const MAX_PER_MINUTE = 30;

/** Sign-ins of one browser that are under way at once: tabs that were opened together. */
const MAX_UNDER_WAY = 10;

const go = ({ location, cookies }: Redirect): Answer => new Answer('', { location, 'set-cookie': cookies }, 303);

/** Signing in with the identity provider: away to it, and back. */
export function oidcRoutes({ hub, signIn }: RouteContext): readonly Route[] {
  if (signIn === null) return [];
  const { provider, begin } = signIn;

  /** The session that the browser has, if it is one; it is over when the new one begins. */
  async function older(site: Site, headers: IncomingHttpHeaders, use: TokenUse): Promise<Token | null> {
    const text = cookieOf(headers, sessionCookie(site));
    if (text === null) return null;
    return authenticateSession(hub, text, use).catch((error: unknown) => {
      if (error instanceof HoldpointError && error.code === 'unauthenticated') return null;
      throw error;
    });
  }
  const requirePage = (origin: string | null): void => {
    if (origin === null)
      throw new HoldpointError('forbidden', 'this is done on the page: sign in there and do it again');
  };
  const redirecting = { params: none, body: null, reply: null, demand: null, perMinute: MAX_PER_MINUTE } as const;

  return [
    {
      ...redirecting,
      method: 'GET',
      url: '/api/v1/session/oidc',
      summary: 'Sign in with the identity provider; a browser is sent there and comes back to `return`',
      query: z.object({ return: z.string().max(2_000).optional() }),
      handle: async ({ query, headers, address }) => {
        const site = siteOf(headers, hub.externalUrl());
        const returnTo = returnPath((query as { return?: string }).return);
        try {
          const before = await older(site, headers, useOf(headers, address));
          const { location, cookies } = await begin(site, { kind: 'sign_in' }, returnTo, before);
          // Whoever is sent here again and again must not end up with more cookies than a request can carry.
          const left = cookiesLike(headers, `${sessionCookie(site)}-`);
          const away = left.length < MAX_UNDER_WAY ? [] : left.map((name) => setCookie(site, name, '', 0, 'lax'));
          return go({ location, cookies: [...away, ...cookies] });
        } catch (error) {
          if (!(error instanceof HoldpointError)) throw error;
          const location = `${PAGE_PATHS.signIn}?problem=${error.code}&return=${encodeURIComponent(returnTo)}`;
          return go({ location, cookies: [] });
        }
      },
    },
    {
      ...redirecting,
      method: 'GET',
      url: '/api/v1/session/oidc/callback',
      summary: 'Where the identity provider sends a browser back to',
      query: z.looseObject({}),
      handle: async ({ url, headers, address }) => {
        const site = siteOf(headers, hub.externalUrl());
        const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
        return go(await signIn.finish(site, headers, useOf(headers, address), query));
      },
    },
    route(
      'POST',
      '/api/v1/session/oidc/fresh',
      'Show again at the identity provider that it is oneself',
      { scope: null },
      {
        body: freshBody,
        reply: providerUrlSchema,
        handle: async ({ body, caller, identity, headers }) => {
          requirePage(identity.origin);
          return away(headers, { kind: 'fresh', caller }, returnPath(body.return));
        },
      },
    ),
    route(
      'POST',
      '/api/v1/holds/:id/retry/authorize',
      "Have one's own approved Hold retried with a GitLab token of one's own, asked for now and kept for this alone",
      { scope: 'read' },
      {
        params: idParam,
        body: none.nullish(),
        reply: providerUrlSchema,
        handle: async ({ params, caller, identity, headers }) => {
          requirePage(identity.origin);
          await requireOwn(caller, params.id);
          return away(headers, { kind: 'retry', caller, hold: params.id }, `/holds/${params.id}`);
        },
      },
    ),
  ];

  async function away(headers: IncomingHttpHeaders, purpose: Purpose, returnTo: string): Promise<Answer> {
    const { location, cookies } = await begin(siteOf(headers, hub.externalUrl()), purpose, returnTo);
    return new Answer({ url: location, provider: provider.name }, { 'set-cookie': cookies });
  }

  /** Nobody is asked for a token that would be refused afterwards. */
  async function requireOwn(caller: Caller, id: number): Promise<void> {
    const hold = await visibleHold(hub, caller, id);
    if (!provider.givesApi) {
      throw new HoldpointError(
        'wrong_state',
        `${provider.name} gives no tokens for GitLab: retry the job in GitLab yourself, or lend a credential of yours`,
      );
    }
    if (hold.trigger.id !== caller.person.id || hold.trigger.verified === 'unverified') {
      throw new HoldpointError(
        'forbidden',
        `hold ${id}: only who triggered it has it retried here, since the job runs in their name; retry it in GitLab in yours`,
      );
    }
  }
}
