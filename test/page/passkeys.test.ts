import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { browserClient } from '../support/browser-client.ts';
import { builtPage } from '../support/built-page.ts';
import { type Loose, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';
import { openBrowser } from '../support/page/browser.ts';

let browser: Browser;
let folder: string;
let hub: TestHub;
let origin: string;
let digest: string;
let page: Page;
let cdp: CDPSession;
beforeAll(async () => {
  [browser, folder] = await Promise.all([openBrowser(), builtPage()]);
});
afterAll(() => browser.close());
beforeEach(async () => {
  hub = await startHub({ page: folder });
  origin = hub.url.replace('127.0.0.1', 'localhost');
  hub.world.policy = { ...DEFAULT_POLICY, base: { ...DEFAULT_POLICY.base, stepUp: 'passkey' } };
  const link = await welcomed(hub.url, hub.keys.embedded);
  const { configuration, facts, ...request } = requestFor({ id: 1 });
  digest = request.digest;
  link.send({ type: 'admit', ref: 'a', digest, configuration, facts: toSnake(facts), policy: null });
  await link.next('verdict');
  link.socket.terminate();
  page = await (await browser.newContext()).newPage();
  cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  await page.goto(`${origin}/sign-in`);
});
afterEach(async () => {
  await page.context().close();
  await hub.close();
});

/** A device that asks for a finger, and gets the right one or none. */
async function device(isUserVerified = true): Promise<string> {
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified,
    automaticPresenceSimulation: true,
  } as const;
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options });
  return authenticatorId;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** What the browser's own WebAuthn is asked for, its answer going into the body under `into`. */
  readonly credential?: { readonly kind: 'create' | 'get'; readonly options: Loose; readonly into: string };
}
/** One request of the page's own, from within the page: its origin, its cookie, its WebAuthn. Text, since a browser runs it. */
const REQUEST = `async ({ method, path, body, credential }) => {
  const session = await (await fetch('/api/v1/session')).json();
  const sent = body === undefined ? undefined : { ...body };
  if (credential !== undefined) {
    const { kind, options, into } = credential;
    const read = kind === 'create' ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON';
    const made = await navigator.credentials[kind]({ publicKey: PublicKeyCredential[read](options) });
    sent[into] = made.toJSON();
  }
  const response = await fetch('/api/v1/' + path, {
    method,
    headers: {
      ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      ...(session.csrf === null ? {} : { 'x-holdpoint-csrf': session.csrf }),
    },
    ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
  });
  return { status: response.status, body: await response.json() };
}`;
function ask(asked: Asked): Promise<{ status: number; body: Loose }> {
  return page.evaluate(`(${REQUEST})(${JSON.stringify(asked)})`);
}
async function signIn(username: string): Promise<void> {
  const token = await hub.token(username);
  expect((await ask({ method: 'POST', path: 'session', body: { token } })).status).toBe(201);
}
async function addPasskey(): Promise<Loose> {
  const options = (await ask({ method: 'POST', path: 'passkeys/challenge', body: {} })).body;
  const credential = { kind: 'create', options, into: 'response' } as const;
  const body = { challenge: options.challenge, name: 'laptop' };
  const { status, body: added } = await ask({ method: 'POST', path: 'passkeys', body, credential });
  expect(status).toBe(201);
  return added;
}
async function confirmed(): Promise<void> {
  const { id, code } = await addPasskey();
  const olga = browserClient({ url: origin });
  await olga.signIn(await hub.token('olga'));
  expect((await olga.fetch('POST', `/api/v1/passkeys/${id}/confirm`, { code })).status).toBe(200);
}
const challenge = async () => (await ask({ method: 'POST', path: 'holds/1/challenge', body: { digest } })).body;

describe('T23 a passkey in a real browser', () => {
  it('is made, confirmed by somebody else, and approves what it was asked about', async () => {
    await device();
    await signIn('maria');
    await confirmed();
    const { options } = await challenge();
    const credential = { kind: 'get', options: options!, into: 'assertion' } as const;
    const approve = { method: 'POST', path: 'holds/1/approve', body: { digest }, credential } as const;
    expect(await ask(approve)).toMatchObject({ status: 200, body: { state: 'pending' } });
    expect((await hub.store.votes(1))[0]!.proof).toMatchObject({ kind: 'passkey' });
  });

  it('does nothing for a finger that is not its owner’s', async () => {
    const id = await device();
    await signIn('maria');
    await confirmed();
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: false });
    const { options } = await challenge();
    const credential = { kind: 'get', options: options!, into: 'assertion' } as const;
    const approve = { method: 'POST', path: 'holds/1/approve', body: { digest }, credential } as const;
    await expect(ask(approve)).rejects.toThrow(/NotAllowedError/);
    expect((await hub.store.hold(1))!.state).toBe('waiting_for_approval');
  });

  it('is given to no page at another name', async () => {
    await device();
    await signIn('maria');
    await confirmed();
    const { options } = await challenge();
    await page.goto(`${hub.url}/sign-in`);
    const publicKey = `PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify(options)})`;
    const stolen = page.evaluate(`navigator.credentials.get({ publicKey: ${publicKey} }).then(String)`);
    await expect(stolen).rejects.toThrow(/SecurityError/);
  });
});
