import { type ChildProcess, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HubProcess } from '../support/holdpoint-process.ts';

/** A process of ours that storms kill, stop and start: an agent or a hub. */
export interface Member {
  readonly name: string;
  readonly folder: string;
  isUp(): boolean;
  /** Ends it and starts it again after `downMs`; resolves when it is ready again. Nothing where it is down already. */
  restart(signal: 'SIGKILL' | 'SIGTERM', downMs: number): Promise<boolean>;
  /** Stands still until it is healed. */
  stand(): (() => void) | null;
  /** Refuses every write to a file, as a full disk does, until it is healed; a restart has room again. */
  fill(): (() => void) | null;
  /** Turns its clock by so much from what the machine says. */
  clock(ms: number): void;
  /** Makes each flush to its disk take so much longer. */
  flush(ms: number): void;
  /** All that it has printed, over all its starts. */
  output(): string;
  end(): Promise<void>;
}

/** Takes over a process that is started by `start`, with its folder and its variables. */
export async function memberOf<P extends HubProcess>(
  name: string,
  folder: string,
  warpModule: string,
  start: (env: Record<string, string>, spawned: (child: ChildProcess) => void) => Promise<P>,
  onFailure: (message: string) => void,
): Promise<Member & { readonly first: P }> {
  const file = join(folder, 'warp.json');
  const warp = { clockMs: 0, fsyncMs: 0 };
  const write = (): void => writeFileSync(file, JSON.stringify(warp));
  write();
  const env = { NODE_OPTIONS: `--import ${warpModule}`, FAULTS_WARP: file };
  let said = '';
  let busy = false;
  let expected = true;
  let over = false;
  let newest: ChildProcess | null = null;
  const begun = () =>
    start(env, (child) => {
      newest = child;
      child.once('close', (code, signal) => {
        if (!expected) onFailure(`${name} ended by itself, with ${code ?? signal}: ${current?.output().slice(-1_500)}`);
      });
    });
  let current: P | null = await begun();
  expected = false;
  const first = current;
  const stands = new Set<symbol>();
  const fulls = new Set<symbol>();
  const limit = (size: string): void => {
    const pid = current?.child.pid;
    if (pid === undefined || current?.child.exitCode !== null) return;
    try {
      execFileSync('prlimit', ['--pid', String(pid), `--fsize=${size}`], { stdio: 'ignore' });
    } catch {
      // It ended meanwhile.
    }
  };
  const up = (): P | null => (busy || over ? null : current);
  async function begin(): Promise<void> {
    // A start that fails for a fault of the moment is what a service manager tries again.
    for (let tries = 0; !over; tries++) {
      try {
        current = await begun();
        expected = over;
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        said += `\n[start failed] ${message}\n`;
        if (tries === 60) onFailure(`${name} does not start: ${message.slice(-2_000)}`);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }
  return {
    name,
    folder,
    first,
    isUp: () => up() !== null && stands.size === 0,
    async restart(signal, downMs) {
      const ending = up();
      if (ending === null || stands.size > 0) return false;
      busy = true;
      expected = true;
      fulls.clear();
      if (signal === 'SIGTERM') {
        // What does not stop in time is killed, as service managers do.
        const kill = setTimeout(() => ending.child.kill('SIGKILL'), 20_000);
        await ending.kill('SIGTERM');
        clearTimeout(kill);
      } else await ending.kill('SIGKILL');
      said += `${ending.output()}\n[${signal}]\n`;
      current = null;
      await new Promise((resolve) => setTimeout(resolve, downMs));
      await begin();
      busy = false;
      return true;
    },
    stand() {
      const standing = up();
      if (standing === null) return null;
      const mine = Symbol();
      stands.add(mine);
      standing.child.kill('SIGSTOP');
      return () => {
        stands.delete(mine);
        if (stands.size === 0) standing.child.kill('SIGCONT');
      };
    },
    fill() {
      if (up() === null || stands.size > 0) return null;
      const mine = Symbol();
      fulls.add(mine);
      limit('0:unlimited');
      return () => {
        if (fulls.delete(mine) && fulls.size === 0) limit('unlimited');
      };
    },
    clock(ms) {
      warp.clockMs = ms;
      write();
    },
    flush(ms) {
      warp.fsyncMs = ms;
      write();
    },
    output: () => said + (current?.output() ?? ''),
    async end() {
      over = true;
      expected = true;
      const child = newest as ChildProcess | null;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}
