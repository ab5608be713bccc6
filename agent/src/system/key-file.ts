import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';
import { writeWhole } from './state-dir.ts';
import { syncFolder } from './state-files.ts';

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
    const others = path.startsWith(CREDENTIALS) ? 0o037 : 0o077;
    if ((stat.mode & others) !== 0) {
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

/**
 * Where systemd puts what LoadCredential= names. Its files are root's, and an access list lets the one service read them, which the mode
 * shows as the group's right to read; nobody but systemd can put a file there.
 */
const CREDENTIALS = '/run/credentials/';

/** What a lock leaves behind is worth no key. */
const WORTHLESS = /^lock/;

function hasContent(path: string): boolean {
  if (!existsSync(path)) return false;
  return !statSync(path).isDirectory() || readdirSync(path).some((name) => !WORTHLESS.test(name));
}

/**
 * Refuses to start with a new key where something is kept under the old one: it could not be opened, and would be given up.
 * `kept` are files and folders; throws `bad_config` when the key file is gone and one of them has content.
 */
export function refuseNewKey(path: string, what: string, kept: readonly string[]): void {
  if (existsSync(path)) return;
  const [first] = kept.filter(hasContent);
  if (first === undefined) return;
  throw new HoldpointError(
    'bad_config',
    `${what} ${path} is gone, but ${first} was written with it: put the key back from your backup, or move ${first} away to start anew`,
  );
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

/** Where the next key of a rotation lies until it is the key. */
export const nextKeyFile = (path: string): string => `${path}.next`;

/** The next key of a rotation: made (mode 0600, random, durable) unless an interrupted one has left it. */
export function makeNextKey(path: string, what: string, option: string): Uint8Array {
  return openKeyFile(nextKeyFile(path), `next ${what}`, option);
}

/** Puts the next key in the place of the key, durably: whole or not at all. */
export function takeNextKey(path: string): void {
  renameSync(nextKeyFile(path), path);
  syncFolder(dirname(path));
}
