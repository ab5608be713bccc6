// The fault command: builds the program and the harness, and lets storms rage.
//   npm run faults                              one minute of storms from a seed of its own
//   npm run faults -- --minutes 30 --seed 7     the long run; the same seeds bring the same storms
//   npm run faults -- --mutants                 whether checks that were taken out are missed
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');

function must(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

if (process.env.HOLDPOINT_FAULTS_BUILT === undefined) must('agent/build.mjs');
// Away with the last one: a file that was renamed since must not be run.
for (const folder of ['agent', 'test']) rmSync(`${root}dist-faults/${folder}`, { recursive: true, force: true });
must(tsc, '-p', 'test/faults/tsconfig.json');
mkdirSync(`${root}dist-faults/test/faults`, { recursive: true });
symlinkSync('../../test/fixtures', `${root}dist-faults/test/fixtures`);
rmSync(`${root}dist-faults/dist`, { force: true });
symlinkSync('../dist', `${root}dist-faults/dist`);
for (const file of ['test/faults/time-warp.mjs', 'test/support/namespaces.mjs'])
  copyFileSync(`${root}${file}`, `${root}dist-faults/${file}`);
process.exit(
  spawnSync(process.execPath, ['dist-faults/test/faults/main.js', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  }).status ?? 1,
);
