// The test command: builds, brings what npm does not bring (Chromium, where it may), runs every suite and says in its
// closing lines what was skipped and how to get it. Arguments are passed on to vitest: `npm test -- test/unit`.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canMakeNamespaces, canMount } from './support/namespaces.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => process.stdout.write(`${line}\n`);

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status ?? 1;
}

/** Packages are built twice, booted and run as containers only where they are asked for: that takes ten minutes and root. */
const PACKAGES = 'test/packages';
const wantsPackages = process.argv.slice(2).some((arg) => arg.startsWith(PACKAGES));

/** What suites need and npm does not bring: where it may be, the Debian package it comes in, the suite that needs it, and what must work besides. */
const NEEDS = [
  {
    suite: 'test/page',
    what: 'Chromium',
    debian: 'chromium',
    variable: 'CHROMIUM_PATH',
    paths: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  },
  {
    suite: 'test/systemd',
    what: 'systemd-analyze',
    debian: 'systemd',
    variable: 'SYSTEMD_ANALYZE_PATH',
    paths: ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'],
  },
  {
    suite: 'test/scenarios/python-gitlab',
    what: "python-gitlab's command",
    debian: 'gitlab-cli',
    variable: 'PYTHON_GITLAB_PATH',
    paths: ['/usr/bin/python-gitlab'],
  },
  {
    suite: 'test/packages',
    what: 'dpkg-shlibdeps',
    debian: 'dpkg-dev',
    variable: 'DPKG_SHLIBDEPS_PATH',
    paths: ['/usr/bin/dpkg-shlibdeps'],
  },
  {
    suite: 'test/packages/deb',
    what: 'lintian',
    debian: 'lintian',
    variable: 'LINTIAN_PATH',
    paths: ['/usr/bin/lintian'],
  },
  {
    suite: 'test/packages/boot',
    what: 'systemd-nspawn',
    debian: 'systemd-container',
    variable: 'SYSTEMD_NSPAWN_PATH',
    paths: ['/usr/bin/systemd-nspawn'],
    root: true,
  },
  ...['boot', 'docker'].map((suite) => ({
    suite: `test/packages/${suite}`,
    what: 'debootstrap',
    debian: 'debootstrap',
    variable: 'DEBOOTSTRAP_PATH',
    paths: ['/usr/sbin/debootstrap'],
    root: true,
  })),
  {
    suite: 'test/packages/docker',
    what: 'dockerd',
    debian: 'docker.io',
    variable: 'DOCKERD_PATH',
    paths: ['/usr/sbin/dockerd', '/usr/bin/dockerd'],
    root: true,
  },
  ...[
    {
      what: 'dockerd',
      debian: 'docker.io',
      variable: 'DOCKERD_PATH',
      paths: ['/usr/sbin/dockerd', '/usr/bin/dockerd'],
    },
    { what: 'busybox-static', debian: 'busybox-static', variable: 'BUSYBOX_PATH', paths: ['/bin/busybox'] },
  ].map((need) => ({ suite: 'test/executors/docker', root: true, ...need })),
  ...[
    { what: 'podman', debian: 'podman', variable: 'PODMAN_PATH', paths: ['/usr/bin/podman'] },
    { what: 'runc', debian: 'runc', variable: 'RUNC_PATH', paths: ['/usr/sbin/runc', '/usr/bin/runc'] },
    { what: 'busybox-static', debian: 'busybox-static', variable: 'BUSYBOX_PATH', paths: ['/bin/busybox'] },
  ].map((need) => ({ suite: 'test/packages/podman', root: true, ...need })),
  {
    suite: 'test/packages/docker',
    what: 'docker-compose',
    debian: 'docker-compose',
    variable: 'DOCKER_COMPOSE_PATH',
    paths: ['/usr/bin/docker-compose', '/usr/libexec/docker/cli-plugins/docker-compose'],
    root: true,
  },
  {
    suite: 'test/scenarios/curl',
    what: 'curl',
    debian: 'curl',
    variable: 'CURL_PATH',
    paths: ['/usr/bin/curl'],
  },
  {
    suite: 'test/monitoring',
    what: 'promtool',
    debian: 'prometheus',
    variable: 'PROMTOOL_PATH',
    paths: ['/usr/bin/promtool', `${root}node_modules/.cache/holdpoint-test/prometheus/usr/bin/promtool`],
    // The package brings a service that starts with it: only its files are wanted.
    unpack: true,
  },
  {
    suite: 'test/e2e/two-hosts.test.ts',
    what: 'ip',
    debian: 'iproute2',
    variable: 'IP_PATH',
    paths: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'],
    works: canMakeNamespaces,
    wayOut: 'namespaces cannot be made here: run it as root, in a container with --privileged',
  },
  {
    suite: 'test/hub/full-disk.test.ts',
    what: 'mount',
    debian: 'mount',
    variable: 'MOUNT_PATH',
    paths: ['/usr/bin/mount', '/bin/mount'],
    root: true,
    works: canMount,
    wayOut: 'nothing can be mounted here: run it as root, in a container with --privileged',
  },
];

/** Path of a need on this machine: what its variable names, else where Debian and others put it. */
function pathOf(need) {
  return [process.env[need.variable], ...need.paths].find((path) => path && existsSync(path));
}

/** The same; none where it is of use to root only, or does not work here. */
function find(need) {
  if (need.root && process.getuid?.() !== 0) return undefined;
  const path = pathOf(need);
  return path !== undefined && need.works?.() === false ? undefined : path;
}

/** Brings Debian packages when this process may: root, and apt-get is there. */
function bring(needs) {
  if (needs.length === 0 || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  say(`getting from Debian: ${needs.map((need) => need.debian).join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  run('apt-get', ['update', '-q'], quiet);
  const packages = needs.filter((need) => need.unpack !== true).map((need) => need.debian);
  if (packages.length > 0) run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], quiet);
  for (const need of needs.filter((each) => each.unpack === true)) unpack(need.debian, quiet);
}

/** The files of a Debian package below node_modules/.cache, where nothing of it runs by itself. */
function unpack(name, quiet) {
  const beside = mkdtempSync(join(tmpdir(), 'holdpoint-deb-'));
  // apt-get downloads as a user of its own, who must be let in.
  chmodSync(beside, 0o777);
  if (run('apt-get', ['download', '-q', name], { ...quiet, cwd: beside }) === 0) {
    const target = `${root}node_modules/.cache/holdpoint-test/${name}`;
    mkdirSync(target, { recursive: true });
    for (const file of readdirSync(beside)) run('dpkg-deb', ['-x', join(beside, file), target]);
  }
  rmSync(beside, { recursive: true, force: true });
}

if (run('npm', ['run', 'build', '--silent']) !== 0) {
  say('the build failed, so no test ran');
  say('0 passed, 1 failed');
  process.exit(1);
}

const needs = NEEDS.filter((need) => wantsPackages || !need.suite.startsWith(PACKAGES));
bring(needs.filter((need) => pathOf(need) === undefined));
const missing = needs.filter((need) => find(need) === undefined);

const folder = mkdtempSync(join(tmpdir(), 'holdpoint-test-'));
const report = join(folder, 'report.json');
const args = [
  'run',
  '--config',
  'test/vitest.config.ts',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
];
for (const { suite } of missing) args.push('--exclude', suite.endsWith('.ts') ? suite : `${suite}/**`);
if (!wantsPackages) args.push('--exclude', `${PACKAGES}/**`);
const found = needs.filter((need) => find(need) !== undefined).map((need) => [need.variable, find(need)]);
const env = { ...process.env, ...Object.fromEntries(found) };
const vitest = fileURLToPath(import.meta.resolve('vitest/package.json')).replace(/package\.json$/, 'vitest.mjs');
const status = run(process.execPath, [vitest, ...args, ...process.argv.slice(2)], { env });

let counts = { passed: 0, failed: 1, skipped: 0 };
try {
  const result = JSON.parse(readFileSync(report, 'utf8'));
  // A file that could not even be loaded has no tests of its own: it counts as one failure.
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  counts = {
    passed: result.numPassedTests,
    failed: result.numFailedTests + broken,
    skipped: result.numPendingTests + result.numTodoTests,
  };
} catch {
  say('the test runner left no report');
}
rmSync(folder, { recursive: true, force: true });

for (const need of missing) {
  const wayOut =
    need.wayOut !== undefined && pathOf(need) !== undefined
      ? need.wayOut
      : `apt-get install ${need.debian}, or name it with ${need.variable}`;
  say(`skipped: ${need.suite} needs ${need.what}${need.root ? ' and to be root' : ''}: ${wayOut}`);
}
const skipped = counts.skipped + missing.length;
const failed = counts.failed === 0 && (status !== 0 || counts.passed === 0) ? 1 : counts.failed;
say(`${counts.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
// In CI a suite that did not run is a failure: a green run must mean that everything was tried.
process.exit(failed > 0 || (skipped > 0 && process.env.CI) ? 1 : 0);
