import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { systemErrorWords } from './system-error.ts';

/** A token, or why its file is not taken. The message never has the file's content in it. */
export type SecretReading =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly message: string };

/** A token is one line; a longer file is some other file. */
const MAX_SECRET_BYTES = 4_096;

/** A path as it may be quoted: a word without slash and dot could be a token that somebody took for its file. */
export function quotablePath(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /[./]/.test(path) && !/^[A-Za-z0-9_-]{20,}$/.test(name) ? `"${path}"` : 'the file';
}

/** Reads a token from a file that others on this machine can neither read nor write (T24, T25). `written` is the path as it was given. */
export function readSecretFile(path: string, written: string): SecretReading {
  const name = quotablePath(written);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return { ok: false, message: `cannot read ${name}: ${systemErrorWords(error)}` };
  }
  try {
    // Of the open file, so that it cannot be exchanged between the look and the read.
    const status = fstatSync(file);
    if (!status.isFile()) return { ok: false, message: `${name} is not a file` };
    const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
    if ((status.mode & 0o007) !== 0 || (status.mode & 0o020) !== 0) {
      return { ok: false, message: `${name} has mode ${mode}: others could read or change the token; chmod 600 it` };
    }
    if (status.size > MAX_SECRET_BYTES) return { ok: false, message: `${name} is too long for a token` };
    const value = readFileSync(file, 'utf8').trim();
    if (value === '') return { ok: false, message: `${name} is empty; put the token in it` };
    if (!/^[\x21-\x7e]+$/.test(value))
      return { ok: false, message: `${name} has more than one word in it; a token is one` };
    return { ok: true, value };
  } catch (error) {
    return { ok: false, message: `cannot read ${name}: ${systemErrorWords(error)}` };
  } finally {
    closeSync(file);
  }
}
