import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import type { Round } from './round.ts';

/** A storm that did not end by itself is ended after so long, with all its processes. */
const STUCK_MS = 12 * 60_000;
const groups = new Set<number>();
const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
};

/** Ends what still runs. */
export function endAll(): void {
  for (const pid of groups) endGroup(pid);
}

/**
 * Lets one storm rage in a process of its own, with wires and GitLab in it, so that storms beside each other do not hold each other
 * up; null where it did not end or did not say what came of it. `args`: of the command; `into`: where it writes that.
 */
export async function stormApart(args: readonly string[], into: string): Promise<Round | null> {
  rmSync(into, { force: true });
  const child = spawn(process.execPath, [process.argv[1]!, ...args, '--into', into], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('no process for a storm');
  groups.add(pid);
  const stuck = setTimeout(() => endGroup(pid), STUCK_MS);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(stuck);
  // Whatever it has left.
  endGroup(pid);
  groups.delete(pid);
  try {
    return JSON.parse(readFileSync(into, 'utf8')) as Round;
  } catch {
    return null;
  }
}
