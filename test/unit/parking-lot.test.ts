import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParkedJob } from '../../agent/src/domain/parked-job.ts';
import { takeLock } from '../../agent/src/stores/folder-lock.ts';
import { openParkingLot } from '../../agent/src/stores/parking-lot.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { rememberingLog } from '../support/gate.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-lot-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const job = (jobId: number): ParkedJob => ({
  jobId,
  token: `glcbt-secret-${jobId}`,
  pool: 'runner:builder',
  runner: 'builder',
  digest: `sha256:${'a'.repeat(64)}`,
  payloadSha256: 'b',
  hold: 3,
  url: null,
  state: 'parked',
  person: 'id:9',
  receivedAt: 1,
  parkedUntil: 2,
  handedOutAt: null,
  timeoutS: 3600,
  failureReasons: ['x'],
  noteBytes: 12,
  pendingNote: null,
  failWith: null,
  reports: [],
});
const payload = Buffer.from('{"id":7,"script":"echo Zoë"}');
const keyOf = (path: string) => openKeyFile(path, 'seal key', 'keys.seal');
const open = () =>
  openParkingLot({ dir: join(dir, 'lot'), seal: sealUnder(keyOf(join(dir, 'key'))), log: rememberingLog() });

describe('the seal', () => {
  it('opens what it sealed, and nothing that was changed by one bit, cut, or sealed for another place', () => {
    const seal = sealUnder(new Uint8Array(32).fill(1));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.string(),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (plain, context, at, bit) => {
          const sealed = Buffer.from(seal.seal(plain, context));
          expect(Buffer.from(seal.open(sealed, context)).equals(Buffer.from(plain))).toBe(true);
          const turned = Buffer.from(sealed);
          turned[at % turned.length]! ^= 1 << bit;
          expect(() => seal.open(turned, context)).toThrow();
          expect(() => seal.open(sealed.subarray(0, sealed.length - 1), context)).toThrow();
          expect(() => seal.open(sealed, `${context}x`)).toThrow();
          expect(() => sealUnder(new Uint8Array(32).fill(2)).open(sealed, context)).toThrow();
        },
      ),
      { numRuns: 50 },
    );
  });

  it('takes no key of another length', () => {
    expect(() => sealUnder(new Uint8Array(31))).toThrow(/31 bytes, wanted 32/);
  });
});

describe('a key file', () => {
  it('is made once, whole, readable by its owner alone', () => {
    const path = join(dir, 'key');
    const key = keyOf(path);
    expect([statSync(path).mode & 0o777, statSync(path).size]).toEqual([0o600, 32]);
    expect(keyOf(path)).toEqual(key);
    expect(readdirSync(dir)).toEqual(['key']);
  });

  it.each([0o640, 0o604, 0o666])('T25: with mode %o is refused, with what to do', (mode) => {
    const path = join(dir, 'key');
    keyOf(path);
    chmodSync(path, mode);
    expect(() => keyOf(path)).toThrow(
      `seal key ${path} has mode ${mode.toString(8)} and others may read it: chmod 600`,
    );
  });

  it('of another length is refused, and left as it is', () => {
    const path = join(dir, 'key');
    writeFileSync(path, 'short', { mode: 0o600 });
    expect(() => keyOf(path)).toThrow(/has 5 bytes, wanted 32: put the right file back/);
    expect(readFileSync(path, 'utf8')).toBe('short');
  });

  it('that cannot be read or made is refused with the option that names another', () => {
    expect(() => keyOf(join(dir, 'nowhere', 'key'))).toThrow(/can neither be read nor made \(ENOENT\).*keys\.seal/);
  });
});

describe('the parking lot', () => {
  it('keeps a job and its bytes over a restart, and forgets it when told to', async () => {
    const lot = await open();
    await lot.put({ job: job(7), payload });
    await lot.put({ job: { ...job(7), noteBytes: 99 }, payload });
    await lot.close();
    const again = await open();
    expect(await again.load()).toEqual({ records: [{ job: { ...job(7), noteBytes: 99 }, payload }], damaged: [] });
    await again.put({ job: job(7), payload: null });
    expect((await again.get(7))?.payload).toBeNull();
    await again.remove(7);
    await again.remove(7);
    expect(await again.get(7)).toBeNull();
    expect((await again.load()).records).toEqual([]);
    await again.close();
  });

  it('T31: has no secret on the disk in clear', async () => {
    const lot = await open();
    await lot.put({ job: job(7), payload });
    const bytes = readFileSync(join(dir, 'lot', '7.job'));
    for (const secret of ['glcbt', 'echo', 'builder']) expect(bytes.includes(secret)).toBe(false);
    await lot.close();
  });

  it.each([
    ['another job’s file under its name', () => renameSync(join(dir, 'lot', '8.job'), join(dir, 'lot', '7.job'))],
    ['a foreign file', () => writeFileSync(join(dir, 'lot', '7.job'), 'hello')],
    [
      'a link to elsewhere',
      () => {
        rmSync(join(dir, 'lot', '7.job'));
        symlinkSync(join(dir, 'lot', '8.job'), join(dir, 'lot', '7.job'));
      },
    ],
  ])('T13: sets %s aside and deletes nothing', async (_what, spoil) => {
    const lot = await open();
    await lot.put({ job: job(7), payload });
    await lot.put({ job: job(8), payload });
    spoil();
    await expect(lot.get(7)).rejects.toMatchObject({ code: 'bad_input' });
    const { records, damaged } = await lot.load();
    expect(records.every((record) => record.job.jobId === 8)).toBe(true);
    expect(damaged.map((each) => each.jobId)).toEqual([7]);
    expect(readdirSync(join(dir, 'lot', 'damaged'))).toHaveLength(1);
    expect((await lot.load()).damaged).toEqual([]);
    await lot.close();
  });

  it('T40: takes up a write that a crash cut off before its renaming, and drops one that is not whole', async () => {
    const lot = await open();
    await lot.put({ job: job(7), payload });
    await lot.put({ job: job(8), payload });
    const at = (name: string): string => join(dir, 'lot', name);
    renameSync(at('7.job'), at('7.job.0123456789abcdef.tmp'));
    writeFileSync(at('9.job.0123456789abcdef.tmp'), readFileSync(at('8.job')).subarray(0, 40));
    const { records, damaged } = await lot.load();
    expect([records.map((record) => record.job.jobId), damaged]).toEqual([[7, 8], []]);
    expect(readdirSync(join(dir, 'lot')).sort()).toEqual(['7.job', '8.job', 'lock']);
    await lot.close();
  });

  it('T41: is one process’s at a time, and a lock whose process is gone holds nobody up', async () => {
    const lot = await open();
    await expect(open()).rejects.toThrow(/held by process \d+: one agent or hub per state_dir/);
    await lot.close();
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('exit', resolve));
    writeFileSync(join(dir, 'lot', 'lock'), `${child.pid} some-boot/123\n`);
    // A process of that number may live again, but it is not the one that took the lock.
    writeFileSync(join(dir, 'lot', 'lock'), `${process.pid} some-boot/123\n`);
    const again = await open();
    await again.close();
    expect(existsSync(join(dir, 'lot', 'lock'))).toBe(false);
  });

  it('T41: once closed changes nothing any more, and closes only when its last write is done', async () => {
    const lot = await open();
    const writing = lot.put({ job: job(7), payload });
    await lot.close();
    expect(existsSync(join(dir, 'lot', '7.job'))).toBe(true);
    await writing;
    await expect(lot.put({ job: job(8), payload })).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(lot.remove(7)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(readdirSync(join(dir, 'lot'))).toEqual(['7.job']);
  });

  it('gives back only its own lock', async () => {
    const path = join(dir, 'a-lock');
    const release = await takeLock(path);
    writeFileSync(path, '1 other\n');
    await release();
    expect(readFileSync(path, 'utf8')).toBe('1 other\n');
  });

  it('says what is wrong with a folder that cannot be used', async () => {
    writeFileSync(join(dir, 'lot'), 'a file');
    await expect(open()).rejects.toMatchObject({ code: 'bad_config' });
  });
});
