import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ended, enqueue, type JobWish } from '../support/page/jobs.ts';
import { openStage, type Stage } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage?.end());
afterEach(() => stage.close());

const MARIA = { id: 21, username: 'maria', name: 'Maria Silva' };
async function waiting(wish: JobWish) {
  return stage.scene.hold(enqueue(stage.scene, wish), 'waiting_for_approval');
}
const titles = (page: Page) => page.locator('.item-title, .lane').allTextContents();

describe('the inbox in the browser', () => {
  it('has what waits for me first, then what waits for others, then what I opened', async () => {
    await stage.open();
    await waiting({ name: 'of-zoe' });
    await waiting({ name: 'of-maria', options: { user: MARIA } });
    const maria = await stage.see('maria', '/');
    await maria.getByRole('link', { name: 'of-maria' }).waitFor();
    expect(new URL(maria.url()).pathname).toBe('/inbox');
    expect(await titles(maria)).toEqual([
      'Waits for you 1',
      'of-zoe',
      'Waits for others 0',
      'You triggered it 1',
      'of-maria',
    ]);
    const item = maria.locator('.item').first();
    for (const words of [
      '1 job waits',
      'maintainers 0/1',
      'refs/heads/main',
      'to production',
      'Zoë Müller (@zoe)',
      'expires in',
    ])
      expect(await item.textContent()).toContain(words);
  });

  it('is a good place to be where nothing waits, and leads to what has been', async () => {
    await stage.open();
    const page = await stage.see('maria', '/inbox');
    await page.getByText('Nothing waits for anybody.').waitFor();
    await page.locator('.empty').getByRole('link', { name: 'Holds' }).click();
    await page.getByRole('heading', { name: 'Holds' }).waitFor();
    await page.getByText('No Hold fits.').waitFor();
  });

  it('keeps its filters in the address', async () => {
    await stage.open();
    await waiting({ name: 'build' });
    await waiting({ name: 'publish' });
    const page = await stage.see('maria', '/inbox?text=publ');
    await page.getByRole('link', { name: 'publish' }).waitFor();
    expect(await page.getByRole('link', { name: 'build' }).count()).toBe(0);
    await page.getByLabel('Find').fill('');
    await page.getByRole('link', { name: 'build' }).waitFor();
    expect(new URL(page.url()).search).toBe('');
    await page.getByLabel('Find').fill('nothing like it');
    await page.getByText('Nothing that waits fits these filters.').waitFor();
    expect(new URL(page.url()).searchParams.get('text')).toBe('nothing like it');
  });

  it('is gone through, opened and decided by keyboard alone', async () => {
    await stage.open();
    const first = enqueue(stage.scene, { name: 'one', script: ['a'] });
    await stage.scene.approve(first);
    await ended(stage.scene, first, 'success');
    const one = await waiting({ name: 'one', script: ['b'] });
    await waiting({ name: 'two' });
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: 'two' }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.locator('.item-current', { hasText: 'two' }).waitFor();
    await page.keyboard.press('k');
    await page.locator('.item-current', { hasText: 'one' }).waitFor();
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'one' }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/holds/${one.id}`);
    await page.getByRole('button', { name: 'Approve', exact: true, disabled: false }).waitFor();
    await page.keyboard.press('a');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Approve');
    await page.keyboard.press('Enter');
    await page.getByText('Approved. The job goes to its runner').waitFor();
    await ended(stage.scene, one.job_id, 'success');
  });

  it('says that something has changed instead of jumping, and shows it when asked', async () => {
    await stage.open();
    await waiting({ name: 'one' });
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: 'one' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await waiting({ name: 'two' });
    await page.getByText(/changed since this list was read/).waitFor();
    expect(await page.getByRole('link', { name: 'two' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Show it as it is now' }).click();
    await page.getByRole('link', { name: 'two' }).waitFor();
    expect(await page.getByText(/changed since this list was read/).count()).toBe(0);
  });

  it('leads back to the address that was opened, after the sign-in', async () => {
    await stage.open();
    const hold = await waiting({ name: 'deep' });
    const page = await stage.see('maria', `/holds/${hold.id}?x=1`);
    await page.getByRole('heading', { name: 'deep' }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/holds/${hold.id}`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to Holdpoint' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in to Holdpoint' }).waitFor();
  });
});
