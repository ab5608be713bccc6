import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Gauge, type Registry } from 'prom-client';

/** How old the last backup of a state_dir is, by what "holdpoint backup" leaves there. */
export interface BackupAge {
  /** Seconds since the last backup; null where none is known. */
  seconds(): number | null;
}

function atOf(path: string, read: (path: string) => number): number | null {
  try {
    const at = read(path);
    return Number.isNaN(at) ? null : at;
  } catch {
    return null;
  }
}

/**
 * Follows the file, and tells Prometheus. With `expected` the state's own age stands for a backup that was never made: a gauge that is not there
 * fires no alert. A database elsewhere is copied by its own means.
 */
export function followBackup(
  { stateDir, expected }: { readonly stateDir: string; readonly expected: boolean },
  now: () => number,
  registry?: Registry,
): BackupAge {
  const since = (at: number | null): number | null => (at === null ? null : Math.max(0, now() - at) / 1_000);
  const seconds = (): number | null =>
    since(
      atOf(join(stateDir, 'last-backup.json'), (path) =>
        Date.parse(String((JSON.parse(readFileSync(path, 'utf8')) as { at?: unknown }).at)),
      ),
    );
  const made = (): number | null =>
    since(
      atOf(join(stateDir, 'hub.key'), (path) => statSync(path).mtimeMs) ??
        // The keys are credentials: those are made anew at each start.
        atOf(stateDir, (path) => statSync(path).birthtimeMs || Number.NaN),
    );
  if (registry !== undefined)
    new Gauge({
      name: 'holdpoint_backup_age_seconds',
      help: 'Since the last backup that holdpoint made of this state; where there is none, since the state was made',
      registers: [registry],
      collect() {
        const age = seconds() ?? (expected ? made() : null);
        if (age === null) this.remove();
        else this.set(age);
      },
    });
  return { seconds };
}
