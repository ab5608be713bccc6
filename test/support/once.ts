import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** How soon is looked again whether whoever makes it is done. */
const LOOK_MS = 200;

/** True while this process lives, whoever it belongs to. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The run of the tests: their common parent, and when it began, since numbers of processes come again. */
function thisRun(): string {
  const fields = readFileSync(`/proc/${process.ppid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return `${process.ppid} ${fields[19]}`;
}

/**
 * Makes what several test files need, once: the first to ask makes it, the others wait. `folder` is made anew for each run of the tests
 * (their common parent process), and left behind in the clone, where it is ignored.
 */
export async function once(folder: string, make: () => Promise<void>): Promise<void> {
  const done = `${folder}.done`;
  const lock = `${folder}.lock`;
  const run = thisRun();
  const isDone = () => existsSync(done) && readFileSync(done, 'utf8') === run;
  mkdirSync(dirname(folder), { recursive: true });
  while (!isDone()) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
    } catch {
      const maker = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0;
      // Whoever made it was ended before it was done.
      if (maker !== 0 && !lives(maker)) rmSync(lock, { force: true });
      await pause(LOOK_MS);
      continue;
    }
    try {
      if (isDone()) return;
      rmSync(folder, { recursive: true, force: true });
      await make();
      writeFileSync(done, run);
    } finally {
      rmSync(lock, { force: true });
    }
  }
}
