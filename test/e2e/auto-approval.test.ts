import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldView } from '../../agent/src/wire/api.ts';
import type { ApprovalView } from '../../agent/src/wire/approvals.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const maria = { id: 21, username: 'maria', name: 'Maria Silva' };
const MAIN = 'refs/heads/main';

let scene: Scene;
afterEach(async () => scene.close());

/** A pipeline of a push, whose build says this line. */
function run(line: string, user: typeof zoe): number {
  const text = readFileSync(join(ROOT, 'test/fixtures/gitlab/build-image.run1.json'), 'utf8');
  return scene.gitlab.enqueue(text, {
    runner: scene.protectedToken,
    user,
    source: 'push',
    mutate: (payload) => {
      (payload as { steps: { script: string[] }[] }).steps[0]!.script = [line];
    },
  });
}
/** The commit of that pipeline, made and pushed by these. */
function pushed(job: number, from: string, who: typeof zoe, author = who): void {
  const { sha, projectId } = scene.gitlab.job(job);
  const made = { name: author.name, email: `${author.username}@example.com` };
  scene.gitlab.push({
    projectId,
    user: who,
    ref: MAIN,
    from,
    to: sha,
    commits: [{ sha, parents: [from], author: made }],
  });
}
const ended = (id: number) => scene.gitlab.until(`job ${id} success`, () => scene.gitlab.job(id).status === 'success');

describe('auto-approval, with a GitLab that is asked who pushed', () => {
  it('lets a maintainer’s own push run without a vote, and asks people about everybody else’s', async () => {
    scene = await openScene({
      bot: ['read'],
      files: { 'policy.yaml': 'auto_approve: pushed_by_approver\n' },
      extra: 'policy: policy.yaml\n',
    });
    scene.runner();
    const first = run('echo one', zoe);
    const hold = await scene.hold(first, 'waiting_for_approval');
    const approved = await (await scene.as('jonas')).post<HoldView>(`holds/${hold.id}/approve`, {
      digest: hold.digest,
    });
    expect(approved.status).toBe(200);
    await ended(first);

    const second = run('echo two', maria);
    pushed(second, scene.gitlab.job(first).sha, maria);
    await ended(second);
    const { body } = await (await scene.as('maria')).get<{ items: ApprovalView[] }>('approvals');
    expect(body.items.at(-1)).toMatchObject({ votes: [], auto: { id: 21, username: 'maria' }, valid: true });

    const third = run('echo three', maria);
    pushed(third, scene.gitlab.job(second).sha, maria, zoe);
    await scene.hold(third, 'waiting_for_approval');
    await scene.gitlab.until('GitLab was asked about it', () =>
      scene.gitlab.log.some(({ path }) =>
        path.includes(`pipelines/${scene.gitlab.job(third).pipelineId}/jobs?include_retried`),
      ),
    );
    expect((await scene.hold(third, 'waiting_for_approval')).state).toBe('waiting_for_approval');
  });
});
