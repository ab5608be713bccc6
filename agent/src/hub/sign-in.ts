import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Caller, type HubContext, userActor } from '../app/hub-context.ts';
import { type BegunSession, beginSession, endSession, whyOver } from '../app/session.ts';
import { settle } from '../app/settle.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Person } from '../domain/principal.ts';
import type { Token, TokenScope } from '../domain/token.ts';
import type { TokenUse } from '../domain/token-use.ts';
import type { Authorized, IdentityProvider, PendingAuthorization } from '../ports/identity-provider.ts';
import type { Log } from '../ports/log.ts';
import { PAGE_PATHS } from '../wire/page-paths.ts';
import { cookieOf, type Site, sessionCookie, setCookie } from './browser.ts';

/** Long enough to find one's second factor. */
const PENDING_MS = 10 * 60_000;
/** More people do not sign in at the same moment; one more and the oldest begins again. */
const MAX_PENDING = 1_000;
const CALLBACK = '/api/v1/session/oidc/callback';
const EVERYDAY: readonly TokenScope[] = ['read', 'approve', 'deploy'];

/** What an authorization is for. */
export type Purpose =
  | { readonly kind: 'sign_in' }
  /** Whoever is signed in shows again that it is them. */
  | { readonly kind: 'fresh'; readonly caller: Caller }
  /** Whoever triggered a Hold's job retries it with a token of their own, this once. */
  | { readonly kind: 'retry'; readonly caller: Caller; readonly hold: number };

interface Waiting {
  readonly pending: PendingAuthorization;
  readonly purpose: Purpose;
  readonly returnTo: string;
  /** The session that the browser had before: it ends with the new one. */
  readonly older: Token | null;
  /** Of what the browser got as a cookie: nobody finishes in their browser what somebody else began (T23). */
  readonly browser: Buffer;
  readonly cancel: () => void;
}
/** Where the browser goes next, and the cookies it takes along. */
export interface Redirect {
  readonly location: string;
  readonly cookies: readonly string[];
}

/** What signing in with the identity provider needs. */
export interface SignInDeps {
  readonly hub: HubContext;
  readonly provider: IdentityProvider;
  /** Ids of people who administer the hub. */
  readonly admins: readonly number[];
  readonly retryNow: (caller: Caller, hold: number, own: string) => Promise<void>;
  readonly log: Log;
}
/** Sign-ins that are under way; in this process's memory only. */
export interface SignIn {
  readonly provider: IdentityProvider;
  begin(site: Site, purpose: Purpose, returnTo: string, older?: Token | null): Promise<Redirect>;
  finish(site: Site, headers: IncomingHttpHeaders, use: TokenUse, query: string): Promise<Redirect>;
  close(): Promise<void>;
}

const sha = (text: string): Buffer => createHash('sha256').update(text).digest();
/** One for each sign-in, so that two tabs do not end each other's. */
const pendingCookie = (site: Site, state: string): string =>
  `${sessionCookie(site)}-${sha(state).toString('hex').slice(0, 16)}`;

function withQuery(path: string, name: string, value: string): string {
  const [before = '', hash] = path.split(/(#.*)/s);
  return `${before}${before.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}${hash ?? ''}`;
}

/** Sign-ins with the identity provider. */
export function createSignIn({ hub, provider, admins, retryNow, log }: SignInDeps): SignIn {
  const waiting = new Map<string, Waiting>();
  const revoking = new Set<Promise<void>>();
  /** Nobody waits for it. */
  const takeBack = (accessToken: string): void => {
    const done = provider.revoke(accessToken).finally(() => revoking.delete(done));
    revoking.add(done);
  };
  const drop = (state: string): void => {
    waiting.get(state)?.cancel();
    waiting.delete(state);
  };

  /** The person of this id. People whom the directory does not name are let in where the provider's word on groups counts. */
  async function personOf({ user, claimed }: Authorized): Promise<Person> {
    const known = await hub.directory.person(user);
    if (known?.blocked === true)
      throw new HoldpointError('sign_in_failed', `user ${known.username} is blocked here: ask an administrator`);
    if (known !== null) return known;
    if (provider.claimsCount && claimed.groups.length > 0)
      return { id: user, username: claimed.username, name: claimed.name, blocked: false };
    throw new HoldpointError(
      'sign_in_failed',
      `user ${user} of ${provider.name} is not known to the directory: ask an administrator`,
    );
  }

  async function signIn(authorized: Authorized, use: TokenUse): Promise<BegunSession> {
    const person = await personOf(authorized);
    return beginSession(hub, use, {
      person,
      scopes: admins.includes(person.id) ? [...EVERYDAY, 'audit', 'admin'] : EVERYDAY,
      makers: [],
      expiresAt: authorized.endsAt,
      way: 'oidc',
      madeWith: null,
      authTime: authorized.authTime,
      claimed: provider.claimsCount ? authorized.claimed : null,
    });
  }

  /** The session goes on as it was, under a new text, and knows when its person was seen last. */
  async function freshen(caller: Caller, authorized: Authorized, use: TokenUse): Promise<BegunSession> {
    const token = await stillThere(caller, authorized);
    const session = await hub.store.session(token.id);
    if (session === null) throw new HoldpointError('unauthenticated', 'the session is over: sign in again');
    const begun =
      session.way === 'oidc'
        ? await signIn(authorized, use)
        : await beginSession(hub, use, {
            ...session,
            person: await personOf(authorized),
            scopes: token.scopes,
            makers: token.makers,
            expiresAt: token.expiresAt,
            authTime: authorized.authTime,
          });
    await endSession(hub, token, use);
    return begun;
  }

  /** Whoever began is still signed in, and is who the provider says came back (T17, T52). */
  async function stillThere({ person, token }: Caller, authorized: Authorized) {
    const now = await hub.store.token(token.id);
    if (now === null || (await whyOver(hub, now)) !== null)
      throw new HoldpointError('unauthenticated', 'the session ended meanwhile: sign in again');
    const known = await hub.directory.person(person.id);
    if (known === null || known.blocked)
      throw new HoldpointError('unauthenticated', `user ${person.username} is blocked or no longer known`);
    if (authorized.user !== person.id) {
      throw new HoldpointError(
        'forbidden',
        `${provider.name} says that you are user ${authorized.user}; here you are ${person.username} (user ${person.id}): sign in there as yourself`,
      );
    }
    return now;
  }

  async function refused(use: TokenUse, purpose: Purpose, error: HoldpointError): Promise<void> {
    log.info({ code: error.code, reason: error.message, purpose: purpose.kind }, 'a sign-in was refused');
    // What cannot be written down is no reason to leave somebody without an answer.
    const actor = purpose.kind === 'sign_in' ? 'system' : userActor(purpose.caller.person);
    const deciding = {
      actor,
      address: use.address,
      client: use.client,
      now: hub.clock.now(),
      policy: await hub.policy(),
    };
    await settle(hub, deciding, (s) =>
      s.audit('sign_in_refused', {}, { purpose: purpose.kind, code: error.code, reason: error.message }),
    );
  }

  function cookiesOf(site: Site, { text, token }: BegunSession): string {
    return setCookie(site, sessionCookie(site), text, (token.expiresAt - hub.clock.now()) / 1_000, 'strict');
  }

  /** Carries out what it was for; the path to go to, and the new session's cookie if there is one. */
  async function carryOut(site: Site, found: Waiting, authorized: Authorized, use: TokenUse): Promise<Redirect> {
    const { purpose, returnTo } = found;
    switch (purpose.kind) {
      case 'sign_in': {
        const begun = await signIn(authorized, use);
        if (found.older !== null) await endSession(hub, found.older, use);
        return { location: returnTo, cookies: [cookiesOf(site, begun)] };
      }
      case 'fresh':
        return {
          location: withQuery(returnTo, 'fresh', 'done'),
          cookies: [cookiesOf(site, await freshen(purpose.caller, authorized, use))],
        };
      case 'retry':
        await stillThere(purpose.caller, authorized);
        await retryNow(purpose.caller, purpose.hold, authorized.accessToken);
        return { location: withQuery(returnTo, 'retry', 'done'), cookies: [] };
      default:
        return purpose satisfies never;
    }
  }

  return {
    provider,
    async begin(site, purpose, returnTo, older = null) {
      const { url, pending } = await provider.begin({
        redirectUri: `${site.origin}${CALLBACK}`,
        access: purpose.kind === 'retry' ? 'api' : 'sign_in',
        fresh: purpose.kind === 'fresh',
      });
      const [oldest] = waiting.keys();
      if (waiting.size >= MAX_PENDING && oldest !== undefined) drop(oldest);
      const secret = Buffer.from(hub.random(32)).toString('base64url');
      const cancel = hub.clock.after(PENDING_MS, () => waiting.delete(pending.state));
      waiting.set(pending.state, { pending, purpose, returnTo, older, browser: sha(secret), cancel });
      // Lax: the browser comes back from another site, and a strict one would stay behind.
      const cookie = setCookie(site, pendingCookie(site, pending.state), secret, PENDING_MS / 1_000, 'lax');
      return { location: url, cookies: [cookie] };
    },
    async finish(site, headers, use, query) {
      const state = new URLSearchParams(query).get('state') ?? '';
      const found = waiting.get(state) ?? null;
      const name = pendingCookie(site, state);
      const shown = cookieOf(headers, name);
      const problem = (path: string, code: string): string =>
        `${PAGE_PATHS.signIn}?problem=${code}&return=${encodeURIComponent(path)}`;
      // Nothing is told apart: whoever did not begin here learns nothing of what somebody else began.
      if (found === null || shown === null || !timingSafeEqual(sha(shown), found.browser))
        return { location: problem('/', 'sign_in_failed'), cookies: [] };
      // Once: a code that is shown again finds nobody who waits for it.
      drop(state);
      const away = setCookie(site, name, '', 0, 'lax');
      let given: string | null = null;
      try {
        const authorized = await provider.finish(found.pending, new URL(`${site.origin}${CALLBACK}?${query}`));
        given = authorized.accessToken;
        const { location, cookies } = await carryOut(site, found, authorized, use);
        return { location, cookies: [away, ...cookies] };
      } catch (error) {
        if (!(error instanceof HoldpointError)) throw error;
        await refused(use, found.purpose, error);
        const { kind } = found.purpose;
        const back =
          kind === 'sign_in' ? problem(found.returnTo, error.code) : withQuery(found.returnTo, kind, error.code);
        return { location: back, cookies: [away] };
      } finally {
        // It has served: what nobody holds is stolen from nobody (T24).
        if (given !== null) takeBack(given);
      }
    },
    async close() {
      for (const state of [...waiting.keys()]) drop(state);
      await Promise.all(revoking);
      await provider.close();
    },
  };
}
