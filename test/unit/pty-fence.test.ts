import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import {
  fencedSessions,
  fenceFolders,
  fenceHost,
  makeFence,
  newScope,
  outOfMemory,
  scopeArgs,
  seeFence,
} from '../../agent/src/executors/pty/fence.ts';
import { jobUsers } from '../../agent/src/executors/pty/users.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdpoint-fence-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const LIMITS = { memoryBytes: 64 * 2 ** 20, cpus: 1.5, pids: 100, limits: 'auto' } as const;

/** Files as a kernel with these controllers shows them in a new group. */
function group(controllers: string): string {
  const own = join(folder, 'holdpoint', '1-a');
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'cgroup.controllers'), `${controllers}\n`);
  return own;
}

it('writes every limit that a control group of version 2 can hold, and says which (T25)', async () => {
  const own = group('cpuset cpu io memory pids');
  const fence = await makeFence({ mount: folder, systemd: false }, '1-a', LIMITS);
  expect(fence).toEqual({ kind: 'cgroup', folder: own, holds: ['memory', 'cpu', 'processes'] });
  const read = (name: string) => readFileSync(join(own, name), 'utf8');
  expect([read('memory.max'), read('memory.swap.max'), read('cpu.max'), read('pids.max')]).toEqual([
    '67108864',
    '0',
    '150000 100000',
    '100',
  ]);
  writeFileSync(join(own, 'memory.events'), 'low 0\noom 3\noom_kill 2\n');
  expect(await outOfMemory(own)).toBe(2);
});

it('refuses a limit that was asked for and that no controller holds, and is content without', async () => {
  group('hugetlb');
  const host = { mount: folder, systemd: false };
  await expect(makeFence(host, '1-a', LIMITS)).rejects.toThrow('pty.memory and pty.cpus cannot be held on this host');
  const fence = await makeFence(host, '1-a', { ...LIMITS, memoryBytes: null, cpus: null });
  expect([fence.kind, fence.holds]).toEqual(['cgroup', []]);
  expect((await makeFence(host, '1-a', { ...LIMITS, memoryBytes: null, cpus: null, limits: 'ulimits' })).kind).toBe(
    'none',
  );
});

it('tells without making a group what would be refused, and has nothing but ulimits without control groups of version 2', async () => {
  mkdirSync(folder, { recursive: true });
  const kernel = (controllers: string) => writeFileSync(join(folder, 'cgroup.controllers'), `${controllers}\n`);
  const here = { mount: folder, systemd: false };
  kernel('cpuset cpu io memory pids');
  await seeFence(here, LIMITS);
  expect(readdirSync(folder)).toEqual(['cgroup.controllers']);
  await expect(seeFence(here, { ...LIMITS, limits: 'ulimits' })).rejects.toThrow('pty.memory and pty.cpus cannot');
  kernel('cpuset cpu io pids');
  for (const systemd of [false, true])
    await expect(seeFence({ mount: folder, systemd }, LIMITS)).rejects.toThrow(
      'pty.memory cannot be held on this host',
    );
  const older = { mount: null, systemd: false };
  for (const fence of [seeFence, (...of: Parameters<typeof seeFence>) => makeFence(of[0], '1-a', of[1])])
    await expect(fence(older, LIMITS)).rejects.toThrow('pty.memory and pty.cpus cannot be held on this host');
  const free = { ...LIMITS, memoryBytes: null, cpus: null };
  await seeFence(older, free);
  expect(await makeFence(older, '1-a', free)).toEqual({ kind: 'none', folder: null, holds: [] });
});

it('leaves groups to systemd where that has them all, and nowhere else', () => {
  mkdirSync(folder, { recursive: true });
  const mounts = (text: string) => {
    writeFileSync(join(folder, 'mounts'), text);
    return fenceHost(join(folder, 'mounts'), folder);
  };
  const root = process.getuid!() === 0;
  expect(mounts('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toEqual({ mount: '/sys/fs/cgroup', systemd: root });
  // Controllers of the older version: a scope would hold nothing.
  expect(mounts('cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n').systemd).toBe(false);
  expect(mounts('proc /proc proc rw 0 0\n')).toEqual({ mount: null, systemd: false });
  expect(scopeArgs('holdpoint-1-a-0.scope', LIMITS).join(' ')).toContain(
    'systemd-run --scope --quiet --collect --slice=system.slice --unit=holdpoint-1-a-0.scope -p Delegate=yes -p TasksMax=101 -p MemoryMax=67108864 -p MemorySwapMax=0 -p CPUQuota=150% -- ',
  );
});

it('refuses a user whose home of the host the next job would find again (T25)', async () => {
  const path = process.env.PATH;
  const home = join(folder, 'home');
  mkdirSync(folder, { recursive: true });
  // The host's user database, which nobody but root can write to.
  writeFileSync(join(folder, 'getent'), '#!/bin/sh\nprintf "ci-job:x:%s:%s::%s:/bin/sh\\n" $DATABASE\n', {
    mode: 0o755,
  });
  const users = (uid: number, gid: number, where: string, word = 'ci-job') => {
    process.env.DATABASE = `${uid} ${gid} ${where}`;
    return jobUsers({ users: [word], mayBeTrusted: false, receiptSocket: null });
  };
  process.env.PATH = `${folder}:${path}`;
  try {
    for (const free of ['/nonexistent', '/', '/root/none/there', '/etc'])
      expect(await users(700_009, 700_009, free)).toEqual([
        { uid: 700_009, gid: 700_009, name: 'ci-job', alone: true },
      ]);
    const refusal = 'it can write: the next job of that user would run by what one leaves there';
    await expect(users(700_009, 700_009, '/tmp/never/made')).rejects.toThrow(refusal);
    mkdirSync(home, { mode: 0o755 });
    expect(await users(700_009, 700_009, home)).toHaveLength(1);
    for (const [uid, gid, mode] of [
      [700_009, 0, 0o500],
      [0, 700_009, 0o770],
      [0, 0, 0o777],
    ] as const) {
      chownSync(home, uid, gid);
      chmodSync(home, mode);
      await expect(users(700_009, 700_009, home)).rejects.toThrow(refusal);
      await expect(users(700_009, 700_009, home, '700009:700009')).rejects.toThrow(refusal);
    }
  } finally {
    process.env.PATH = path;
    delete process.env.DATABASE;
  }
});

it('promises of a scope what the kernel has controllers for, and no more', async () => {
  mkdirSync(folder, { recursive: true });
  const kernel = (controllers: string) => writeFileSync(join(folder, 'cgroup.controllers'), `${controllers}\n`);
  const host = { mount: folder, systemd: true };
  kernel('cpuset cpu io memory pids');
  expect((await makeFence(host, '1-a', LIMITS)).holds).toEqual(['memory', 'cpu', 'processes']);
  expect((await makeFence(host, '1-a', { ...LIMITS, memoryBytes: null })).holds).toEqual(['cpu', 'processes']);
  kernel('cpuset cpu io pids');
  await expect(makeFence(host, '1-a', LIMITS)).rejects.toThrow('pty.memory cannot be held on this host');
});

it('finds the scopes of each session, one for each stage, and those of no other', async () => {
  const host = { mount: folder, systemd: true };
  const names = [newScope('1-a'), newScope('1-a'), newScope('1-ab')];
  for (const name of [...names, 'ssh.service', 'holdpoint-agent.service'])
    mkdirSync(join(folder, 'system.slice', name), { recursive: true });
  expect(new Set(names).size).toBe(3);
  const folders = names.slice(0, 2).map((name) => join(folder, 'system.slice', name));
  expect([...fenceFolders(host, '1-a')].sort()).toEqual([join(folder, 'holdpoint', '1-a'), ...folders.sort()].sort());
  expect(new Set(await fencedSessions(host))).toEqual(new Set(['1-a', '1-ab']));
});
