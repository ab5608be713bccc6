import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { firstLink } from '../../agent/src/wire/page-paths.ts';
import { builtPage } from '../support/built-page.ts';
import { startProvider, type TestProvider } from '../support/identity-provider.ts';
import { openBrowser } from '../support/page/browser.ts';
import { type SigningInHub, startSigningInHub } from '../support/signing-in-hub.ts';
import { tokenTakingGitlab } from '../support/token-taking-gitlab.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let browser: Browser;
let folder: string;
let provider: TestProvider;
let hub: SigningInHub;
/** Another host than the provider's, so that coming back is coming from another site. */
let origin: string;
let page: Page;
let gitlab: ReturnType<typeof tokenTakingGitlab>;
beforeAll(async () => {
  [browser, folder] = await Promise.all([openBrowser(), builtPage()]);
});
afterAll(() => browser.close());
beforeEach(async () => {
  provider = await startProvider({ 9: { username: 'zoe' }, 21: { username: 'maria' } });
  gitlab = tokenTakingGitlab(provider);
  hub = await startSigningInHub(provider.issuer, {
    hub: { page: folder, ci: { api: gitlab.api, botToken: () => null } },
  });
  origin = hub.url.replace('127.0.0.1', 'localhost');
  provider.register([`${origin}/api/v1/session/oidc/callback`], [`${origin}/sign-in`]);
  provider.who = 21;
  await hub.world.admit({ id: 1 });
  page = await (await browser.newContext()).newPage();
});
afterEach(async () => {
  await page.context().close();
  await hub.close();
  await provider.close();
});

const who = (): Promise<string | null> =>
  page.evaluate(
    `fetch('/api/v1/session').then((answer) => answer.json()).then(({ person }) => person?.username ?? null)`,
  );

describe('signing in, in a real browser', () => {
  it('leads from a link through the provider back to what the link names', async () => {
    await page.goto(`${origin}/holds/1`);
    await page.getByRole('link', { name: 'Sign in with GitLab' }).click();
    await page.waitForURL(`${origin}/holds/1`);
    expect(await who()).toBe('maria');
    const cookies = await page.context().cookies(origin);
    expect(cookies.filter(({ name }) => name.startsWith('holdpoint'))).toMatchObject([
      { name: 'holdpoint', httpOnly: true, sameSite: 'Strict' },
    ]);
    expect(await page.evaluate('document.cookie')).toBe('');
  });

  it('T23 does nothing in the name of whoever is signed in when another site asks', async () => {
    await page.goto(`${origin}/holds/1`);
    await page.getByRole('link', { name: 'Sign in with GitLab' }).click();
    await page.waitForURL(`${origin}/holds/1`);
    // A page at another name of this very host, as any other site is: it may send, and the browser says where from.
    await page.goto(`${provider.issuer}/.well-known/openid-configuration`);
    const { digest } = (await hub.store.hold(1))!;
    const to = JSON.stringify(`${origin}/api/v1/holds/1/approve`);
    const body = JSON.stringify(JSON.stringify({ digest }));
    await page.evaluate(`(async () => {
      await fetch(${to}, { method: 'POST', mode: 'no-cors', credentials: 'include', body: ${body} }).catch(() => {});
      const form = document.createElement('form');
      form.method = 'POST';
      form.action = ${to};
      document.body.append(form);
      form.submit();
    })()`);
    await page.waitForURL(`${origin}/api/v1/holds/1/approve`);
    expect(await page.locator('body').innerText()).toContain('unauthenticated');
    expect((await hub.store.hold(1))!.state).toBe('waiting_for_approval');
  });

  it('T24 uses the link of the first start on a click, not when somebody looks it up', async () => {
    const link = firstLink(origin, (await hub.hub.bootstrapToken())!);
    await page.goto(link);
    // Gone from the address and from what a reload or a bookmark would have.
    await page.waitForURL(`${origin}/sign-in`);
    expect(await who()).toBeNull();
    await page.getByLabel('User name of the first administrator').fill('olga');
    await page.getByRole('button', { name: 'Sign in with the token' }).click();
    await page.waitForURL((url) => url.pathname !== '/sign-in');
    expect(await who()).toBe('olga');
    const again = await (await browser.newContext()).newPage();
    await again.goto(link);
    await again.getByLabel('User name of the first administrator').fill('olga');
    await again.getByRole('button', { name: 'Sign in with the token' }).click();
    await again.getByText('revoked').waitFor();
    await again.context().close();
  });

  it('T52 has one’s own job retried with one’s own token, and says whose it will be and whose it was', async () => {
    await hub.world.admit({ id: 7, by: 'zoe', pipeline: 700, script: ['other'] });
    await hub.world.report('embedded', { hold: 2, jobId: 7, event: 'detached', detail: { reason: 'over' } });
    await hub.world.approve('maria', 2);
    provider.who = 9;
    await page.goto(`${origin}/holds/2`);
    await page.getByRole('link', { name: 'Sign in with GitLab' }).click();
    await page.getByText('It is retried in your name').waitFor();
    provider.who = 21;
    // The provider still knows zoe: it is asked for nobody else.
    await page.getByRole('button', { name: 'Retry it with my own token' }).click();
    await page.waitForURL(`${origin}/holds/2?retry=done`);
    await page.getByText('GitLab made job 8 of job 7').waitFor();
    await page.getByText('with your own token').waitFor();
    expect(gitlab.retried).toMatchObject([{ user: 9, scope: 'openid api', job: 7 }]);
    await page.goto(`${origin}/holds/2?retry=forbidden`);
    await page.getByText('Not retried: GitLab named somebody else').waitFor();
  });
});
