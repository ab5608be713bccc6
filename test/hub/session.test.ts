import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type BrowserClient, browserClient } from '../support/browser-client.ts';
import { eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { HOUR, MINUTE, requestFor } from '../support/hub-world.ts';

let hub: TestHub;
let page: BrowserClient;
const sockets: WebSocket[] = [];
beforeEach(async () => {
  hub = await startHub();
  page = browserClient(hub);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await hub.close();
});

const me = (browser: BrowserClient = page) => browser.fetch('GET', '/api/v1/me');
const asked = (browser: BrowserClient = page) => browser.fetch('GET', '/api/v1/session');

describe('signing in on the page', () => {
  it('tells nobody who they are, and how they can sign in', async () => {
    expect(await asked()).toMatchObject({
      status: 200,
      body: { person: null, scopes: [], csrf: null, ways: [{ kind: 'token' }], refused: null },
    });
  });

  it('signs in with a token that was pasted, with its person and its scopes', async () => {
    const { status, body } = await page.signIn(await hub.token('maria'));
    expect(status).toBe(201);
    expect(body).toMatchObject({ person: { id: 21, username: 'maria' }, scopes: ['read', 'approve'], way: 'token' });
    expect((await me()).body).toMatchObject({ person: { username: 'maria' }, scopes: ['read', 'approve'] });
    expect((await asked()).body).toEqual(body);
  });

  it('T24 keeps its cookie from scripts, from other sites and from the store', async () => {
    const { body } = await page.signIn(await hub.token('maria'));
    const cookie = page.set.get('holdpoint')!;
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(cookie).toMatch(/; Max-Age=28800;/);
    const text = page.cookies.get('holdpoint')!;
    expect(text).toMatch(/^hps_[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify(body)).not.toContain(text);
    const tokens = await hub.store.tokens(null, { after: 0, limit: 100 });
    expect(JSON.stringify(tokens)).not.toContain(text);
    expect(JSON.stringify(await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 }))).not.toContain(text);
  });

  it('T24 has a cookie that only this host can have set, over TLS alone, where the address is https', async () => {
    await hub.close();
    hub = await startHub({ externalUrl: 'https://holds.example.com' });
    page = browserClient(hub, 'https://holds.example.com');
    await page.signIn(await hub.token('maria'));
    expect([...page.cookies.keys()]).toEqual(['__Host-holdpoint']);
    expect(page.set.get('__Host-holdpoint')).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    expect((await me()).status).toBe(200);
    const plain = browserClient(hub, 'https://holds.example.com');
    plain.cookies.set('holdpoint', page.cookies.get('__Host-holdpoint')!);
    expect((await me(plain)).status).toBe(401);
  });

  it('T24 gives no cookie over a network in clear, and says why', async () => {
    await hub.close();
    hub = await startHub({ externalUrl: 'http://holds.example.com' });
    const away = { host: 'holds.example.com' };
    const { body } = await rawGet(hub, '/api/v1/session', away);
    expect(body).toMatchObject({ ways: [], refused: expect.stringContaining('hub.external_url') });
  });

  it('T24 takes no token as a cookie and no cookie as a token', async () => {
    const token = await hub.token('maria');
    await page.signIn(token);
    expect((await hub.call('GET', '/api/v1/me', page.cookies.get('holdpoint')!)).status).toBe(401);
    page.cookies.set('holdpoint', token);
    expect((await me()).status).toBe(401);
  });

  it('T24 refuses a cookie together with a token, and two cookies of one name', async () => {
    const token = await hub.token('maria');
    await page.signIn(token);
    expect(await page.fetch('GET', '/api/v1/me', undefined, { authorization: `Bearer ${token}` })).toMatchObject({
      status: 401,
      body: { detail: expect.stringContaining('one of the two') },
    });
    const text = page.cookies.get('holdpoint')!;
    const twice = { cookie: `holdpoint=${text}; holdpoint=${text}` };
    expect((await page.fetch('GET', '/api/v1/me', undefined, twice)).status).toBe(401);
  });

  it('T24 signs nobody in under a cookie that somebody else has put there', async () => {
    const planted = `hps_${'A'.repeat(43)}`;
    page.cookies.set('holdpoint', planted);
    await page.signIn(await hub.token('maria'));
    expect(page.cookies.get('holdpoint')).not.toBe(planted);
    const thief = browserClient(hub);
    thief.cookies.set('holdpoint', planted);
    expect((await me(thief)).status).toBe(401);
  });

  it('T24 ends the session that the browser had before', async () => {
    await page.signIn(await hub.token('maria'));
    const before = page.copy();
    await page.signIn(await hub.token('jonas'));
    expect((await me(before)).status).toBe(401);
    expect((await me()).body).toMatchObject({ person: { username: 'jonas' } });
  });

  it('T24 slows down whoever tries tokens, as everywhere', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 32; i++) statuses.push((await page.signIn(`hp_wrong${i}`)).status);
    expect(statuses.slice(0, 30).every((status) => status === 401)).toBe(true);
    expect(statuses.slice(30)).toEqual([429, 429]);
  });
});

describe('T23 a request that the cookie speaks for', () => {
  let digest: string;
  beforeEach(async () => {
    digest = await admitted();
    await page.signIn(await hub.token('maria'));
  });
  const approve = (headers: Record<string, string>) =>
    page.fetch('POST', '/api/v1/holds/1/approve', { digest }, headers);
  const state = async () => (await hub.store.hold(1))?.state;

  it.each([
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another port of this host', { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }],
    ['a sandboxed frame', { origin: 'null' }],
    ['another site, which hides its origin', { 'sec-fetch-site': 'cross-site' }],
  ])('approves nothing from %s, even with the right token', async (_, headers) => {
    expect(await approve(headers)).toMatchObject({ status: 403, body: { code: 'cross_site' } });
    expect(await state()).toBe('waiting_for_approval');
  });

  it.each([
    ['no token against forgery', ''],
    ['a wrong one', '0'.repeat(64)],
  ])('approves nothing with %s', async (_, csrf) => {
    expect(await approve({ 'x-holdpoint-csrf': csrf })).toMatchObject({ status: 403, body: { code: 'cross_site' } });
    expect(await state()).toBe('waiting_for_approval');
  });

  it.each(['cross-site', 'same-site'])('looks at nothing for a page that is %s', async (from) => {
    const looked = await page.fetch('GET', '/api/v1/holds/1', undefined, { 'sec-fetch-site': from });
    expect(looked).toMatchObject({ status: 403, body: { code: 'cross_site' } });
    for (const own of ['same-origin', 'none'])
      expect((await page.fetch('GET', '/api/v1/holds/1', undefined, { 'sec-fetch-site': own })).status).toBe(200);
  });

  it('approves nothing with the token of another session', async () => {
    const other = browserClient(hub);
    await other.signIn(await hub.token('jonas'));
    expect((await approve({ 'x-holdpoint-csrf': other.csrf! })).status).toBe(403);
  });

  it('approves from the page', async () => {
    expect(await approve({})).toMatchObject({ status: 200, body: { state: 'pending' } });
  });

  it('takes no sign-in from another site, so that nobody works in the name of somebody else', async () => {
    const token = await hub.token('jonas');
    const stranger = browserClient(hub, 'https://evil.example');
    expect(await stranger.signIn(token)).toMatchObject({ status: 403, body: { code: 'cross_site' } });
    expect(stranger.cookies.size).toBe(0);
  });

  it('takes no page at a name that somebody points at this machine', async () => {
    const { body } = await rawGet(hub, '/api/v1/session', { host: `evil.example:${hub.port}` });
    expect(body).toMatchObject({ ways: [] });
  });
});

describe('a session ends', () => {
  const over = async (browser: BrowserClient = page) => {
    expect((await me(browser)).status).toBe(401);
    expect((await asked(browser)).body).toMatchObject({ person: null });
  };

  it('T24 with the token that it was made with', async () => {
    await page.signIn(await hub.token('maria', ['read'], HOUR));
    hub.world.clock.advance(HOUR);
    await over();
  });

  it('T24 when that token is revoked', async () => {
    const token = await hub.token('maria');
    await page.signIn(token);
    expect((await hub.call('POST', '/api/v1/tokens/1/revoke', token)).status).toBe(200);
    await over();
  });

  it('T24 after twelve hours however much it is used', async () => {
    await page.signIn(await hub.token('maria', ['read'], 24 * HOUR));
    for (let hours = 0; hours < 11; hours++) {
      hub.world.clock.advance(HOUR);
      expect((await me()).status).toBe(200);
    }
    hub.world.clock.advance(HOUR);
    await over();
  });

  it('T24 when nobody uses it', async () => {
    await page.signIn(await hub.token('maria'));
    hub.world.clock.advance(119 * MINUTE);
    expect((await me()).status).toBe(200);
    hub.world.clock.advance(120 * MINUTE);
    await over();
  });

  it('T19 T24 at once for a person who is blocked', async () => {
    await page.signIn(await hub.token('maria'));
    const { people } = hub.world;
    hub.world.people = { ...people, users: people.users.map((u) => ({ ...u, blocked: u.username === 'maria' })) };
    await over();
  });

  it('with the sign-out, whoever has a copy of it', async () => {
    await page.signIn(await hub.token('maria'));
    const thief = page.copy();
    expect(await page.fetch('DELETE', '/api/v1/session')).toMatchObject({
      status: 200,
      body: { signed_out: true, provider_url: null },
    });
    expect(page.cookies.size).toBe(0);
    await over(thief);
  });

  it('when it is revoked among the tokens of its person', async () => {
    const token = await hub.token('maria');
    const { body } = await page.signIn(token);
    const listed = (await hub.call('GET', '/api/v1/tokens', token)).body.items as unknown as { id: number }[];
    expect(listed.find(({ id }) => id === (body.id as unknown))).toMatchObject({
      name: 'page, signed in with a token',
      idle_ends_at: body.idle_at,
      state: 'valid',
    });
    expect((await hub.call('POST', `/api/v1/tokens/${body.id}/revoke`, token)).status).toBe(200);
    await over();
  });

  it('T24 becomes no token that anybody could copy', async () => {
    const token = await hub.token('maria');
    const { body } = await page.signIn(token);
    const rotated = await hub.call('POST', `/api/v1/tokens/${body.id}/rotate`, token, {});
    expect(rotated).toMatchObject({ status: 409, body: { detail: expect.stringContaining('session of the page') } });
    expect((await me()).status).toBe(200);
  });

  it('T30 when its person signs in for the twenty-first time', async () => {
    const token = await hub.token('maria');
    await page.signIn(token);
    for (let i = 0; i < 20; i++) await browserClient(hub).signIn(token);
    await over();
  });
});

describe('the first administrator', () => {
  it('T24 signs in once with the one-time token, as the user they name', async () => {
    const text = (await hub.hub.bootstrapToken())!;
    expect(await page.signIn(text)).toMatchObject({ status: 400 });
    expect(await page.signIn(text, 'nobody')).toMatchObject({ status: 404 });
    expect(await page.signIn(text, 'olga')).toMatchObject({
      status: 201,
      body: { person: { username: 'olga' }, scopes: ['read', 'approve', 'deploy', 'admin'], way: 'first_start' },
    });
    expect((await browserClient(hub).signIn(text, 'maria')).status).toBe(401);
    expect((await hub.call('POST', '/api/v1/tokens', text, { user: 'maria' })).status).toBe(401);
  });

  it('T24 comes too late after a quarter of an hour', async () => {
    const text = (await hub.hub.bootstrapToken())!;
    hub.world.clock.advance(15 * MINUTE);
    expect((await page.signIn(text, 'olga')).status).toBe(401);
  });
});

describe('the websocket for viewers with a cookie', () => {
  const follow = async (headers: Record<string, string>) => {
    const socket = new WebSocket(`ws://127.0.0.1:${hub.port}/api/v1/events`, { headers });
    sockets.push(socket);
    let code: number | null = null;
    socket.on('close', (closeCode) => {
      code = closeCode;
    });
    const status = await new Promise<number>((resolve) => {
      socket.once('open', () => resolve(101));
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
      socket.once('error', () => {});
    });
    return { status, code: () => code };
  };
  const cookie = () => `holdpoint=${page.cookies.get('holdpoint')}`;

  it('T23 opens for the page and for no other', async () => {
    await page.signIn(await hub.token('maria'));
    expect((await follow({ cookie: cookie(), origin: hub.url })).status).toBe(101);
    expect((await follow({ cookie: cookie(), origin: 'https://evil.example' })).status).toBe(403);
    expect((await follow({ cookie: cookie() })).status).toBe(403);
    expect((await follow({ cookie: `holdpoint=hps_${'A'.repeat(43)}`, origin: hub.url })).status).toBe(401);
  });

  it('T24 closes when the session is idle for too long', async () => {
    await page.signIn(await hub.token('maria'));
    const viewer = await follow({ cookie: cookie(), origin: hub.url });
    hub.world.clock.advance(2 * HOUR);
    hub.world.clock.advance(15_000);
    expect(await eventually(viewer.code, (code) => code !== null)).toBe(4401);
  });
});

/** The digest of a Hold 1 that waits. */
async function admitted(): Promise<string> {
  const link = await welcomed(hub.url, hub.keys.embedded);
  const { digest, configuration, facts } = requestFor({ id: 1 });
  const { toSnake } = await import('../../agent/src/wire/case.ts');
  link.send({ type: 'admit', ref: 'a', digest, configuration, facts: toSnake(facts), policy: null });
  await link.next('verdict');
  link.socket.terminate();
  return digest;
}

/** A request with headers that fetch does not let through. */
async function rawGet(to: TestHub, path: string, headers: Record<string, string>) {
  const { request } = await import('node:http');
  return new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port: to.port, path, headers }, (response) => {
      let text = '';
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    asking.on('error', reject);
    asking.end();
  });
}
