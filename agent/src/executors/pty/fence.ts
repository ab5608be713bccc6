import { randomBytes } from 'node:crypto';
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ExecutorFailure } from '../failure.ts';
import type { PtyOptions } from './options.ts';

type Limits = Pick<PtyOptions, 'memoryBytes' | 'cpus' | 'pids' | 'limits'>;

/** What holds the processes of a session together. */
export interface Fence {
  readonly kind: 'systemd' | 'cgroup' | 'none';
  /** Folder of the control group; null where there is none, or a new one for each stage. */
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
const WHAT = ['memory', 'cpu', 'processes'] as const;

export function fenceHost(mounts = '/proc/self/mounts', running = '/run/systemd/system'): FenceHost {
  const line = readFileSync(mounts, 'utf8')
    .split('\n')
    .find((each) => each.split(' ')[2] === 'cgroup2');
  const mount = line?.split(' ')[1] ?? null;
  // Where the older version has the controllers, systemd has them there, and a scope could not hold anything.
  const systemd = existsSync(running) && mount === '/sys/fs/cgroup' && process.getuid!() === 0;
  return { mount, systemd };
}

const SCOPE = /^holdpoint-([0-9]+-[0-9a-f]+)-[0-9a-f]+\.scope$/;
const SLICE = 'system.slice';

function scopes(mount: string): readonly string[] {
  try {
    return readdirSync(join(mount, SLICE)).filter((name) => SCOPE.test(name));
  } catch {
    return [];
  }
}

/** Name of the scope of one stage: systemd forgets a unit some time after its end, and until then makes no other of its name. */
export const newScope = (session: string): string => `holdpoint-${session}-${randomBytes(4).toString('hex')}.scope`;

/** Where the group of such a scope is. */
export const scopeFolder = ({ mount }: FenceHost, scope: string): string => join(mount ?? '', SLICE, scope);

/** Where the group of a session is that we make ourselves; null where there can be none. */
export function ownFolder({ mount }: FenceHost, session: string): string | null {
  return mount === null ? null : join(mount, 'holdpoint', session);
}

/** Folders in which a session has a group by now or can have one, whatever the configuration says. */
export function fenceFolders(host: FenceHost, session: string): readonly string[] {
  const own = ownFolder(host, session);
  if (own === null) return [];
  const theirs = scopes(host.mount!).filter((name) => SCOPE.exec(name)![1] === session);
  return [own, ...theirs.map((name) => scopeFolder(host, name))];
}

/** Sessions that have a group of ours. */
export async function fencedSessions({ mount }: FenceHost): Promise<readonly string[]> {
  if (mount === null) return [];
  const own = await readdir(join(mount, 'holdpoint')).catch(() => [] as string[]);
  return [
    ...own.filter((name) => /^[0-9]+-[0-9a-f]+$/.test(name)),
    ...scopes(mount).map((name) => SCOPE.exec(name)![1]!),
  ];
}

async function controllers(folder: string): Promise<readonly string[]> {
  return (await readFile(join(folder, 'cgroup.controllers'), 'utf8').catch(() => '')).trim().split(' ');
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
function promised({ memoryBytes, cpus }: Limits, { holds }: Pick<Fence, 'holds'>): void {
  const missing = [
    ...(memoryBytes !== null && !holds.includes('memory') ? ['pty.memory'] : []),
    ...(cpus !== null && !holds.includes('cpu') ? ['pty.cpus'] : []),
  ];
  if (missing.length === 0) return;
  throw new ExecutorFailure(
    `${missing.join(' and ')} cannot be held on this host: that takes control groups of version 2 that gitlab-runner's user may make. Take it out of executor.yml, or run the job elsewhere`,
  );
}

/**
 * Refuses limits that no group here can hold, and makes none to find out: what only shows when one is made (a group above
 * with processes in it) is told at the first job.
 */
export async function seeFence({ mount, systemd }: FenceHost, limits: Limits): Promise<void> {
  const may =
    mount !== null && limits.limits === 'auto' && (systemd || (await tries(() => access(mount, constants.W_OK))));
  const there = may ? await controllers(mount) : [];
  promised(limits, { holds: WHAT.filter((what) => there.includes(CONTROLLERS[what])) });
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
  const own = join(mount, 'holdpoint', session);
  if (systemd) {
    // A kernel may be started without one (cgroup_disable=memory): systemd then makes the scope and holds nothing.
    const there = await controllers(mount);
    const asked = { memory: limits.memoryBytes !== null, cpu: limits.cpus !== null, processes: true };
    const holds = WHAT.filter((what) => asked[what] && there.includes(CONTROLLERS[what]));
    return { kind: 'systemd', folder: null, holds };
  }
  if (!(await tries(() => mkdir(own, { recursive: true, mode: 0o755 })))) return none;
  const holds: Fence['holds'][number][] = [];
  const write = (file: string, text: string) => tries(() => writeFile(join(own, file), text));
  for (const what of WHAT) {
    const controller = CONTROLLERS[what];
    for (const above of [mount, join(mount, 'holdpoint')])
      await tries(() => writeFile(join(above, 'cgroup.subtree_control'), `+${controller}`));
    if ((await controllers(own)).includes(controller) && (await limit(write, what, limits))) holds.push(what);
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

/**
 * The last process of a scope takes it along, and with it what the kernel has counted. This one is root's and ends with the
 * group: the job can neither signal it nor leave it out.
 */
const KEEP = 'setsid sleep infinity </dev/null >/dev/null 2>&1 & exec "$@"';

/** What stands before the command of a stage, so that systemd makes its scope. */
export function scopeArgs(scope: string, { memoryBytes, cpus, pids }: Limits): readonly string[] {
  const properties = [
    // One process that wants too much is ended, not all of them: newer versions of systemd would end the scope.
    'Delegate=yes',
    `TasksMax=${pids + 1}`,
    ...(memoryBytes === null ? [] : [`MemoryMax=${memoryBytes}`, 'MemorySwapMax=0']),
    ...(cpus === null ? [] : [`CPUQuota=${Math.max(1, Math.round(cpus * 100))}%`]),
  ];
  return [
    'systemd-run',
    '--scope',
    '--quiet',
    '--collect',
    `--slice=${SLICE}`,
    `--unit=${scope}`,
    ...properties.flatMap((property) => ['-p', property]),
    '--',
    '/bin/sh',
    '-c',
    KEEP,
    'holdpoint',
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
