import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';

/** Makes the agent's folder (mode 0700) if it is missing; throws `bad_config` when others may look into it. */
export function openStateDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) === 0) return;
    throw new HoldpointError(
      'bad_config',
      `state_dir ${path} has mode ${mode.toString(8)}, but parked jobs and keys lie in it: chmod 700 ${path}`,
    );
  } catch (cause) {
    if (cause instanceof HoldpointError) throw cause;
    throw new HoldpointError('bad_config', `state_dir ${path} cannot be used: ${reason(cause)}`, { cause });
  }
}

/** Writes a small file whole or not at all, mode 0600, durable when it returns. */
export function writeWhole(path: string, data: string | Uint8Array): void {
  const beside = `${path}.new`;
  const file = openSync(beside, 'w', 0o600);
  try {
    writeSync(file, typeof data === 'string' ? Buffer.from(data) : data);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Number of the last push that was acted upon, kept in a file; 0 when there is none or it says nothing sensible. */
export function cursorFile(path: string): { load(): Promise<number>; save(seq: number): Promise<void> } {
  return {
    async load() {
      try {
        const seq = Number(readFileSync(path, 'utf8'));
        return Number.isSafeInteger(seq) && seq > 0 ? seq : 0;
      } catch {
        // Nothing is lost with it: the hub sends again what was not acknowledged, and acting on it twice does no harm.
        return 0;
      }
    },
    async save(seq) {
      writeWhole(path, `${seq}\n`);
    },
  };
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/^[A-Z]+: /, '') : 'unknown reason';
}
