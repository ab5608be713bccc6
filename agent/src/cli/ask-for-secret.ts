import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { systemErrorWords } from '../config/system-error.ts';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import type { HubClient } from './client.ts';
import type { CommandContext } from './context.ts';

/** Something that the hub makes and that is in this one answer only. */
type WithToken = z.ZodType<{ readonly token: string }>;

/** What is asked of the hub, and where the text goes: standard output where `out` is undefined. */
export interface SecretWish<S extends WithToken> {
  readonly path: string;
  readonly schema: S;
  readonly body: unknown;
  readonly out: string | undefined;
}

/** A new file that its owner alone can read; an existing one is never overwritten, since it can have another mode. */
function writeSecret(path: string, written: string, token: string): void {
  try {
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const exists = (error as { code?: unknown }).code === 'EEXIST';
    const why = exists ? 'it exists; give another name, or remove it' : systemErrorWords(error);
    throw new HoldpointError('bad_input', `--out: cannot write "${written}": ${why}`);
  }
}

/** Asks for a token and shows its text once: on standard output alone, or in a new file. */
export async function askForSecret<S extends WithToken>(
  hub: HubClient,
  { path, schema, body, out }: SecretWish<S>,
  { io, json }: CommandContext,
  words: (made: z.output<S>) => { readonly about: string; readonly keep: string },
): Promise<void> {
  const file = out === undefined ? null : resolve(io.cwd, out);
  // Before the token is made: one that could not be kept would be lost, and live on.
  if (file !== null) writeSecret(file, out ?? file, '');
  const made = await hub.post(path, schema, body).catch((error: unknown) => {
    if (file !== null) rmSync(file, { force: true });
    throw error;
  });
  const { token, ...rest } = made;
  if (file !== null) writeFileSync(file, `${token}\n`);
  if (json) return io.out(`${JSON.stringify(out === undefined ? made : rest)}\n`);
  const { about, keep } = words(made);
  if (out !== undefined) return io.out(`${printable(about)}; written to ${printable(out)}\n`);
  // The token alone on standard output, so that it can be caught in a variable or a file.
  io.err(`${printable(about)}; it is shown this once: ${keep}\n`);
  return io.out(`${printable(token)}\n`);
}
