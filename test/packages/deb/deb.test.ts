import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../../agent/src/version.ts';
import { buildPackages, builtPackages, type Packages } from '../../support/packages.ts';
import { runProgram } from '../../support/programs.ts';
import { ROOT } from '../../support/source-files.ts';

const MINUTE = 60_000;
let packages: Packages;
let folder: string;
let tree: string;

beforeAll(async () => {
  packages = await builtPackages();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-deb-'));
  tree = join(folder, 'tree');
  await runProgram('dpkg-deb', ['--extract', packages.deb, tree]);
}, 10 * MINUTE);
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const at = (...names: string[]) => join(tree, 'usr/lib/holdpoint', ...names);
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

/** Every package that lies in the tree, `name@version`. */
function installed(modules: string): string[] {
  return readdirSync(modules).flatMap((name) => {
    const folders = name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name];
    return folders.flatMap((each) => {
      const own = join(modules, each, 'package.json');
      const inner = join(modules, each, 'node_modules');
      const said = existsSync(own) ? [`${json(own).name}@${json(own).version}`] : [];
      return [...said, ...(existsSync(inner) ? installed(inner) : [])];
    });
  });
}

describe('the Debian package', { timeout: 10 * MINUTE }, () => {
  it('has no error that lintian finds', async () => {
    const said = await runProgram(
      process.env.LINTIAN_PATH ?? 'lintian',
      ['--fail-on', 'error', '--tag-display-limit', '0', packages.deb],
      {
        anyway: true,
      },
    );
    expect(said.split('\n').filter((line) => line.startsWith('E:'))).toEqual([]);
    expect(said).not.toMatch(/cannot|internal error/i);
  });

  it('brings the Node its modules are built for, and runs with that alone', async () => {
    const wanted = json(join(ROOT, 'agent/package/node/package.json')).optionalDependencies;
    const version = await runProgram(at('bin/node'), ['--version'], { env: {} });
    expect(Object.values(wanted)).toContain(version.trim().slice(1));
    const run = (...args: string[]) => runProgram(at('bin/node'), [at('dist/agent/src/main.js'), ...args], { env: {} });
    expect((await run('--version')).trim()).toBe(VERSION);
    const digest = await run('digest', at('test/fixtures/gitlab/build-image.run1.json'), '--json');
    expect(digest).toContain('sha256:');
  });

  it('lists in its bill of materials exactly the packages that are in it, and its Node', () => {
    const bom = json(join(tree, 'usr/share/doc/holdpoint/sbom.cdx.json'));
    expect(bom.bomFormat).toBe('CycloneDX');
    expect(bom.metadata.component.version).toBe(VERSION);
    const listed = bom.components.map(
      ({ group, name, version }: Record<string, string>) => `${group ? `${group}/` : ''}${name}@${version}`,
    );
    const node = readFileSync(join(ROOT, 'agent/package/node/package.json'), 'utf8').match(
      /\d+\.\d+\.\d+(?="\s*\})/,
    )?.[0];
    expect([...new Set(listed)].sort()).toEqual(
      [...new Set([...installed(at('node_modules')), `node@${node}`])].sort(),
    );
    expect(readFileSync(join(packages.folder, `holdpoint-${VERSION}.cdx.json`), 'utf8')).toBe(
      readFileSync(join(tree, 'usr/share/doc/holdpoint/sbom.cdx.json'), 'utf8'),
    );
  });

  it('has checksums beside it that are right', () => {
    const lines = readFileSync(join(packages.folder, 'SHA256SUMS'), 'utf8').trim().split('\n');
    expect(lines.map((line) => line.slice(66)).sort()).toEqual(
      readdirSync(packages.folder)
        .filter((name) => name !== 'SHA256SUMS')
        .sort(),
    );
    for (const line of lines) {
      const bytes = readFileSync(join(packages.folder, line.slice(66)));
      expect(line.slice(0, 64)).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
  });

  it('says nothing of the machine that built it', () => {
    const { main } = json(at('node_modules/better-sqlite3/package.json'));
    expect(main).toBe('lib/index.js');
    for (const name of ['better-sqlite3/build/Release/better_sqlite3.node', 'node-pty/build/Release/pty.node'])
      expect(readFileSync(at('node_modules', name)).includes('holdpoint-package-')).toBe(false);
  });

  it('is the same to the last byte when it is built again, elsewhere, in another language and time zone', async () => {
    const again = join(folder, 'again');
    const elsewhere = mkdtempSync(join(folder, 'elsewhere-'));
    await buildPackages(again, { TMPDIR: elsewhere, TZ: 'Asia/Tokyo', LC_ALL: 'C.UTF-8' });
    expect(readFileSync(join(again, 'SHA256SUMS'), 'utf8')).toBe(
      readFileSync(join(packages.folder, 'SHA256SUMS'), 'utf8'),
    );
  });
});
