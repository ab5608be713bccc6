import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type AdapterFactory, type Configuration } from 'oidc-provider';
import type { BrowserClient } from './browser-client.ts';

/** Somebody with an account at the provider. */
export interface Account {
  readonly username: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}
/** A real OpenID provider on loopback that behaves like GitLab: numeric `sub`, groups in claims, `api` as a scope. */
export interface TestProvider {
  readonly issuer: string;
  /** Whoever sits before the browser; they need no form to sign in with. Null declines. */
  who: number | null;
  /** How long ago they signed in there, in seconds. */
  sinceS: number;
  /** Clients that may come: their redirect addresses are known only when the hub listens. */
  register(redirectUris: readonly string[], postLogout?: readonly string[]): void;
  /** Access tokens that were given out and not taken back, with their scopes and whose they are. */
  readonly given: Map<string, { readonly user: number; readonly scope: string }>;
  close(): Promise<void>;
}

export const CLIENT = { id: 'holdpoint', secret: 'a-secret-of-the-tests' } as const;
const GITLAB_CLAIMS = ['owner', 'maintainer', 'developer'].map((role) => `https://gitlab.org/claims/groups/${role}`);

/** What the provider keeps in memory when it is told nothing; told so, it warns of nothing. */
const MEMORY: string = 'oidc-provider/lib/adapters/memory_adapter.js';

/** Starts the provider with these accounts by id. */
export async function startProvider(accounts: Readonly<Record<number, Account>>): Promise<TestProvider> {
  let handle = (_: IncomingMessage, response: ServerResponse): void => void response.writeHead(503).end();
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const given: TestProvider['given'] = new Map();
  const { createMemoryAdapter } = (await import(MEMORY)) as { createMemoryAdapter(): AdapterFactory };
  const adapter = createMemoryAdapter();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const made: TestProvider = {
    issuer,
    who: null,
    sinceS: 0,
    given,
    register(redirectUris, postLogout = []) {
      const provider = new Provider(
        issuer,
        configuration(adapter, accounts, privateKey.export({ format: 'jwk' }), redirectUris, postLogout),
      );
      provider.on('access_token.saved', (token) => {
        // What a client gets is the token's own id where it is opaque.
        given.set(token.jti, { user: Number(token.accountId), scope: token.scope ?? '' });
      });
      provider.on('access_token.destroyed', (token) => void given.delete(token.jti));
      const callback = provider.callback();
      handle = (request, response) => {
        if (!request.url?.startsWith('/interaction/')) return void callback(request, response);
        interact(provider, request, response, made.who, made.sinceS).catch((error: unknown) => {
          response.writeHead(500).end(String(error));
        });
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return made;
}

function configuration(
  adapter: AdapterFactory,
  accounts: Readonly<Record<number, Account>>,
  key: object,
  redirectUris: readonly string[],
  postLogout: readonly string[],
): Configuration {
  return {
    adapter,
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [...redirectUris],
        post_logout_redirect_uris: [...postLogout],
        // As GitLab has it, which says so whether it is asked or not.
        require_auth_time: true,
      },
    ],
    jwks: { keys: [{ ...key, kid: 'of-the-tests', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    scopes: ['openid', 'profile', 'api'],
    claims: {
      openid: ['sub', 'groups', 'groups_direct', 'gitlab_id', ...GITLAB_CLAIMS],
      profile: ['name', 'preferred_username'],
    },
    // GitLab has roles in userinfo only, as any claim is here that nobody asks for by name.
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: async () => true },
      rpInitiatedLogout: { enabled: true },
    },
    ttl: { AccessToken: 7_200, IdToken: 120, Session: 86_400, Grant: 86_400, Interaction: 600 },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: async (_, id) => {
      const account = accounts[Number(id)];
      if (account === undefined) return undefined;
      const { username, claims = {} } = account;
      return {
        accountId: id,
        claims: async () => ({ sub: id, name: username.toUpperCase(), preferred_username: username, ...claims }),
      };
    },
  };
}

/** Signs in and agrees at once, as whoever sits before the browser. */
async function interact(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  who: number | null,
  sinceS: number,
): Promise<void> {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (who === null) {
    await provider.interactionFinished(request, response, { error: 'access_denied' });
    return;
  }
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, {
      login: { accountId: String(who), ts: Math.floor(Date.now() / 1_000) - sinceS },
    });
    return;
  }
  const grant =
    grantId === undefined
      ? new provider.Grant({ accountId: session!.accountId, clientId: String(params.client_id) })
      : (await provider.Grant.find(grantId))!;
  grant.addOIDCScope(String(params.scope));
  await provider.interactionFinished(
    request,
    response,
    { consent: { grantId: await grant.save() } },
    { mergeWithLastSubmission: true },
  );
}

/** Follows a browser through the provider, from the address it is sent to; ends at the first address that is not the provider's, unvisited. */
export async function throughProvider(start: string, jar: Map<string, string> = new Map()): Promise<URL> {
  const { origin } = new URL(start);
  let at = new URL(start);
  for (let hops = 0; hops < 20; hops++) {
    const response = await fetch(at, {
      redirect: 'manual',
      headers: jar.size === 0 ? {} : { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const text of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!;
      if (value === '') jar.delete(name!);
      else jar.set(name!, value!);
    }
    const location = response.headers.get('location');
    const text = await response.text();
    if (location === null)
      throw new Error(`the provider answered ${response.status} at ${at.pathname}: ${text.slice(0, 300)}`);
    at = new URL(location, at);
    if (at.origin !== origin) return at;
  }
  throw new Error('the provider sends the browser round in circles');
}

/** Signs a browser in at the hub through the provider; answers where it ends up. */
export async function signInThrough(
  browser: BrowserClient,
  returnTo = '/inbox',
  jar: Map<string, string> = new Map(),
): Promise<string> {
  const begun = await browser.fetch('GET', `/api/v1/session/oidc?return=${encodeURIComponent(returnTo)}`);
  const callback = await throughProvider(begun.headers.get('location')!, jar);
  return comeBack(browser, callback);
}

/** Visits the address that the provider sent the browser back to, as a link from elsewhere: strict cookies stay behind. */
export async function comeBack(browser: BrowserClient, callback: URL): Promise<string> {
  const strict = [...browser.set].filter(([, text]) => /samesite=strict/i.test(text)).map(([name]) => name);
  const kept = new Map([...browser.cookies].filter(([name]) => strict.includes(name)));
  for (const name of kept.keys()) browser.cookies.delete(name);
  const reply = await browser.fetch('GET', callback.pathname + callback.search);
  for (const [name, value] of kept) if (!browser.cookies.has(name)) browser.cookies.set(name, value);
  const session = await browser.fetch('GET', '/api/v1/session');
  browser.csrf = (session.body.csrf as unknown as string | null) ?? null;
  return reply.headers.get('location') ?? `status ${reply.status}: ${JSON.stringify(reply.body)}`;
}
