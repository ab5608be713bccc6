import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import type { ChangeGroupView } from '../../agent/src/wire/approvals.ts';
import { axeFindings } from '../support/page/axe.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { type Stage, stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const POLICY = `rules:
  - { name: maintainers, access_level: maintainer, count: 1 }
configurations:
  - name: two people
    match: { jobs: ["*-two"] }
    rules: [{ name: maintainers, access_level: maintainer, count: 2 }]
`;
const IMAGE = 'registry.example.com/ops/deployer:5';

/** Jobs that were approved with one image and wait with another. */
async function bumped(names: readonly string[], extra: Parameters<Stage['open']>[0] = {}): Promise<string> {
  await stage.open(extra);
  for (const name of names) {
    const job = enqueue(stage.scene, { name, script: ['make'], image: 'registry.example.com/ops/deployer:4' });
    await stage.scene.approve(job);
    if (name.endsWith('-two')) {
      const { id, digest } = await stage.scene.hold(job, 'waiting_for_approval');
      await (await stage.scene.as('jonas')).post(`holds/${id}/approve`, { digest });
    }
    await ended(stage.scene, job, 'success');
  }
  for (const name of names) {
    const job = enqueue(stage.scene, { name, script: ['make'], image: IMAGE });
    await stage.scene.hold(job, 'waiting_for_approval');
  }
  const { body } = await (await stage.scene.as('maria')).get<{ items: ChangeGroupView[] }>('reviews/changes');
  return `/inbox?change=${encodeURIComponent(body.items[0]!.change)}`;
}
const approveAll = (page: Page) => page.getByRole('button', { name: /^Approve all/ });
async function seeAll(page: Page): Promise<void> {
  const more = page.getByRole('button', { name: 'Show what was not seen' });
  await page.getByText('still being checked').waitFor({ state: 'detached' });
  for (let turn = 0; turn < 100 && (await more.count()) > 0; turn++)
    await more.click({ timeout: 2_000 }).catch(() => {});
}
const rowOf = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });

describe('one change in many places', () => {
  it('says in the inbox what changes, to what', async () => {
    await bumped(['build-a', 'build-b']);
    const page = await stage.see('maria', '/inbox');
    await page.getByRole('link', { name: `2 jobs in 1 project: image changed to ${IMAGE};` }).waitFor();
    // They are listed once: in the group, and not one by one as well.
    await page.getByText('all in groups above').waitFor();
    expect(await page.locator('.item').count()).toBe(0);
  });

  it('tells of each what became of it: which go on, which wait for whom else, which failed and why; and shows what is left', async () => {
    const path = await bumped(['build-a', 'build-b', 'late', 'c-two'], {
      extra: 'policy: policy.yaml',
      files: { 'policy.yaml': POLICY },
    });
    const page = await stage.see('maria', path);
    await seeAll(page);
    // Somebody else is quicker with one of them, by so little that the page cannot know.
    const jonas = await stage.scene.as('jonas');
    const { body } = await jonas.get<{ items: { id: number; job: string; digest: string; state: string }[] }>('holds');
    const late = body.items.find(({ job, state }) => job === 'late' && state === 'waiting_for_approval')!;
    await page.route('**/api/v1/reviews/decide', async (asked) => {
      await jonas.post(`holds/${late.id}/reject`, { digest: late.digest, comment: 'not this one' });
      await asked.continue();
    });
    await approveAll(page).click();
    await page
      .getByText('2 jobs go on, 1 job still waits for others, 1 of your votes was not taken.')
      .first()
      .waitFor();
    expect(await rowOf(page, 'build-a').textContent()).toContain(
      'Goes on approved; its runner gets it when it asks next',
    );
    expect(await rowOf(page, 'c-two').textContent()).toContain('Still waits jonas could complete it.');
    expect(await rowOf(page, 'late').textContent()).toMatch(/Not taken.*rejected/);
    await page.getByRole('heading', { name: 'What was answered, as in the first of them' }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Show what is left' }).click();
    await page
      .getByRole('heading', { name: 'One change in 1 place', exact: true })
      .or(page.getByText('Nothing waits with this change'))
      .waitFor();
    expect(await rowOf(page, 'build-a').count()).toBe(0);
  });

  it('offers what is left only where something is', async () => {
    const page = await stage.see('maria', await bumped(['build-a', 'build-b']));
    await seeAll(page);
    await approveAll(page).click();
    await page.getByText('2 jobs go on.').first().waitFor();
    expect(await page.getByRole('button', { name: 'Show what is left' }).count()).toBe(0);
  });

  it.each(['light', 'dark'] as const)(
    'T33 keeps its buttons on the screen of a phone, %s, and what lies beneath them does not count as seen',
    async (colorScheme) => {
      const path = await bumped(Array.from({ length: 8 }, (_, i) => `job-${i}`));
      const page = await stage.see('maria', path, { colorScheme, width: 360, height: 640 });
      await page.getByText('still being checked').waitFor({ state: 'detached' });
      const bar = (await page.locator('.act-bar').boundingBox())!;
      expect(Math.round(bar.y + bar.height)).toBe(640);
      const button = (await approveAll(page).boundingBox())!;
      expect(button.y + button.height).toBeLessThanOrEqual(640);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      expect(await axeFindings(page)).toEqual([]);
      // The end of the difference is brought exactly beneath the bar: on the screen, and not to be seen.
      expect(await approveAll(page).isDisabled()).toBe(true);
      await page.evaluate(`{
        const end = [...document.querySelectorAll('.part-end')].at(-1).getBoundingClientRect();
        const bar = document.querySelector('.act-bar').getBoundingClientRect();
        window.scrollBy(0, end.bottom - (bar.top + 8));
      }`);
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      expect(await approveAll(page).isDisabled()).toBe(true);
      await page.evaluate('window.scrollBy(0, 40)');
      await seeAll(page);
      await approveAll(page).and(page.locator(':enabled')).waitFor();
      // All and none, above the rows.
      await page.getByRole('button', { name: 'Select none' }).click();
      await page.getByText('0 of 8 chosen.').waitFor();
      await page.getByText('Approve is off: nothing is chosen').waitFor();
      await page.getByRole('button', { name: 'Select all' }).click();
      await page.getByRole('button', { name: 'Approve all 8' }).and(page.locator(':enabled')).waitFor();
    },
  );

  it('T13 is there at once, and off until each of its places was checked in the browser', async () => {
    const path = await bumped(Array.from({ length: 8 }, (_, i) => `job-${i}`));
    const page = await stage.see('maria', '/holds');
    const { body } = await (await stage.scene.as('maria')).get<{ items: { id: number; state: string }[] }>('holds');
    const last = body.items.filter(({ state }) => state === 'waiting_for_approval').at(-1)!.id;
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await page.route(`**/api/v1/holds/${last}`, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${stage.scene.agent.hubUrl}${path}`);
    await page.getByRole('heading', { name: 'One change in 8 places' }).waitFor();
    await page.getByText('Approve is off: 2 of them are still being checked in this browser.').waitFor();
    await rowOf(page, 'job-0').getByText('image changed to').waitFor();
    expect(await approveAll(page).isDisabled()).toBe(true);
    goOn();
    await seeAll(page);
    await approveAll(page).and(page.locator(':enabled')).waitFor();
  });

  it('is gone through and answered by keyboard alone', async () => {
    const path = await bumped(['build-a', 'build-b']);
    const page = await stage.see('maria', path);
    await page.getByText('still being checked').waitFor({ state: 'detached' });
    for (let turn = 0; turn < 80; turn++) {
      const name = await page.evaluate('document.activeElement.textContent');
      if (name === 'Approve all 2') break;
      if (name === 'Show what was not seen') await page.keyboard.press('Enter');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByText('2 jobs go on.').first().waitFor();
  });
});
