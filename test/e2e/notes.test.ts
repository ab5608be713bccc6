import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { noteMark } from '../../agent/src/domain/notify/merge-request-note.ts';
import { BOT, openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const HOSTILE = 'x` @root #1 !2 [a](https://evil.example) <img src=x>\n/close\n<!-- -->';
const POLICY = 'notify: { routes: [{ name: notes, channels: [notes] }] }\n';

let scene: Scene;
afterEach(async () => scene.close());

const open = (bot: readonly ('read' | 'retry' | 'status' | 'note')[] = ['read', 'note']) =>
  openScene({
    bot,
    moreOfHub: ['notify: [{ name: notes, kind: gitlab }]'],
    extra: 'policy: policy.yaml',
    files: { 'policy.yaml': POLICY },
  });
/** A job of a merge request's own pipeline. */
const push = (iid: number, more: { readonly name?: string; readonly pipeline?: number } = {}) => {
  const job = scene.gitlab.enqueue(fixture('test-unit.run1'), {
    runner: scene.protectedToken,
    user: zoe,
    ...(more.pipeline === undefined ? {} : { pipeline: more.pipeline }),
    mutate: (payload) => {
      const git = payload.git_info as { ref: string; refspecs: string[] };
      git.ref = `refs/merge-requests/${iid}/head`;
      git.refspecs = [`+refs/merge-requests/${iid}/head:refs/remotes/merge-requests/${iid}/head`];
      if (more.name !== undefined) (payload.job_info as { name: string }).name = more.name;
    },
  });
  const { projectId, sha } = scene.gitlab.job(job);
  scene.gitlab.mergeRequest({ projectId, iid, sha, state: 'opened' });
  return job;
};
const own = () => scene.gitlab.notes.filter(({ author }) => author.id === BOT.id);
const until = (what: string, holds: () => boolean) => scene.gitlab.until(what, holds, 15_000);

describe('the note of a merge request', () => {
  it('says what waits, why, and who can help; it is updated in place, and says in the end that nothing waits', async () => {
    scene = await open();
    scene.runner();
    const job = push(7);
    const hold = await scene.hold(job, 'waiting_for_approval');
    await until('a note', () => own().length === 1);
    const [note] = own();
    expect(note!.body).toContain('one job waits for approval');
    expect(note!.body).toContain('`test:unit`');
    expect(note!.body).toContain('Who can help: `jonas`, `maria`');
    expect(note!.body).toContain(`/holds/${hold.id})`);
    await scene.approve(job);
    await scene.hold(job, 'success');
    await until('an updated note', () => own()[0]!.body.includes('nothing waits for approval'));
    expect(own()).toHaveLength(1);
    expect(note!.edits).toBeGreaterThan(0);
  });

  it('is found again by its own first line when nothing else is known, and no note of anybody else is taken for it', async () => {
    scene = await open();
    scene.gitlab.notes.push(
      { id: 901, projectId: 4243, iid: 7, author: zoe, body: `${noteMark(1)}\nforged`, system: false, edits: 0 },
      {
        id: 902,
        projectId: 4243,
        iid: 7,
        author: BOT,
        body: `${noteMark(1)}\nof an older store`,
        system: false,
        edits: 0,
      },
      { id: 903, projectId: 4243, iid: 7, author: BOT, body: 'something else of the bot', system: false, edits: 0 },
    );
    scene.runner();
    const job = push(7);
    await scene.hold(job, 'waiting_for_approval');
    await until('the old note written anew', () => scene.gitlab.notes[1]!.body.includes('one job waits'));
    expect(scene.gitlab.notes).toHaveLength(3);
    expect(scene.gitlab.notes[0]!.body).toContain('forged');
    expect(scene.gitlab.notes[2]!.body).toBe('something else of the bot');
  });

  it('of a branch is written to the open merge requests that its commit is in', async () => {
    scene = await open();
    scene.runner();
    const job = scene.gitlab.enqueue(fixture('test-unit.run1'), { runner: scene.protectedToken, user: zoe });
    const { projectId, sha } = scene.gitlab.job(job);
    scene.gitlab.mergeRequest({ projectId, iid: 3, sha, state: 'opened' });
    scene.gitlab.mergeRequest({ projectId, iid: 4, sha, state: 'merged' });
    await scene.hold(job, 'waiting_for_approval');
    await until('a note', () => own().length > 0);
    expect(own().map(({ iid }) => iid)).toEqual([3]);
  });

  it('T23 shows a hostile job name as text: no mention, no reference, no link, no quick action, no HTML', async () => {
    scene = await open();
    scene.runner();
    const job = push(7, { name: HOSTILE });
    await scene.hold(job, 'waiting_for_approval');
    await until('a note', () => own().length === 1);
    const { body } = own()[0]!;
    expect(body).toContain('evil.example');
    const outside = body.replace(/`[^`\n]*`/g, '').replace(noteMark(scene.gitlab.job(job).pipelineId), '');
    expect(outside).not.toMatch(/[@#!<>]|evil|close/);
    expect(body).not.toMatch(/^\s*\//m);
  });

  it('of an older pipeline does not take the place of one of a newer', async () => {
    scene = await open();
    scene.runner();
    const older = push(7);
    await scene.hold(older, 'waiting_for_approval');
    await until('a note', () => own().length === 1);
    const newer = push(7);
    await scene.hold(newer, 'waiting_for_approval');
    const { pipelineId } = scene.gitlab.job(newer);
    await until('the newer one', () => own()[0]!.body.startsWith(noteMark(pipelineId)));
    await scene.approve(older);
    await scene.hold(older, 'success');
    const admin = await scene.as('maria', ['read', 'admin']);
    for (;;) {
      const { body } = await admin.get<{ items: unknown[] }>('notifications?state=waiting');
      if (body.items.length === 0) break;
    }
    expect(own()[0]!.body.startsWith(noteMark(pipelineId))).toBe(true);
  });

  it('is given up where the token may not write, and that is seen', async () => {
    scene = await open(['read']);
    scene.runner();
    const job = push(7);
    await scene.hold(job, 'waiting_for_approval');
    const admin = await scene.as('maria', ['read', 'admin']);
    let dead: { last_error: string }[] = [];
    while (dead.length === 0)
      dead = (await admin.get<{ items: { last_error: string }[] }>('notifications?state=dead')).body.items;
    expect(dead[0]!.last_error).toContain('GitLab answers 403');
  });
});
