import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { executorContract } from '../../contract/executors/executor-contract.ts';
import { builtImages } from '../../executors/docker/pinned-images.ts';
import { type CustomJob, CustomRunner } from '../../support/custom-runner.ts';
import { dockerWorld, jobImages } from '../../support/docker-jobs.ts';
import { type Podman, startPodman } from '../../support/podman.ts';

const START_MS = 120_000;
let engine: Promise<Podman> | null = null;
/** One engine for the whole file. */
function podman(): Promise<Podman> {
  engine ??= startPodman().then(async (started) => {
    await jobImages(started, false).catch(async (error) => {
      await started.stop();
      throw error;
    });
    return started;
  });
  return engine;
}
afterAll(async () => (await engine)?.stop(), START_MS);

const CONFIG = (socket: string) =>
  `driver: docker\nreceipts: off\ngrace: 500ms\ndocker:\n  socket: ${socket}\n  pull: never\n  network: internal\n  memory: 128m\n  pids: 64\n`;

executorContract(
  'docker',
  async () => {
    const started = await podman();
    return dockerWorld(started, CONFIG(started.socket), async () => {});
  },
  START_MS,
);

builtImages(podman, START_MS);

describe('services with Podman', { timeout: 60_000 }, () => {
  let runner: CustomRunner;
  const jobs: CustomJob[] = [];
  beforeAll(async () => {
    const { socket } = await podman();
    runner = new CustomRunner(`${CONFIG(socket)}  service_wait: 10s\n`, { inProcess: true });
  }, START_MS);
  afterAll(async () => {
    for (const job of jobs) await job.call('cleanup');
    await runner?.stop();
  });

  it('are found by their aliases and no other job finds them, and one that does not start is told with its log', async () => {
    const image = { name: 'registry.test/jobs:1' };
    const job = runner.job({
      image,
      services: [
        { name: 'registry.test/echo:1', alias: 'echo', variables: [{ key: 'OWN', value: 'own' }] },
        { name: 'registry.test/broken:1', alias: 'never' },
      ],
    });
    jobs.push(job);
    const prepared = await job.call('prepare');
    expect(prepared).toMatchObject({
      code: 0,
      err: expect.stringMatching(
        /service registry\.test\/broken:1 may not have started: it has ended with 4; its log:\ncannot start/,
      ),
    });
    expect(prepared.err).not.toMatch(/service registry\.test\/echo:1 may/);
    // Podman's own name server is that of the network, and stands in resolv.conf.
    const ask =
      'server=$(cat /etc/resolv.conf | grep nameserver | head -n 1 | cut -d" " -f2); at() { nslookup "$1" $server 2>/dev/null | grep "^Address: " | tail -n 1 | cut -d" " -f2; }\n';
    const stage = await job.stage(
      'step_script',
      `${ask}echo ping | nc -w 2 $(at echo) 6000; echo pong | nc -w 2 $(at registry.test-echo) 6000\n`,
    );
    expect(stage.out).toBe('ping\npong\n');
    const other = runner.job({ image });
    jobs.push(other);
    expect(await other.call('prepare')).toMatchObject({ code: 0 });
    expect((await other.stage('step_script', `${ask}at echo; echo alone\n`)).out).toBe('alone\n');
  });
});
