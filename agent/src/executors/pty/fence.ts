import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ExecutorFailure } from '../failure.ts';
import type { PtyOptions } from './options.ts';

type Limits = Pick<PtyOptions, 'memoryBytes' | 'cpus' | 'pids' | 'limits'>;

/** What holds the processes of a session together. */
export interface Fence {
  readonly kind: 'systemd' | 'cgroup' | 'none';
  /** Folder of the control group; null where there is none. */
  readonly folder: string | null;
  /** What it limits, in words; the rest is left to ulimits. */
  readonly holds: readonly ('memory' | 'cpu' | 'processes')[];
}

/** Where this host has control groups of version 2, and whether systemd manages them. */
export interface FenceHost {
  readonly mount: string | null;
  readonly systemd: boolean;
}

/** Microseconds of a period in which processor time is dealt out. */
const PERIOD = 100_000;
const REMOVE_MS = 5_000;
const LOOK_MS = 20;
const CONTROLLERS = { memory: 'memory', cpu: 'cpu', processes: 'pids' } as const;

export function fenceHost(mounts = '/proc/self/mounts', running = '/run/systemd/system'): FenceHost {
  const line = readFileSync(mounts, 'utf8')
    .split('\n')
    .find((each) => each.split(' ')[2] === 'cgroup2');
  const mount = line?.split(' ')[1] ?? null;
  // Where the older version has the controllers, systemd has them there, and a scope could not hold anything.
  const systemd = existsSync(running) && mount === '/sys/fs/cgroup' && process.getuid!() === 0;
  return { mount, systemd };
}

const scopeOf = (session: string) => `holdpoint-${session}.scope`;

/** Folders in which the group of a session can be, whatever the configuration says by now. */
export function fenceFolders({ mount }: FenceHost, session: string): readonly string[] {
  if (mount === null) return [];
  return [join(mount, 'holdpoint', session), join(mount, 'system.slice', scopeOf(session))];
}

/** Sessions that have a group of ours. */
export async function fencedSessions({ mount }: FenceHost): Promise<readonly string[]> {
  if (mount === null) return [];
  return (await readdir(join(mount, 'holdpoint')).catch(() => [] as string[])).filter((name) =>
    /^[0-9]+-[0-9a-f]+$/.test(name),
  );
}

async function tries(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

/** What a job was promised and this host cannot hold is a refusal, not a silence. */
function promised({ memoryBytes, cpus }: Limits, { holds }: Fence): void {
  const missing = [
    ...(memoryBytes !== null && !holds.includes('memory') ? ['pty.memory'] : []),
    ...(cpus !== null && !holds.includes('cpu') ? ['pty.cpus'] : []),
  ];
  if (missing.length === 0) return;
  throw new ExecutorFailure(
    `${missing.join(' and ')} cannot be held on this host: that takes control groups of version 2 that gitlab-runner's user may make. Take it out of executor.yml, or run the job elsewhere`,
  );
}

/** Makes the group of a session, or says how it will be made for each stage. */
export async function makeFence(host: FenceHost, session: string, limits: Limits): Promise<Fence> {
  const fence = await made(host, session, limits);
  promised(limits, fence);
  return fence;
}

async function made(host: FenceHost, session: string, limits: Limits): Promise<Fence> {
  const { mount, systemd } = host;
  const none: Fence = { kind: 'none', folder: null, holds: [] };
  if (mount === null || limits.limits === 'ulimits') return none;
  const [own = '', scope = ''] = fenceFolders(host, session);
  if (systemd) return { kind: 'systemd', folder: scope, holds: ['memory', 'cpu', 'processes'] };
  if (!(await tries(() => mkdir(own, { recursive: true, mode: 0o755 })))) return none;
  const holds: Fence['holds'][number][] = [];
  const write = (file: string, text: string) => tries(() => writeFile(join(own, file), text));
  for (const [what, controller] of Object.entries(CONTROLLERS) as [Fence['holds'][number], string][]) {
    for (const above of [mount, join(mount, 'holdpoint')])
      await tries(() => writeFile(join(above, 'cgroup.subtree_control'), `+${controller}`));
    const there = (await readFile(join(own, 'cgroup.controllers'), 'utf8').catch(() => '')).trim().split(' ');
    if (there.includes(controller) && (await limit(write, what, limits))) holds.push(what);
  }
  return { kind: 'cgroup', folder: own, holds };
}

async function limit(
  write: (file: string, text: string) => Promise<boolean>,
  what: Fence['holds'][number],
  { memoryBytes, cpus, pids }: Limits,
): Promise<boolean> {
  switch (what) {
    case 'memory':
      if (memoryBytes === null) return false;
      // With swap beside it the limit would be no limit; a kernel without swap accounting has no such file.
      await write('memory.swap.max', '0');
      await write('memory.oom.group', '0');
      return write('memory.max', String(memoryBytes));
    case 'cpu':
      return cpus !== null && write('cpu.max', `${Math.round(cpus * PERIOD)} ${PERIOD}`);
    case 'processes':
      return write('pids.max', String(pids));
    default:
      return what satisfies never;
  }
}

/** What stands before the command of a stage, so that systemd makes its scope. */
export function scopeArgs(session: string, { memoryBytes, cpus, pids }: Limits): readonly string[] {
  const properties = [
    `TasksMax=${pids}`,
    ...(memoryBytes === null ? [] : [`MemoryMax=${memoryBytes}`, 'MemorySwapMax=0']),
    ...(cpus === null ? [] : [`CPUQuota=${Math.max(1, Math.round(cpus * 100))}%`]),
  ];
  return [
    'systemd-run',
    '--scope',
    '--quiet',
    '--collect',
    '--slice=system.slice',
    `--unit=${scopeOf(session)}`,
    ...properties.flatMap((property) => ['-p', property]),
    '--',
  ];
}

/** Processes in a group. */
export async function fencedPids(folder: string): Promise<readonly number[]> {
  const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

/** Ends every process of a group at once, new ones included: no fork is quicker. */
export async function killFenced(folder: string): Promise<void> {
  if (await tries(() => writeFile(join(folder, 'cgroup.kill'), '1'))) return;
  // Kernels before 5.14: nothing can fork while it is frozen, and a kill still reaches it.
  await tries(() => writeFile(join(folder, 'cgroup.freeze'), '1'));
  for (const pid of await fencedPids(folder)) await tries(async () => process.kill(pid, 'SIGKILL'));
  await tries(() => writeFile(join(folder, 'cgroup.freeze'), '0'));
}

/** How many processes the kernel has ended in a group for want of memory. */
export async function outOfMemory(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'memory.events'), 'utf8').catch(() => '');
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Removes a group that is empty, or about to be. */
export async function removeFence(folder: string): Promise<void> {
  const end = performance.now() + REMOVE_MS;
  for (;;) {
    try {
      return await rmdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || performance.now() > end) throw error;
    }
    await pause(LOOK_MS);
  }
}
