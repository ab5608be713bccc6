import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';

/** A user of this host. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user of that name, null where there is none. */
export function userNamed(name: string): SystemUser | null {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}

function refuse(path: string, error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
  const way =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
      ? 'run it as root, or name another folder with --dir'
      : 'mend that first';
  throw new HoldpointError('bad_input', `${path} cannot be written (${code}): ${way}`, { cause: error });
}

/** Writes beside the place, durable, with mode and owner; the name of what was written. */
function writeBeside(path: string, text: string, mode: number, owner: SystemUser | null): string {
  const beside = `${path}.${randomBytes(6).toString('hex')}`;
  const file = openSync(beside, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    if (owner !== null) chownSync(beside, owner.uid, owner.gid);
    // After the change of owner, which takes bits away.
    chmodSync(beside, mode);
  } catch (error) {
    unlinkSync(beside);
    throw error;
  }
  return beside;
}

function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes the folder if it is not there, closed to others. */
export function openFolder(path: string, owner: SystemUser | null): void {
  try {
    if (existsSync(path)) return;
    mkdirSync(path, { recursive: true, mode: 0o750 });
    // Root's, so that the agent cannot change its own rules; readable by its group.
    if (owner !== null) chownSync(path, process.getuid?.() ?? 0, owner.gid);
  } catch (error) {
    refuse(path, error);
  }
}

/** Writes a file that is not there yet, whole or not at all; throws when somebody was quicker. */
export function createFile(path: string, text: string, mode: number, owner: SystemUser | null): void {
  try {
    const beside = writeBeside(path, text, mode, owner);
    try {
      linkSync(beside, path);
    } finally {
      unlinkSync(beside);
    }
    syncFolder(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new HoldpointError('wrong_state', `${path} was made meanwhile: look at it, and run this again`);
    refuse(path, error);
  }
}

/** Puts another text into a file that still has this one; mode and owner stay. Resolves with the path of the copy of the old one. */
export function replaceFile(path: string, before: string, after: string): string {
  try {
    // What a link names is replaced, not the link.
    const real = realpathSync(path);
    const { mode, uid, gid } = statSync(real);
    if (readFileSync(real, 'utf8') !== before)
      throw new HoldpointError('wrong_state', `${path} was changed meanwhile: run this again`);
    let copy = `${real}.before-holdpoint`;
    for (let n = 2; existsSync(copy); n++) copy = `${real}.before-holdpoint-${n}`;
    const owner = uid === process.getuid?.() && gid === process.getgid?.() ? null : { uid, gid };
    const kept = writeBeside(copy, before, mode & 0o7777, owner);
    renameSync(kept, copy);
    const beside = writeBeside(real, after, mode & 0o7777, owner);
    renameSync(beside, real);
    syncFolder(real);
    return copy;
  } catch (error) {
    if (error instanceof HoldpointError) throw error;
    refuse(path, error);
  }
}
