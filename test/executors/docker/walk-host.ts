import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxTar } from '../../support/busybox-image.ts';
import type { Docker } from '../../support/docker.ts';
import { startFakeRegistry } from '../../support/fake-registry.ts';
import { block, type WalkHost } from '../walk-through.ts';

/** A host with this engine, and a registry whose one tag moves. */
export async function dockerHost(engine: Docker, folder: string): Promise<WalkHost> {
  const registry = await startFakeRegistry();
  await engine.reach(Number(new URL(`http://${registry.host}`).port));
  const layers = new Map<string, Buffer>();
  for (const day of ['monday', 'tuesday']) {
    const tar = join(folder, `${day}.tar`);
    await busyboxTar(tar, { version: `${day}\n` });
    layers.set(day, readFileSync(tar));
  }
  // The helper's image, as far as the scripts of this test need it.
  await engine.run('import', join(folder, 'monday.tar'), 'gitlab/gitlab-runner:v17.11.0');
  const image = (day: string) => registry.image('ops/deployer:4', layers.get(day)!, { Env: ['PATH=/bin'] });
  const monday = image('monday');
  return {
    executor: (page) => block(page, 'helper_image:', {}),
    toml: (text) => text,
    policy: { 'registry.example.com': `"${registry.host}"` },
    env: { HOLDPOINT_DOCKER_SOCKET: engine.socket },
    within: [],
    image: { name: `${registry.host}/ops/deployer:4` },
    script: '#!/bin/sh\necho deploying $(cat /version)\n',
    says: /^deploying monday$/m,
    tag: { move: () => [monday, image('tuesday')], back: () => void image('monday') },
    left: async () => (await engine.run('ps', '-aq')).split('\n').filter((line) => line !== ''),
    close: () => registry.close(),
  };
}
