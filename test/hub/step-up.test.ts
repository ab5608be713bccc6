import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_POLICY, type Policy } from '../../agent/src/domain/policy.ts';
import { base64url, challengeOf, type StepUp } from '../../agent/src/domain/step-up.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { type BrowserClient, browserClient } from '../support/browser-client.ts';
import { runCli } from '../support/cli.ts';
import { type Loose, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { MINUTE, requestFor } from '../support/hub-world.ts';
import {
  comeBack,
  signInThrough,
  startProvider,
  type TestProvider,
  throughProvider,
} from '../support/identity-provider.ts';
import { startSigningInHub } from '../support/signing-in-hub.ts';
import { type Misuse, type SoftAuthenticator, softAuthenticator } from '../support/soft-authenticator.ts';

let hub: TestHub;
let origin: string;
let digest: string;
beforeEach(async () => {
  hub = await startHub();
  // A passkey belongs to a name: the address 127.0.0.1 has none.
  origin = hub.url.replace('127.0.0.1', 'localhost');
  hub.world.policy = policyWith('passkey');
  digest = await admitted(hub);
});
afterEach(() => hub.close());

function policyWith(stepUp: StepUp): Policy {
  return { ...DEFAULT_POLICY, version: `sha256:${stepUp}`, base: { ...DEFAULT_POLICY.base, stepUp } };
}

/** The digest of a Hold that waits. */
async function admitted(to: TestHub, job: Parameters<typeof requestFor>[0] = { id: 1 }): Promise<string> {
  const link = await welcomed(to.url, to.keys.embedded);
  const request = requestFor(job);
  const { configuration, facts } = request;
  link.send({ type: 'admit', ref: 'a', digest: request.digest, configuration, facts: toSnake(facts), policy: null });
  await link.next('verdict');
  link.socket.terminate();
  return request.digest;
}

/** A browser that has the page open at localhost, where somebody is signed in. */
async function enter(
  username: string,
  scopes: Parameters<TestHub['token']>[1] = ['read', 'approve'],
): Promise<BrowserClient> {
  const browser = browserClient({ url: origin });
  expect((await browser.signIn(await hub.token(username, scopes))).status).toBe(201);
  return browser;
}
async function addKey(browser: BrowserClient, key: SoftAuthenticator, misuse: Misuse = {}) {
  const options = (await browser.fetch('POST', '/api/v1/passkeys/challenge', {})).body;
  return browser.fetch('POST', '/api/v1/passkeys', {
    challenge: options.challenge,
    response: key.create(options, origin, misuse),
    name: 'laptop',
  });
}
const confirm = (browser: BrowserClient, id: unknown, code: unknown) =>
  browser.fetch('POST', `/api/v1/passkeys/${id}/confirm`, { code });
/** Somebody with a passkey that olga, who owns the group, has confirmed. */
async function withKey(username: string): Promise<{ browser: BrowserClient; key: SoftAuthenticator; id: number }> {
  const browser = await enter(username);
  const key = softAuthenticator();
  const { body } = await addKey(browser, key);
  expect((await confirm(await enter('olga'), body.id, body.code)).status).toBe(200);
  return { browser, key, id: Number(body.id) };
}
const ask = async (browser: BrowserClient, wish: object = {}, hold = 1): Promise<Loose> =>
  (await browser.fetch('POST', `/api/v1/holds/${hold}/challenge`, { digest, ...wish })).body;
const approve = (browser: BrowserClient, assertion: unknown, wish: object = {}, hold = 1) =>
  browser.fetch('POST', `/api/v1/holds/${hold}/approve`, {
    digest,
    ...wish,
    ...(assertion === null ? {} : { assertion }),
  });
const state = async (hold = 1) => (await hub.store.hold(hold))?.state;
const REFUSED = { status: 403, body: { code: 'step_up_required' } };

describe('T23 T24 a vote that needs a passkey', () => {
  it('counts with one, and keeps what was signed with the vote and in the audit', async () => {
    const { browser, key, id } = await withKey('maria');
    const asked = await ask(browser);
    expect(asked).toMatchObject({
      needed: 'passkey',
      met: false,
      problem: null,
      options: { userVerification: 'required' },
    });
    const assertion = key.get(asked.options!, origin);
    expect(await approve(browser, assertion)).toMatchObject({ status: 200, body: { state: 'pending' } });

    const [vote] = await hub.store.votes(1);
    const proof = vote!.proof!;
    if (proof.kind !== 'passkey') throw new Error(`it is a ${proof.kind}`);
    expect(proof).toMatchObject({ passkey: id, signature: (assertion.response as Loose).signature });
    const signed = { gate: 'configuration', decision: 'approve', person: 21, review: 1, hold: 1, digest } as const;
    const rest = { lifetime: null, scope: null, representedAs: null };
    expect(proof.challenge).toBe(base64url(challengeOf({ ...signed, ...rest }, proof.nonce)));
    const rows = await hub.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 100 });
    expect(rows.find(({ event }) => event === 'vote_approve')!.detail.step_up).toMatchObject({
      kind: 'passkey',
      passkey: id,
      challenge: proof.challenge,
      signature: proof.signature,
    });
  });

  it('is refused to the command line, which is shown the link to the page', async () => {
    const answer = await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), { digest });
    expect(answer).toMatchObject({
      status: 403,
      body: { code: 'step_up_required', detail: expect.stringContaining('/holds/1') },
    });
    const list = { decisions: [{ hold: 1, digest, decision: 'approve' }] };
    const { body } = await hub.call('POST', '/api/v1/reviews/decide', await hub.token('maria'), list);
    expect(body.items).toMatchObject([{ after: null, problem: { code: 'step_up_required' } }]);
    expect(await state()).toBe('waiting_for_approval');
  });

  it('is shown to whoever approves on the command line as what it is, with the link and an exit code of its own', async () => {
    const env = { HOLDPOINT_TOKEN: await hub.token('maria') };
    const run = await runCli(['approve', '1', '--digest', digest, '--hub', hub.url], { env });
    expect(run.exit).toBe(5);
    expect(run.err).toContain('asks for a passkey');
    expect(run.err).toContain(`${hub.url}/holds/1`);
    expect(await state()).toBe('waiting_for_approval');
  });

  it('is refused to a token in a header even with the answer of a passkey', async () => {
    const { browser, key } = await withKey('maria');
    const { options } = await ask(browser);
    const body = { digest, assertion: key.get(options!, origin) };
    expect((await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), body)).body.code).toBe(
      'step_up_required',
    );
  });

  it('is refused to the session alone', async () => {
    const { browser } = await withKey('maria');
    expect(await approve(browser, null)).toMatchObject(REFUSED);
    expect((await browser.fetch('GET', '/api/v1/holds/1')).body.step_up).toBe('passkey');
  });

  it('is told what is missing to whoever has no passkey', async () => {
    expect(await ask(await enter('maria'))).toMatchObject({
      needed: 'passkey',
      met: false,
      options: null,
      problem: expect.stringContaining('no passkey'),
    });
  });

  it('lets anybody reject without one: stopping asks for nothing', async () => {
    const answer = await (await enter('maria')).fetch('POST', '/api/v1/holds/1/reject', { digest, comment: 'no' });
    expect(answer).toMatchObject({ status: 200, body: { state: 'rejected' } });
  });

  it.each<[string, Misuse]>([
    ['for another page', { origin: 'https://evil.example' }],
    ['for the same name at another port', { origin: 'http://localhost:1' }],
    ['for another host', { rpId: 'evil.example' }],
    ['when a passkey was to be made', { type: 'webauthn.create' }],
    ['by nobody who touched it', { absent: true }],
    ['by somebody who gave no PIN and no finger', { unverified: true }],
    ['with another key', { otherKey: true }],
    ['by a copy whose counter has fallen behind', { counter: 1 }],
    ['to what nobody asked', { challenge: base64url(new Uint8Array(32)) }],
  ])('is refused with an answer that was given %s', async (_, misuse) => {
    const { browser, key } = await withKey('maria');
    const { options } = await ask(browser);
    expect(await approve(browser, key.get(options!, origin, misuse))).toMatchObject(REFUSED);
    expect(await state()).toBe('waiting_for_approval');
  });

  it.each([
    ['nothing', {}],
    ['a list', { id: [], response: [] }],
    ['a text that is none', { id: 'x', response: { clientDataJSON: '%' } }],
    ['a deep one', { response: { clientDataJSON: { clientDataJSON: {} } } }],
  ])('is refused with %s for an answer', async (_, assertion) => {
    expect(await approve((await withKey('maria')).browser, assertion)).toMatchObject(REFUSED);
  });

  it('T13 takes an answer for nothing but the decision that it was asked for', async () => {
    await admitted(hub, { id: 2, pipeline: 200 });
    const { browser, key } = await withKey('maria');
    const wish = { lifetime: 'run' };
    for (const [asked, decided, hold] of [
      [{}, { lifetime: 'standing' }, 1],
      [wish, {}, 1],
      [{}, { scope: 'inputs=any' }, 1],
      [{}, { represented_as: 'maintainers' }, 1],
      [{}, {}, 2],
    ] as const) {
      const { options } = await ask(browser, asked);
      expect(await approve(browser, key.get(options!, origin), decided, hold)).toMatchObject(REFUSED);
    }
    const { options } = await ask(browser, wish);
    expect((await approve(browser, key.get(options!, origin), wish)).status).toBe(200);
  });

  it('T13 takes an answer once', async () => {
    hub.world.policy = {
      ...policyWith('passkey'),
      base: { ...policyWith('passkey').base, rules: [{ ...DEFAULT_POLICY.base.rules[0]!, count: 2 }] },
    };
    const { browser, key } = await withKey('maria');
    const { options } = await ask(browser);
    const assertion = key.get(options!, origin);
    expect((await approve(browser, assertion)).status).toBe(200);
    expect(await approve(browser, assertion)).toMatchObject({
      ...REFUSED,
      body: { detail: expect.stringContaining('used already') },
    });
  });

  it('takes an answer for five minutes', async () => {
    const { browser, key } = await withKey('maria');
    const { options } = await ask(browser);
    hub.world.clock.advance(5 * MINUTE);
    expect(await approve(browser, key.get(options!, origin))).toMatchObject(REFUSED);
  });

  it("T18 takes nobody's answer for somebody else's vote", async () => {
    const maria = await withKey('maria');
    const jonas = await withKey('jonas');
    const { options } = await ask(jonas.browser);
    expect(await approve(maria.browser, jonas.key.get(options!, origin))).toMatchObject(REFUSED);
    const own = await ask(maria.browser);
    expect(await approve(maria.browser, jonas.key.get(own.options!, origin))).toMatchObject(REFUSED);
    // Another session of the same person was asked something of its own.
    const other = await enter('maria');
    expect(await approve(other, maria.key.get(own.options!, origin))).toMatchObject(REFUSED);
  });

  it('takes no answer of a passkey that was removed meanwhile', async () => {
    const { browser, key, id } = await withKey('maria');
    const { options } = await ask(browser);
    expect((await browser.fetch('POST', `/api/v1/passkeys/${id}/remove`, {})).status).toBe(200);
    expect(await approve(browser, key.get(options!, origin))).toMatchObject(REFUSED);
  });

  it('T21 does not count votes from before the policy asked for one', async () => {
    const two = (stepUp: StepUp): Policy => {
      const { base, ...rest } = policyWith(stepUp);
      return { ...rest, base: { ...base, rules: [{ ...base.rules[0]!, count: 2 }] } };
    };
    hub.world.policy = two('none');
    digest = await admitted(hub, { id: 5, pipeline: 500, script: ['other'] });
    expect((await approve(await enter('jonas'), null, {}, 2)).status).toBe(200);
    hub.world.policy = two('passkey');
    const { browser, key } = await withKey('maria');
    const { options } = await ask(browser, {}, 2);
    expect((await approve(browser, key.get(options!, origin), {}, 2)).status).toBe(200);
    expect(await state(2)).toBe('waiting_for_approval');
    // The page says so, too: of the two votes one counts.
    const seen = (await browser.fetch('GET', '/api/v1/holds/2')).body;
    expect(seen.rules).toMatchObject([{ have: 1, need: 2 }]);
    expect(seen.votes).toHaveLength(2);
  });
});

describe('T18 a passkey', () => {
  it('counts for nothing until somebody else has confirmed it with its code', async () => {
    const browser = await enter('maria');
    const key = softAuthenticator();
    const added = (await addKey(browser, key)).body;
    expect(added).toMatchObject({ mine: true, confirmed_at: null, code: expect.stringMatching(/^.{4}-.{4}$/) });
    expect(await ask(browser)).toMatchObject({ options: null, problem: expect.stringContaining('confirmed') });

    const olga = await enter('olga');
    const waiting = (await olga.fetch('GET', '/api/v1/passkeys')).body.items as unknown as Loose[];
    expect(waiting).toMatchObject([{ id: added.id, owner: 'maria', mine: false, code: null }]);
    expect(await confirm(olga, added.id, 'AAAA-AAAA')).toMatchObject({ status: 400 });
    expect(await confirm(olga, added.id, String(added.code).toLowerCase())).toMatchObject({
      status: 200,
      body: { confirmed_by: 'olga' },
    });
    expect((await ask(browser)).options).not.toBeNull();
    expect((await confirm(olga, added.id, added.code)).status).toBe(409);
    const rows = await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    expect(rows.filter(({ event }) => event.startsWith('passkey')).map(({ event, actor }) => [event, actor])).toEqual([
      ['passkey_added', 'user:21 maria'],
      ['passkey_confirmed', 'user:30 olga'],
    ]);
  });

  it('is confirmed by nobody for themselves, however much they administer', async () => {
    const browser = await enter('maria', ['read', 'approve', 'admin']);
    const { body } = await addKey(browser, softAuthenticator());
    expect((await confirm(browser, body.id, body.code)).status).toBe(403);
  });

  it('is confirmed by nobody with a token that its owner made', async () => {
    const browser = await enter('maria', ['read', 'approve', 'admin']);
    const { body } = await addKey(browser, softAuthenticator());
    const made = await browser.fetch('POST', '/api/v1/tokens', { user: 'olga' });
    const puppet = browserClient({ url: origin });
    await puppet.signIn(String(made.body.token));
    expect(await confirm(puppet, body.id, body.code)).toMatchObject({ status: 403 });
  });

  it.each([
    ['somebody of another project', 'stranger'],
    ['a developer', 'alice'],
    ['a reporter', 'rita'],
  ])('is confirmed by no %s, who is shown nothing of it', async (_, username) => {
    const { body } = await addKey(await enter('maria'), softAuthenticator());
    const other = await enter(username);
    expect((await confirm(other, body.id, body.code)).status).toBe(403);
    expect((await other.fetch('GET', '/api/v1/passkeys')).body.items).toEqual([]);
  });

  it('is made on the page alone, and for the page alone', async () => {
    expect((await hub.call('POST', '/api/v1/passkeys/challenge', await hub.token('maria'), {})).body.code).toBe(
      'forbidden',
    );
    const browser = await enter('maria');
    for (const misuse of [
      { origin: 'https://evil.example' },
      { rpId: 'evil.example' },
      { unverified: true },
      { challenge: 'AAAA' },
    ])
      expect((await addKey(browser, softAuthenticator(), misuse)).status).toBe(400);
  });

  it('is made once for one challenge, by the session that asked', async () => {
    const browser = await enter('maria');
    const options = (await browser.fetch('POST', '/api/v1/passkeys/challenge', {})).body;
    const add = (by: BrowserClient, key = softAuthenticator()) =>
      by.fetch('POST', '/api/v1/passkeys', {
        challenge: options.challenge,
        response: key.create(options, origin),
        name: 'x',
      });
    expect((await add(await enter('jonas'))).status).toBe(400);
    expect((await add(browser)).status).toBe(201);
    expect((await add(browser)).status).toBe(409);
  });

  it('is not made at an address, and says where it can be', async () => {
    const browser = browserClient(hub);
    await browser.signIn(await hub.token('maria'));
    expect((await browser.fetch('POST', '/api/v1/passkeys/challenge', {})).body).toMatchObject({
      code: 'wrong_state',
      detail: expect.stringContaining('localhost'),
    });
  });

  it('T30 is one of ten at most', async () => {
    const browser = await enter('maria');
    for (let i = 0; i < 10; i++) expect((await addKey(browser, softAuthenticator())).status).toBe(201);
    expect((await browser.fetch('POST', '/api/v1/passkeys/challenge', {})).status).toBe(409);
  });
});

describe('T24 a vote that needs a fresh sign-in', () => {
  let provider: TestProvider;
  beforeEach(async () => {
    await hub.close();
    provider = await startProvider({ 21: { username: 'maria' } });
    const signing = await startSigningInHub(provider.issuer);
    hub = signing;
    provider.register([signing.callback]);
    provider.who = 21;
    hub.world.policy = policyWith('fresh_sign_in');
    digest = await admitted(hub);
  });
  afterEach(() => provider.close());
  const page = () => (hub as Awaited<ReturnType<typeof startSigningInHub>>).page;

  it('counts within five minutes of it, and keeps the time with the vote', async () => {
    await signInThrough(page());
    expect(await ask(page())).toMatchObject({ needed: 'fresh_sign_in', met: true });
    expect((await approve(page(), null)).status).toBe(200);
    expect((await hub.store.votes(1))[0]!.proof).toMatchObject({ kind: 'fresh_sign_in', authTime: expect.any(Number) });
  });

  it('is refused later, until they have shown again that it is them', async () => {
    const jar = new Map<string, string>();
    provider.sinceS = 6 * 60;
    await signInThrough(page(), '/inbox', jar);
    expect(await ask(page())).toMatchObject({ needed: 'fresh_sign_in', met: false });
    expect(await approve(page(), null)).toMatchObject(REFUSED);
    provider.sinceS = 0;
    const { body } = await page().fetch('POST', '/api/v1/session/oidc/fresh', { return: '/holds/1' });
    expect(await comeBack(page(), await throughProvider(String(body.url), jar))).toBe('/holds/1?fresh=done');
    expect((await approve(page(), null)).status).toBe(200);
  });

  it('is refused to a session that was begun with a token, and to a token', async () => {
    await page().signIn(await hub.token('maria'));
    expect(await approve(page(), null)).toMatchObject(REFUSED);
    expect(await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), { digest })).toMatchObject(
      REFUSED,
    );
  });
});
