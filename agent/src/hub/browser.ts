/** What the hub asks of a browser: the origin it is at, the cookie it sends, the page that may send it (T23). */

import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { fastifyCookie } from '@fastify/cookie';
import { HoldpointError } from '../domain/errors.ts';
import { csrfOf } from '../domain/session.ts';

/** The header that carries what `GET /api/v1/session` gave as `csrf`. */
export const CSRF_HEADER = 'x-holdpoint-csrf';
/** Methods that change nothing. */
const SAFE: readonly string[] = ['GET', 'HEAD'];

/** Where a browser finds the hub, and whether nobody on the way can listen in. */
export interface Site {
  readonly origin: string;
  readonly secure: boolean;
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);

/**
 * The one origin from which this request may come: that of `hub.external_url`, or, without TLS, the loopback address that
 * was asked. A name that somebody's DNS points at this machine is none of them. Throws `forbidden`: over a network in
 * clear no cookie is given or taken.
 */
export function siteOf(headers: IncomingHttpHeaders, externalUrl: string): Site {
  const external = new URL(externalUrl);
  if (external.protocol === 'https:') return { origin: external.origin, secure: true };
  const asked = `http://${headers.host ?? ''}`;
  const own = URL.canParse(asked) ? new URL(asked) : null;
  if (own !== null && isLoopback(own.hostname) && own.host === (headers.host ?? '').toLowerCase().replace(/:80$/, ''))
    return { origin: own.origin, secure: false };
  throw new HoldpointError(
    'forbidden',
    'the page signs nobody in over http:// on a network: open it on the machine itself, or set hub.external_url to its https:// address',
  );
}

/** Name of the session's cookie: with `__Host-` no other host and no path can set it (T24). */
export const sessionCookie = (site: Site): string => (site.secure ? '__Host-holdpoint' : 'holdpoint');

/** The value of a cookie, null when it is not there. Throws `unauthenticated` when it is there twice: one of them is not ours. */
export function cookieOf(headers: IncomingHttpHeaders, name: string): string | null {
  const header = headers.cookie ?? '';
  const times = header.split(';').filter((part) => part.slice(0, part.indexOf('=')).trim() === name).length;
  if (times > 1)
    throw new HoldpointError('unauthenticated', 'the same cookie came twice: remove the cookies of this site');
  return fastifyCookie.parse(header)[name] ?? null;
}

/** Names of all cookies that begin so. */
export function cookiesLike(headers: IncomingHttpHeaders, prefix: string): readonly string[] {
  return Object.keys(fastifyCookie.parse(headers.cookie ?? '')).filter((name) => name.startsWith(prefix));
}

/** A `Set-Cookie` that scripts cannot read and other sites do not send; `maxAgeS` 0 removes it. `lax`: it comes with a link from elsewhere too. */
export function setCookie(
  site: Site,
  name: string,
  value: string,
  maxAgeS: number,
  sameSite: 'strict' | 'lax',
): string {
  return fastifyCookie.serialize(name, value, {
    path: '/',
    httpOnly: true,
    secure: site.secure,
    sameSite,
    maxAge: Math.max(0, Math.floor(maxAgeS)),
  });
}

/** Throws `cross_site` when a browser says that a request comes from somewhere else; `needed`: also when it does not say. */
export function requireSameOrigin(headers: IncomingHttpHeaders, site: Site, needed: boolean): void {
  const { origin } = headers;
  const fetchSite = headers['sec-fetch-site'];
  if (fetchSite !== undefined && fetchSite !== 'same-origin') refuseFrom('another site', site);
  if (origin !== undefined && origin !== site.origin) refuseFrom('another origin', site);
  if (needed && origin === undefined && fetchSite === undefined) refuseFrom('nowhere that it names', site);
}

function refuseFrom(found: string, site: Site): never {
  throw new HoldpointError(
    'cross_site',
    `this request comes from ${found}, the page is at ${site.origin}: open it there`,
  );
}

/** Throws `cross_site` unless the browser says that a websocket is opened by the page: nothing else guards one. */
export function requireOrigin(headers: IncomingHttpHeaders, site: Site): void {
  if (headers.origin !== site.origin)
    throw new HoldpointError('cross_site', `this websocket is not opened by the page at ${site.origin}: open it there`);
}

/** What a request that a cookie speaks for must show before it changes anything. */
export function requireOwnPage(
  request: { readonly method: string; readonly headers: IncomingHttpHeaders },
  site: Site,
  sessionText: string,
): void {
  const { 'sec-fetch-site': fetchSite } = request.headers;
  if (SAFE.includes(request.method)) {
    // A page at another port of this host is the same site, and has the cookie sent: it must not look at things in its name.
    if (fetchSite === 'same-site' || fetchSite === 'cross-site') refuseFrom('another site', site);
    return;
  }
  requireSameOrigin(request.headers, site, true);
  const shown = request.headers[CSRF_HEADER];
  const wanted = Buffer.from(csrfOf(sessionText));
  const given = Buffer.from(typeof shown === 'string' ? shown : '');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new HoldpointError('cross_site', `the header ${CSRF_HEADER} is not this session's: load the page again`);
}
