import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builtPage } from '../support/built-page.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { openBrowser } from '../support/page/browser.ts';
import { openPage } from '../support/page/visit.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
/** As many as a large house has on a bad day. */
const WAITING = 10_000;

/** The first that was admitted, ten thousand times, each under a name and a pipeline of its own. */
async function crowd({ world, store }: TestHub): Promise<void> {
  await world.admit({ id: 1, pipeline: 1, name: 'job-1' });
  const [hold, review] = [await store.hold(1), await store.review(1)];
  const facts = await store.facts(1, 1);
  if (hold === null || review === null || facts === null) throw new Error('nothing was admitted');
  await store.write(async (tx) => {
    for (let n = 2; n <= WAITING; n++) {
      const subject = { ...hold.subject, job: `job-${n}` };
      const opened = await tx.insertReview({ ...review, subject });
      const attempts = hold.attempts.map((attempt) => ({ ...attempt, jobId: n }));
      await tx.insertHold({ ...hold, subject, review: opened.id, pipelineId: n, attempts }, facts);
    }
  });
}

describe('ten thousand Holds that wait', () => {
  let hub: TestHub;
  let browser: Browser;
  beforeAll(async () => {
    const page = await builtPage();
    [hub, browser] = await Promise.all([startHub({ page }), openBrowser()]);
    await crowd(hub);
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.close();
  });

  it('T30 are read a page at a time, and only what is near the screen is drawn', async () => {
    const token = await hub.token('maria');
    const { page, close } = await openPage(browser, hub.url, { path: '/inbox' });
    try {
      page.setDefaultTimeout(60_000);
      await page.getByLabel('Token', { exact: true }).fill(token);
      await page.getByRole('button', { name: 'Sign in with the token' }).click();
      await page.getByRole('link', { name: 'job-1', exact: true }).waitFor();
      const drawn = () => page.locator('.item').count();
      expect(await drawn()).toBeLessThan(60);
      await page.getByText('50+').waitFor();
      // Each time the end comes near, more is read.
      for (const many of [100, 150]) {
        const read = page.waitForResponse((response) => response.url().includes('cursor=')).then(() => true);
        // On a busy machine a key may come before the list is as long as it will be: people press it again.
        for (let isRead = false; !isRead; ) {
          await page.keyboard.press('End');
          isRead = await Promise.race([read, page.waitForTimeout(500).then(() => false)]);
        }
        await page.keyboard.press('Home');
        // A key that was pressed again may have had one page more read than was waited for.
        await vi.waitFor(
          async () =>
            expect(Number.parseInt(await page.locator('.lane .counts').first().innerText(), 10)).toBeGreaterThanOrEqual(
              many,
            ),
          { timeout: 30_000 },
        );
      }
      expect(await drawn()).toBeLessThan(60);
      // One among all of them is found by the hub, not by reading all of them.
      await page.getByLabel('Find').fill('job-9876');
      await page.getByRole('link', { name: 'job-9876', exact: true }).waitFor();
      expect(await drawn()).toBe(1);
    } finally {
      await close();
    }
  });
});
