import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ErrorCode } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import type { Io } from './io.ts';
import type { FileIo } from './payload-files.ts';

/** What `digest` and `diff` use of the world, and how to wait until all of it has been written. */
export function fileIo(io: Io, json: boolean): { readonly files: FileIo; readonly written: () => Promise<void> } {
  let written = Promise.resolve();
  const err = (text: string, code: ErrorCode): void => {
    const message = printable(text.trimEnd());
    io.err(json ? `${JSON.stringify({ error: { code, message } })}\n` : `holdpoint: ${message}\n`);
  };
  return {
    files: {
      out: (text) => {
        written = written.then(() => io.out(text));
      },
      err,
      readFile: (path) => readFile(resolve(io.cwd, path)),
    },
    written: () => written,
  };
}
