import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { debianTree } from './packages.ts';
import { runProgram } from './programs.ts';

const LOOK_MS = 100;
const BOOT_MS = 60_000;

/** A Debian that was booted: systemd is its first process. It shares the network with the tests. */
export interface Machine {
  /** Where its files are. */
  readonly root: string;
  /** Runs a shell script as root inside and gives what it printed; rejects when it fails, unless `anyway`. */
  sh(script: string, anyway?: boolean): Promise<string>;
  write(path: string, text: string, mode?: number): void;
  /** Waits until the script prints something that matches; rejects with the last that it printed. */
  until(what: string, script: string, wanted: RegExp, withinMs?: number): Promise<string>;
  stop(): Promise<void>;
}

/** The first process inside: the child of the one that was started. */
function leaderOf(child: ChildProcess): number | null {
  const path = `/proc/${child.pid}/task/${child.pid}/children`;
  const first = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ')[0] : '';
  return first ? Number(first) : null;
}

/** Boots a copy of the Debian tree with systemd-nspawn and waits until everything in it has started. */
export async function bootMachine(): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-machine-'));
  const root = join(folder, 'root');
  await runProgram('cp', ['-a', '--reflink=auto', await debianTree(), root]);
  const program = process.env.SYSTEMD_NSPAWN_PATH ?? 'systemd-nspawn';
  const args = [`--directory=${root}`, '--register=no', '--keep-unit', '--console=pipe', '--boot'];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  let gone = false;
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      gone = true;
      resolve();
    });
  });

  const sh = (script: string, anyway = false) => {
    const leader = leaderOf(child);
    if (gone || leader === null) throw new Error(`the machine is not running:\n${printed}`);
    const inside = ['-t', String(leader), '-m', '-p', '-u', '-i', '-C', '--', 'sh', '-c', script];
    // The variables of whoever runs the tests are not those of a machine's administrator.
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', DEBIAN_FRONTEND: 'noninteractive' };
    return runProgram('nsenter', inside, { env, anyway });
  };
  const until: Machine['until'] = async (what, script, wanted, withinMs = 30_000) => {
    const end = performance.now() + withinMs;
    for (let last = ''; ; await pause(LOOK_MS)) {
      last = gone ? printed : leaderOf(child) === null ? '' : await sh(script, true);
      if (wanted.test(last)) return last;
      if (gone || performance.now() > end) throw new Error(`${what} never came; last seen:\n${last}`);
    }
  };
  const stop = async () => {
    const leader = leaderOf(child);
    if (leader !== null && !gone) process.kill(leader, 'SIGKILL');
    else child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('a running system', 'systemctl is-system-running', /^(running|degraded)/, BOOT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    root,
    sh,
    until,
    stop,
    write(path, text, mode = 0o644) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode });
    },
  };
}
