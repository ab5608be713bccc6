import { readFileSync, readlinkSync } from 'node:fs';

/** Fields of /proc/PID/stat after the command, which may itself have blanks and brackets in it. */
function statOf(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** Ticks between boot and start of a process (proc(5): starttime); null where there is none, or only its corpse. */
export function startOf(pid: number): number | null {
  const fields = statOf(pid);
  if (fields === null || fields[0] === 'Z') return null;
  const ticks = Number(fields[19]);
  return Number.isSafeInteger(ticks) ? ticks : null;
}

/** This boot of this host. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** The namespace that pids are counted in here. */
export function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The gitlab-runner among the ancestors of a process, which a wrapper or sudo may stand in between; else its parent. */
export function runnerAbove(pid: number): number {
  const parent = Number(statOf(pid)?.[1] ?? 1);
  for (let above = parent; above > 1; above = Number(statOf(above)?.[1] ?? 0))
    if (commandOf(above) === 'gitlab-runner') return above;
  return parent;
}
