import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimedPeople } from '../../agent/src/app/claimed-people.ts';
import { claimedDirectory } from '../../agent/src/directories/claimed-directory.ts';
import { directoryOf } from '../../agent/src/directories/principals-file.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { type BrowserClient, browserClient } from '../support/browser-client.ts';
import { welcomed } from '../support/hub-server.ts';
import { PEOPLE, requestFor } from '../support/hub-world.ts';
import { signInThrough, startProvider, type TestProvider } from '../support/identity-provider.ts';
import { type SigningInHub, startSigningInHub } from '../support/signing-in-hub.ts';
import { testStore } from '../support/test-store.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const MAINTAINER = { 'https://gitlab.org/claims/groups/maintainer': ['acme'] };
const ACCOUNTS = {
  77: { username: 'nina', claims: { groups_direct: ['acme'], ...MAINTAINER } },
  78: { username: 'otto', claims: { groups_direct: ['elsewhere'] } },
  79: { username: 'paul' },
  // A developer by the hub's own list.
  12: { username: 'alice', claims: { groups_direct: ['acme'], ...MAINTAINER } },
};

let provider: TestProvider;
let hub: SigningInHub;
let digest: string;
beforeEach(async () => {
  provider = await startProvider(ACCOUNTS);
  const store = await testStore();
  const clock = turnableClock();
  const directory = claimedDirectory(
    () => PEOPLE,
    directoryOf,
    () => claimedPeople(store, clock),
  );
  hub = await startSigningInHub(provider.issuer, { membership: 'claims', hub: { store, directory, clock } });
  provider.register([hub.callback]);
  const link = await welcomed(hub.url, hub.keys.embedded);
  const request = requestFor({ id: 1 });
  digest = request.digest;
  link.send({
    type: 'admit',
    ref: 'a',
    digest,
    configuration: request.configuration,
    facts: toSnake(request.facts),
    policy: null,
  });
  await link.next('verdict');
  link.socket.terminate();
});
afterEach(async () => {
  await hub.close();
  await provider.close();
});

async function enter(who: number): Promise<BrowserClient> {
  const browser = browserClient(hub);
  provider.who = who;
  await signInThrough(browser);
  return browser;
}
const approve = (browser: BrowserClient) => browser.fetch('POST', '/api/v1/holds/1/approve', { digest });

describe('T19 membership that only the provider knows of', () => {
  it('lets a maintainer of a known group approve, although the list does not name them', async () => {
    expect(await approve(await enter(77))).toMatchObject({ status: 200, body: { state: 'pending' } });
  });

  it('gives nobody whom the list names more than the list', async () => {
    expect(await approve(await enter(12))).toMatchObject({ status: 403, body: { code: 'not_eligible' } });
  });

  it('shows a member of unknown groups nothing, and lets nobody in who is in no group', async () => {
    expect((await approve(await enter(78))).status).toBe(404);
    expect((await (await enter(79)).fetch('GET', '/api/v1/session')).body).toMatchObject({ person: null });
  });

  it('ends with the session, for a token that was made with it too', async () => {
    const nina = await enter(77);
    const made = await nina.fetch('POST', '/api/v1/tokens', {});
    const token = String(made.body.token);
    expect((await hub.call('GET', '/api/v1/me', token)).status).toBe(200);
    await nina.fetch('DELETE', '/api/v1/session');
    expect((await hub.call('GET', '/api/v1/me', token)).status).toBe(401);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', token, { digest })).status).toBe(401);
  });
});
