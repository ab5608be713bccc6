import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { axeFindings } from '../support/page/axe.ts';
import { enqueue } from '../support/page/jobs.ts';
import { openStage, type Stage } from '../support/page/stage.ts';
import { type Receiver, startReceiver } from '../support/receivers.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let stage: Stage;
let hook: Receiver;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage?.end());
afterEach(async () => {
  await stage.close();
  await hook?.close();
});

describe('asking for a decision in the browser', () => {
  it('tells those who can still help, is seldom possible, and stands in the history', async () => {
    hook = await startReceiver();
    await stage.open({
      moreOfHub: [`notify: [{ name: hook, kind: webhook, url: "${hook.url}", secret_file: hook.secret }]`],
      extra: 'policy: policy.yaml',
      files: {
        'policy.yaml': 'notify: { routes: [{ name: asks, channels: [hook], events: [help_asked] }] }\n',
        'hook.secret': 'a-secret-that-nobody-guesses-0004',
      },
    });
    const job = enqueue(stage.scene, {});
    const hold = await stage.scene.hold(job, 'waiting_for_approval');
    const page = await stage.see('zoe', `/holds/${hold.id}`);
    await page.getByRole('button', { name: 'Ask for a decision' }).click();
    await page.getByText('jonas, maria can help and are asked.').first().waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await stage.scene.gitlab.until('the web hook', () => hook.posted.length === 1);
    const { type, data } = JSON.parse(hook.posted[0]!.body);
    expect([type, data.by, data.helpers]).toEqual(['holdpoint.help_asked', 'zoe', ['jonas', 'maria']]);
    const again = await stage.see('alice', `/holds/${hold.id}`);
    await again.getByRole('button', { name: 'Ask for a decision' }).click();
    await again.getByText('Not asked: hold 1: somebody asked at').first().waitFor();
    stage.complaints();
    const { history } = await stage.scene.hold(job, 'waiting_for_approval');
    expect(history.map(({ event }) => event)).toEqual(expect.arrayContaining(['help_asked', 'notified']));
  });

  it('says that nobody is told where the policy tells nobody', async () => {
    await stage.open();
    const hold = await stage.scene.hold(enqueue(stage.scene, {}), 'waiting_for_approval');
    const page = await stage.see('zoe', `/holds/${hold.id}`);
    await page.getByRole('button', { name: 'Ask for a decision' }).click();
    await page.getByText('no route of the policy tells them: ask them yourself').first().waitFor();
  });
});
