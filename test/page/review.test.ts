import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { builtPage } from '../support/built-page.ts';
import { openBrowser } from '../support/page/browser.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { type Visit, visit } from '../support/page/visit.ts';
import { openScene, type Scene } from '../support/scene.ts';

let browser: Browser;
let folder: string;
let scene: Scene;
const visits: Visit[] = [];
beforeAll(async () => {
  [browser, folder] = await Promise.all([openBrowser(), builtPage()]);
}, 60_000);
afterAll(() => browser?.close());
afterEach(async () => {
  const complaints = visits.flatMap((one) => one.complaints);
  await Promise.all(visits.splice(0).map((one) => one.close()));
  await scene.close();
  expect(complaints).toEqual([]);
});
const see = async (who: string, path: string, options = {}) => {
  const opened = await visit(browser, scene, who, { path, ...options });
  visits.push(opened);
  return opened.page;
};

describe('a Review in the browser', () => {
  it('is approved from the link of a note: what changed is seen, the digest of what is shown is sent, the job runs', async () => {
    scene = await openScene({ page: folder });
    scene.runner();
    const first = enqueue(scene, { script: ['make'], image: 'registry.example.com/ops/deployer:4' });
    await scene.approve(first);
    await ended(scene, first, 'success');
    const job = enqueue(scene, { script: ['make'], image: 'registry.example.com/ops/deployer:5' });
    const hold = await scene.hold(job, 'waiting_for_approval');

    const page = await see('maria', `/holds/${hold.id}`);
    await page.getByText('First time this job wants image registry.example.com/ops/deployer:5').waitFor();
    expect(await page.locator('ins').allTextContents()).toEqual(['5']);
    expect(await page.locator('del').allTextContents()).toEqual(['4']);
    expect(await page.locator('.digest').textContent()).toBe(hold.digest);
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    await page.getByText('Approved. The job goes to its runner').waitFor();
    await ended(scene, job, 'success');
    const done = await scene.hold(job, 'success');
    expect(done.votes).toMatchObject([{ person: { username: 'maria' }, decision: 'approve' }]);
  });
});
