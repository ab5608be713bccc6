import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { once } from './once.ts';
import { runProgram } from './programs.ts';
import { ROOT } from './source-files.ts';

/** Where test files that need the same packages and trees find them; ignored by git. */
export const PACKAGES = join(ROOT, 'packages/test');
/** Seconds since 1970 that a test's package has on its files. */
const EPOCH = '1700000000';

export interface Packages {
  readonly folder: string;
  readonly deb: string;
  readonly tgz: string;
}

/** Runs `npm run package` into this folder, with what was built already. */
export async function buildPackages(folder: string, env: Record<string, string> = {}): Promise<void> {
  await runProgram('npm', ['run', 'package', '--silent', '--', '--built', '--out', folder], {
    cwd: ROOT,
    env: { ...process.env, SOURCE_DATE_EPOCH: EPOCH, ...env },
  });
}

/** The packages, built once for all test files. */
export async function builtPackages(): Promise<Packages> {
  // Whoever works on these tests need not wait for a compiler each time.
  const given = process.env.PACKAGES_PATH;
  const folder = given ?? join(PACKAGES, 'first');
  if (given === undefined) await once(folder, () => buildPackages(folder));
  const named = (end: string) => {
    const name = readdirSync(folder).find((file) => file.endsWith(end));
    if (name === undefined) throw new Error(`npm run package left no ${end} in ${folder}`);
    return join(folder, name);
  };
  return { folder, deb: named('.deb'), tgz: named('.tgz') };
}

/** A small Debian of the release that these tests run on, made once; copy it before you change it. */
export const debianTree = () => treeWith('debian', 'systemd,systemd-sysv', process.env.DEBIAN_TREE_PATH);

/** The same with PostgreSQL in place of systemd. */
export const postgresTree = () => treeWith('debian-postgres', 'postgresql', process.env.POSTGRES_TREE_PATH);

async function treeWith(name: string, packages: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const folder = join(PACKAGES, name);
  await once(folder, async () => {
    const release = await runProgram('sh', ['-c', '. /etc/os-release && echo "$VERSION_CODENAME"']);
    // Wherever this machine gets its packages from.
    const mirrors = await runProgram('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
    const mirror = mirrors
      .trim()
      .split('\n')
      .find((uri) => !uri.includes('security'));
    await runProgram(process.env.DEBOOTSTRAP_PATH ?? 'debootstrap', [
      '--variant=minbase',
      `--include=${packages}`,
      release.trim(),
      folder,
      mirror ?? '',
    ]);
    // Half of it, and the slower half to copy.
    await runProgram('sh', ['-c', `rm -rf '${folder}'/var/cache/apt/archives/*.deb '${folder}'/var/lib/apt/lists/*`]);
  });
  return folder;
}
