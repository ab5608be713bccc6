import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HoldpointError } from '../domain/errors.ts';
import { writeWhole } from './state-dir.ts';

const INCOMPLETE = 'restore.incomplete';
const RESTORED = 'restored.json';

/** To be called before the first file of a restore is written. */
export function beginRestore(stateDir: string): void {
  writeFileSync(join(stateDir, INCOMPLETE), 'a restore has begun and has not ended\n', { mode: 0o600 });
}

/** To be called when all of it is there. `giveUp`: why its parked jobs must not be handed out, null where they may. */
export function endRestore(stateDir: string, giveUp: string | null): void {
  if (giveUp !== null) writeWhole(join(stateDir, RESTORED), `${JSON.stringify({ give_up: giveUp })}\n`);
  unlinkSync(join(stateDir, INCOMPLETE));
}

/** What a start has to know of a state that was restored; null for one that was not. Throws `bad_config` for half of one. */
export function restoredState(stateDir: string): { readonly giveUp: string; takenUp(): void } | null {
  if (existsSync(join(stateDir, INCOMPLETE))) {
    throw new HoldpointError(
      'bad_config',
      `state_dir ${stateDir} was restored in part only: empty it, and run "holdpoint restore" again`,
    );
  }
  const path = join(stateDir, RESTORED);
  if (!existsSync(path)) return null;
  let said: unknown;
  try {
    said = (JSON.parse(readFileSync(path, 'utf8')) as { give_up?: unknown }).give_up;
  } catch {
    said = null;
  }
  // What it says is for people; that it is there is what counts.
  const giveUp = typeof said === 'string' ? said : 'this agent was restored from a backup';
  return { giveUp, takenUp: () => unlinkSync(path) };
}
