import { readFileSync, statSync } from 'node:fs';
import { HoldpointError } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';

/** People and rules of a large company are some hundred kilobytes; more is some other file. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The content of a file as it was read last. */
export interface WatchedFile<T> {
  (): T;
  /** Why the file as it is now is not used, in words; null when it is. */
  problem(): string | null;
}

/**
 * The content of a file, read again when the file has changed. The first reading throws `bad_config`; a later one that
 * fails is logged once and leaves what was read last, so that a typing mistake neither lets everybody in nor locks all out.
 */
export function watchedFile<T>(path: string, log: Log, read: (text: string, path: string) => T): WatchedFile<T> {
  let mark = markOf(path);
  let current = read(textOf(path), path);
  let problem: string | null = null;
  const look = (): T => {
    const seen = markOf(path);
    if (seen === mark) return current;
    mark = seen;
    try {
      current = read(textOf(path), path);
      problem = null;
      log.info({ path }, 'file changed and was read again');
    } catch (error) {
      problem = error instanceof HoldpointError ? error.message : 'it cannot be read';
      log.error({ path, problem }, 'changed file is not used; the last good one stays');
    }
    return current;
  };
  return Object.assign(look, {
    problem: () => {
      look();
      return problem;
    },
  });
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
