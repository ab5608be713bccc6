import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import type { ApprovalView } from '../../agent/src/wire/approvals.ts';
import { axeFindings } from '../support/page/axe.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { type Stage, stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const PROTECTED = `environments:
  - name: production
    environments: [production]
    approval_rules: [{ name: qa, user: rob }]
    deploy_access_levels: [{ user: jonas }]
`;
const POLICY = { files: { 'policy.yaml': PROTECTED }, extra: 'policy: policy.yaml\n' };

/** A configuration that ran, and one that waits. */
async function world(options: Parameters<Stage['open']>[0] = {}): Promise<{ readonly waiting: number }> {
  await stage.open(options);
  const first = enqueue(stage.scene, { fixture: 'build-image.run1', script: ['echo one'] });
  await stage.scene.approve(first);
  await ended(stage.scene, first, 'success');
  const second = enqueue(stage.scene, { fixture: 'build-image.run1', script: ['echo two'] });
  const { id } = await stage.scene.hold(second, 'waiting_for_approval');
  return { waiting: id };
}
const goTo = async (page: Page, path: string, words: string): Promise<void> => {
  await page.goto(`${stage.scene.agent.hubUrl}${path}`);
  await page.getByText(words).first().waitFor();
};
const VIEWS = [
  ['/approvals', 'Approved by'],
  ['/deployments', 'Nothing is deployed'],
  ['/break-glass', 'Nothing that was run without its approval'],
  ['/audit', 'completed an approval'],
  ['/policy', 'Everywhere'],
  ['/agents', 'Connected'],
  ['/people', 'Who may approve where'],
  ['/figures', 'Why people were asked'],
] as const;

describe('every place of the page', () => {
  it.each(['light', 'dark'] as const)(
    'has nothing that axe finds wrong, %s, and no sideways scrolling at 360 pixels',
    async (colorScheme) => {
      await world();
      const page = await stage.see('maria', '/inbox', { colorScheme, width: 360, height: 740 });
      for (const [path, words] of VIEWS) {
        await goTo(page, path, words);
        expect([path, await axeFindings(page)]).toEqual([path, []]);
        expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, 360]);
      }
    },
  );

  it('is reached from the header', async () => {
    await world();
    const page = await stage.see('maria', '/inbox');
    for (const [name, words] of [
      ['Approved', 'Approved configurations'],
      ['Deployments', 'Deployments'],
      ['Audit', 'Audit'],
      ['Policy', 'Policy'],
      ['Agents', 'Agents'],
      ['People', 'People and tokens'],
      ['Figures', 'Figures'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { level: 1, name: words }).waitFor();
    }
  });
});

describe('approved configurations', () => {
  it('are revoked after a question, and the next job waits', async () => {
    await world();
    const page = await stage.see('maria', '/approvals');
    await page.getByRole('button', { name: 'Revoke approval 1' }).click();
    await page.getByLabel('Why (is kept in the audit)').fill('the base image is bad');
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText('Approval 1 is revoked; the next job with this configuration waits.').waitFor();
    await page.getByRole('row').getByText('Revoked', { exact: true }).waitFor();
    await page.getByLabel('Show').selectOption('unused');
    await page.getByText('None fits.').waitFor();
    await page.getByLabel('Show').selectOption('all');
    await page.getByRole('row').getByText('Revoked', { exact: true }).waitFor();
    const again = enqueue(stage.scene, { fixture: 'build-image.run1', script: ['echo one'] });
    await stage.scene.hold(again, 'waiting_for_approval');
    const approval = await (await stage.scene.as('maria')).get<ApprovalView>('approvals/1');
    expect(approval.body).toMatchObject({ valid: false, revoked_by: 'maria' });
  });

  it('are compared, two of them', async () => {
    const { waiting } = await world();
    const maria = await stage.scene.as('maria');
    const hold = await maria.get<{ digest: string }>(`holds/${waiting}`);
    await maria.post(`holds/${waiting}/approve`, { digest: hold.body.digest });
    const page = await stage.see('maria', '/approvals');
    await page.getByLabel('Compare approval 1').check();
    await page.getByLabel('Compare approval 2').check();
    await page.getByRole('button', { name: 'Compare approvals 1 and 2' }).click();
    const dialog = page.getByRole('dialog', { name: 'Approval 1 compared with approval 2' });
    // As a Hold shows it: which words, in lines as wide as the screen lets them be.
    await dialog.locator('.section .line-added ins').getByText('two').waitFor();
    await dialog.locator('.section .line-removed del').getByText('one').waitFor();
    const code = (await dialog.locator('.line-added code').first().boundingBox())!;
    expect(code.width).toBeGreaterThan(400);
    expect(await axeFindings(page)).toEqual([]);
    // The list is as it was.
    await dialog.getByRole('button', { name: 'Back to the list' }).click();
    expect(await page.getByLabel('Compare approval 1').isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Revoke approval 2' }).click();
    await page.getByRole('heading', { name: 'Revoke approval 2?' }).waitFor();
  });

  it('stand beside what was rejected and remembered, which is lifted there', async () => {
    const { waiting } = await world();
    const maria = await stage.scene.as('maria');
    const hold = await maria.get<{ digest: string }>(`holds/${waiting}`);
    await maria.post(`holds/${waiting}/reject`, { digest: hold.body.digest, comment: 'not this', remember: true });
    const page = await stage.see('maria', '/approvals');
    await page.getByText('not this').waitFor();
    await page.getByRole('button', { name: 'Lift denial 1' }).click();
    await page.getByText('Nothing is refused at present.').waitFor();
  });
});

describe('deployments', () => {
  it('are approved and run by those who may, each told why not otherwise', async () => {
    await stage.open(POLICY);
    const job = enqueue(stage.scene, { script: ['echo deployed'] });
    const hold = await stage.scene.hold(job, 'waiting_for_approval');
    const maria = await stage.scene.as('maria');
    await maria.post(`holds/${hold.id}/approve`, { digest: hold.digest });
    const rob = await stage.see('rob', '/inbox');
    await rob.getByRole('link', { name: 'deploy:production to production' }).click();
    await rob.getByText('qa: 0 of 1').waitFor();
    expect(await rob.getByRole('button', { name: 'Run it' }).isDisabled()).toBe(true);
    await rob.getByText('Run is off').waitFor();
    await rob.getByRole('button', { name: 'Approve this deployment' }).click();
    await rob.getByText('qa: 1 of 1').waitFor();

    const jonas = await stage.see('jonas', '/deployments?id=1', { scopes: ['read', 'deploy'] });
    await jonas.getByText('qa: 1 of 1').waitFor();
    await jonas.getByRole('button', { name: 'Run it' }).click();
    await jonas.getByText('started by Jonas Berg (@jonas)').first().waitFor();
    expect(await axeFindings(jonas)).toEqual([]);
  });
});

describe('the audit', () => {
  it('shows an auditor who let a job run, with the evidence, and says whether the chain is whole', async () => {
    await world();
    const page = await stage.see('maria', '/audit?hold=1', { scopes: ['read', 'audit'] });
    await page.getByText('completed an approval').waitFor();
    const evidence = page.getByRole('link', { name: 'a page to read (opens in a new tab)' });
    const answer = await page.request.get(`${stage.scene.agent.hubUrl}${await evidence.getAttribute('href')}`);
    expect(answer.status()).toBe(200);
    expect(await answer.text()).toContain('maria');
    await page.getByRole('button', { name: 'Check it here' }).click();
    await page.getByText(/^Whole, up to row \d+/).waitFor();
    await page.getByLabel('Person (user name or id)').fill('zoe');
    await page.getByLabel('Person (user name or id)').blur();
    expect(new URL(page.url()).searchParams.get('person')).toBe('zoe');
  });
});

describe('agents', () => {
  it('say how many runners nobody guards, and how many jobs they keep', async () => {
    await world();
    const page = await stage.see('maria', '/agents');
    await page.getByText('1 agent, 1 job parked, 1 runner not gated').waitFor();
    const box = page.getByRole('region', { name: 'embedded' });
    expect(await box.locator('.fact').allTextContents()).toEqual([
      expect.stringMatching(/^Connected since/),
      expect.stringMatching(/^Version/),
      "Its clockthe hub's time",
      'Jobs parked1',
      'Runners1 gated, 1 not',
    ]);
  });
});

describe('people and tokens', () => {
  it('make a token that is shown once, and end it', async () => {
    await world();
    const page = await stage.see('maria', '/people');
    await page.getByText('Make a token for a script or the command line').click();
    await page.getByLabel('What it is for').fill('my script');
    await page.getByRole('button', { name: 'Make it' }).click();
    const shown =
      (await page
        .getByText(/^Copy it now/)
        .locator('code')
        .textContent()) ?? '';
    expect(shown).toMatch(/^hp/);
    await page.getByRole('button', { name: 'I have it' }).click();
    expect(await page.content()).not.toContain(shown);
    const row = page.getByRole('row').filter({ hasText: 'my script' });
    await row.getByRole('button', { name: /^Revoke token/ }).click();
    await row.getByText('revoked').waitFor();
  });

  it('say who may approve where', async () => {
    await world();
    const page = await stage.see('maria', '/people');
    await page.getByLabel('Project (path or id)').fill('acme/payments/api');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText(/maria, jonas|jonas, maria/).waitFor();
  });
});

describe('agents', () => {
  const ADMIN = ['read', 'approve', 'admin'];
  const open = async (): Promise<void> => {
    await stage.open({ examine: true });
    chmodSync(join(stage.scene.folder, 'principals.yaml'), 0o600);
  };

  it('show what is to be mended on their host, with the mend, and look again when an administrator asks', async () => {
    await open();
    const page = await stage.see('jonas', '/agents', { scopes: ADMIN });
    await page.getByRole('heading', { name: 'Its host' }).waitFor();
    const planted = page.getByText(/the list of people .*principals\.yaml has mode 0666/);
    expect(await planted.count()).toBe(0);
    chmodSync(join(stage.scene.folder, 'principals.yaml'), 0o666);
    await page.getByRole('button', { name: 'Look again at the host of embedded' }).click();
    await planted.waitFor();
    await page.getByText(/Mend: chmod go-w .*principals\.yaml/).waitFor();
    expect(await axeFindings(page)).toEqual([]);
  });

  it('T32 show everybody else only how much there is', async () => {
    await open();
    const page = await stage.see('maria', '/agents');
    await page.getByText('What it is, is shown to administrators and auditors.').waitFor();
    await page.getByText(/\d+ to mend, \d+ to look at/).waitFor();
    expect(await page.getByText('Mend:').count()).toBe(0);
  });
});

describe('the policy', () => {
  it('is explained for one job, with the entry that decides', async () => {
    await world({
      files: {
        'policy.yaml':
          'configurations:\n  - { name: payments, match: { projects: ["acme/payments/*"] }, remember: 48h }\n',
      },
      extra: 'policy: policy.yaml\n',
    });
    const page = await stage.see('maria', '/policy?project=acme/payments/api&job=build&ref=refs/heads/main');
    await page.getByRole('heading', { name: 'payments' }).waitFor();
    const lines = page.locator('section').filter({ hasText: 'What holds for a job' }).locator('li');
    await lines.first().waitFor();
    expect((await lines.allTextContents()).join('\n')).toContain('payments');
  });

  it('T33 shows what a pusher named as text', async () => {
    await stage.open();
    const job = enqueue(stage.scene, { fixture: 'build-image.run1', name: '<img src=x onerror=alert(1)>\u202e' });
    await stage.scene.approve(job);
    await ended(stage.scene, job, 'success');
    const page = await stage.see('maria', '/approvals');
    await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    await goTo(page, '/audit', 'completed an approval');
    expect(await page.locator('img').count()).toBe(0);
  });
});

describe('figures', () => {
  it('say how long jobs wait and who decides, as a chart and as a table', async () => {
    await world();
    const page = await stage.see('maria', '/figures');
    await page.getByText('1 times: nothing of the job was approved before').waitFor();
    await page.locator('.chart canvas').waitFor();
    await page.getByText('The same as a table').click();
    await page.getByRole('columnheader', { name: 'Half within (min)' }).waitFor();
    expect(
      await page
        .getByRole('row')
        .filter({ hasText: /^(maria|jonas)/ })
        .first()
        .textContent(),
    ).toMatch(/1/);
  });
});
