import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { executorContract } from '../../contract/executors/executor-contract.ts';
import {
  BUILD_FAILURE,
  type Called,
  type CustomJob,
  CustomRunner,
  type JobParts,
  SYSTEM_FAILURE,
} from '../../support/custom-runner.ts';
import { type Docker, startDocker } from '../../support/docker.ts';
import { dockerWorld, jobImages } from '../../support/docker-jobs.ts';
import { walkThrough } from '../walk-through.ts';
import { pinnedImages } from './pinned-images.ts';
import { dockerHost } from './walk-host.ts';

const START_MS = 120_000;
let engine: Promise<Docker> | null = null;
/** One engine for the whole file. */
function docker(): Promise<Docker> {
  engine ??= startDocker({ apart: true }).then(async (started) => {
    await jobImages(started);
    return started;
  });
  return engine;
}
afterAll(async () => (await engine)?.stop(), START_MS);

/** A static busybox has no resolver of the C library: it asks the engine's name server itself. */
const AT = 'at() { nslookup "$1" 127.0.0.11 2>/dev/null | grep "^Address: " | tail -n 1 | cut -d" " -f2; }\n';

const CONFIG = (socket: string, more = '') =>
  `driver: docker\nreceipts: off\ngrace: 500ms\ndocker:\n  socket: ${socket}\n  pull: never\n  network: internal\n  memory: 128m\n  pids: 64\n${more}`;

executorContract(
  'docker',
  async () => {
    const started = await docker();
    return dockerWorld(started, CONFIG(started.socket), async () => {});
  },
  START_MS,
);

pinnedImages(docker, START_MS);
walkThrough('docker', async (folder) => dockerHost(await docker(), folder), START_MS);

describe('the driver docker', { timeout: 60_000 }, () => {
  let runner: CustomRunner;
  let started: Docker;
  const jobs: CustomJob[] = [];
  const IMAGE = { image: { name: 'registry.test/jobs:1' } };
  beforeAll(async () => {
    started = await docker();
    runner = new CustomRunner(CONFIG(started.socket), { inProcess: true, stageMarginMs: 500 });
  }, START_MS);
  afterEach(async () => {
    for (const job of jobs.splice(0)) await job.call('cleanup');
  });
  afterAll(async () => runner?.stop());

  /** A configuration beside the usual one. */
  const config = (name: string, more: string): string => {
    const path = join(runner.folder, `${name}.yml`);
    writeFileSync(path, CONFIG(started.socket, more));
    return path;
  };
  const job = (parts: JobParts = IMAGE): CustomJob => {
    const made = runner.job(parts);
    jobs.push(made);
    return made;
  };
  /** Prepares a job and runs one script of it. */
  const ran = async (script: string, parts: JobParts = {}): Promise<Called> => {
    const made = job({ ...IMAGE, ...parts });
    expect(await made.call('prepare')).toMatchObject({ code: 0 });
    return made.stage('step_script', script);
  };

  it("shows a job no engine's socket, no disk and no process of the host, and gives it no capability (T25)", async () => {
    const { out } = await ran(
      `ls /var/run/docker.sock /run/docker.sock ${started.socket} 2>/dev/null\ncat /proc/self/status | grep -E 'Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs'\nmount -t tmpfs none /tmp 2>&1\nchown 1234 /tmp 2>&1\nps | wc -l\n`,
    );
    expect(out.match(/Cap\w+:\t0{16}\n/g)).toHaveLength(4);
    expect(out).toMatch(/NoNewPrivs:\t1/);
    expect(out).toMatch(/mount: .*(denied|permitted)/);
    expect(out).toMatch(/chown: .*not permitted/);
    expect(Number(out.trim().split('\n').at(-1))).toBeLessThan(8);
    expect(out).not.toContain('docker.sock');
  });

  it('gives the socket to the job that the configuration names, and to no other of the same project (T25)', async () => {
    const named = config('socket', '  socket_jobs: acme/payments/api:build image, acme/web:pages\n');
    const look = 'ls /var/run/docker.sock 2>&1\n';
    expect((await ran(look, { config: named, name: 'build image' })).out).toBe('/var/run/docker.sock\n');
    expect((await ran(look, { config: named, name: 'pages' })).out).toContain('No such file');
  });

  it('refuses a folder for all jobs that would show them the socket (T25)', async () => {
    for (const volume of ['/:/host:ro', `${started.socket}:/s`, `${started.socket.replace(/\/[^/]+$/, '')}:/s`]) {
      const made = job({ ...IMAGE, config: config('volume', `  volumes: ${volume}\n`) });
      expect(await made.call('prepare')).toMatchObject({
        code: SYSTEM_FAILURE,
        err: expect.stringContaining('docker.volumes gives'),
      });
    }
  });

  it('takes what an image says of itself for nothing: its labels end nobody, its health check never runs (T25)', async () => {
    const said = [
      'LABEL io.holdpoint.session=1-a io.holdpoint.role=job',
      'HEALTHCHECK --interval=100ms CMD echo beat >>/builds/beat',
    ];
    await started.run('create', '--name', 'model', '--network', 'none', 'registry.test/jobs:1', 'sh');
    await started.run('commit', ...said.flatMap((each) => ['--change', each]), 'model', 'registry.test/marked:1');
    // A service of the host that somebody has built from what a developer labelled.
    const service = ['--name', 'acme-web', '--network', 'none', 'registry.test/marked:1', 'sleep', '600'];
    await started.run('run', '-d', ...service);
    try {
      const made = job({ image: { name: 'registry.test/marked:1' } });
      const { code, err } = await made.call('prepare');
      expect([code, err]).toEqual([0, expect.not.stringContaining('removed what job')]);
      expect((await made.stage('step_script', 'sleep 2; ls -A .\n')).out).toBe('');
      expect(await made.call('cleanup')).toMatchObject({ code: 0 });
      expect((await started.run('inspect', '--format', '{{.State.Running}}', 'acme-web')).trim()).toBe('true');
    } finally {
      await started.run('rm', '-f', 'model', 'acme-web');
    }
  });

  it('ends a fork bomb at its own limit, and memory at its own (T25)', async () => {
    const bomb = await ran(
      'bomb() { bomb | bomb & }; bomb 2>/dev/null; i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); done; echo survived\n',
    );
    expect(bomb.code).toBe(BUILD_FAILURE);
    expect((await ran('echo fine\n')).out).toBe('fine\n');
    const eats = await ran('head -c 300000000 /dev/zero | tail -c 290000000 | wc -c\n');
    expect(eats.out).not.toContain('290000000');
    expect((await ran('echo fine\n')).out).toBe('fine\n');
  });

  it('lets a job fill its own share of the disk and no more (T25)', async () => {
    const small = config('small', '  root: read-only\n  tmp_size: 4m\n  builds_size: 8m\n');
    const fill = (path: string) =>
      `dd if=/dev/zero of=${path} bs=1M count=64 2>&1 | tail -1; stat -c %s ${path} 2>/dev/null\n`;
    const made = job({ ...IMAGE, config: small });
    expect(await made.call('prepare')).toMatchObject({ code: 0 });
    const builds = await made.stage('step_script', `${fill('/builds/big')}rm /builds/big; echo kept > /builds/kept\n`);
    expect(Number(/^\d+$/m.exec(builds.out)?.[0])).toBeLessThanOrEqual(8 * 2 ** 20);
    const tmp = await made.stage('step_script', fill('/tmp/big'));
    expect(Number(/^\d+$/m.exec(tmp.out)?.[0])).toBeLessThanOrEqual(4 * 2 ** 20);
    expect((await made.stage('step_script', 'touch /etc/x /bin/x 2>&1\n')).out).toMatch(/Read-only file system/);
    expect((await made.stage('after_script', 'cat /builds/kept\n')).out).toBe('kept\n');
    // Where the engine's disk cannot be shared out, the job does not run without its limit.
    const root = job({ ...IMAGE, config: config('root-size', '  root_size: 64m\n') });
    expect(await root.call('prepare')).toMatchObject({
      code: SYSTEM_FAILURE,
      err: expect.stringMatching(/storage|size|quota/i),
    });
  });

  it('runs as the user of the image, of the job, or of the configuration, which beats both', async () => {
    const people = { image: { name: 'registry.test/people:1' } };
    expect((await ran('id -u; echo x > /builds/x && echo wrote\n', people)).out).toBe('1234\nwrote\n');
    const asked = { image: { name: 'registry.test/people:1', executor_opts: { docker: { user: '4321' } } } };
    expect((await ran('id -u\n', asked)).out).toBe('4321\n');
    expect((await ran('id -u\n', { ...asked, config: config('user', '  user: "5555:5555"\n') })).out).toBe('5555\n');
  });

  it("runs the runner's own stages in the helper's image, as the user of the job", async () => {
    const helped = config('helper', '  helper_image: registry.test/jobs:1\n');
    const made = job({ image: { name: 'registry.test/people:1' }, config: helped });
    expect(await made.call('prepare')).toMatchObject({ code: 0 });
    expect(
      (await made.stage('get_sources', 'id -u; echo sources > /builds/file; touch /helper 2>/dev/null; hostname\n'))
        .out,
    ).toMatch(/^1234\njob-/);
    expect((await made.stage('step_script', 'cat /builds/file; echo more >> /builds/file; id -un\n')).out).toBe(
      'sources\nbuild\n',
    );
    expect((await made.stage('upload_artifacts_on_success', 'cat /builds/file\n')).out).toBe('sources\nmore\n');
  });

  it('starts services under their aliases with their own variables alone, waits for them, and tells what one says that does not start', async () => {
    const services = [
      { name: 'registry.test/echo:1', alias: 'echo', variables: [{ key: 'OWN', value: 'own$OF_THE_PROJECT' }] },
      { name: 'registry.test/broken:1', alias: 'never' },
    ];
    const made = job({
      ...IMAGE,
      services,
      variables: [
        { key: 'CI_JOB_TOKEN', value: 'glcbt-secret' },
        { key: 'PGUSER', value: 'app', public: true },
        { key: 'OF_THE_PROJECT', value: 'of-the-settings-secret' },
      ],
    });
    const prepare = await made.call('prepare');
    expect(prepare).toMatchObject({
      code: 0,
      err: expect.stringContaining(
        'service registry.test/broken:1 may not have started: it has ended with 4; its log:\ncannot start',
      ),
    });
    // Nothing leads from here to the network of that engine: whoever only tried to connect would have waited in vain.
    expect(prepare.err).not.toContain('service registry.test/echo:1');
    expect(
      (
        await made.stage(
          'step_script',
          `${AT}echo ping | nc -w 2 $(at echo) 6000; echo pong | nc -w 2 $(at registry.test-echo) 6000\n`,
        )
      ).out,
    ).toBe('ping\npong\n');
    const names = (
      await started.run('ps', '-a', '--filter', 'label=io.holdpoint.role=service', '--format', '{{.Names}}')
    )
      .trim()
      .split('\n');
    const env = await started.run(
      'inspect',
      '--format',
      '{{json .Config.Env}}',
      names.find((name) => name.endsWith('-0'))!,
    );
    expect(env).toContain('"OWN=own"');
    expect(env).toContain('PGUSER=app');
    expect(env).not.toContain('secret');
    // Another job at the same time does not find it.
    expect((await ran(`${AT}at echo; echo alone\n`)).out).toBe('alone\n');
  });

  it('goes by the health check of a service where it has one, and tells of one that is reached by nobody', async () => {
    const services = ['healthy', 'sick', 'shy'].map((name) => ({ name: `registry.test/${name}:1` }));
    const made = job({ ...IMAGE, services, config: config('wait', '  service_wait: 4s\n') });
    const { code, err } = await made.call('prepare');
    expect(code).toBe(0);
    expect(err).toContain('service registry.test/sick:1 may not have started: its health check says unhealthy');
    expect(err).toContain('service registry.test/shy:1 may not have started: nobody listens on its ports 6000');
    expect(err).not.toContain('service registry.test/healthy:1');
  });

  it('ends a preparation and a stage that take longer than they may, and what they have started', async () => {
    const waits = config('slow', '  service_wait: 10m\nprepare_timeout: 2s\n');
    const slow = job({ ...IMAGE, services: [{ name: 'registry.test/shy:1' }], config: waits });
    expect(await slow.call('prepare')).toMatchObject({
      code: SYSTEM_FAILURE,
      err: expect.stringContaining('it took longer than it may'),
    });
    const endless = job({ ...IMAGE, timeout: 1 });
    expect(await endless.call('prepare')).toMatchObject({ code: 0 });
    expect(await endless.stage('step_script', 'echo begun; while :; do sleep 0.1; done\n')).toMatchObject({
      code: SYSTEM_FAILURE,
      out: 'begun\n',
      err: expect.stringContaining('it took longer than it may'),
    });
    expect(await started.run('ps', '--format', '{{.Names}}')).not.toContain(`-${endless.id}-job`);
  });

  it('refuses an image that it may not fetch, a pull policy that is not allowed, and a job without an image', async () => {
    const cases: [object | null, string][] = [
      [{ name: 'registry.test/absent:1' }, 'it is not on this host, and pull policy "never" fetches nothing'],
      [{ name: 'registry.test/jobs:1', pull_policy: ['always'] }, 'this runner allows never'],
      [null, 'docker.image names none'],
      [{ name: '$' + '{{ job.inputs.image }}' }, 'a job input stands in its name'],
    ];
    for (const [image, words] of cases)
      expect(await job({ image }).call('prepare')).toMatchObject({
        code: SYSTEM_FAILURE,
        err: expect.stringContaining(words),
      });
    expect(
      (
        await ran('echo in it\n', {
          image: { name: '$WHERE/jobs:$TAG' },
          variables: [
            { key: 'WHERE', value: 'registry.test' },
            { key: 'TAG', value: '1' },
          ],
        })
      ).out,
    ).toBe('in it\n');
  });

  it('keeps the cache of protected refs apart from all others', async () => {
    const cached = config('cache', '  cache: project\n');
    const ref = (value: string) => ({ config: cached, variables: [{ key: 'CI_COMMIT_REF_PROTECTED', value }] });
    await ran('echo evil > /cache/tool\n', ref('false'));
    expect((await ran('ls /cache\n', ref('true'))).out).toBe('');
    expect((await ran('cat /cache/tool\n', ref('false'))).out).toBe('evil\n');
  });
});
