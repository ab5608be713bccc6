import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FileLook } from '../../domain/doctor/observation.ts';

/** A file that is to be looked at. */
export interface WantedFile {
  readonly path: string;
  readonly what: string;
  readonly kind: FileLook['kind'];
}

/** Others than the owner may write there, and take away what is not theirs. */
function openFolder(path: string): FileLook['openFolder'] {
  const folder = dirname(path);
  const { mode } = statSync(folder);
  const isSticky = (mode & 0o1000) !== 0;
  return (mode & 0o022) !== 0 && !isSticky ? { path: folder, mode: mode & 0o7777 } : null;
}

/** Modes and owners of files; one that is not there yet is nobody's fault, one that cannot be seen is named. */
export function lookAtFiles(wanted: readonly WantedFile[]): {
  readonly there: readonly FileLook[];
  readonly hidden: readonly string[];
} {
  const there: FileLook[] = [];
  const hidden: string[] = [];
  for (const { path, what, kind } of wanted) {
    try {
      const { mode, uid } = statSync(path);
      there.push({ path, what, kind, mode: mode & 0o7777, uid, openFolder: openFolder(path) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') hidden.push(path);
    }
  }
  return { there, hidden };
}
