import { createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a provider says wrongly; nothing: it is honest. */
export interface Lies {
  /** Members of the ID token that are replaced; undefined takes one out. */
  readonly token?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Signed with a key that the provider does not publish. */
  readonly otherKey?: boolean;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly userinfo?: Readonly<Record<string, unknown>>;
  readonly hugeAnswer?: boolean;
}
/** A provider that signs what a test wants; it takes any code. */
export interface LyingProvider {
  readonly issuer: string;
  lies: Lies;
  /** What the token endpoint was sent last. */
  readonly asked: { authorization: string | undefined; body: URLSearchParams }[];
  /** The nonce of the sign-in that is under way, as the authorization address had it. */
  nonce: string;
  close(): Promise<void>;
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export async function startLyingProvider(): Promise<LyingProvider> {
  const keys = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ];
  const server = createServer((request, response) => {
    const json = (body: unknown, status = 200): void => {
      const text = JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
    const { lies } = provider;
    const { pathname } = new URL(request.url ?? '/', provider.issuer);
    if (pathname === '/.well-known/openid-configuration') {
      const at = (path: string) => `${provider.issuer}${path}`;
      return json({
        issuer: provider.issuer,
        authorization_endpoint: at('/authorize'),
        token_endpoint: at('/token'),
        jwks_uri: at('/keys'),
        userinfo_endpoint: at('/userinfo'),
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
        ...lies.metadata,
      });
    }
    if (pathname === '/keys')
      return json({ keys: [{ ...keys[0]!.publicKey.export({ format: 'jwk' }), kid: 'a', use: 'sig', alg: 'RS256' }] });
    if (pathname === '/userinfo') return json({ sub: '21', ...lies.userinfo });
    if (pathname !== '/token') return void response.writeHead(404).end();
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      provider.asked.push({ authorization: request.headers.authorization, body: new URLSearchParams(body) });
      const now = Math.floor(Date.now() / 1_000);
      const claims = {
        iss: provider.issuer,
        aud: 'holdpoint',
        sub: '21',
        iat: now,
        exp: now + 120,
        auth_time: now,
        nonce: provider.nonce,
        ...lies.token,
      };
      const signed = `${part({ alg: 'RS256', kid: 'a', ...lies.header })}.${part(claims)}`;
      const key = keys[lies.otherKey === true ? 1 : 0]!.privateKey;
      const signature = createSign('RSA-SHA256').update(signed).sign(key).toString('base64url');
      json({
        access_token: 'an-access-token',
        token_type: 'Bearer',
        expires_in: 7_200,
        id_token: `${signed}.${lies.header?.alg === 'none' ? '' : signature}`,
        ...(lies.hugeAnswer === true ? { padding: 'x'.repeat(2 * 1024 * 1024) } : {}),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const provider: LyingProvider = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lies: {},
    asked: [],
    nonce: '',
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return provider;
}
