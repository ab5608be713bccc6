import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { axeFindings } from '../support/page/axe.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { stageOfFile } from '../support/page/stage.ts';

// A browser on a machine that others use, too.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const stage = stageOfFile();

/** A job that writes the same line again and again until it is told to end. */
async function chatting(line: string) {
  const end = join(stage.scene.folder, 'end');
  const script = [`until test -e ${end}; do printf '${line}'; sleep 0.1; done`];
  stage.scene.runner({ exec: 'pty' });
  const job = enqueue(stage.scene, { script });
  await stage.scene.approve(job);
  const hold = await stage.scene.hold(job, 'running');
  return { job, hold, end: () => writeFileSync(end, '') };
}

/** Kinds of messages that the page sends and hears from here on. */
const LISTENING = `
  var said = [], heard = [], kindOf = (text) => JSON.parse(text).type, send = WebSocket.prototype.send, known = new WeakSet();
  WebSocket.prototype.send = function (text) {
    if (!known.has(this)) this.addEventListener('message', ({ data }) => heard.push(kindOf(data)));
    known.add(this);
    said.push(kindOf(text));
    return send.call(this, text);
  };`;

describe('the log of a running job in the browser', () => {
  it('T33 comes live through the gateway, in colours, and never as markup or as an escape that does something', async () => {
    await stage.open({}, { runner: false });
    const { job, hold, end } = await chatting(
      '\\033[31mred\\033[0m <b onclick=window.pwned=1>bold</b> \\033]8;;https://evil.example\\007link\\033]8;;\\007 \\342\\200\\256\\n',
    );
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText('Followed live from now on').waitFor();
    await page.locator('.ansi-1', { hasText: 'red' }).first().waitFor();
    const log = page.locator('.log');
    expect(await log.textContent()).toContain('<b onclick=window.pwned=1>bold</b> link');
    expect(await log.textContent()).toContain('⟨U+202E⟩');
    expect(await log.locator('b, a').count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    await log.evaluate((element) => element.setAttribute('data-same', 'yes'));
    await page.locator('.log').scrollIntoViewIfNeeded();
    const scrolled = await page.evaluate('scrollY');
    expect(scrolled).toBeGreaterThan(0);
    end();
    await ended(stage.scene, job, 'success');
    // The page follows by itself, and what was read of the log stays where it is.
    await page.locator('.head').getByText('Success').waitFor();
    await page.getByText('It has run, with success.').waitFor();
    expect(await page.locator('.log[data-same=yes]').textContent()).toContain('bold</b> link');
    expect(await page.evaluate('scrollY')).toBe(scrolled);
    expect(await page.getByText(/Cancel job|kept running|as it is now/).count()).toBe(0);
  });

  it('T52 is ended in the name of whoever cancels, with a GitLab token of their own that nothing keeps', async () => {
    await stage.open({}, { runner: false });
    const { job, hold, end } = await chatting('on and on\\n');
    const page = await stage.see('maria', `/holds/${hold.id}`);
    await page.getByText(`Cancel job ${job} in GitLab`).click();
    const field = page.getByLabel('A GitLab token of yours');
    const cancel = page.getByRole('button', { name: 'Cancel the job' });
    await cancel.click();
    await page.getByText('Not canceled: hold 1: its job is canceled in your name').waitFor();
    await field.fill(stage.scene.gitlab.personToken({ id: 22, username: 'jonas', name: 'Jonas Berg' }));
    await cancel.click();
    await page.getByText(/Not canceled: this credential is jonas's/).waitFor();
    await field.fill(
      stage.scene.gitlab.personToken({ id: 21, username: 'maria', name: 'Maria Silva' }, { may: ['read'] }),
    );
    await cancel.click();
    await page.getByText(/Not canceled: hold 1: GitLab does not let you cancel/).waitFor();
    await field.fill(stage.scene.gitlab.personToken({ id: 21, username: 'maria', name: 'Maria Silva' }));
    await cancel.click();
    await page.getByText('GitLab cancels the job.').first().waitFor();
    expect(await field.inputValue()).toBe('');
    await ended(stage.scene, job, 'canceled');
    end();
    const after = await stage.scene.hold(job, 'canceled');
    expect(after.history.map(({ event, actor }) => `${event} ${actor}`)).toContain('job_cancel_asked user:21 maria');
    expect(stage.scene.log.lines.join('\n')).not.toContain('glpat-');
  });

  it('T32 is followed by nobody who may not see the Hold, and asked for by nobody else', async () => {
    await stage.open({}, { runner: false });
    const { job, hold, end } = await chatting('secret words\\n');
    const told: string[] = [];
    const alice = await stage.scene.as('alice');
    const { WebSocket } = await import('ws');
    const open = async (token: string, id: number) => {
      const socket = new WebSocket(`${stage.scene.agent.hubUrl.replace('http', 'ws')}/api/v1/events`, {
        headers: { authorization: `Bearer ${token}` },
      });
      socket.on('message', (data) => told.push(data.toString()));
      await new Promise((resolve) => socket.once('open', resolve));
      socket.send(JSON.stringify({ type: 'watch', hold: id, on: true }));
      return socket;
    };
    const nobody = await open(alice.token, 4_711);
    await stage.scene.gitlab.until('an answer', () => told.some((text) => text.includes('there is no hold 4711')));
    nobody.close();
    told.length = 0;
    const somebody = await open(alice.token, hold.id);
    const followed = (): string =>
      told
        .map((text) => JSON.parse(text))
        .flatMap(({ type, chunk }) => (type === 'log' ? [Buffer.from(chunk, 'base64').toString()] : []))
        .join('');
    await stage.scene.gitlab.until('the words of the log', () => followed().includes('secret words'));
    somebody.send('{"type":"anything"}');
    const code = await new Promise((resolve) => somebody.once('close', resolve));
    expect(code).toBe(4400);
    end();
    await ended(stage.scene, job, 'success');
  });

  it('T18 T33 starts when somebody watches it, is stopped from the page, and is played again from its recording', async () => {
    const policy = 'recording: required\nfour_eyes_live: required\n';
    await stage.open({ extra: 'policy: policy.yaml', files: { 'policy.yaml': policy } }, { runner: false });
    stage.scene.runner({ exec: 'pty' });
    const end = join(stage.scene.folder, 'end');
    const script = [
      `until test -e ${end}; do printf '\\033[32mgreen\\033[0m <i>plain</i>\\033]0;title\\007\\n'; sleep 0.1; done`,
    ];
    const job = enqueue(stage.scene, { script });
    await stage.scene.approve(job);
    const { id } = await stage.scene.hold(job, 'waiting_for_approval');
    const author = await stage.see('zoe', `/holds/${id}`);
    await author.getByText('You cannot be the one').waitFor();
    expect(await author.getByRole('button', { name: 'Watch it live' }).count()).toBe(0);
    const page = await stage.see('jonas', `/holds/${id}`);
    await page.getByText('0 of 1 watch').waitFor();
    await page.getByText('Who can watch it: jonas').waitFor();
    await page.evaluate(LISTENING);
    const turn = (state: 'hidden' | 'visible') =>
      page.evaluate(
        `said.length = heard.length = 0;
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${state}' });
        document.dispatchEvent(new Event('visibilitychange'));`,
      );
    // A page that nobody sees neither begins to watch nor answers that it does.
    await turn('hidden');
    await page.getByRole('button', { name: 'Watch it live' }).click();
    expect(await page.evaluate('said')).not.toContain('attend');
    await turn('visible');
    await page.getByText('You watch it.').waitFor();
    await turn('hidden');
    await vi.waitFor(async () => expect(await page.evaluate('heard')).toContain('beat'), 10_000);
    expect(await page.evaluate('said')).not.toContain('present');
    await turn('visible');
    await vi.waitFor(async () => expect(await page.evaluate('said')).toContain('present'), 10_000);
    await stage.scene.hold(job, 'running');
    await page.locator('.ansi-2', { hasText: 'green' }).first().waitFor();
    await page.getByText('1 of 1 watches: jonas').waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await page.getByRole('button', { name: 'Stop the job' }).click();
    expect(await page.getByRole('button', { name: 'Stop it', exact: true }).isDisabled()).toBe(true);
    await page.getByLabel('Why (its log tells it)').fill('seen enough');
    await page.getByRole('button', { name: 'Stop it', exact: true }).click();
    await page.getByText('seen enough').first().waitFor();
    await ended(stage.scene, job, 'failed');
    await page.getByText(/^Recording of job/).click();
    await page.getByRole('button', { name: `Play the recording of job ${job}` }).click();
    const screen = page.getByRole('region', { name: `Recording of job ${job}` });
    await screen.locator('.ansi-2', { hasText: 'green' }).first().waitFor();
    expect(await screen.textContent()).toContain('<i>plain</i>');
    expect(await screen.locator('i').count()).toBe(0);
    expect(await page.title()).not.toContain('title');
    expect(await axeFindings(page)).toEqual([]);
  });
});
