// Compiles agent/src (and what the demo needs of test/support) to dist/, and the page into dist/page: beside it first, so that a build
// that fails leaves the one before as it was, and a program that is being started finds one or the other.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { pageBuild } from './page/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const beside = `dist.${process.pid}`;
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');
const args = [tsc, '-p', 'agent/tsconfig.build.json', '--outDir', beside];
const done = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
if (done.status !== 0) {
  rmSync(`${root}${beside}`, { recursive: true, force: true });
  process.exit(done.status ?? 1);
}
try {
  await build(pageBuild(`${root}${beside}/page`));
} catch (error) {
  process.stderr.write(`the page could not be built: ${error instanceof Error ? error.message : error}\n`);
  rmSync(`${root}${beside}`, { recursive: true, force: true });
  process.exit(1);
}
chmodSync(`${root}${beside}/agent/src/main.js`, 0o755);
if (existsSync(`${root}dist`)) renameSync(`${root}dist`, `${root}${beside}.old`);
renameSync(`${root}${beside}`, `${root}dist`);
rmSync(`${root}${beside}.old`, { recursive: true, force: true });
