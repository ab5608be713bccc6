// Makes the screenshots of agent/docs/screenshots: node test/page/screenshots.mjs
// Builds the page and what makes them (beside the build of the program, as the benchmarks are), and runs that.
import { spawnSync } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = 'dist.screenshots';
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');

function must(command, args, env = process.env) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}

// Away with the last one: a file that was renamed since must not be run.
rmSync(`${root}${out}`, { recursive: true, force: true });
try {
  must(process.execPath, [tsc, '-p', 'test/page/screenshots.tsconfig.json', '--outDir', out]);
  symlinkSync('../../test/fixtures', `${root}${out}/test/fixtures`);
  must(process.execPath, [`${out}/test/page/screenshots.js`], { ...process.env, HOLDPOINT_SCREENSHOTS: root });
} finally {
  rmSync(`${root}${out}`, { recursive: true, force: true });
}
