import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../../agent/src/version.ts';
import { runProgram } from '../../support/programs.ts';
import { ROOT } from '../../support/source-files.ts';

const MINUTE = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'holdpoint-npm-'));
/** As a terminal of a user has it: nothing of the npm that runs these tests, but the authorities that the network of this machine asks for. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(nodedir|cafile|registry)$)|VITEST|NODE_(?!EXTRA_CA_CERTS$))/.test(name),
  ),
);
/** A registry that cannot be reached is said at once, and not after ten minutes of trying each package again. */
const FETCH = ['--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];

beforeAll(async () => {
  await runProgram('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT, env });
  const tgz = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  // Builds its native modules for the Node of this machine, as it does for everybody.
  await runProgram('npm', ['install', '--prefix', folder, ...FETCH, join(folder, tgz)], { cwd: folder, env });
}, 10 * MINUTE);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const npx = (...args: string[]) => runProgram('npx', ['--no-install', 'holdpoint', ...args], { cwd: folder, env });

describe('the npm package, in an empty folder', { timeout: 3 * MINUTE }, () => {
  it('is started with npx', async () => {
    // npm may have said before what it thinks of this machine's settings.
    expect((await npx('--version')).trim().split('\n').at(-1)).toBe(VERSION);
  });

  it('has the demo in it, which runs its jobs and checks their outcome', async () => {
    const said = await npx('demo', '--auto');
    expect(said).toMatch(/approv/i);
  });

  it('brings what it runs with, its documents and its units, and no tests', async () => {
    const top = readdirSync(join(folder, 'node_modules/holdpoint'));
    expect(top).toEqual(expect.arrayContaining(['dist', 'policy', 'systemd', 'agent', 'README.md', 'LICENSE']));
    expect(readdirSync(join(folder, 'node_modules/holdpoint/test'))).toEqual(['fixtures']);
  });
});
