// Compiles agent/src (and what the demo needs of test/support) to dist/, from nothing each time.
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');
const done = spawnSync(process.execPath, [tsc, '-p', 'agent/tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (done.status !== 0) process.exit(done.status ?? 1);
chmodSync(`${root}dist/agent/src/main.js`, 0o755);
