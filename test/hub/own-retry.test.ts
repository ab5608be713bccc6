import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrowserClient, browserClient } from '../support/browser-client.ts';
import {
  comeBack,
  signInThrough,
  startProvider,
  type TestProvider,
  throughProvider,
} from '../support/identity-provider.ts';
import { type SigningInHub, startSigningInHub } from '../support/signing-in-hub.ts';
import { tokenTakingGitlab } from '../support/token-taking-gitlab.ts';

let provider: TestProvider;
let hub: SigningInHub;
let page: BrowserClient;
let gitlab: ReturnType<typeof tokenTakingGitlab>;
beforeEach(async () => {
  provider = await startProvider({ 9: { username: 'zoe' }, 21: { username: 'maria' } });
  gitlab = tokenTakingGitlab(provider);
  hub = await startSigningInHub(provider.issuer, { hub: { ci: { api: gitlab.api, botToken: () => null } } });
  provider.register([hub.callback]);
  page = hub.page;
  await hub.world.admit({ id: 7, by: 'zoe' });
  await hub.world.report('embedded', {
    hold: 1,
    jobId: 7,
    event: 'detached',
    detail: { reason: 'the live stage is over' },
  });
  await hub.world.approve('maria', 1);
});
afterEach(async () => {
  await hub.close();
  await provider.close();
});

async function enter(who: number): Promise<BrowserClient> {
  provider.who = who;
  await signInThrough(page);
  return page;
}
const authorize = (browser: BrowserClient) => browser.fetch('POST', '/api/v1/holds/1/retry/authorize', {});
const audit = async () => hub.store.auditRows({ sight: null }, { after: 0, limit: 1_000 });
/** Until nothing of the provider's is left here. */
async function takenBack(): Promise<void> {
  const until = performance.now() + 5_000;
  while (provider.given.size > 0) {
    if (performance.now() > until)
      throw new Error(`tokens are still good: ${JSON.stringify([...provider.given.values()])}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('T52 a retry from the page', () => {
  it('T24 runs in the name of whoever triggered the job, with a token that is asked for then and gone afterwards', async () => {
    await enter(9);
    await takenBack();
    const { status, body } = await authorize(page);
    expect([status, body.provider]).toEqual([200, 'GitLab']);
    expect(new URL(String(body.url)).searchParams.get('scope')).toBe('openid api');
    expect(await comeBack(page, await throughProvider(String(body.url)))).toBe('/holds/1?retry=done');
    expect(gitlab.retried).toEqual([{ token: expect.any(String), user: 9, scope: 'openid api', job: 7 }]);
    await takenBack();

    const rows = await audit();
    expect(rows.find(({ event }) => event === 'job_retried')!.detail).toMatchObject({
      credential: 'trigger',
      user: 9,
      new_job_id: 8,
    });
    const said = JSON.stringify([rows, hub.log.lines, await hub.store.tokens(null, { after: 0, limit: 100 })]);
    expect(said).not.toContain(gitlab.retried[0]!.token);
    // It was lent for that alone: nothing is left to retry anything else with.
    expect((await page.fetch('GET', '/api/v1/me/gitlab-credential')).body).toEqual({ lent: false, expires_at: null });
  });

  it('asks an approver for nothing, and never uses what is theirs', async () => {
    await enter(21);
    expect(await authorize(page)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(gitlab.retried).toEqual([]);
  });

  it('takes no token of anybody else who signs in at the provider meanwhile', async () => {
    await enter(9);
    const { body } = await authorize(page);
    provider.who = 21;
    expect(await comeBack(page, await throughProvider(String(body.url)))).toBe('/holds/1?retry=forbidden');
    expect(gitlab.retried).toEqual([]);
    await takenBack();
  });

  it('is done for nobody whose session has ended meanwhile', async () => {
    await enter(9);
    const { body } = await authorize(page);
    const callback = await throughProvider(String(body.url));
    await page.copy().fetch('DELETE', '/api/v1/session');
    expect(await comeBack(page, callback)).toBe('/holds/1?retry=unauthenticated');
    expect(gitlab.retried).toEqual([]);
  });

  it('T23 is begun by the page alone', async () => {
    const token = await hub.token('zoe');
    expect((await hub.call('POST', '/api/v1/holds/1/retry/authorize', token, {})).body.code).toBe('forbidden');
    await enter(9);
    const forged = await page.fetch('POST', '/api/v1/holds/1/retry/authorize', {}, { origin: 'https://evil.example' });
    expect(forged).toMatchObject({ status: 403, body: { code: 'cross_site' } });
  });

  it('is not offered where the provider is not that GitLab', async () => {
    await hub.close();
    hub = await startSigningInHub(provider.issuer, {
      isGitlab: false,
      name: 'Login',
      hub: { ci: { api: gitlab.api, botToken: () => null } },
    });
    provider.register([hub.callback]);
    page = browserClient(hub);
    await hub.world.admit({ id: 7, by: 'zoe' });
    await enter(9);
    expect(await authorize(page)).toMatchObject({ status: 409, body: { code: 'wrong_state' } });
  });
});
