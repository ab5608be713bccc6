import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Clock } from '../../agent/src/ports/clock.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { ROOT } from './source-files.ts';

/** What an earlier version has left, and what is known to be in it. */
export interface OldState {
  readonly gitlab: { readonly host: string; readonly port: number };
  /** Epoch ms of when it was written. */
  readonly at: number;
  /** A token of Maria's with read and approve. */
  readonly token: string;
  readonly knows: {
    readonly audit: number;
    readonly head: { readonly hash: string };
    /** Approved for standing: a deployment whose script is `echo one`. */
    readonly digest: string;
    /** `echo three`: waits, and is parked. */
    readonly waiting: { readonly hold: number; readonly job: number; readonly digest: string };
    /** `echo two`: rejected, and remembered. */
    readonly rejected: { readonly hold: number; readonly digest: string };
    /** The approval of `echo four`, which is revoked. */
    readonly revoked: number;
  };
  readonly files: Readonly<Record<string, string>>;
}

/** The fixture of this name. */
export function oldState(name: string): OldState {
  return JSON.parse(readFileSync(join(ROOT, 'test/fixtures/state', `${name}.json`), 'utf8')) as OldState;
}

/** Writes it into a folder, which becomes the state_dir. */
export function unpack({ files }: OldState, folder: string): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, name), gunzipSync(Buffer.from(content, 'base64')), { mode: 0o600 });
  }
}

/** The real clock, turned back to a minute after the state was written: what ends by time has not ended. */
export function clockOf({ at }: OldState): Clock {
  const real = createClock();
  const offset = at + 60_000 - Date.now();
  return { now: () => real.now() + offset, after: (ms, run) => real.after(ms, run) };
}
