// The test command: builds, brings what npm does not bring (Chromium, where it may), runs every suite and says in its
// closing lines what was skipped and how to get it. Arguments are passed on to vitest: `npm test -- test/unit`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => process.stdout.write(`${line}\n`);

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status ?? 1;
}

/** Path of a Chromium on this machine: CHROMIUM_PATH, else where Debian and others put it. */
function chromium() {
  const candidates = [
    process.env.CHROMIUM_PATH,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
}

/** Installs Debian's Chromium when this process may: root, and apt-get is there. */
function installChromium() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  say('Chromium is not installed: getting it from Debian (apt-get install chromium)');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  run('apt-get', ['update', '-q'], quiet);
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], quiet);
}

if (run('npm', ['run', 'build', '--silent']) !== 0) {
  say('the build failed, so no test ran');
  say('0 passed, 1 failed');
  process.exit(1);
}

const skippedSuites = [];
if (chromium() === undefined) installChromium();
const browser = chromium();
if (browser === undefined) {
  skippedSuites.push('test/page (needs a Chromium: install it, or name one with CHROMIUM_PATH)');
}

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
if (browser === undefined) args.push('--exclude', 'test/page/**');
const env = { ...process.env, ...(browser === undefined ? {} : { CHROMIUM_PATH: browser }) };
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

for (const suite of skippedSuites) say(`skipped: ${suite}`);
const skipped = counts.skipped + skippedSuites.length;
const failed = counts.failed === 0 && (status !== 0 || counts.passed === 0) ? 1 : counts.failed;
say(`${counts.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
// In CI a suite that did not run is a failure: a green run must mean that everything was tried.
process.exit(failed > 0 || (skipped > 0 && process.env.CI) ? 1 : 0);
