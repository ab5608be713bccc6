import { readFileSync } from 'node:fs';
import type { Log } from '../ports/log.ts';
import type { Seal } from '../ports/seal.ts';
import type { KeptSnapshot, SnapshotFile } from '../ports/snapshot-file.ts';
import { writeWhole } from './state-dir.ts';

/** What seals it: a parked job's file put in its place opens as nothing. */
const CONTEXT = 'snapshot';

/** The newest snapshot in a sealed file; one that cannot be opened is none, and said so. */
export function snapshotFile(path: string, seal: Seal, log: Log): SnapshotFile {
  return {
    load() {
      try {
        return JSON.parse(Buffer.from(seal.open(readFileSync(path), CONTEXT)).toString()) as KeptSnapshot;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          log.warn({ path, reason: (error as Error).message }, 'the kept snapshot cannot be read: the hub is needed');
        return null;
      }
    },
    save: (kept) => writeWhole(path, seal.seal(Buffer.from(JSON.stringify(kept)), CONTEXT)),
  };
}
