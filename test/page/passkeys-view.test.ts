import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { builtPage } from '../support/built-page.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { axeFindings } from '../support/page/axe.ts';
import { openBrowser } from '../support/page/browser.ts';
import { scrollThrough } from '../support/page/scroll.ts';
import { openPage, type Visit } from '../support/page/visit.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let browser: Browser;
let folder: string;
let hub: TestHub;
let origin: string;
const visits: Visit[] = [];
beforeAll(async () => {
  [browser, folder] = await Promise.all([openBrowser(), builtPage()]);
});
afterAll(() => browser?.close());
beforeEach(async () => {
  hub = await startHub({ page: folder });
  origin = hub.url.replace('127.0.0.1', 'localhost');
  hub.world.policy = { ...DEFAULT_POLICY, base: { ...DEFAULT_POLICY.base, stepUp: 'passkey' } };
  await hub.world.admit({ id: 1 });
});
afterEach(async () => {
  const complaints = visits.flatMap((one) => one.complaints);
  await Promise.all(visits.splice(0).map((one) => one.close()));
  await hub.close();
  expect(complaints).toEqual([]);
});

/** Somebody at a browser with a device that knows their finger, signed in, at this path. */
async function at(username: string, path: string, options: Parameters<typeof openPage>[2] = {}): Promise<Page> {
  const opened = await openPage(browser, origin, { path, ...options });
  visits.push(opened);
  const { page, context } = opened;
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.getByLabel('Token', { exact: true }).fill(await hub.token(username));
  await page.getByRole('button', { name: 'Sign in with the token' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  return page;
}

describe('passkeys on the page', () => {
  it('T18 are added, confirmed by a second person with the code, and then approve', async () => {
    const maria = await at('maria', '/holds/1');
    await maria.getByRole('link', { name: 'Passkeys' }).click();
    await maria.getByLabel('Name of the device').fill('laptop');
    await maria.getByRole('button', { name: 'Add a passkey' }).click();
    const code = (await maria.locator('.code').textContent()) ?? '';
    expect(code).toMatch(/^[2-9A-Z]{4}-[2-9A-Z]{4}$/);

    const olga = await at('olga', '/passkeys');
    await olga.getByText('user 21').waitFor();
    await olga.getByLabel('Code that the owner told you').fill('AAAA-AAAA');
    await olga.getByRole('button', { name: 'Confirm it' }).click();
    await olga.getByText('has another code').waitFor();
    await olga.getByLabel('Code that the owner told you').fill(code.toLowerCase());
    await olga.getByRole('button', { name: 'Confirm it' }).click();
    await olga.getByText('Waiting for a second person').waitFor({ state: 'detached' });

    await maria.goto(`${origin}/holds/1`);
    await scrollThrough(maria);
    await maria.getByText('An approve asks for your passkey').waitFor();
    await maria.getByRole('button', { name: 'Approve', exact: true }).click();
    await vi.waitFor(async () => expect((await hub.store.hold(1))?.state).toBe('pending'), { timeout: 20_000 });
    expect((await hub.store.votes(1))[0]?.proof).toMatchObject({ kind: 'passkey' });
  });

  it('are missed by an approve, which says where they are added', async () => {
    const maria = await at('maria', '/holds/1');
    await scrollThrough(maria);
    await maria.getByRole('button', { name: 'Approve', exact: true }).click();
    await maria.getByText('add one under Passkeys').waitFor();
    expect((await hub.store.hold(1))?.state).toBe('waiting_for_approval');
  });

  it.each(['light', 'dark'] as const)(
    'axe finds nothing wrong with the view, %s, and it fits a telephone',
    async (colorScheme) => {
      const maria = await at('maria', '/passkeys', { colorScheme, width: 360, height: 800 });
      await maria.getByLabel('Name of the device').fill('laptop');
      await maria.getByRole('button', { name: 'Add a passkey' }).click();
      await maria.locator('.code').waitFor();
      expect(await axeFindings(maria)).toEqual([]);
      expect(await maria.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      const olga = await at('olga', '/passkeys', { colorScheme, width: 360, height: 800 });
      await olga.getByText('user 21').waitFor();
      expect(await axeFindings(olga)).toEqual([]);
      expect(await olga.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    },
  );
});
