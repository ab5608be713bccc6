// npm run package: the Debian package, the npm package, their list of contents and checksums, all into one folder.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDeb } from './deb.mjs';
import { PackageError, run } from './run.mjs';
import { billOfMaterials } from './sbom.mjs';
import { architecture, layTree } from './tree.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Seconds since 1970 that every file gets: of the last commit, unless told (reproducible-builds.org). */
function sourceDate() {
  const told = process.env.SOURCE_DATE_EPOCH;
  if (told !== undefined && /^\d{1,11}$/.test(told)) return Number(told);
  if (told !== undefined) throw new PackageError(`SOURCE_DATE_EPOCH is "${told}": wanted seconds since 1970`);
  try {
    return Number(run('git', ['log', '-1', '--format=%ct'], { cwd: root }));
  } catch {
    throw new PackageError('there is no commit to take the date from: set SOURCE_DATE_EPOCH');
  }
}

function main() {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: 'packages' }, built: { type: 'boolean' } },
  });
  const out = resolve(root, values.out);
  const epoch = sourceDate();
  architecture();
  if (!values.built) run('npm', ['run', 'build', '--silent'], { cwd: root });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const work = mkdtempSync(join(tmpdir(), 'holdpoint-package-'));
  try {
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out, { recursive: true });
    const laid = layTree(root, work);
    const sbom = billOfMaterials(laid.sbom, { nodeVersion: laid.nodeVersion, epoch });
    writeFileSync(join(out, `holdpoint-${version}.cdx.json`), sbom);
    buildDeb({ root, work, out, laid, version, sbom, epoch });
    // What is built is packed: without the scripts that would build it again.
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', out], { cwd: root });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const sum = (name) =>
    createHash('sha256')
      .update(readFileSync(join(out, name)))
      .digest('hex');
  const lines = readdirSync(out)
    .sort()
    .map((name) => `${sum(name)}  ${name}\n`);
  writeFileSync(join(out, 'SHA256SUMS'), lines.join(''));
  process.stdout.write(lines.join(''));
}

try {
  main();
} catch (error) {
  if (!(error instanceof PackageError)) throw error;
  process.stderr.write(`no package was built: ${error.message}\n`);
  process.exitCode = 1;
}
