import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, linkSync, openSync, readSync, unlinkSync } from 'node:fs';
import { HoldpointError } from '../domain/errors.ts';
import { writeWhole } from './state-dir.ts';

/** Length of every key of this program: AES-256 and HMAC-SHA-256. */
export const KEY_BYTES = 32;

/**
 * The 32 bytes of a key file; the file is made (mode 0600, random) when there is none. `what` and `option` name it in messages.
 * Throws `bad_config` when others may read it (T25), when it cannot be read or made, or is not 32 bytes long.
 */
export function openKeyFile(path: string, what: string, option: string): Uint8Array {
  const refuse = (found: string, wayOut: string, cause?: unknown) =>
    new HoldpointError('bad_config', `${what} ${path} ${found}: ${wayOut}`, { cause });
  let file: number;
  try {
    file = openOrMake(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw refuse(
      `can neither be read nor made (${code})`,
      `mend the folder's owner and mode, or name another file with ${option}`,
      cause,
    );
  }
  try {
    const stat = fstatSync(file);
    if ((stat.mode & 0o077) !== 0) {
      throw refuse(`has mode ${(stat.mode & 0o777).toString(8)} and others may read it`, `chmod 600 ${path}`);
    }
    const key = new Uint8Array(KEY_BYTES);
    if (stat.size !== KEY_BYTES || readSync(file, key, 0, KEY_BYTES, 0) !== KEY_BYTES) {
      throw refuse(`has ${stat.size} bytes, wanted ${KEY_BYTES}`, 'put the right file back from your backup');
    }
    return key;
  } finally {
    closeSync(file);
  }
}

function openOrMake(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Written whole under another name first: a crash must not leave an empty key that every later start refuses.
  const beside = `${path}.${randomBytes(6).toString('hex')}`;
  writeWhole(beside, randomBytes(KEY_BYTES));
  try {
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(beside);
  }
  return openSync(path, 'r');
}
