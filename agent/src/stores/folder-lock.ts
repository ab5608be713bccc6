import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { HoldpointError } from '../domain/errors.ts';

/** When a process started, as the kernel tells it: a reused process number is not the one that took the lock. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // Field 22; the second field is the program's name in brackets and may hold blanks.
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${boot.trim()}/${started}`;
  } catch {
    return null;
  }
}

/** Without /proc only the number is left: a process that can be signalled lives. */
function answers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isHeld(text: string): Promise<boolean> {
  const [number, start] = text.trim().split(' ');
  const pid = Number(number);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  const now = await startOf(pid);
  if (now !== null && start !== undefined && start !== 'unknown') return now === start;
  return pid !== process.pid && answers(pid);
}

/**
 * Takes a lock file for this process; the answer gives it back. Two agents on one folder would hand a job out twice (T41).
 * One left by a process that is gone is taken over. Throws `bad_config` when a living process has it.
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const mine = `${process.pid} ${(await startOf(process.pid)) ?? 'unknown'}\n`;
  const temporary = `${path}.${randomBytes(8).toString('hex')}`;
  await writeFile(temporary, mine, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        // A hard link is made whole or not at all: nobody reads a half-written lock.
        await link(temporary, path);
        return async () => {
          if ((await readFile(path, 'utf8').catch(() => '')) === mine) await unlink(path).catch(() => {});
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const held = await readFile(path, 'utf8').catch(() => '');
      if (await isHeld(held)) {
        const holder = held.split(' ')[0];
        throw new HoldpointError('bad_config', `${path} is held by process ${holder}: one agent or hub per state_dir`);
      }
      await unlink(path).catch(() => {});
    }
    throw new HoldpointError('bad_config', `${path} could not be taken: another agent is starting on this state_dir`);
  } finally {
    await unlink(temporary).catch(() => {});
  }
}
