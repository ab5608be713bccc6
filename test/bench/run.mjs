// The benchmark command: builds the program and the benchmarks, brings nginx (root on Debian), runs what was asked for.
//   npm run bench              all of it
//   npm run bench -- gateway   one or some, by name
//   HOLDPOINT_BENCH_SCALE=0.01 npm run bench -- rows   a try with a hundredth of the rows
//   npm run bench -- --write   also into agent/docs/benchmarks.md; with names those sections alone
//   npm run bench -- rows --write   a store with a year in it, in twenty-five minutes and 14 GiB, also into README.md and agent/docs/scaling.md
//   npm run bench -- link link-hubs --write
//                              the link at scale, also into README.md and agent/docs/scaling.md; HOLDPOINT_BENCH_AGENTS=200,1000 for a quick look
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status ?? 1;
}

function must(command, args) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}

const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'];
const findNginx = () => [process.env.NGINX_PATH, ...NGINX].find((path) => path && existsSync(path));

must(process.execPath, ['agent/build.mjs']);
// Away with the last one: a file that was renamed since must not be measured.
rmSync(`${root}dist-bench`, { recursive: true, force: true });
must(process.execPath, [tsc, '-p', 'test/bench/tsconfig.json']);
symlinkSync('../../test/fixtures', `${root}dist-bench/test/fixtures`);

const REDIS = '/usr/bin/redis-server';
const NATS = '/usr/sbin/nats-server';
const asked = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const wants = (name) => asked.length === 0 || asked.includes(name);
// What is compared with; without it that comparison is left out, or its benchmark is.
const missing = [
  ...(findNginx() === undefined && ['gateway', 'artifact'].some(wants) ? ['nginx-light'] : []),
  ...(wants('link') && !existsSync(REDIS) ? ['redis-server'] : []),
  ...(wants('link') && !existsSync(NATS) ? ['nats-server'] : []),
];
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  process.stdout.write(`getting from Debian: apt-get install ${missing.join(' ')}\n`);
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, stdio: ['ignore', 'ignore', 'inherit'] };
  run('apt-get', ['update', '-q'], quiet);
  for (const name of missing) run('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], quiet);
}

const env = { ...process.env, HOLDPOINT_BENCH_ROOT: root, NGINX_PATH: findNginx() ?? '' };
process.exit(run(process.execPath, ['dist-bench/test/bench/main.js', ...process.argv.slice(2)], { env }));
