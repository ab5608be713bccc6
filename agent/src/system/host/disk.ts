import { existsSync, statfsSync, statSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type DiskLook,
  type Observation,
  type Seen,
  type SyncLook,
  seen,
  unseen,
} from '../../domain/doctor/observation.ts';

/** File system types of statfs(2) that keep nothing, and those of another machine. */
const MEMORY = [0x01021994, 0x858458f6];
const NETWORK = [0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x65735546];
/** Enough for a median that a single hiccup does not move; a few hundred milliseconds on a slow disk. */
const SYNCS = 15;
const BYTES = 4096;

const asAgent = 'run "holdpoint doctor" as root or as the user of the agent';

/** Mode and owner of the state folder. */
export function lookAtStateDir(path: string): Observation['stateDir'] {
  try {
    const { mode, uid } = statSync(path);
    return seen({ mode: mode & 0o7777, uid });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? unseen(`${path} is not there yet`, 'the agent makes it at its first start')
      : unseen(`${path} is not seen by this user`, asAgent);
  }
}

/** Room on the disk of a folder, or of the folder above it that is there. */
export function lookAtDisk(path: string): Seen<DiskLook> {
  let there = path;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    const { bavail, blocks, bsize, ffree, files, type } = statfsSync(there);
    return seen({
      path,
      freeBytes: bavail * bsize,
      totalBytes: blocks * bsize,
      freeFiles: files > 0 ? ffree / files : 1,
      kind: MEMORY.includes(type) ? 'memory' : NETWORK.includes(type) ? 'network' : 'disk',
    });
  } catch {
    return unseen(`the disk of ${path} is not seen by this user`, asAgent);
  }
}

/** How long a sync takes in a folder: a small file is written, synced some times, and removed. */
export async function lookAtSync(folder: string, pid: number): Promise<Seen<SyncLook>> {
  const path = join(folder, `.doctor-${pid}`);
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? unseen(`${folder} is not there yet`, 'the agent makes it at its first start')
      : unseen(`this user may not write to ${folder}`, asAgent);
  }
  try {
    const times: number[] = [];
    const bytes = Buffer.alloc(BYTES);
    for (let i = 0; i < SYNCS; i++) {
      const from = performance.now();
      await file.write(bytes, 0, BYTES, 0);
      await file.sync();
      times.push(performance.now() - from);
    }
    times.sort((a, b) => a - b);
    return seen({ medianMs: times[Math.floor(SYNCS / 2)]!, worstMs: times.at(-1)! });
  } catch (error) {
    return unseen(
      `${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      'free its disk',
    );
  } finally {
    await file.close();
    await unlink(path);
  }
}
