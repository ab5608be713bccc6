import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { comeBack } from '../support/identity-provider.ts';
import { type Lies, type LyingProvider, startLyingProvider } from '../support/lying-provider.ts';
import { type SigningInHub, startSigningInHub } from '../support/signing-in-hub.ts';

let provider: LyingProvider;
let hub: SigningInHub;
beforeEach(async () => {
  provider = await startLyingProvider();
  hub = await startSigningInHub(provider.issuer);
});
afterEach(async () => {
  await hub.close();
  await provider.close();
});

/** Signs in with what the provider says; answers where the browser ends up and who is signed in. */
async function signIn(lies: Lies = {}, change: (callback: URL) => void = () => {}) {
  provider.lies = lies;
  const begun = await hub.page.fetch('GET', '/api/v1/session/oidc?return=/holds');
  const location = begun.headers.get('location')!;
  if (!location.startsWith(provider.issuer)) return { location, who: null };
  const { searchParams } = new URL(location);
  provider.nonce = searchParams.get('nonce')!;
  const callback = new URL(hub.callback);
  callback.searchParams.set('code', 'any');
  callback.searchParams.set('state', searchParams.get('state')!);
  callback.searchParams.set('iss', provider.issuer);
  change(callback);
  const ended = await comeBack(hub.page, callback);
  return { location: ended, who: (await hub.page.fetch('GET', '/api/v1/session')).body.person };
}
const REFUSED = { location: '/sign-in?problem=sign_in_failed&return=%2Fholds', who: null };
const hourAgo = () => Math.floor(Date.now() / 1_000) - 3_600;

describe('T17 what a provider says', () => {
  it('is believed when all of it is right', async () => {
    expect(await signIn()).toMatchObject({ location: '/holds', who: { username: 'maria' } });
  });

  it.each<[string, () => Lies]>([
    ['a nonce of another sign-in', () => ({ token: { nonce: 'of-another' } })],
    ['no nonce', () => ({ token: { nonce: undefined } })],
    ['a token of another issuer', () => ({ token: { iss: 'https://gitlab.example.org' } })],
    ['a token for another client', () => ({ token: { aud: 'somebody-else' } })],
    [
      'a token for several clients, none of them authorized',
      () => ({ token: { aud: ['holdpoint', 'other'], azp: 'other' } }),
    ],
    ['a token that is over', () => ({ token: { exp: hourAgo(), iat: hourAgo() - 60 } })],
    ['a token that is signed with another key', () => ({ otherKey: true })],
    ['a token that is not signed', () => ({ header: { alg: 'none' } })],
    ['a token that is signed with the secret of the client', () => ({ header: { alg: 'HS256' } })],
    ['no subject', () => ({ token: { sub: undefined } })],
    ['a name in the place of an id', () => ({ token: { sub: 'maria' } })],
    ['an id with something behind it', () => ({ token: { sub: '21abc' } })],
    ['an id of no integer', () => ({ token: { sub: '21.0' } })],
    ['an id beyond all numbers', () => ({ token: { sub: '2'.repeat(30) } })],
    ['an address in the place of an id', () => ({ token: { sub: 'maria@example.com', email: 'maria@example.com' } })],
  ])('signs nobody in with %s', async (_, lies) => {
    expect(await signIn(lies())).toEqual(REFUSED);
  });

  it('signs nobody in when the answer names no issuer although the provider always does, or another one', async () => {
    expect(await signIn({}, (callback) => callback.searchParams.delete('iss'))).toEqual(REFUSED);
    expect(await signIn({}, (callback) => callback.searchParams.set('iss', 'https://evil.example'))).toEqual(REFUSED);
    expect(await signIn({}, (callback) => callback.searchParams.append('code', 'second'))).toEqual(REFUSED);
  });

  it('signs nobody in where the configuration is that of another issuer', async () => {
    const said = await signIn({ metadata: { issuer: 'https://evil.example' } });
    expect(said.location).toMatch(/^\/sign-in\?problem=(sign_in_failed|provider_unreachable)&/);
    expect(said.who).toBeNull();
  });

  it('T30 is read no further than any honest answer goes', async () => {
    expect((await signIn({ hugeAnswer: true })).location).toContain('problem=provider_unreachable');
  });

  it('repeats no text of an address that somebody made', async () => {
    const { location } = await signIn({}, (callback) => {
      callback.searchParams.delete('code');
      callback.searchParams.set('error', '<script>alert(1)</script>');
      callback.searchParams.set('error_description', 'telephone somebody');
    });
    expect(location).toBe(REFUSED.location);
    const rows = await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(JSON.stringify(rows)).toContain('sign_in_refused');
    expect(JSON.stringify(rows)).not.toMatch(/script|telephone/);
  });

  it('T24 puts no code, secret or token into the audit or the log', async () => {
    await signIn({ token: { nonce: 'wrong' } });
    const said = JSON.stringify([await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 }), hub.log.lines]);
    expect(said).toContain('sign_in_refused');
    for (const secret of ['a-secret-of-the-tests', 'an-access-token', provider.nonce])
      expect(said).not.toContain(secret);
  });

  it('sends the secret as the provider asks for it, and the verifier of this very sign-in', async () => {
    await signIn();
    expect(provider.asked[0]!.authorization).toMatch(/^Basic /);
    expect(provider.asked[0]!.body.get('code_verifier')).toMatch(/^.{43,}$/);
    expect(provider.asked[0]!.body.has('client_secret')).toBe(false);
  });
});

describe('T17 another provider than GitLab', () => {
  const other = async (more: Parameters<typeof startSigningInHub>[1]) => {
    await hub.close();
    hub = await startSigningInHub(provider.issuer, { isGitlab: false, name: 'Login', ...more });
  };

  it('names people by the claim that the operator says, wherever it stands', async () => {
    await other({ userClaim: 'gitlab_id' });
    expect(await signIn({ token: { sub: 'x7', gitlab_id: 22 }, userinfo: { sub: 'x7' } })).toMatchObject({
      who: { username: 'jonas' },
    });
    expect(await signIn({ userinfo: { gitlab_id: '9' } })).toMatchObject({ who: { username: 'zoe' } });
  });

  it('signs nobody in without that claim: its own numbers are those of other people', async () => {
    await other({ userClaim: 'gitlab_id' });
    expect(await signIn()).toEqual(REFUSED);
    expect(await signIn({ userinfo: { sub: '9', gitlab_id: '9' } })).toEqual(REFUSED);
  });

  it('never has a signed claim replaced by one that is not signed', async () => {
    await other({ userClaim: 'gitlab_id', membership: 'claims' });
    const lies = { token: { gitlab_id: 22 }, userinfo: { gitlab_id: 30 } };
    expect(await signIn(lies)).toMatchObject({ who: { username: 'jonas' } });
  });
});

describe('T24 a fresh sign-in', () => {
  const fresh = async (lies: Lies) => {
    await signIn();
    provider.lies = lies;
    const { body } = await hub.page.fetch('POST', '/api/v1/session/oidc/fresh', { return: '/holds/1' });
    const { searchParams } = new URL(String(body.url));
    provider.nonce = searchParams.get('nonce')!;
    const callback = new URL(hub.callback);
    callback.search = String(
      new URLSearchParams({ code: 'any', state: searchParams.get('state')!, iss: provider.issuer }),
    );
    return comeBack(hub.page, callback);
  };

  it.each<[string, Lies]>([
    ['does not say when it was', { token: { auth_time: undefined } }],
    ['says that it was an hour ago', { token: { auth_time: hourAgo() } }],
    ['says it in words', { token: { auth_time: 'now' } }],
  ])('is none when the provider %s', async (_, lies) => {
    expect(await fresh(lies)).toBe('/holds/1?fresh=sign_in_failed');
  });

  it('is one when it has just been', async () => {
    expect(await fresh({})).toBe('/holds/1?fresh=done');
  });
});
