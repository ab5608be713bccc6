import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutorWorld } from '../contract/executors/executor-contract.ts';
import { busyboxTar } from './busybox-image.ts';

const LABEL = 'io.holdpoint.session';

/** An engine, as far as jobs on it are looked at. */
export interface Engine {
  readonly socket: string;
  run(...args: string[]): Promise<string>;
}

/** Brings the image of the tests' jobs, under two names and with a service of its own. */
export async function jobImages(engine: Engine): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-image-'));
  const tar = join(folder, 'image.tar');
  await busyboxTar(tar);
  await engine.run('import', tar, 'registry.test/jobs:1');
  await engine.run('import', '--change', 'USER build', '--change', 'LABEL of=people', tar, 'registry.test/people:1');
  await engine.run(
    'import',
    '--change',
    'EXPOSE 6000',
    '--change',
    'CMD ["nc","-ll","-p","6000","-e","cat"]',
    tar,
    'registry.test/echo:1',
  );
  await engine.run(
    'import',
    '--change',
    'EXPOSE 6000',
    '--change',
    'CMD ["sh","-c","echo cannot start >&2; exit 4"]',
    tar,
    'registry.test/broken:1',
  );
  rmSync(folder, { recursive: true, force: true });
}

/** Jobs in containers of an engine that is the test's own. */
export function dockerWorld(engine: Engine, config: string, stop: () => Promise<void>): ExecutorWorld {
  const lines = async (...args: string[]) => (await engine.run(...args)).split('\n').filter((line) => line !== '');
  return {
    config,
    job: { image: { name: 'registry.test/jobs:1' } },
    async left() {
      const filter = ['--filter', `label=${LABEL}`, '--format', '{{.Name}}'];
      return [
        ...(await lines('ps', '-a', '--filter', `label=${LABEL}`, '--format', '{{.Names}}')),
        ...(await lines('network', 'ls', ...filter)),
        ...(await lines('volume', 'ls', ...filter)),
      ];
    },
    async running(job) {
      const names = await lines('ps', '--filter', `label=${LABEL}`, '--format', '{{.Names}}');
      return names.filter((name) => name.includes(`-${job}-`) && name.endsWith('-job'));
    },
    stop,
  };
}
