import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';
import { writeWhole } from './state-dir.ts';

/** SHA-256 (hex) of a file. */
export function sha256Of(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Copies a file (mode 0600, durable); false when it is not there, or is gone meanwhile. */
export function copyFile(from: string, to: string): boolean {
  let bytes: Buffer;
  try {
    bytes = readFileSync(from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  writeWhole(to, bytes);
  return true;
}

/** Names in a folder; none where there is no folder. */
export function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** A new folder beside the wanted one, to be renamed to it when it is whole. */
export function folderBeside(wanted: string): string {
  const path = `${wanted}.${randomBytes(6).toString('hex')}.partial`;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new HoldpointError(
      'bad_input',
      `${wanted} cannot be made (${code}): name a new folder in one that is there`,
      {
        cause,
      },
    );
  }
  return path;
}

/** Makes what lies in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Throws `bad_usage` unless this process runs as the owner of the folder: files that it wrote as somebody else could not be
 * read by the agent.
 */
export function requireOwner(folder: string): void {
  const own = process.getuid?.();
  if (own === undefined || !existsSync(folder)) return;
  const { uid } = statSync(folder);
  if (uid === own) return;
  throw new HoldpointError(
    'bad_usage',
    `state_dir ${folder} belongs to user ${uid}, and this runs as ${own}: run it as that user, as in "sudo -u holdpoint holdpoint …"`,
  );
}

/** Files that an agent leaves when it stops, and that are no state. */
export const isNoState = (name: string): boolean => /^lock|\.new$|\.tmp$/.test(name);

/** Path of a file of the state. */
export const stateFile = (stateDir: string, name: string): string => join(stateDir, name);
