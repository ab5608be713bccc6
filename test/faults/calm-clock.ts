import { readdirSync, readFileSync } from 'node:fs';

/** What the system says a process has run, and has been kept waiting for a core, ns. */
export interface Ran {
  readonly run: number;
  readonly wait: number;
}

/** This process and all that it has started, however deep; empty where the system does not say. */
export function ownProcesses(): ReadonlyMap<number, Ran> {
  const children = new Map<number, number[]>();
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // It ended meanwhile, or this is no Linux.
      return '';
    }
  };
  for (const pid of pidsOf(process.pid)) {
    const stat = read(`/proc/${pid}/stat`);
    // The name before it may have anything in it.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const out = new Map<number, Ran>();
  const add = (pid: number): void => {
    const [run, wait] = read(`/proc/${pid}/schedstat`).split(' ').map(Number);
    if (run !== undefined && wait !== undefined) out.set(pid, { run, wait });
    for (const child of children.get(pid) ?? []) add(child);
  };
  add(process.pid);
  return out;
}

function pidsOf(own: number): readonly number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && pid !== own);
  } catch {
    return [];
  }
}

/** Share of the time in which they could have run in which they did; 1 where nothing is known. */
export function shareRun(before: ReadonlyMap<number, Ran>, after: ReadonlyMap<number, Ran>): number {
  let [run, wait] = [0, 0];
  for (const [pid, now] of after) {
    const then = before.get(pid) ?? { run: 0, wait: 0 };
    run += Math.max(0, now.run - then.run);
    wait += Math.max(0, now.wait - then.wait);
  }
  return run + wait === 0 ? 1 : run / (run + wait);
}

/**
 * A clock that goes slower while the machine has no cores for the storm: a process that gets a core a tenth of the time it wants one
 * needs ten times as long for the same, and a rule about time is about the program and not about who else uses the machine.
 */
export interface CalmClock {
  /** Ms that have passed, less what the machine held back. Read often: each reading counts what went before it. */
  passed(): number;
  /** The same by the wall. */
  wallMs(): number;
}

/** Starts at 0. */
export function calmClock(look = ownProcesses, wall: () => number = () => performance.now()): CalmClock {
  const from = wall();
  let [at, ran, passed] = [from, look(), 0];
  return {
    passed() {
      const [now, next] = [wall(), look()];
      passed += (now - at) * shareRun(ran, next);
      [at, ran] = [now, next];
      return passed;
    },
    wallMs: () => wall() - from,
  };
}
