import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';
import { PARKED_JOB_STATES, type ParkedJob } from '../domain/parked-job.ts';
import type { Log } from '../ports/log.ts';
import type { DamagedRecord, ParkedRecord, ParkingLot } from '../ports/parking-lot.ts';
import type { Seal } from '../ports/seal.ts';
import { takeLock } from './folder-lock.ts';

const JOB_FILE = /^([1-9][0-9]{0,15})\.job$/;
const TEMPORARY = /^([1-9][0-9]{0,15})\.job\.[0-9a-f]{16}\.tmp$/;
/** Of the plain text of a file; another one is damaged for us, not misread. */
const VERSION = 1;
/** A payload of at most 16 MiB and its record: whatever is bigger was not written by this program. */
const MAX_FILE_BYTES = 24 * 1024 * 1024;

/** Files read side by side at a start: the disk and the threads that read it have enough to do, memory is bounded. */
const READ_AT_ONCE = 32;

/** Bound to each file, so that the sealed job 7 cannot be put in the place of job 8 (T13). */
const contextOf = (jobId: number): string => `holdpoint.parked-job/v1 ${jobId}`;

function encode(record: ParkedRecord): Buffer {
  const head = Buffer.from(JSON.stringify({ version: VERSION, payload: record.payload !== null, job: record.job }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, record.payload ?? Buffer.alloc(0)]);
}

function decode(plain: Buffer, jobId: number): ParkedRecord {
  const end = 4 + plain.readUInt32BE(0);
  const head = JSON.parse(plain.subarray(4, end).toString()) as { version: number; payload: boolean; job: ParkedJob };
  const known = head.version === VERSION && PARKED_JOB_STATES.includes(head.job.state) && head.job.jobId === jobId;
  if (!known) throw new HoldpointError('bad_input', 'written by another version of this program, or for another job');
  return { job: head.job, payload: head.payload ? plain.subarray(end) : null };
}

async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

class FolderLot implements ParkingLot {
  readonly #dir: string;
  readonly #seal: Seal;
  readonly #log: Log;
  readonly #release: () => Promise<void>;
  readonly #writing = new Set<Promise<unknown>>();
  #closed = false;

  constructor(dir: string, seal: Seal, log: Log, release: () => Promise<void>) {
    this.#dir = dir;
    this.#seal = seal;
    this.#log = log;
    this.#release = release;
  }

  #path(jobId: number): string {
    return join(this.#dir, `${jobId}.job`);
  }

  /** After `close` the folder may be another process's: nothing of this one may still change it (T41). */
  #write(run: () => Promise<void>): Promise<void> {
    if (this.#closed) return Promise.reject(new HoldpointError('store_unavailable', 'the parking lot is closed'));
    const writing = run();
    const settled = writing
      .catch(() => {})
      .finally(() => {
        this.#writing.delete(settled);
      });
    this.#writing.add(settled);
    return writing;
  }

  put(record: ParkedRecord): Promise<void> {
    return this.#write(() => this.#put(record));
  }

  async #put(record: ParkedRecord): Promise<void> {
    const path = this.#path(record.job.jobId);
    const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
    const sealed = this.#seal.seal(encode(record), contextOf(record.job.jobId));
    const handle = await open(temporary, 'wx', 0o600);
    try {
      try {
        await handle.writeFile(sealed);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(this.#dir);
  }

  async get(jobId: number): Promise<ParkedRecord | null> {
    try {
      return await this.#open(this.#path(jobId), jobId);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async #open(path: string, jobId: number): Promise<ParkedRecord> {
    const stat = await lstat(path);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
      throw new HoldpointError('bad_input', 'no plain file of a possible size');
    }
    const plain = Buffer.from(this.#seal.open(await readFile(path), contextOf(jobId)));
    return decode(plain, jobId);
  }

  remove(jobId: number): Promise<void> {
    return this.#write(() => this.#remove(jobId));
  }

  async #remove(jobId: number): Promise<void> {
    try {
      await unlink(this.#path(jobId));
    } catch (error) {
      if (!isMissing(error)) throw error;
      return;
    }
    await syncFolder(this.#dir);
  }

  async setAside(jobId: number): Promise<string | null> {
    return this.#moveAside(`${jobId}.job`);
  }

  async #moveAside(name: string): Promise<string | null> {
    const folder = join(this.#dir, 'damaged');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${name}.${randomBytes(4).toString('hex')}`);
    try {
      await rename(join(this.#dir, name), path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    await syncFolder(folder);
    await syncFolder(this.#dir);
    return path;
  }

  async load(): Promise<{ records: ParkedRecord[]; damaged: DamagedRecord[] }> {
    const records: ParkedRecord[] = [];
    const damaged: DamagedRecord[] = [];
    await this.#adoptTemporaries();
    const names = (await readdir(this.#dir))
      .sort()
      .filter((name) => name !== 'lock' && name !== 'damaged' && !TEMPORARY.test(name));
    for (let from = 0; from < names.length; from += READ_AT_ONCE) {
      const some = names.slice(from, from + READ_AT_ONCE);
      for (const each of await Promise.all(some.map((name) => this.#take(name)))) {
        if ('job' in each) records.push(each);
        else damaged.push(each);
      }
    }
    return { records, damaged };
  }

  /** One file of the folder; what cannot be trusted is set aside. */
  async #take(name: string): Promise<ParkedRecord | DamagedRecord> {
    const jobId = Number(JOB_FILE.exec(name)?.[1] ?? Number.NaN);
    try {
      if (!Number.isSafeInteger(jobId)) throw new HoldpointError('bad_input', 'no name of a parked job');
      return await this.#open(join(this.#dir, name), jobId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const path = (await this.#moveAside(name)) ?? join(this.#dir, name);
      this.#log.error({ path, reason }, 'a file in the parking lot cannot be trusted and was set aside');
      return { jobId: Number.isSafeInteger(jobId) ? jobId : null, path, reason };
    }
  }

  /**
   * A crash between writing and renaming leaves a temporary file. Where the job has no file yet, a whole one is the only
   * copy of what GitLab handed out (T40): it is taken up. Every other was never acted upon.
   */
  async #adoptTemporaries(): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      const found = TEMPORARY.exec(name)?.[1];
      if (found === undefined) continue;
      const [jobId, path] = [Number(found), join(this.#dir, name)];
      const whole = await this.#open(path, jobId).catch(() => null);
      const settled = await lstat(this.#path(jobId)).then(
        () => true,
        () => false,
      );
      if (whole !== null && !settled) await rename(path, this.#path(jobId));
      else await unlink(path);
      this.#log.warn({ job: jobId, adopted: whole !== null && !settled }, 'a write was interrupted by a crash');
    }
    await syncFolder(this.#dir);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#writing);
    await this.#release();
  }
}

/**
 * A folder (mode 0700) with one sealed file (mode 0600) per job, for one process at a time.
 * Throws `bad_config` when another process has it or it cannot be used.
 */
export async function openParkingLot(options: {
  readonly dir: string;
  readonly seal: Seal;
  readonly log: Log;
}): Promise<ParkingLot> {
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    await chmod(options.dir, 0o700);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new HoldpointError('bad_config', `parking lot ${options.dir} cannot be used (${code}): check state_dir`, {
      cause,
    });
  }
  const release = await takeLock(join(options.dir, 'lock'));
  return new FolderLot(options.dir, options.seal, options.log, release);
}
