import { createSecureContext } from 'node:tls';
import * as oidc from 'openid-client';
import { Agent, type Dispatcher, fetch as undiciFetch } from 'undici';
import { type Claims, claimedOf, claimedUser } from '../domain/claims.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Authorized, IdentityProvider, PendingAuthorization } from '../ports/identity-provider.ts';
import type { Log } from '../ports/log.ts';

/** How the provider is reached and what its claims mean. */
export interface OpenidOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** As its file has it now; null for a client without one. */
  readonly clientSecret: () => string | null;
  readonly scopes: string;
  readonly name: string;
  readonly userClaim: string;
  readonly groupsClaim: string;
  readonly membership: 'directory' | 'claims';
  readonly isGitlab: boolean;
  /** The authorities that are trusted, PEM; without it the usual ones. */
  readonly ca?: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Somebody waits before their browser. */
const CALL_MS = 10_000;
/** A key set or the claims of somebody in 2,000 groups; more is no answer of a provider. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** A provider that moves its endpoints does so within a day. */
const METADATA_MS = 24 * 60 * 60_000;
/** Sent with a sign-in that must be a new one. Zero would send some providers round in circles: the page back takes a moment. */
const FRESH_S = 60;
/** Clocks of two machines differ; the provider's token says when the person signed in by its own. */
const SKEW_MS = 60_000;

/** The one OpenID Connect provider of this hub: code flow with PKCE, state and nonce; signatures checked against its keys. */
export function openidProvider(options: OpenidOptions): IdentityProvider {
  const { clock, log } = options;
  const issuer = new URL(options.issuer);
  const agent = new Agent({
    connectTimeout: CALL_MS,
    headersTimeout: CALL_MS,
    bodyTimeout: CALL_MS,
    ...(options.ca ? { connect: { secureContext: createSecureContext({ ca: options.ca }) } } : {}),
  });
  let known: { readonly at: number; readonly config: oidc.Configuration } | null = null;

  async function configuration(): Promise<oidc.Configuration> {
    if (known !== null && clock.now() - known.at < METADATA_MS) return known.config;
    const insecure = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
    const config = await asking('its configuration', () =>
      oidc.discovery(issuer, options.clientId, {}, clientAuthentication(options.clientSecret), {
        // Without this the word of whoever answers for the token endpoint would do; keys are pinned by the issuer.
        execute: [oidc.enableNonRepudiationChecks, ...insecure],
        [oidc.customFetch]: boundedFetch(agent),
        timeout: CALL_MS / 1_000,
      }),
    );
    known = { at: clock.now(), config };
    return config;
  }

  async function asking<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asHoldpointError(error, what);
    }
  }

  /** The claims that are needed and that the ID token does not have. */
  async function allClaims(config: oidc.Configuration, token: string, claims: oidc.IDToken): Promise<Claims> {
    const needed = options.membership === 'claims' || !Object.hasOwn(claims, options.userClaim);
    if (!needed || config.serverMetadata().userinfo_endpoint === undefined) return claims;
    const more = await asking('who signs in', () => oidc.fetchUserInfo(config, token, claims.sub));
    // What the signed token says is never replaced by what only the connection vouches for.
    return { ...more, ...claims };
  }

  return {
    name: options.name,
    givesApi: options.isGitlab,
    claimsCount: options.membership === 'claims',
    async begin(wish) {
      const config = await configuration();
      const pending: PendingAuthorization = {
        ...wish,
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        begunAt: clock.now(),
      };
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: wish.redirectUri,
        scope: wish.access === 'api' ? 'openid api' : options.scopes,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
        code_challenge_method: 'S256',
        ...(wish.fresh ? { prompt: 'login', max_age: String(FRESH_S) } : {}),
      });
      return { url: url.href, pending };
    },
    async finish(pending, callback): Promise<Authorized> {
      const config = await configuration();
      const answer = await asking('who signs in', () =>
        oidc.authorizationCodeGrant(config, callback, {
          expectedState: pending.state,
          expectedNonce: pending.nonce,
          pkceCodeVerifier: pending.verifier,
          idTokenExpected: true,
        }),
      );
      const token = answer.claims();
      if (token === undefined) throw failed('the provider gave no ID token');
      const authTime = typeof token.auth_time === 'number' ? token.auth_time * 1_000 : null;
      // `max_age` alone is a wish: what counts is when the provider says that it was (T24).
      if (pending.fresh && (authTime === null || authTime < pending.begunAt - SKEW_MS))
        throw failed('the provider does not say that you have just signed in there');
      const claims = await allClaims(config, answer.access_token, token);
      const user = claimedUser(claims, options.userClaim);
      if (user === null) {
        throw failed(
          `the provider's claim ${options.userClaim} is no GitLab user id: an administrator sets hub.oidc.user_claim to one that is`,
        );
      }
      const roles = options.isGitlab;
      return {
        user,
        claimed: claimedOf(claims, user, { groupsClaim: options.groupsClaim, roles }),
        authTime,
        endsAt: answer.expires_in === undefined ? token.exp * 1_000 : clock.now() + answer.expires_in * 1_000,
        accessToken: answer.access_token,
      };
    },
    async signOutUrl(returnTo) {
      // Signing out here must not fail because the provider is away.
      const config = await configuration().catch(() => null);
      if (config?.serverMetadata().end_session_endpoint === undefined) return null;
      return oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: returnTo }).href;
    },
    async revoke(accessToken) {
      try {
        const config = await configuration();
        if (config.serverMetadata().revocation_endpoint !== undefined)
          await oidc.tokenRevocation(config, accessToken, { token_type_hint: 'access_token' });
      } catch (error) {
        log.info(
          { reason: codeOf(error) },
          'a token could not be taken back at the identity provider; it ends by itself',
        );
      }
    },
    close: () => agent.close(),
  };
}

/** As the provider's metadata asks for it; the secret is read each time, so that it can be changed while this runs. */
function clientAuthentication(secret: () => string | null): oidc.ClientAuth {
  return (server, client, body, headers) => {
    const text = secret();
    if (text === null) return oidc.None()(server, client, body, headers);
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const way = methods.includes('client_secret_basic') ? oidc.ClientSecretBasic : oidc.ClientSecretPost;
    return way(text)(server, client, body, headers);
  };
}

/** No answer is read further than any honest one goes, and none is followed elsewhere. */
function boundedFetch(dispatcher: Dispatcher): oidc.CustomFetch {
  return async (url, given) => {
    const { body, headers, method } = given;
    const response = await undiciFetch(url, {
      method,
      headers,
      redirect: 'manual',
      dispatcher,
      signal: AbortSignal.timeout(CALL_MS),
      ...(body === undefined || body === null ? {} : { body: body as string | URLSearchParams | Uint8Array }),
    });
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.byteLength;
      if (bytes > MAX_ANSWER_BYTES) throw new HoldpointError('provider_unreachable', 'the answer is too long');
      parts.push(part);
    }
    const isEmpty = response.status === 204 || response.status === 304;
    return new Response(isEmpty ? null : Buffer.concat(parts), {
      status: response.status,
      headers: [...response.headers],
    });
  };
}

const failed = (why: string, cause?: unknown): HoldpointError =>
  new HoldpointError('sign_in_failed', `nobody was signed in: ${why}`, { cause });

/** What stands in an address may be anybody's text: only a word is repeated. */
const said = (word: string): string =>
  /^[a-z_]{1,50}$/.test(word) ? `the provider says ${word}` : 'the provider says no';

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === '' && error instanceof Error ? error.name : code;
}

/** Words for what openid-client throws. Its messages may quote what was sent, codes and tokens included: only its codes are told. */
function asHoldpointError(error: unknown, what: string): HoldpointError {
  if (error instanceof oidc.AuthorizationResponseError)
    return failed(error.error === 'access_denied' ? 'it was declined at the provider' : said(error.error), error);
  if (error instanceof oidc.ResponseBodyError) return failed(said(error.error), error);
  const cause = error instanceof Error ? error.cause : null;
  const isAnswered =
    error instanceof oidc.ClientError && !/TIMEOUT|OAUTH_HTTP_ERROR|RESPONSE_IS_NOT/.test(codeOf(error));
  if (isAnswered && !(cause instanceof HoldpointError))
    return failed(`the provider's answer is not what was asked for (${codeOf(error)})`, error);
  const why = cause instanceof HoldpointError ? cause.message : codeOf(cause ?? error) || 'no answer';
  return new HoldpointError(
    'provider_unreachable',
    `the identity provider could not be asked about ${what} (${why}): try again; if it lasts, an administrator looks at hub.oidc`,
    { cause: error },
  );
}
