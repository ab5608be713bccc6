import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxTar } from '../../support/busybox-image.ts';
import { type CustomJob, CustomRunner, SYSTEM_FAILURE } from '../../support/custom-runner.ts';
import type { Docker } from '../../support/docker.ts';
import type { Engine } from '../../support/docker-jobs.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/fake-registry.ts';
import { poll } from '../../support/gate.ts';
import { runnerWrites } from '../../support/runner-writes.ts';
import { openScene, type Scene } from '../../support/scene.ts';
import { ROOT } from '../../support/source-files.ts';

const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const LOGIN = { username: 'gitlab-ci-token', password: 'password-of-the-registry' };
const portOf = (url: string) => Number(new URL(url).port);

/** From a registry through the gate into a container: what was checked is what runs. */
export function pinnedImages(docker: () => Promise<Docker>, startMs: number): void {
  through(docker, (engine, port) => engine.reach(port), startMs);
}

/** The same of images that are built on the host, for an engine that reaches no registry of the test. */
export function builtImages(engine: () => Promise<Engine>, startMs: number): void {
  through(engine, null, startMs);
}

function through<E extends Engine>(
  open: () => Promise<E>,
  reach: ((engine: E, port: number) => Promise<void>) | null,
  startMs: number,
): void {
  const from = reach === null ? 'of the host' : 'from a registry';
  describe(`pinned images, ${from} through the gate into a container`, { timeout: 60_000 }, () => {
    let folder: string;
    let scene: Scene;
    let registry: FakeRegistry;
    let runner: CustomRunner;
    let engine: E;
    let layers: Record<'monday' | 'tuesday', Buffer>;
    const jobs: CustomJob[] = [];
    beforeAll(async () => {
      engine = await open();
      folder = mkdtempSync(join(tmpdir(), 'holdpoint-pinned-'));
      const layer = async (day: string) => {
        await busyboxTar(join(folder, day), { version: day });
        return readFileSync(join(folder, day));
      };
      layers = { monday: await layer('monday'), tuesday: await layer('tuesday') };
      registry = await startFakeRegistry();
      await reach?.(engine, portOf(`http://${registry.host}`));
      scene = await openScene({
        extra: `policy: policy.yaml\npin: { docker_socket: ${engine.socket} }\nreceipts: { socket: receipts.sock, users: '${process.getuid?.() ?? 0}' }`,
        files: { 'policy.yaml': `pin_images: enforce\nregistries: ["${registry.host}"]\n` },
      });
      runner = new CustomRunner(
        `driver: docker\nreceipt_socket: ${scene.folder}/receipts.sock\nreceipt_wait: 5s\ngrace: 500ms\ndocker:\n  socket: ${engine.socket}\n  network: internal\n  allowed_pull: if-not-present always never\n`,
        { inProcess: true },
      );
    }, startMs);
    afterAll(async () => {
      for (const job of jobs) await job.call('cleanup');
      await runner?.stop();
      await scene?.close();
      await registry?.close();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }, startMs);

    const enqueue = (image: object, { variables = [], ...more }: { variables?: object[]; credentials?: object[] }) =>
      scene.gitlab.enqueue(payload, {
        runner: scene.protectedToken,
        user: zoe,
        mutate(job) {
          Object.assign(job, { image, services: [], dependencies: [], ...more });
          (job.variables as object[]).push(...variables);
        },
      });
    /** What the runner is given once it may, as it writes it for its executor. */
    const handedOut = async (id: number): Promise<CustomJob> => {
      for (let tries = 0; tries < 200; tries++) {
        const { status, body } = await poll(portOf(scene.agent.gatewayUrl), scene.protectedToken);
        if (status !== 201) continue;
        const job = runner.job({ id, response: runnerWrites(body) });
        jobs.push(job);
        return job;
      }
      throw new Error(`job ${id} was not handed out`);
    };
    const held = async (id: number) => {
      await poll(portOf(scene.agent.gatewayUrl), scene.protectedToken);
      return scene.hold(id, 'waiting_for_approval');
    };
    const approved = async (id: number) => {
      await held(id);
      await scene.approve(id);
      return handedOut(id);
    };
    const sees = async (job: CustomJob) => (await job.stage('step_script', 'cat /version\n')).out;
    const credentials = () => [{ type: 'registry', url: registry.host, ...LOGIN }];

    const ofRegistries = () => {
      it('runs what was checked although the tag moves before the job is prepared, and holds the next with both digests (T5, T39)', async () => {
        registry.users = { [LOGIN.username]: LOGIN.password };
        const image = { name: `${registry.host}/base/app:1` };
        const monday = registry.image('base/app:1', layers.monday, { Env: ['PATH=/bin'] });
        const job = await approved(enqueue(image, { credentials: credentials() }));
        const tuesday = registry.image('base/app:1', layers.tuesday, { Env: ['PATH=/bin'] });
        expect(await job.call('prepare')).toMatchObject({
          code: 0,
          err: expect.stringContaining(`image ${registry.host}/base/app@${monday}`),
        });
        expect(await sees(job)).toBe('monday');
        await job.call('cleanup');

        const next = enqueue(image, { credentials: credentials() });
        const { diff } = await held(next);
        expect(diff.changes).toMatchObject([{ section: 'image', kind: 'changed', before: monday, after: tuesday }]);
        await scene.approve(next);
        const second = await handedOut(next);
        expect(await second.call('prepare')).toMatchObject({ code: 0 });
        expect(await sees(second)).toBe('tuesday');
      });

      it("fetches with the job's own DOCKER_AUTH_CONFIG before GitLab's credentials, and not without one that counts", async () => {
        registry.users = { somebody: 'else' };
        registry.image('private/app:1', layers.tuesday, { Env: ['PATH=/bin'] });
        const image = { name: `${registry.host}/private/app:1`, pull_policy: ['always'] };
        const auth = Buffer.from('somebody:else').toString('base64');
        const text = JSON.stringify({
          auths: { [`${registry.host}/private`]: { auth } },
          credHelpers: { [registry.host]: `touch-${folder}` },
        });
        const variables = [{ key: 'DOCKER_AUTH_CONFIG', value: text, public: true, masked: false }];
        const job = await approved(enqueue(image, { credentials: credentials(), variables }));
        // Asked with it at the gate as well, else there were no digest.
        const err = expect.stringContaining(`fetching image ${registry.host}/private/app@sha256:`);
        expect(await job.call('prepare')).toMatchObject({ code: 0, err });
        expect(await sees(job)).toBe('tuesday');
        expect(`${scene.log.lines.join()}${(await job.call('prepare')).err}`).not.toContain(auth);

        registry.image('private/other:1', layers.tuesday, { Env: ['PATH=/bin', 'OTHER=1'] });
        registry.users = { [LOGIN.username]: LOGIN.password };
        const other = { name: `${registry.host}/private/other:1`, pull_policy: ['never', 'if-not-present'] };
        const late = await approved(enqueue(other, { credentials: credentials() }));
        // By now the registry knows them no more.
        registry.users = { nobody: 'at all' };
        const refused = await late.call('prepare');
        expect(refused).toMatchObject({ code: SYSTEM_FAILURE, err: expect.stringContaining('cannot be had') });
        expect(refused.err).not.toContain(LOGIN.password);
        registry.users = { [LOGIN.username]: LOGIN.password };
        expect(await late.call('prepare')).toMatchObject({ code: 0 });
        const asked = registry.asked.length;
        await late.call('cleanup');
        expect(await late.call('prepare')).toMatchObject({ code: SYSTEM_FAILURE });
        expect(registry.asked.length).toBe(asked);
      });
    };
    if (reach !== null) ofRegistries();

    it('runs an image that was built on the host by the content that was approved, and holds the job when it is built anew (T5)', async () => {
      const built = (day: 'monday' | 'tuesday') => engine.run('import', join(folder, day), 'built.test/app:1');
      const image = { name: 'built.test/app:1', pull_policy: ['never'] };
      const first = (await built('monday')).trim();
      const job = await approved(enqueue(image, {}));
      const second = (await built('tuesday')).trim();
      expect(await job.call('prepare')).toMatchObject({ code: 0, err: expect.stringContaining(`content ${first}`) });
      expect(await sees(job)).toBe('monday');
      const { diff } = await held(enqueue(image, {}));
      expect(diff.changes).toMatchObject([{ section: 'image', kind: 'changed', before: first, after: second }]);

      // What the host has under a name of a registry that may be asked says nothing.
      await engine.run('tag', 'built.test/app:1', `${registry.host}/only/here:1`);
      const { keeps } = await held(enqueue({ name: `${registry.host}/only/here:1` }, {}));
      expect(keeps.join()).toContain(`nobody could tell what ${registry.host}/only/here:1 stands for`);
      const { keeps: absent } = await held(enqueue({ name: 'built.test/absent:1' }, {}));
      expect(absent.join()).toContain('nobody could tell what built.test/absent:1 stands for');
    });
  });
}
