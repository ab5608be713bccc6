import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { type HostBreakGlass, readHostBreakGlass } from '../domain/host-break-glass.ts';
import type { Log } from '../ports/log.ts';

/** A page of reasons is enough. */
const MAX_BYTES = 4_096;

/** The host's break-glass file as it is at each look; why one does not count is said once. */
export function hostBreakGlass(path: string, log: Log): (now: number) => HostBreakGlass | null {
  let said = '';
  return (now) => {
    const found = look(path, now);
    if (found === null || !('problem' in found)) {
      said = '';
      return found;
    }
    if (said !== found.problem) log.error({ path, reason: found.problem }, 'the break-glass file does not count');
    said = found.problem;
    return null;
  };
}

function look(path: string, now: number): HostBreakGlass | { readonly problem: string } | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? null : { problem: `it cannot be read (${code}): chmod 644 it` };
  }
  try {
    // Of the open file, so that it cannot be exchanged between the look and the read.
    const { uid, mode, mtimeMs, size } = fstatSync(file);
    if (size > MAX_BYTES) return { problem: `it has more than ${MAX_BYTES} bytes` };
    return readHostBreakGlass({ text: readFileSync(file, 'utf8'), uid, mode, writtenAt: Math.floor(mtimeMs) }, now);
  } finally {
    closeSync(file);
  }
}
