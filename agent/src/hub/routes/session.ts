import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import { authenticateSession, type BegunSession, endSession, signInWithToken } from '../../app/session.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { csrfOf, idleUntil, type Session } from '../../domain/session.ts';
import type { Token } from '../../domain/token.ts';
import type { TokenUse } from '../../domain/token-use.ts';
import { PAGE_PATHS } from '../../wire/page-paths.ts';
import * as wire from '../../wire/session.ts';
import { cookieOf, requireSameOrigin, type Site, sessionCookie, setCookie, siteOf } from '../browser.ts';
import { Answer, type Route, route } from '../route.ts';
import { refuseJobs, useOf } from '../token-use.ts';
import type { RouteContext } from './context.ts';

type View = z.input<typeof wire.sessionSchema>;
type Who = Pick<BegunSession, 'text' | 'token' | 'session'> & { readonly person: View['person'] };

const at = (ms: number) => new Date(ms).toISOString();

/** Who is signed in on the page: asked, begun and ended. */
export function sessionRoutes({ hub, signIn }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  const ways: View['ways'] = [
    ...(signIn === null ? [] : [{ kind: 'oidc' as const, name: signIn.provider.name, url: '/api/v1/session/oidc' }]),
    { kind: 'token' },
  ];
  const nobody = (refused: string | null): View => ({
    person: null,
    scopes: [],
    id: null,
    way: null,
    expires_at: null,
    idle_at: null,
    csrf: null,
    auth_time: null,
    ways: refused === null ? ways : [],
    refused,
  });
  const view = ({ text, token, session, person }: Who): View => ({
    ...nobody(null),
    person,
    scopes: [...token.scopes],
    id: token.id,
    way: session.way,
    expires_at: at(token.expiresAt),
    idle_at: at(Math.min(token.expiresAt, idleUntil(token))),
    csrf: csrfOf(text),
    auth_time: session.authTime === null ? null : at(session.authTime),
  });
  const cookieFor = (site: Site, text: string, token: Token) =>
    setCookie(site, sessionCookie(site), text, (token.expiresAt - clock.now()) / 1_000, 'strict');
  const noCookie = (site: Site) => setCookie(site, sessionCookie(site), '', 0, 'strict');

  /** Whose session the cookie is; null for none, and for one that is over. */
  async function signedIn(site: Site, headers: IncomingHttpHeaders, use: TokenUse): Promise<Who | null> {
    const text = cookieOf(headers, sessionCookie(site));
    if (text === null) return null;
    const token = await authenticateSession(hub, text, use);
    const [session, person]: [Session | null, (View['person'] & { blocked?: boolean }) | null] = [
      await store.session(token.id),
      token.owner && (await hub.directory.person(token.owner.id)),
    ];
    if (session === null || person === null || person.blocked === true) return null;
    return { text, token, session, person: { id: person.id, username: person.username, name: person.name } };
  }

  return [
    route('GET', '/api/v1/session', 'Who is signed in on this page, and how somebody can sign in', null, {
      reply: wire.sessionSchema,
      tries: true,
      handle: async ({ headers, address }) => {
        let site: Site;
        try {
          site = siteOf(headers, hub.externalUrl());
        } catch (error) {
          if (error instanceof HoldpointError && error.code === 'forbidden') return nobody(error.message);
          throw error;
        }
        try {
          const who = await signedIn(site, headers, useOf(headers, address));
          if (who !== null) return view(who);
        } catch (error) {
          // Over or unknown is no failure of whoever only asks; what the cookie holds is worth nothing, and goes.
          if (!(error instanceof HoldpointError) || error.code !== 'unauthenticated') throw error;
        }
        return new Answer(nobody(null), headers.cookie === undefined ? {} : { 'set-cookie': noCookie(site) });
      },
    }),
    route('POST', '/api/v1/session', 'Sign in on the page with a token; the answer sets the cookie', null, {
      body: wire.signInBody,
      reply: wire.sessionSchema,
      status: 201,
      tries: true,
      handle: async ({ headers, body, address }) => {
        const site = siteOf(headers, hub.externalUrl());
        // Nobody is signed in as somebody else by a page of somebody else (T23).
        requireSameOrigin(headers, site, false);
        if (!/^application\/json\b/.test(headers['content-type'] ?? ''))
          throw new HoldpointError('bad_input', 'a sign-in is sent as application/json');
        const use = useOf(headers, address);
        await refuseJobs(hub, use, false);
        const begun = await signInWithToken(hub, body.token, body.user ?? null, use);
        await endOlder(site, headers, use);
        const { id, username, name } = begun.person;
        return new Answer(view({ ...begun, person: { id, username, name } }), {
          'set-cookie': cookieFor(site, begun.text, begun.token),
        });
      },
    }),
    route(
      'DELETE',
      '/api/v1/session',
      'Sign out of the page',
      { scope: null },
      {
        reply: wire.signedOutSchema,
        handle: async ({ headers, identity, address }) => {
          await endSession(hub, identity.token, useOf(headers, address));
          return new Answer(
            { signed_out: true, provider_url: await providerUrl(identity.token, headers) },
            { 'set-cookie': noCookie(siteOf(headers, hub.externalUrl())) },
          );
        },
      },
    ),
  ];

  /** Whoever came from the identity provider is signed in there too, and would be back with one click. */
  async function providerUrl(token: Token, headers: IncomingHttpHeaders): Promise<string | null> {
    const session = await store.session(token.id);
    if (signIn === null || session?.way !== 'oidc') return null;
    return signIn.provider.signOutUrl(`${siteOf(headers, hub.externalUrl()).origin}${PAGE_PATHS.signIn}`);
  }

  /** The session that this browser had before is over with the new one. */
  async function endOlder(site: Site, headers: IncomingHttpHeaders, use: TokenUse): Promise<void> {
    const text = cookieOf(headers, sessionCookie(site));
    if (text === null) return;
    const older = await authenticateSession(hub, text, use).catch((error: unknown) => {
      if (error instanceof HoldpointError && error.code === 'unauthenticated') return null;
      throw error;
    });
    if (older !== null) await endSession(hub, older, use);
  }
}
