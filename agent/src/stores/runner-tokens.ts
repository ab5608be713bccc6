import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HoldpointError } from '../domain/errors.ts';
import type { RunnerTokenKeep, RunnerTokenRecord } from '../ports/runner-tokens.ts';
import type { Seal } from '../ports/seal.ts';

const recordSchema = z.strictObject({
  version: z.literal(1),
  configured: z.string(),
  token: z.string().nullable(),
  expiresAt: z.string().nullable(),
  asked: z.boolean(),
});

/** Bound to each file, so that one runner's token cannot be put in the place of another's. */
const contextOf = (runner: string): string => `holdpoint.runner-token/v1 ${runner}`;

/** A name may have blanks and dots: its hash is the file's name. */
function fileOf(dir: string, runner: string): string {
  return join(dir, `${createHash('sha256').update(runner).digest('hex').slice(0, 32)}.token`);
}

async function writeDurably(dir: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const beside = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    const handle = await open(beside, 'wx', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
  const folder = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A folder (mode 0700) with one sealed file (mode 0600) per runner whose token was reset (T25, T54). */
export function openRunnerTokens(options: { readonly dir: string; readonly seal: Seal }): RunnerTokenKeep {
  const { dir, seal } = options;
  return {
    async load(runner) {
      let sealed: Buffer;
      try {
        sealed = await readFile(fileOf(dir, runner));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
      const plain = Buffer.from(seal.open(sealed, contextOf(runner))).toString();
      const { version: _version, ...record } = recordSchema.parse(JSON.parse(plain.trimEnd()));
      return record satisfies RunnerTokenRecord;
    },
    async save(runner, record) {
      // One length for all: the write before GitLab is asked shows that there is room for the one after it.
      const plain = Buffer.from(JSON.stringify({ version: 1, ...record }).padEnd(2_048));
      await writeDurably(dir, fileOf(dir, runner), seal.seal(plain, contextOf(runner))).catch((cause: unknown) => {
        const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
        throw new HoldpointError(
          'store_unavailable',
          `runner token cannot be kept in ${dir} (${code}): free the disk`,
          {
            cause,
          },
        );
      });
    },
  };
}
