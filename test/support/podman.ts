import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from './docker-jobs.ts';
import { runProgram } from './programs.ts';

const LOOK_MS = 200;
const START_MS = 60_000;

/** Podman behind its compatible socket, with everything of it in one new folder and a network namespace of its own. */
export interface Podman extends Engine {
  stop(): Promise<void>;
}

export async function startPodman(): Promise<Podman> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-podman-'));
  const at = (name: string) => join(folder, name);
  const socket = at('engine.sock');
  const program = process.env.PODMAN_PATH ?? 'podman';
  const places = [
    '--root',
    at('root'),
    '--runroot',
    at('run'),
    '--tmpdir',
    at('tmp'),
    '--network-config-dir',
    at('net'),
  ];
  // The one that Docker's engine brings: the other of Debian's wants one kind of cgroups alone.
  const own = [
    ...places,
    '--runtime',
    process.env.RUNC_PATH ?? 'runc',
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'file',
  ];
  const up = `${process.env.BUSYBOX_PATH ?? '/bin/busybox'} ip link set lo up && exec "$0" "$@"`;
  const service = ['system', 'service', '--time', '0', `unix://${socket}`];
  // Its own defaults want more open files than a machine may give to anybody.
  writeFileSync(at('containers.conf'), '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n');
  const engine = spawn('unshare', ['--net', 'sh', '-c', up, program, ...own, ...service], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CONTAINERS_CONF: at('containers.conf') },
  });
  let printed = '';
  for (const stream of [engine.stdout, engine.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const ended = new Promise<void>((resolve) => {
    engine.on('close', () => resolve());
  });
  const run = (...args: string[]) => runProgram(program, ['--url', `unix://${socket}`, ...args]);
  const stop = async () => {
    await run('rm', '--all', '--force', '--time', '0').catch(() => {});
    engine.kill('SIGTERM');
    await ended;
    await runProgram('umount', ['-q', at('root/overlay')], { anyway: true });
    rmSync(folder, { recursive: true, force: true });
  };
  const end = performance.now() + START_MS;
  for (;;) {
    const version = await run('version', '--format', '{{.Server.Version}}').catch((error: Error) => error);
    if (typeof version === 'string') return { socket, run, stop };
    if (engine.exitCode !== null || performance.now() > end) {
      await stop();
      throw new Error(`podman does not answer: ${version.message}\n${printed}`);
    }
    await pause(LOOK_MS);
  }
}
