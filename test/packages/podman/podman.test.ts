import { executorContract } from '../../contract/executors/executor-contract.ts';
import { dockerWorld, jobImages } from '../../support/docker-jobs.ts';
import { startPodman } from '../../support/podman.ts';

executorContract(
  'docker',
  async () => {
    const engine = await startPodman();
    await jobImages(engine, false).catch(async (error) => {
      await engine.stop();
      throw error;
    });
    const config = `driver: docker\nreceipts: off\ngrace: 500ms\ndocker:\n  socket: ${engine.socket}\n  pull: never\n  network: internal\n  memory: 128m\n  pids: 64\n`;
    return dockerWorld(engine, config, () => engine.stop());
  },
  120_000,
);
