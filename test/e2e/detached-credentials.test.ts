import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail, Problem } from '../../agent/src/wire/api.ts';
import { runCli } from '../support/cli.ts';
import {
  alice,
  approveHold,
  type DetachedScene,
  HOUR,
  maria,
  openDetachedScene,
  zoe,
} from '../support/detached-scene.ts';
import { BOT } from '../support/scene.ts';

let scene: DetachedScene;
afterEach(async () => scene.close());

const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
const retries = () => scene.gitlab.log.filter(({ method, path }) => method === 'POST' && path.endsWith('/retry'));
const lend = async (who: string, token: string, more: object = {}) =>
  (await scene.as(who, ['read'])).put<Problem & { lent: boolean }>('me/gitlab-credential', { token, ...more });
const seen = async (hold: number) => (await (await scene.as('zoe', ['read'])).get<HoldDetail>(`holds/${hold}`)).body;
/** The user for whom a job runs, as its payload says. */
const userOf = (job: number) => JSON.parse(scene.gitlab.job(job).payload ?? '{}').job_info?.user_id as number;

/** A detached Hold of zoe's, approved by jonas. */
async function approved(): Promise<{ job: number; hold: HoldDetail }> {
  const job = scene.push('test-unit');
  const hold = await scene.detached(job);
  await approveHold(scene, hold);
  return { job, hold };
}

describe('in whose name a detached job is retried', () => {
  it('T52 in that of whoever triggered it, before the bot, and never in that of an approver who lent a credential', async () => {
    scene = await openDetachedScene({ bot: ['read', 'retry', 'status'] });
    scene.runner();
    expect(await lend('maria', scene.gitlab.personToken(maria))).toMatchObject({ status: 200, body: { lent: true } });
    expect(await lend('alice', scene.gitlab.personToken(alice))).toMatchObject({ status: 200 });
    const first = await approved();
    const byBot = await scene.retryOf(first.job);
    await scene.hold(byBot, 'success');
    expect(userOf(byBot)).toBe(BOT.id);

    const token = scene.gitlab.personToken(zoe);
    expect(await lend('zoe', token)).toMatchObject({ status: 200 });
    const job = scene.push('build-image');
    await approveHold(scene, await scene.detached(job));
    const own = await scene.retryOf(job);
    await scene.hold(own, 'success');
    expect(userOf(own)).toBe(zoe.id);
    const bearer = retries().map(({ headers }) => headers.authorization);
    expect(bearer).toEqual([expect.stringMatching(/^Bearer glpat-/), `Bearer ${token}`]);
  });

  it('T52 T24 takes a credential only from the person it belongs to, for a bounded time, and gives it back to nobody', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const marias = scene.gitlab.personToken(maria);
    expect(await lend('zoe', marias)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await lend('zoe', 'glpat-nonsense')).toMatchObject({ status: 403 });
    const own = scene.gitlab.personToken(zoe);
    expect(await lend('zoe', own, { expires_in_s: 90_000 })).toMatchObject({ status: 400 });
    expect(await lend('zoe', own, { expires_in_s: 3_600 })).toMatchObject({ status: 200 });
    const person = await scene.as('zoe', ['read']);
    const asked = await person.get<object>('me/gitlab-credential');
    expect(asked.body).toMatchObject({ lent: true });
    expect(JSON.stringify(asked.body)).not.toContain(own);
    scene.turn(HOUR);
    expect((await person.get<object>('me/gitlab-credential')).body).toEqual({ lent: false, expires_at: null });

    expect(await lend('zoe', own)).toMatchObject({ status: 200 });
    expect((await person.remove<object>('me/gitlab-credential')).body).toEqual({ lent: false, expires_at: null });
    const { job, hold } = await approved();
    await scene.eventually('the word that a person retries', async () => (await seen(hold.id)).retry?.by === 'trigger');
    expect([scene.gitlab.job(job).retriedAs, retries()]).toEqual([null, []]);

    // Neither on the disk nor in the log nor in the audit.
    const files = readdirSync(scene.folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    for (const file of files) {
      const bytes = readFileSync(join(file.parentPath, file.name));
      for (const token of [own, marias]) expect([file.name, bytes.includes(token)]).toEqual([file.name, false]);
    }
    for (const token of [own, marias]) expect(scene.log.lines.some((line) => line.includes(token))).toBe(false);
  });

  it('falls through from a refused credential to the bot, and from a refused bot to words and a link for the trigger', async () => {
    scene = await openDetachedScene({ bot: ['read'] });
    scene.runner();
    expect(await lend('zoe', scene.gitlab.personToken(zoe, { may: ['read'] }))).toMatchObject({ status: 200 });
    const { job, hold } = await approved();
    const told = await scene.eventually('both refusals', async () => {
      const now = await seen(hold.id);
      return now.retry?.words.includes('cannot retry it') ? now : null;
    });
    expect(told.retry).toMatchObject({ by: 'trigger', url: told.job_url });
    expect(told.retry?.words).toMatch(
      /trigger's credential may not retry it \(403\), the bot token may not retry it \(403\)/,
    );
    expect(told.retry?.words).toContain('zoe presses Retry');
    expect(told.state).toBe('pending');
    expect(retries().map(({ status }) => status)).toEqual([403, 403]);
    const refusals = () => scene.log.lines.filter((line) => line.includes('refuses commit statuses')).length;
    await scene.gitlab.until('the word that statuses are refused', () => refusals() > 0);

    // What the words say is what works.
    const again = scene.gitlab.retry(job, zoe);
    await ended(again, 'success');
    expect((await scene.hold(again, 'success')).id).toBe(hold.id);
    expect(refusals()).toBe(1);
  });

  it('drops a lent credential that GitLab no longer takes, and retries when a better one comes', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const old = scene.gitlab.personToken(zoe);
    expect(await lend('zoe', old)).toMatchObject({ status: 200 });
    scene.gitlab.revokePersonToken(old);
    const { job, hold } = await approved();
    await scene.eventually('the refusal', async () => (await seen(hold.id)).retry?.words.includes('cannot retry it'));
    expect((await (await scene.as('zoe', ['read'])).get<object>('me/gitlab-credential')).body).toMatchObject({
      lent: false,
    });
    expect(await lend('zoe', scene.gitlab.personToken(zoe))).toMatchObject({ status: 200 });
    await scene.hold(await scene.retryOf(job), 'success');
  });

  it('T52 retries at once for its trigger with a credential used once, for nobody else, and not before the approval', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const job = scene.push('test-unit');
    const hold = await scene.detached(job);
    const token = scene.gitlab.personToken(zoe);
    const retry = async (who: string, gitlab_token: string) =>
      (await scene.as(who, ['read'])).post<Problem>(`holds/${hold.id}/retry`, { gitlab_token });
    expect(await retry('zoe', token)).toMatchObject({ status: 409, body: { code: 'wrong_state' } });
    await approveHold(scene, hold);
    expect(await retry('maria', scene.gitlab.personToken(maria))).toMatchObject({ status: 403 });
    expect(await retry('zoe', scene.gitlab.personToken(maria))).toMatchObject({ status: 403 });
    expect(retries()).toEqual([]);
    expect(await retry('zoe', token)).toMatchObject({ status: 200 });
    const again = await scene.retryOf(job);
    await scene.hold(again, 'success');
    expect(userOf(again)).toBe(zoe.id);
    expect((await (await scene.as('zoe', ['read'])).get<object>('me/gitlab-credential')).body).toMatchObject({
      lent: false,
    });
    expect(await retry('zoe', token)).toMatchObject({ status: 409 });
  });

  it('T24 from the command line: the link in "holds show", lent from a file that others cannot read, retried', async () => {
    scene = await openDetachedScene();
    scene.runner();
    const { job, hold } = await approved();
    const person = await scene.as('zoe', ['read']);
    const env = { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: person.token };
    const shown = await runCli(['holds', 'show', String(hold.id)], { env });
    expect(shown.out).toMatch(/to be done +It is approved.*zoe presses Retry/);
    expect(shown.out).toContain(hold.job_url ?? 'no page');

    const file = join(scene.folder, 'zoe.token');
    writeFileSync(file, scene.gitlab.personToken(zoe), { mode: 0o644 });
    const open = await runCli(['token', 'lend', '--gitlab-token-file', file], { env });
    expect([open.exit, open.err]).toEqual([2, expect.stringContaining('chmod 600')]);
    const own = join(scene.folder, 'zoe.own.token');
    writeFileSync(own, scene.gitlab.personToken(zoe), { mode: 0o600 });
    const retried = await runCli(['holds', 'retry', String(hold.id), '--gitlab-token-file', own], { env });
    expect([retried.exit, retried.err]).toEqual([0, '']);
    expect(retried.out).toMatch(/was retried as job|has been taken up again/);
    await scene.hold(await scene.retryOf(job), 'success');
    const lent = await runCli(['token', 'lend', '--gitlab-token-file', own, '--expires', '30m'], { env });
    expect([lent.exit, lent.out]).toEqual([0, expect.stringMatching(/^lent until 20.*memory only\n$/)]);
    const back = await runCli(['token', 'take-back'], { env });
    expect([back.exit, back.out]).toEqual([0, expect.stringContaining('taken back')]);
  });

  it('gives up after five retries of its own that come to nothing, and leaves the sixth to a person', async () => {
    scene = await openDetachedScene({ bot: ['read', 'retry'] });
    const runner = scene.runner();
    const { job, hold } = await approved();
    await runner.stop();
    let last = await scene.retryOf(job);
    for (let round = 2; round <= 5; round++) {
      // Nobody takes it for a day: GitLab fails it in its queue.
      const before = last;
      last = await scene.eventually(
        `retry ${round}`,
        async () => scene.gitlab.job(before).retriedAs,
        () => scene.turn(13 * HOUR),
      );
    }
    const told = await scene.eventually(
      'the end of patience',
      async () => {
        const now = await seen(hold.id);
        return now.retry?.words.includes('5 times') ? now : null;
      },
      () => scene.turn(HOUR),
    );
    expect(told.retry?.by).toBe('trigger');
    expect(retries()).toHaveLength(5);
  });
});
