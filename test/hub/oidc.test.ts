import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { browserClient } from '../support/browser-client.ts';
import { HOUR, MINUTE } from '../support/hub-world.ts';
import {
  comeBack,
  signInThrough,
  startProvider,
  type TestProvider,
  throughProvider,
} from '../support/identity-provider.ts';
import { type SigningInHub, startSigningInHub } from '../support/signing-in-hub.ts';

/** Accounts at the provider: maria and zoe are known to the hub's directory by the same ids, nina is not. */
const ACCOUNTS = {
  21: { username: 'maria' },
  9: { username: 'zoe' },
  // A name that is somebody else's in the directory of the hub.
  77: { username: 'jonas', claims: { groups_direct: ['acme'] } },
};

let provider: TestProvider;
let hub: SigningInHub;
beforeEach(async () => {
  provider = await startProvider(ACCOUNTS);
  hub = await startSigningInHub(provider.issuer, { admins: [30] });
  provider.register([hub.callback], [`${hub.url}/sign-in`]);
  provider.who = 21;
});
afterEach(async () => {
  await hub.close();
  await provider.close();
});

const asked = async (browser = hub.page) => (await browser.fetch('GET', '/api/v1/session')).body;
const begin = async (query = '', browser = hub.page) =>
  (await browser.fetch('GET', `/api/v1/session/oidc${query}`)).headers.get('location')!;

describe('signing in with an OpenID provider', () => {
  it('is offered by name', async () => {
    expect((await asked()).ways).toEqual([
      { kind: 'oidc', name: 'GitLab', url: '/api/v1/session/oidc' },
      { kind: 'token' },
    ]);
  });

  it('T17 signs in whom the provider names by id, and brings them back to where they were', async () => {
    expect(await signInThrough(hub.page, '/holds/7?tab=diff')).toBe('/holds/7?tab=diff');
    expect(await asked()).toMatchObject({
      person: { id: 21, username: 'maria' },
      scopes: ['read', 'approve', 'deploy'],
      way: 'oidc',
      auth_time: expect.stringMatching(/^20/),
    });
    expect(hub.page.set.get('holdpoint')).toMatch(/SameSite=Strict/);
  });

  it('asks with PKCE, state and nonce, for no more than it needs', async () => {
    const { searchParams } = new URL(await begin());
    expect(Object.fromEntries(searchParams)).toMatchObject({
      response_type: 'code',
      scope: 'openid profile',
      code_challenge_method: 'S256',
      redirect_uri: hub.callback,
      state: expect.stringMatching(/^.{40,}$/),
      nonce: expect.stringMatching(/^.{40,}$/),
      code_challenge: expect.stringMatching(/^.{40,}$/),
    });
  });

  it('T24 keeps no token of the provider: it is taken back as soon as it has served', async () => {
    await signInThrough(hub.page);
    for (const until = performance.now() + 5_000; provider.given.size > 0 && performance.now() < until; )
      await new Promise((resolve) => setImmediate(resolve));
    expect([...provider.given]).toEqual([]);
  });

  it('gives the scope admin to nobody but those whom the operator names by id', async () => {
    await hub.close();
    hub = await startSigningInHub(provider.issuer, { admins: [21] });
    provider.register([hub.callback]);
    await signInThrough(hub.page);
    expect((await asked()).scopes).toEqual(['read', 'approve', 'deploy', 'audit', 'admin']);
  });

  it('T17 takes nobody by their name: an id that the directory does not have is a stranger', async () => {
    provider.who = 77;
    expect(await signInThrough(hub.page)).toBe('/sign-in?problem=sign_in_failed&return=%2Finbox');
    expect(await asked()).toMatchObject({ person: null });
    const rows = await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(rows.map(({ event }) => event)).toContain('sign_in_refused');
    expect(rows.map(({ event }) => event)).not.toContain('signed_in');
  });

  it('T19 T24 lets nobody in who is blocked here, and ends what a blocked person has open', async () => {
    await signInThrough(hub.page);
    const { people } = hub.world;
    hub.world.people = { ...people, users: people.users.map((u) => ({ ...u, blocked: u.id === 21 })) };
    expect((await hub.page.fetch('GET', '/api/v1/me')).status).toBe(401);
    expect(await signInThrough(hub.page)).toContain('problem=sign_in_failed');
  });

  it('says so when it is declined at the provider', async () => {
    provider.who = null;
    expect(await signInThrough(hub.page, '/holds/7')).toBe('/sign-in?problem=sign_in_failed&return=%2Fholds%2F7');
  });

  it('says so when the provider is away', async () => {
    await provider.close();
    expect(await begin('?return=/holds/7')).toBe('/sign-in?problem=provider_unreachable&return=%2Fholds%2F7');
  });

  it('T24 ends with what the provider gave, two hours here, however much it is used', async () => {
    await signInThrough(hub.page);
    for (const minutes of [60, 59]) {
      hub.clock.advance(minutes * MINUTE);
      expect((await hub.page.fetch('GET', '/api/v1/me')).status).toBe(200);
    }
    hub.clock.advance(MINUTE);
    expect((await hub.page.fetch('GET', '/api/v1/me')).status).toBe(401);
  });

  it('ends the session that the browser had before', async () => {
    await hub.page.signIn(await hub.token('jonas'));
    const before = hub.page.copy();
    await signInThrough(hub.page);
    expect((await before.fetch('GET', '/api/v1/me')).status).toBe(401);
    expect(await asked()).toMatchObject({ person: { username: 'maria' } });
  });

  it('signs out here, and says where the provider signs out', async () => {
    await signInThrough(hub.page);
    const { body } = await hub.page.fetch('DELETE', '/api/v1/session');
    const there = new URL(String(body.provider_url));
    expect(there.origin).toBe(provider.issuer);
    expect(there.searchParams.get('post_logout_redirect_uri')).toBe(`${hub.url}/sign-in`);
    expect(await asked()).toMatchObject({ person: null });
  });
});

describe('T23 a sign-in that somebody tampers with', () => {
  it.each([
    ['a very long one', `/holds?x=${'x'.repeat(1_000)}`],
    ...[
      'https://evil.example/',
      '//evil.example/inbox',
      '/\\evil.example',
      '/%5cevil.example/..//holds',
      '/\t/evil.example',
      'javascript:alert(1)',
      '/sign-in',
      '/api/v1/session',
      '/holds/../../evil',
      '/holds/7@evil.example',
    ].map((each) => [each, each]),
  ])('leads nowhere but to a view of the page: %s', async (_, returnTo) => {
    expect(await signInThrough(hub.page, String(returnTo))).toBe('/');
  });

  it('ends for nobody who did not begin it in this browser', async () => {
    // The attacker signs in as zoe, and has the victim open the address that they would have come back to.
    const attacker = browserClient(hub);
    provider.who = 9;
    const callback = await throughProvider(await begin('', attacker));
    expect(await comeBack(hub.page, callback)).toBe('/sign-in?problem=sign_in_failed&return=%2F');
    expect(await asked()).toMatchObject({ person: null });
  });

  it('ends for nobody with a state that was not given here', async () => {
    const callback = await throughProvider(await begin());
    callback.searchParams.set('state', 'x'.repeat(43));
    expect(await comeBack(hub.page, callback)).toContain('problem=sign_in_failed');
    callback.searchParams.delete('state');
    expect(await comeBack(hub.page, callback)).toContain('problem=sign_in_failed');
  });

  it('ends for nobody with the code of another sign-in', async () => {
    const attacker = browserClient(hub);
    provider.who = 9;
    const stolen = (await throughProvider(await begin('', attacker))).searchParams.get('code')!;
    provider.who = 21;
    const callback = await throughProvider(await begin());
    callback.searchParams.set('code', stolen);
    expect(await comeBack(hub.page, callback)).toContain('problem=sign_in_failed');
    expect(await asked()).toMatchObject({ person: null });
  });

  it('ends once: the same code again signs nobody in', async () => {
    const callback = await throughProvider(await begin());
    const thief = hub.page.copy();
    expect(await comeBack(hub.page, callback)).toBe('/');
    expect(await comeBack(thief, callback)).toContain('problem=sign_in_failed');
    expect(await asked(thief)).toMatchObject({ person: null });
  });

  it('ends for nobody when the answer names another issuer', async () => {
    const callback = await throughProvider(await begin());
    callback.searchParams.set('iss', 'https://evil.example');
    expect(await comeBack(hub.page, callback)).toContain('problem=sign_in_failed');
  });

  it('ends for nobody after ten minutes', async () => {
    const callback = await throughProvider(await begin());
    hub.clock.advance(10 * MINUTE);
    expect(await comeBack(hub.page, callback)).toContain('problem=sign_in_failed');
  });

  it('goes on in two tabs at once', async () => {
    const first = await throughProvider(await begin('?return=/holds/1'));
    const second = await throughProvider(await begin('?return=/holds/2'));
    expect(await comeBack(hub.page, second)).toBe('/holds/2');
    expect(await comeBack(hub.page, first)).toBe('/holds/1');
  });

  it('T30 leaves a browser that is sent there again and again with few cookies', async () => {
    for (let i = 0; i < 25; i++) await hub.page.fetch('GET', '/api/v1/session/oidc');
    expect(hub.page.cookies.size).toBeLessThanOrEqual(11);
    expect(await comeBack(hub.page, await throughProvider(await begin('?return=/holds/1')))).toBe('/holds/1');
  });

  it('T30 is begun thirty times a minute from one address, and not more', async () => {
    const statuses = [];
    for (let i = 0; i < 31; i++) statuses.push((await hub.page.fetch('GET', '/api/v1/session/oidc')).status);
    expect(statuses.slice(0, 30).every((status) => status === 303)).toBe(true);
    expect(statuses[30]).toBe(429);
  });
});

describe('showing again that it is oneself', () => {
  const fresh = async (returnTo = '/holds/1') => {
    const { status, body } = await hub.page.fetch('POST', '/api/v1/session/oidc/fresh', { return: returnTo });
    expect(status).toBe(200);
    return String(body.url);
  };

  it('T24 asks the provider for a new sign-in, and takes its word on when that was', async () => {
    const jar = new Map<string, string>();
    await signInThrough(hub.page, '/inbox', jar);
    const before = hub.page.copy();
    const first = Date.parse(String((await asked()).auth_time));
    hub.clock.advance(HOUR);
    const url = await fresh();
    expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({ prompt: 'login', max_age: '60' });
    // The provider's clock has not moved: its word is an hour old for this hub.
    expect(await comeBack(hub.page, await throughProvider(url, jar))).toBe('/holds/1?fresh=sign_in_failed');
    hub.clock.advance(-HOUR);
    expect(await comeBack(hub.page, await throughProvider(await fresh(), jar))).toBe('/holds/1?fresh=done');
    expect(Date.parse(String((await asked()).auth_time))).toBeGreaterThanOrEqual(first);
    expect((await before.fetch('GET', '/api/v1/me')).status).toBe(401);
  });

  it('T17 is not done by somebody else at the provider', async () => {
    await signInThrough(hub.page);
    const url = await fresh();
    provider.who = 9;
    expect(await comeBack(hub.page, await throughProvider(url))).toBe('/holds/1?fresh=forbidden');
    expect(await asked()).toMatchObject({ person: { username: 'maria' } });
  });

  it('keeps what a session that was begun with a token may do, and when it ends', async () => {
    const begun = (await hub.page.signIn(await hub.token('maria', ['read'], 24 * HOUR))).body;
    expect(await comeBack(hub.page, await throughProvider(await fresh()))).toBe('/holds/1?fresh=done');
    expect(await asked()).toMatchObject({
      scopes: ['read'],
      way: 'token',
      expires_at: begun.expires_at,
      auth_time: expect.any(String),
    });
  });

  it('T23 is begun by the page alone', async () => {
    const token = await hub.token('maria');
    expect((await hub.call('POST', '/api/v1/session/oidc/fresh', token, {})).body.code).toBe('forbidden');
  });
});
