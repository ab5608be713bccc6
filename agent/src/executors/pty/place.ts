import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fence } from './fence.ts';

/** Folders of one session. */
export interface Place {
  /** Root's: the job reaches what is in it, and can change nothing about it. */
  readonly folder: string;
  readonly builds: string;
  readonly cache: string;
  readonly home: string;
  readonly tmp: string;
  /** A script, for the moment until the shell has it open. */
  readonly script: string;
  /** Notes that all the rest is there, and what holds the processes together. */
  finish(kind: Fence['kind']): Promise<void>;
  /** What was noted; null where prepare has not come to its end. */
  preparedWith(): Promise<Fence['kind'] | null>;
}

export function placeOf(workDir: string, session: string): Place {
  const folder = join(workDir, session);
  const prepared = join(folder, 'prepared');
  return {
    folder,
    builds: join(folder, 'builds'),
    cache: join(folder, 'cache'),
    home: join(folder, 'home'),
    tmp: join(folder, 'tmp'),
    // Not in the job's folders, which it can fill.
    script: join(workDir, 'users', `.script-${session}`),
    finish: (kind) => writeFile(prepared, kind, { mode: 0o600 }),
    preparedWith: () =>
      readFile(prepared, 'utf8').then(
        (text) => (['systemd', 'cgroup', 'none'] as const).find((kind) => kind === text) ?? null,
        () => null,
      ),
  };
}
