import { randomBytes } from 'node:crypto';
import { chmodSync, constants, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { lstat, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';
import type { KeptReceipt } from '../domain/receipt.ts';
import type { ReceiptKeep } from '../ports/receipt-keep.ts';
import type { Seal } from '../ports/seal.ts';

const FILE = /^([1-9][0-9]{0,15})\.receipt$/;
const VERSION = 1;
/** A payload of 4 MiB as JSON, and what stands beside it. */
const MAX_FILE_BYTES = 24 * 1024 * 1024;

/** Bound to each file: the sealed receipt of one job is none of another (T13). */
const contextOf = (jobId: number): string => `holdpoint.receipt/v1 ${jobId}`;
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function encode({ envelope, ...kept }: KeptReceipt): Buffer {
  const { payloadType, payload, keyid, signature } = envelope;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const signed = { payloadType, payload: base64(payload), keyid, signature: base64(signature) };
  return Buffer.from(JSON.stringify({ version: VERSION, ...kept, envelope: signed }));
}

function decode(plain: Uint8Array, jobId: number): KeptReceipt {
  const { version, envelope, ...kept } = JSON.parse(Buffer.from(plain).toString()) as KeptReceipt & {
    version: number;
    envelope: { payloadType: string; payload: string; keyid: string; signature: string };
  };
  if (version !== VERSION || kept.jobId !== jobId)
    throw new HoldpointError('bad_input', 'written by another version of this program, or for another job');
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));
  const { payloadType, payload, keyid, signature } = envelope;
  return { ...kept, envelope: { payloadType, payload: bytes(payload), keyid, signature: bytes(signature) } };
}

/**
 * A folder (mode 0700) with one sealed file (mode 0600) per receipt; the parking lot's lock keeps other processes away.
 * Throws `bad_config` when it cannot be used.
 */
export function openReceiptKeep({ dir, seal }: { readonly dir: string; readonly seal: Seal }): ReceiptKeep {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new HoldpointError('bad_config', `folder of receipts ${dir} cannot be used (${code}): check state_dir`, {
      cause,
    });
  }
  // Written, and never put in its place: the process died, and nothing went out on it.
  for (const name of readdirSync(dir)) if (name.endsWith('.tmp')) unlinkSync(join(dir, name));
  const path = (jobId: number) => join(dir, `${jobId}.receipt`);
  const syncFolder = async () => {
    const folder = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };
  return {
    async put(receipt) {
      const temporary = `${path(receipt.jobId)}.${randomBytes(8).toString('hex')}.tmp`;
      const file = await open(temporary, 'wx', 0o600);
      try {
        try {
          await file.writeFile(seal.seal(encode(receipt), contextOf(receipt.jobId)));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, path(receipt.jobId));
      } catch (error) {
        await unlink(temporary).catch(() => {});
        throw error;
      }
      await syncFolder();
    },
    async get(jobId) {
      try {
        const stat = await lstat(path(jobId));
        if (!stat.isFile() || stat.size > MAX_FILE_BYTES)
          throw new HoldpointError('bad_input', 'no plain file of a possible size');
        return decode(seal.open(await readFile(path(jobId)), contextOf(jobId)), jobId);
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    async remove(jobId) {
      try {
        await unlink(path(jobId));
      } catch (error) {
        if (!isMissing(error)) throw error;
        return;
      }
      await syncFolder();
    },
    async ids() {
      const found: number[] = [];
      for (const name of await readdir(dir)) {
        const id = FILE.exec(name)?.[1];
        if (id !== undefined) found.push(Number(id));
      }
      return found;
    },
  };
}
