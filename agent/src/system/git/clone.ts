import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { FilesRead } from '../../domain/covered-files.ts';
import { answered, meantFiles } from './repository.ts';

/** A person waits for it, on a disk of their own. */
const READ_MS = 60_000;

/** The files of a commit that the patterns mean, from a clone on this host: its work tree, hooks and settings are not looked at. */
export async function filesIn(clone: string, commit: string, patterns: readonly string[]): Promise<FilesRead> {
  const inside = join(clone, '.git');
  const folder = statSync(inside, { throwIfNoEntry: false })?.isDirectory() === true ? inside : clone;
  const signal = AbortSignal.timeout(READ_MS);
  return answered(commit, signal, READ_MS, () => meantFiles({ folder, remote: null }, commit, patterns, signal));
}
