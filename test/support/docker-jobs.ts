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

/**
 * Brings the image of the tests' jobs, under two names, and services that come up in every way, and do not; `withHealth` false:
 * none with a health check, which Podman takes from a Dockerfile alone.
 */
export async function jobImages(engine: Engine, withHealth = true): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-image-'));
  const tar = join(folder, 'image.tar');
  await busyboxTar(tar);
  const make = (name: string, ...changes: string[]) =>
    engine.run('import', ...changes.flatMap((change) => ['--change', change]), tar, `registry.test/${name}:1`);
  const health = (check: string) => `HEALTHCHECK --interval=500ms --retries=1 CMD ${check}`;
  await make('jobs');
  await make('people', 'USER build', 'LABEL of=people');
  await make('echo', 'EXPOSE 6000', 'CMD ["nc","-ll","-p","6000","-e","cat"]');
  await make('broken', 'EXPOSE 6000', 'CMD ["sh","-c","echo cannot start >&2; exit 4"]');
  await make('shy', 'EXPOSE 6000', 'CMD ["sleep","600"]');
  if (withHealth) {
    await make(
      'healthy',
      'CMD ["sh","-c","sleep 1; touch /tmp/up; sleep 600"]',
      health('test -e /tmp/up || sleep 1; test -e /tmp/up'),
    );
    await make('sick', 'CMD ["sleep","600"]', health('false'));
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Jobs in containers of an engine that is the test's own. */
export function dockerWorld(engine: Engine, config: string, stop: () => Promise<void>): ExecutorWorld {
  const lines = async (...args: string[]) => (await engine.run(...args)).split('\n').filter((line) => line !== '');
  return {
    config,
    isNear: true,
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
