import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupLook, type Seen, seen, unseen } from '../../domain/doctor/observation.ts';

/** When the state was last copied, as the backup itself has noted it. */
export function lookAtBackup(stateDir: string, now: number): Seen<BackupLook> {
  try {
    const made = statSync(join(stateDir, 'seal.key'), { throwIfNoEntry: false }) ?? statSync(stateDir);
    const sinceMs = Math.max(0, now - made.mtimeMs);
    const path = join(stateDir, 'last-backup.json');
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return seen({ lastAt: null, sinceMs });
    const at = Date.parse(String((JSON.parse(readFileSync(path, 'utf8')) as { at?: unknown }).at));
    return Number.isNaN(at)
      ? unseen(`${path} has no date in it`, 'make a backup: it is written anew')
      : seen({ lastAt: at, sinceMs });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? unseen(`${stateDir} is not there yet`, 'the agent makes it at its first start')
      : unseen(`${stateDir} is not seen by this user`, 'run "holdpoint doctor" as root or as the user of the agent');
  }
}
