import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import type { BreakGlassView } from '../../agent/src/wire/break-glass.ts';
import type { DeploymentView } from '../../agent/src/wire/deployments.ts';
import { axeFindings } from '../support/page/axe.ts';
import { brokenWords } from '../support/page/broken-words.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const PROTECTED = `environments:
  - name: production
    environments: [production]
    approval_rules: [{ name: qa, user: rob }]
    deploy_access_levels: [{ user: jonas }]
break_glass: { rules: [{ name: duty, user: jonas }] }
`;
const POLICY = { files: { 'policy.yaml': PROTECTED }, extra: 'policy: policy.yaml\n' };

/** Approves and starts the deployment of a job: maria its configuration, rob that it may deploy, jonas runs it. */
async function start(jobId: number): Promise<number> {
  const hold = await stage.scene.hold(jobId, 'waiting_for_approval');
  const maria = await stage.scene.as('maria');
  if (hold.approval === null && hold.waits_for.includes('configuration'))
    await maria.post(`holds/${hold.id}/approve`, { digest: hold.digest });
  const id = hold.deployment?.id ?? 0;
  await (await stage.scene.as('rob')).post(`deployments/${id}/approve`, {});
  const run = await (await stage.scene.as('jonas', ['read', 'deploy'])).post<DeploymentView>(
    `deployments/${id}/run`,
    {},
  );
  expect(run.status).toBe(200);
  return id;
}
/** Jobs whose configuration is approved, one after another: `build:1`, `build:2`, … */
async function approved(count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    const job = enqueue(stage.scene, { fixture: 'build-image.run1', name: `build:${i}` });
    await stage.scene.approve(job);
    await ended(stage.scene, job, 'success');
  }
}
const heads = (page: Page, label: string) => page.getByRole('region', { name: label }).locator('tbody tr.group th');

describe('approved configurations', () => {
  it('begin with the newest, by project and job, and are found by a part of a name that stands in the address', async () => {
    await stage.open();
    await approved(3);
    const page = await stage.see('maria', '/approvals');
    await page.getByText('build:3').waitFor();
    expect(await heads(page, 'Approved configurations').allTextContents()).toEqual(
      [3, 2, 1].map((i) => `build:${i} in acme/payments/api`),
    );
    // While it is typed: nothing is entered, and the field is not left.
    await page.getByLabel('Find (job, project, ref, environment, digest)').fill('BUILD:2');
    await page.getByText('build:3').waitFor({ state: 'detached' });
    await page.getByText('build:2').waitFor();
    expect(await heads(page, 'Approved configurations').allTextContents()).toEqual(['build:2 in acme/payments/api']);
    expect(new URL(page.url()).searchParams.get('text')).toBe('BUILD:2');
    await page.reload();
    await page.getByText('build:2').waitFor();
    expect(await page.getByText('build:3').count()).toBe(0);
    await page.getByLabel('Find').fill('nothing like it');
    await page.getByText('None fits.').waitFor();
  });

  it('confirm one’s own revoke in its row, and tell of a change by somebody else', async () => {
    await stage.open();
    await approved(2);
    const page = await stage.see('maria', '/approvals');
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Revoke approval 1' }).click();
    await page.getByLabel('Why (is kept in the audit)').fill('leaks the key');
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    const told = page.getByText('Approval 1 is revoked; the next job with this configuration waits.');
    await told.waitFor();
    // It stands where the click was, and the keyboard is there.
    await vi.waitFor(async () =>
      expect(await page.evaluate('document.activeElement.textContent')).toContain('is revoked'),
    );
    const seen = (await told.boundingBox())!;
    expect(seen.y >= 0 && seen.y + seen.height <= page.viewportSize()!.height).toBe(true);
    const row = page.getByRole('row').filter({ has: page.getByText('Revoked', { exact: true }) });
    await row.getByText('by Maria Silva (@maria)').waitFor();
    await row.getByText('leaks the key').waitFor();
    expect(await row.getByRole('button', { name: 'Revoke approval 1' }).count()).toBe(0);
    await (await stage.scene.as('jonas')).post('approvals/2/revoke', {});
    await page.getByText('Approvals have changed.').waitFor();
    await page.getByRole('button', { name: 'Show them as they are now' }).click();
    await page.getByText('Nothing is approved: every job of a protected runner waits.').waitFor();
    expect(await page.getByText('Approvals have changed.').count()).toBe(0);
  });

  it('do not call one’s own revoke a change by others', async () => {
    await stage.open();
    await approved(1);
    const page = await stage.see('maria', '/approvals');
    await page.getByText('Live', { exact: true }).waitFor();
    // The hint comes on another line than the answer: both are there once the store was asked about the hint.
    const asked = page.waitForResponse((response) => response.url().includes('/approvals?limit=1&cursor=0'));
    await page.getByRole('button', { name: 'Revoke approval 1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText('Approval 1 is revoked; the next').waitFor();
    await (await asked).finished();
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    await page.getByRole('row').getByText('Revoked', { exact: true }).waitFor();
    expect(await page.getByText('Approvals have changed.').count()).toBe(0);
  });

  it('tell two approvals of one job apart: what each lets run, in its row and before it is revoked', async () => {
    await stage.open();
    for (const script of [['make one', 'make sure'], ['make two']]) {
      const job = enqueue(stage.scene, { fixture: 'build-image.run1', script });
      const { id } = await stage.scene.approve(job);
      await ended(stage.scene, job, 'success');
      expect(id).toBeGreaterThan(0);
    }
    const page = await stage.see('maria', '/approvals');
    const rowOf = (id: number) =>
      page.getByRole('row').filter({ has: page.getByRole('button', { name: `Revoke approval ${id}` }) });
    await rowOf(1).getByText('make one').waitFor();
    expect(await rowOf(1).textContent()).toMatch(/docker:27.*with docker:27-dind.*make one \(2 script lines\)/);
    expect(await rowOf(2).textContent()).toMatch(/docker:27.*make two \(1 script line\)/);
    await rowOf(1).getByRole('button', { name: 'Revoke approval 1' }).click();
    const dialog = page.getByRole('dialog');
    const words = (await dialog.textContent()) ?? '';
    for (const named of ['docker:27', 'make one', 'Maria Silva (@maria)', 'refs/heads/main', 'acme/payments/api'])
      expect(words).toContain(named);
    expect(words).not.toContain('make two');
    expect(await axeFindings(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    await rowOf(1).getByRole('link', { name: 'How it was approved: approval 1' }).click();
    // It was the first: nothing stood before it, and all of it is shown as it was approved.
    await page.locator('.section code').getByText('make sure').waitFor();
  });

  it('take a click that ends the typing as a click, and narrow down after it', async () => {
    await stage.open();
    await approved(2);
    const page = await stage.see('maria', '/approvals');
    await page.getByText('build:1').waitFor();
    await page.getByLabel('Job (its whole name)').pressSequentially('build:2');
    const button = (await page.getByRole('button', { name: 'Revoke approval 1' }).boundingBox())!;
    await page.mouse.move(button.x + button.width / 2, button.y + button.height / 2);
    // The field is left with the press, which is not a click yet: rows that moved now would take it away.
    await page.mouse.down();
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    expect(await page.evaluate('document.activeElement.id')).not.toBe('job');
    expect(new URL(page.url()).searchParams.get('job')).toBeNull();
    await page.mouse.up();
    await page.getByRole('heading', { name: 'Revoke approval 1?' }).waitFor();
    await vi.waitFor(() => expect(new URL(page.url()).searchParams.get('job')).toBe('build:2'));
  });

  it('leave nothing to be read out in another view of what was done here', async () => {
    await stage.open();
    await approved(1);
    const page = await stage.see('maria', '/approvals');
    await page.getByRole('button', { name: 'Revoke approval 1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    const log = page.getByRole('log', { name: 'Changes' });
    await log.getByText('approval 1 is revoked').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Policy' }).click();
    await page.getByRole('heading', { level: 1, name: 'Policy' }).waitFor();
    await vi.waitFor(async () => expect(await log.textContent()).toBe(''));
  });

  it('break no word of their table at 1,280 pixels', async () => {
    await stage.open();
    await approved(2);
    const page = await stage.see('maria', '/approvals', { width: 1_280 });
    await page.getByText('build:2').waitFor();
    expect(await brokenWords(page, 'Approved configurations')).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1_280);
  });
});

describe('deployments', () => {
  it('say of one that somebody has started who that was and what it waits for, wherever it is shown', async () => {
    await stage.open(POLICY);
    const job = enqueue(stage.scene);
    const id = await start(job);
    const words = 'started by Jonas Berg (@jonas); to be retried in GitLab by Zoë Müller (@zoe)';
    const page = await stage.see('maria', '/inbox');
    await page.getByText(words).waitFor();
    await page.getByRole('link', { name: 'Deployments', exact: true }).click();
    const row = page.getByRole('region', { name: 'Deployments', exact: true }).getByRole('row').nth(1);
    await row.getByText(words).waitFor();
    expect(await row.getByText('Approved, not started').count()).toBe(0);
    const cells = await row.getByRole('cell').allTextContents();
    expect(cells[0]).toContain(`deployment ${id} · job ${job}`);
    // Once, not "production / production".
    expect(cells[1]).toBe('production');
    expect(cells[5]).toContain('Jonas Berg (@jonas)');
    expect(await brokenWords(page, 'Deployments')).toEqual([]);
    expect(await row.getByRole('link', { name: `job ${job}` }).getAttribute('href')).toContain(`/jobs/${job}`);
  });

  it('name everybody who let one run in one place, with its evidence', async () => {
    await stage.open(POLICY);
    const id = await start(enqueue(stage.scene));
    const page = await stage.see('maria', `/deployments?id=${id}`);
    const steps = page.getByRole('region', { name: 'Who let this run' }).locator('.steps > div');
    await steps.first().waitFor();
    const told = await steps.allTextContents();
    for (const [i, words] of [
      'Triggered by Zoë Müller (@zoe)',
      'Commit written by',
      'Configuration approved by Maria Silva (@maria)',
      'Deployment approved by Rob Reporter (@rob)',
      'Started by Jonas Berg (@jonas)',
      'Ran',
    ].entries())
      expect(told[i]!.replace(/(by)(?=[A-ZÀ-Ž])/, '$1 ')).toContain(words);
    await page.getByText('Who may run it: Jonas Berg (@jonas)', { exact: true }).waitFor();
    // Its approvals are complete: nobody is asked to approve once more.
    expect(await page.getByText('approves once more').count()).toBe(0);
    expect(told[2]).toMatch(/approval 1 \(standing\); rule .*: 1 of/);
    const evidence = page.getByRole('link', {
      name: `evidence of deployment ${id} for an auditor (opens in a new tab)`,
    });
    const answer = await page.request.get(`${stage.scene.agent.hubUrl}${await evidence.getAttribute('href')}`);
    expect(await answer.text()).toContain('>Who let this run</h2>');
    await page.getByRole('link', { name: 'its history' }).click();
    await page.getByRole('heading', { name: `Audit: deployment ${id}` }).waitFor();
    expect(new URL(page.url()).search).toBe(`?deployment=${id}`);
    expect(await page.locator('.box').textContent()).toContain(`Evidence of deployment ${id}:`);
    await page.locator('main').getByText('with what happened to hold').waitFor();
    // The history of its hold has both gates.
    await page.getByText('completed an approval', { exact: false }).first().waitFor();
    await page.getByText('ran the deployment').first().waitFor();
  });

  it('begin with the newest, and say what runs where however long the list is', async () => {
    await stage.open({ ...POLICY, bot: ['read', 'retry'] });
    const one = await start(enqueue(stage.scene));
    const maria = await stage.scene.as('maria');
    const page = await stage.see('maria', '/deployments');
    const now = page.getByRole('region', { name: 'What runs where' }).getByRole('row').nth(1);
    await now.getByText(`deployment ${one}`).waitFor();
    expect(await now.textContent()).toContain('Maria Silva (@maria)');
    expect(await now.textContent()).toContain('Rob Reporter (@rob)');
    // Later ones that did not get so far change nothing of what runs.
    const later = enqueue(stage.scene);
    await stage.scene.hold(later, 'waiting_for_approval');
    await page.reload();
    const rows = page.getByRole('region', { name: 'Deployments', exact: true }).getByRole('row');
    await rows.nth(2).waitFor();
    expect(await rows.nth(1).textContent()).toContain(`deployment ${one + 1}`);
    expect(await rows.nth(2).textContent()).toContain(`deployment ${one} `);
    await now.getByText(`deployment ${one}`).waitFor();
    // In either table its number is a way to it.
    expect(await page.getByRole('link', { name: `deployment ${one}`, exact: true }).count()).toBe(2);
    expect((await maria.get<{ items: unknown[] }>('deployments/current')).body.items).toHaveLength(1);
  });
});

describe('a deployment that is over', () => {
  it('asks nobody to decide, tells of it in the past, and is marked as broken by who may', async () => {
    await stage.open({ ...POLICY, bot: ['read', 'retry'] });
    const id = await start(enqueue(stage.scene));
    const list = await stage.see('maria', '/deployments');
    const now = list.getByRole('region', { name: 'What runs where' }).getByRole('row').nth(1);
    await now.getByText(`deployment ${id}`).waitFor();
    // Maria may neither deploy nor approve there.
    await list.goto(`${stage.scene.agent.hubUrl}/deployments?id=${id}`);
    const box = list.locator('section.box');
    await box.getByText('What it ran:').waitFor();
    await box.getByText('Who could run it: Jonas Berg (@jonas)').waitFor();
    expect(await box.textContent()).not.toMatch(/Decide|is off|it is success|What it runs|Who may run/);
    expect(await box.getByRole('button').allTextContents()).toEqual(['Close']);
    const page = await stage.see('jonas', `/deployments?id=${id}`, { scopes: ['read', 'deploy'] });
    const acts = page.getByRole('region', { name: 'Is it broken?' });
    await acts.getByText('Mark as broken needs a comment that says why.').waitFor();
    expect(await acts.getByRole('button').allTextContents()).toEqual(['Mark as broken']);
    await acts.getByLabel('Comment').fill('it loses orders');
    await acts.getByRole('button', { name: 'Mark as broken' }).click();
    await page
      .getByRole('region', { name: 'Marked as broken' })
      .getByRole('button', { name: 'Lift the mark' })
      .waitFor();
    expect(await axeFindings(page)).toEqual([]);
  });
});

describe('what was run without its approval', () => {
  it('stands in a place of its own until somebody else has said what they found', async () => {
    await stage.open(POLICY);
    const job = enqueue(stage.scene, { fixture: 'build-image.run1' });
    const hold = await stage.scene.hold(job, 'waiting_for_approval');
    const body = { digest: hold.digest, reason: 'production is down' };
    const broken = await (await stage.scene.as('jonas')).post<BreakGlassView>(`holds/${hold.id}/break-glass`, body);
    expect(broken.status).toBe(200);
    const page = await stage.see('maria', '/approvals');
    await page.getByText('Nobody approved it').waitFor();
    await page.getByText('Jonas Berg (@jonas) broke the glass').waitFor();
    await page.getByText('1 run without an approval waits to be looked at').waitFor();
    await page.getByRole('link', { name: 'Break-glass' }).click();
    await page.getByText('production is down').waitFor();
    await page.getByText('To be looked at').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByText('Close it: say what you found').click();
    expect(await page.getByRole('button', { name: 'It was justified' }).isDisabled()).toBe(true);
    await page.getByLabel('What you found').fill('the board was told');
    await page.getByRole('button', { name: 'It was justified' }).click();
    await page.getByText('Closed by Maria Silva (@maria)').waitFor();
    await page.getByText('the board was told').waitFor();
    await page.reload();
    await page.getByText('Nothing that was run without its approval waits to be looked at.').waitFor();
    await page.getByLabel('Show').selectOption('all');
    await page.getByText('the board was told').waitFor();
  });
});

describe('lists with something in them', () => {
  it.each([
    ['light', 1_280],
    ['dark', 360],
  ] as const)(
    'have nothing that axe finds wrong, %s at %i pixels, and scroll by themselves',
    async (colorScheme, width) => {
      await stage.open(POLICY);
      await approved(1);
      const id = await start(enqueue(stage.scene));
      const page = await stage.see('maria', '/inbox', { colorScheme, width });
      for (const [path, words] of [
        ['/approvals', 'build:1'],
        [`/deployments?id=${id}`, 'Who let this run'],
        ['/holds', 'build:1'],
        ['/inbox', 'Deployments that wait'],
      ] as const) {
        await page.goto(`${stage.scene.agent.hubUrl}${path}`);
        await page.getByText(words).first().waitFor();
        expect([path, await axeFindings(page)]).toEqual([path, []]);
        expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, width]);
      }
    },
  );
});
