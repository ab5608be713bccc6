// npm run test:node24: the suites on the Node that the packages bring, instead of the one on this machine. In a copy of the clone, since
// native modules are built for one Node: there they are those of the Debian package. Arguments go to vitest, e.g. test/unit.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Those that meet the runtime: sockets, streams, crypto, the database, processes. The page and Debian's tools do not. */
const SUITES = ['test/unit', 'test/contract', 'test/gateway', 'test/hub', 'test/e2e', 'test/hostile'];
const work = mkdtempSync(join(tmpdir(), 'holdpoint-node24-'));
// Some tests run this Node as another user, who must find it.
chmodSync(work, 0o755);

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (done.error) throw done.error;
  return done.status ?? 1;
}
function must(command, args, options) {
  if (run(command, args, options) !== 0) throw new Error(`${command} ${args[0]} failed`);
}

try {
  const given = process.env.PACKAGES_PATH;
  const packages = given ?? join(work, 'packages');
  if (given === undefined) must('npm', ['run', 'package', '--silent', '--', '--out', packages]);
  const deb = readdirSync(packages).find((name) => name.endsWith('.deb'));
  must('dpkg-deb', ['--extract', join(packages, deb ?? 'holdpoint.deb'), join(work, 'deb')]);
  const installed = join(work, 'deb/usr/lib/holdpoint');

  const clone = join(work, 'clone');
  cpSync(root, clone, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.startsWith(join(root, 'packages')),
  });
  for (const name of ['better-sqlite3', 'node-pty']) {
    rmSync(join(clone, 'node_modules', name, 'build'), { recursive: true });
    cpSync(join(installed, 'node_modules', name, 'build'), join(clone, 'node_modules', name, 'build'), {
      recursive: true,
    });
  }
  const node = join(installed, 'bin/node');
  run(node, ['--version']);
  const asked = process.argv.slice(2);
  const vitest = join(clone, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--config', 'test/vitest.config.ts', ...(asked.length > 0 ? asked : SUITES)];
  process.exitCode = run(node, [vitest, ...args], { cwd: clone });
} finally {
  rmSync(work, { recursive: true, force: true });
}
