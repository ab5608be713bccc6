import { readFileSync, statSync } from 'node:fs';
import { HoldpointError } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';

/** People and rules of a large company are some hundred kilobytes; more is some other file. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * The content of a file, read again when the file has changed. The first reading throws `bad_config`; a later one that
 * fails is logged once and leaves what was read last, so that a typing mistake neither lets everybody in nor locks all out.
 */
export function watchedFile<T>(path: string, log: Log, read: (text: string, path: string) => T): () => T {
  let mark = markOf(path);
  let current = read(textOf(path), path);
  return () => {
    const seen = markOf(path);
    if (seen === mark) return current;
    mark = seen;
    try {
      current = read(textOf(path), path);
      log.info({ path }, 'file changed and was read again');
    } catch (error) {
      log.error(
        { path, problem: error instanceof HoldpointError ? error.message : 'cannot be read' },
        'changed file is not used; the last good one stays',
      );
    }
    return current;
  };
}

function markOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'absent' : `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > MAX_FILE_BYTES)
      throw new HoldpointError('bad_config', `${path} is larger than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof HoldpointError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new HoldpointError('bad_config', `${path} cannot be read (${code}): check the path and its owner`, { cause });
  }
}
