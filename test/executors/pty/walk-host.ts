import { fenceHost, makeFence, ownFolder, removeFence } from '../../../agent/src/executors/pty/fence.ts';
import { hostUsers } from '../../support/host-users.ts';
import { ptyWorld, UIDS } from '../../support/pty-jobs.ts';
import { block, page, type WalkHost } from '../walk-through.ts';

/** Whether this machine holds a job to what the page lets it have of memory. */
async function holdsMemory(): Promise<boolean> {
  const [host, session] = [fenceHost(), `${process.pid}-0`];
  const limits = { memoryBytes: 2 * 2 ** 30, cpus: null, pids: 512, limits: 'auto' } as const;
  const holds = await makeFence(host, session, limits).then(
    () => true,
    () => false,
  );
  const own = ownFolder(host, session);
  if (own !== null) await removeFence(own);
  return holds;
}

/** A host with the users of the page, made with its own commands. */
export async function ptyHost(): Promise<WalkHost> {
  const { folder, world } = ptyWorld();
  const users = await hostUsers(block(page('executor'), 'useradd', {}), UIDS);
  const memory = /^ {2}memory: 2g .*\n/m;
  const holds = await holdsMemory();
  return {
    executor(text) {
      const file = block(text, 'driver: pty', {});
      // Elsewhere it is refused, as the page says.
      return holds ? file : block(text, 'driver: pty', { [memory.exec(file)?.[0] ?? 'memory: 2g']: '' });
    },
    toml: (text) => text.replace('  builds_dir = "/builds"\n', '').replace('  cache_dir = "/cache"\n', ''),
    policy: {},
    env: { HOLDPOINT_WORK_DIR: folder },
    within: users.within,
    image: null,
    script: '#!/bin/sh\necho deploying as $(id -un)\n',
    says: /^deploying as ci-job-[12]$/m,
    tag: null,
    left: world.left,
    async close() {
      users.close();
      await world.stop();
    },
  };
}
