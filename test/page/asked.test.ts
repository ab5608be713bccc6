import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builtPage } from '../support/built-page.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';
import { axeFindings } from '../support/page/axe.ts';
import { openBrowser } from '../support/page/browser.ts';
import { openPage } from '../support/page/visit.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

describe('a question that no job waits on, in the browser', () => {
  let hub: TestHub;
  let browser: Browser;
  beforeAll(async () => {
    const page = await builtPage();
    [hub, browser] = await Promise.all([startHub({ page }), openBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
  });

  it('T13 T36 is opened from the inbox, seen with its digest computed there, and answered', async () => {
    const { digest, configuration } = requestFor({ id: 1, script: ['make', 'make install'] });
    const about = { project_id: 4242, job: 'build', ref: 'refs/heads/main', ref_protected: true, environment: null };
    const items = [{ note: 'payload.json', ...about, digest, configuration }];
    const asked = await hub.call('POST', '/api/v1/approvals/import', await hub.token('zoe'), {
      instance: 'https://gitlab.example.com',
      items,
    });
    expect(asked.body).toMatchObject({ items: [{ outcome: 'asked', review: 1 }] });
    const { page, complaints, close } = await openPage(browser, hub.url, { path: '/inbox' });
    try {
      await page.getByLabel('Token', { exact: true }).fill(await hub.token('maria'));
      await page.getByRole('button', { name: 'Sign in with the token' }).click();
      await page.getByRole('link', { name: 'build', exact: true }).click();
      await page.getByText('imported: no job waits').waitFor();
      expect(new URL(page.url()).pathname).toBe('/reviews/1');
      expect(await page.locator('.digest').textContent()).toBe(digest);
      expect(await page.locator('.line-added code').allTextContents()).toContain('make install');
      expect(await axeFindings(page)).toEqual([]);
      const sent = page.waitForRequest((request) => request.url().endsWith('/reviews/1/decide'));
      await page.getByRole('button', { name: 'Approve', exact: true, disabled: false }).click();
      expect((await sent).postDataJSON()).toEqual({ digest, decision: 'approve' });
      await page.getByText('maintainers 1 of 2').waitFor();
    } finally {
      await close();
    }
    expect(complaints).toEqual([]);
  });
});
