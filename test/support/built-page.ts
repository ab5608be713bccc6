import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { pageBuild } from '../../agent/page/build.mjs';
import { ROOT } from './source-files.ts';

/** Everything that the page is built of, and what says how. */
const SOURCES = ['agent/page', 'agent/src/domain', 'agent/src/wire', 'package-lock.json'];

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const files = source.includes('.')
      ? [path]
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .sort();
    for (const file of files) hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

/** Folder of the page as the sources stand now; built at the first call, and again only when a source has changed. */
export async function builtPage(): Promise<string> {
  const folder = join(tmpdir(), `holdpoint-page-${process.getuid?.() ?? 0}-${fingerprint()}`);
  if (existsSync(folder)) return folder;
  const beside = mkdtempSync(join(tmpdir(), 'holdpoint-page-new-'));
  await build(pageBuild(beside));
  try {
    renameSync(beside, folder);
  } catch (error) {
    // Another worker was quicker: its page is of the same sources.
    rmSync(beside, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
