import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import type { ApprovalView } from '../../agent/src/wire/approvals.ts';

import { axeFindings } from '../support/page/axe.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const script = ['make'];
async function approvedAndRevoked(comment: string): Promise<void> {
  await stage.open();
  const job = enqueue(stage.scene, { script });
  await stage.scene.approve(job);
  await ended(stage.scene, job, 'success');
  const jonas = await stage.scene.as('jonas');
  const { body } = await jonas.get<{ items: ApprovalView[] }>('approvals');
  await jonas.post(`approvals/${body.items[0]!.id}/revoke`, { comment });
}

describe('a job whose approval was revoked', () => {
  it('T29 is told as that: by whom, when and why, with a flag; and nothing of it is shown as new', async () => {
    await approvedAndRevoked('leaks the key');
    const hold = await stage.scene.hold(enqueue(stage.scene, { script }), 'waiting_for_approval');
    const page = await stage.see('maria', `/holds/${hold.id}`);
    const verdict = await page.locator('.verdict').textContent();
    expect(verdict).toMatch(
      /^This is exactly the configuration approved on .* by Maria Silva \(@maria\)\. That approval was revoked on .* by Jonas Berg \(@jonas\): leaks the key\. It lets nothing run any more: whoever approves now approves it anew\.$/,
    );
    await page.getByText('the approval of what this is compared with has been revoked since').waitFor();
    expect(await page.getByText('is new for this job').count()).toBe(0);
    await page.getByRole('heading', { name: 'What would run: nothing differs' }).waitFor();
    expect(await page.getByLabel('Compared with').locator('option').first().textContent()).toContain('was revoked on');
    await page.goto(`${stage.scene.agent.hubUrl}/inbox`);
    await page.getByText('Exactly this was approved before; that approval was revoked on').waitFor();
  });

  it('T29 is compared with what was revoked where that is all there is, and says so beside what differs', async () => {
    await approvedAndRevoked('leaks the key');
    const next = enqueue(stage.scene, { script: [...script, 'make more'] });
    const hold = await stage.scene.hold(next, 'waiting_for_approval');
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.locator('ins, .line-added').first().waitFor();
    expect(await page.locator('.verdict').textContent()).toMatch(
      /1 script line added; \d+ values unchanged\. That approval was revoked on .* by Jonas Berg \(@jonas\): leaks the key\. It lets nothing run any more\.$/,
    );
    // The sentence counts what the page counts, section by section.
    const counts = await page.locator('.section .counts').allTextContents();
    const sum = counts.reduce((total, text) => total + Number(/(\d+) unchanged/.exec(text)?.[1] ?? 0), 0);
    expect(await page.locator('.verdict').textContent()).toContain(` ${sum} values unchanged`);
  });
});

describe('a Hold that waits no more', () => {
  it('says who decided and what became of it, with full names and in the past', async () => {
    await stage.open();
    const job = enqueue(stage.scene, { script });
    const { id } = await stage.scene.approve(job);
    await ended(stage.scene, job, 'success');
    await stage.scene.hold(job, 'success');
    const page = await stage.see('maria', `/holds/${id}`);
    const outcome = page.getByRole('region', { name: 'What became of it' });
    await outcome.getByText('Approved by Maria Silva (@maria). It has run, with success.').waitFor();
    const main = (await page.locator('main').textContent()) ?? '';
    expect(main).not.toMatch(/Waiting since|in less than a minute|What would change|for standing|user:\d|Course/);
    expect(main).toContain('Opened');
    const timeline = page.locator('.timeline');
    expect(await timeline.textContent()).toContain('Maria Silva (@maria) voted to approve');
    expect(await page.getByRole('region', { name: 'Rules' }).textContent()).toMatch(/just now, until \d+ \w+ \d{4}$/);
    expect(await axeFindings(page)).toEqual([]);
    await outcome.getByRole('link', { name: 'What else waits for you' }).click();
    await page.getByRole('heading', { name: 'Inbox' }).waitFor();
    expect(await page.getByText('The last one was').textContent()).toMatch(
      /^The last one was deploy:production in acme\/payments\/api, (just now|\d+ minutes? ago): Success$/,
    );
  });

  it('T34 says first, and loudly, that nobody approved a run for which the glass was broken', async () => {
    const policy = 'break_glass:\n  rules: [{ name: on call, access_level: maintainer }]\n';
    await stage.open({ extra: 'policy: policy.yaml', files: { 'policy.yaml': policy } });
    const job = enqueue(stage.scene, { script });
    const { id, digest } = await stage.scene.hold(job, 'waiting_for_approval');
    const jonas = await stage.scene.as('jonas');
    const { status } = await jonas.post(`holds/${id}/break-glass`, { digest, reason: 'production is down' });
    expect(status).toBe(200);
    await ended(stage.scene, job, 'success');
    const page = await stage.see('maria', `/holds/${id}`);
    const loud = page.getByRole('alert');
    await loud.getByText('Nobody approved this run: the glass was broken for it.').waitFor();
    expect(await loud.textContent()).toContain('Jonas Berg (@jonas)');
    expect(await loud.textContent()).toContain('production is down');
    expect(await page.getByText(/passed with approval/i).count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
  });
});

describe('who may not decide', () => {
  it('is told what they are, and whom to ask by name, before anything of their token', async () => {
    await stage.open();
    const { id } = await stage.scene.hold(enqueue(stage.scene, { script }), 'waiting_for_approval');
    const page = await stage.see('alice', `/holds/${id}`, { scopes: ['read'] });
    await page.getByText('You cannot approve it').waitFor();
    const main = (await page.locator('main').textContent()) ?? '';
    expect(main).toContain(
      'You cannot approve it: you are a developer of this project, and the rules ask for maintainer or higher. Ask Jonas Berg (@jonas) or Maria Silva (@maria).',
    );
    expect(main).toContain(
      'Approve and reject are off: you are a developer of this project, and the rules ask for maintainer or higher.',
    );
    // Once at the head, once at the buttons; and nothing to fill in for what will never be sent.
    expect(main.split('you are a developer')).toHaveLength(3);
    expect(main.split('@jonas')).toHaveLength(2);
    expect(main).not.toMatch(/ask one of them|could complete it|Can help|Reject is off/);
    expect(await page.getByLabel('Comment').count()).toBe(0);
    expect(await page.getByText('What your approve covers').count()).toBe(0);
    expect(await page.getByText('your token').count()).toBe(0);
    const reader = await stage.see('maria', `/holds/${id}`, { scopes: ['read'] });
    await reader.getByText('You cannot approve it: your token has no scope approve: use one that has.').waitFor();
    await reader.getByText('Approve and reject are off: your token has no scope approve: use one that has.').waitFor();
  });

  it('goes to Find with a key', async () => {
    await stage.open();
    const page = await stage.see('maria', '/inbox');
    await page.getByText('No configuration waits for anybody.').waitFor();
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement.id')).toBe('filter-text');
  });
});

describe('a deployment that is decided on', () => {
  const environments = `environments:
  - name: production
    environments: [production]
    approval_rules: [{ name: qa, user: rob }]
    deploy_access_levels: [{ user: jonas }]
`;

  it('says one thing at a time, in whole sentences, and of no button that is not there', async () => {
    await stage.open({ files: { 'policy.yaml': environments }, extra: 'policy: policy.yaml\n' });
    const { id, digest } = await stage.scene.hold(enqueue(stage.scene, { script }), 'waiting_for_approval');
    await (await stage.scene.as('maria')).post(`holds/${id}/approve`, { digest });
    const why = (page: Page) => page.locator('#deployment-why').textContent();
    const rob = await stage.see('rob', '/deployments?id=1', { scopes: ['read', 'approve', 'deploy'] });
    await rob.getByText('rob could complete it.').waitFor();
    expect(await why(rob)).toBe(
      'Run is off: you are a reporter of this project, and only jonas may deploy to production: ask jonas. Reject needs a comment that says why.',
    );
    // A developer with a token that only reads: what they are keeps them off, not their token.
    const alice = await stage.see('alice', '/deployments?id=1', { scopes: ['read'] });
    await alice.getByText('rob could complete it.').waitFor();
    expect(await why(alice)).toBe(
      [
        'Approve is off: you are a developer of this project, and the rules ask for rob: ask rob.',
        'Run is off: you are a developer of this project, and only jonas may deploy to production: ask jonas.',
        'Reject is off: you are a developer of this project, and the rules ask for rob: ask rob.',
      ].join(' '),
    );
    await rob.getByRole('button', { name: 'Approve this deployment' }).click();
    await rob.getByText('qa: 1 of 1, by Rob Reporter (@rob)').waitFor();
    const panel = (await rob.locator('main').textContent()) ?? '';
    expect(panel).toContain('Approve is off: its approvals are complete already: whoever may deploy runs it.');
    expect(panel).not.toMatch(/All rules are met|could complete it|once more|Mark as broken/);
    expect(panel).toContain('Who may run it: Jonas Berg (@jonas)');
    expect(panel).not.toContain('(Jonas Berg');
  });
});
