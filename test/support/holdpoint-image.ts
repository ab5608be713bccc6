import { copyFileSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Docker } from './docker.ts';
import { builtPackages, debianTree } from './packages.ts';
import { ROOT } from './source-files.ts';

/** Builds the image `tag` as the Dockerfile says, on a base made of a Debian tree. */
export async function holdpointImage(docker: Docker, folder: string, tag: string): Promise<void> {
  const [{ deb }, tree] = [await builtPackages(), await debianTree()];
  await docker.importTree(tree, 'base:test');
  const context = join(folder, 'context');
  mkdirSync(join(context, 'packages'), { recursive: true });
  copyFileSync(deb, join(context, 'packages', basename(deb)));
  copyFileSync(join(ROOT, 'Dockerfile'), join(context, 'Dockerfile'));
  await docker.run('build', '--network=none', '--build-arg', 'BASE=base:test', '-t', tag, context);
}
