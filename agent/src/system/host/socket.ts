import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** What lies at the path of a socket, and the nearest folder above it that others may write in; null where nothing is. */
export function lookAtSocket(path: string): {
  readonly isSocket: boolean;
  readonly openFolder: { readonly path: string; readonly mode: number } | null;
} | null {
  try {
    const isSocket = lstatSync(path).isSocket();
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      const { mode } = statSync(folder);
      // In a folder like /tmp nobody takes away what is another's, but whoever comes first can be in its place.
      const isSafe = (mode & 0o022) === 0 || ((mode & 0o1000) !== 0 && folder !== dirname(path));
      if (!isSafe) return { isSocket, openFolder: { path: folder, mode } };
      if (folder === dirname(folder)) return { isSocket, openFolder: null };
    }
  } catch {
    return null;
  }
}
