import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, closeSync } from 'node:fs';
import { constants } from 'node:os';
import * as nodePty from 'node-pty';
import { ExecutorFailure } from '../failure.ts';
import { keepToOneself } from './inherited.ts';
import { readTerminal } from './reading.ts';

/** What one stage is started with. */
export interface Start {
  readonly columns: number;
  readonly rows: number;
  readonly uid: number;
  readonly gid: number;
  /** Descriptor of the script, from which the shell reads it. */
  readonly script: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File through which a process enters the control group; empty for none. */
  readonly enter: string;
  /** What limits and becomes the user, before the shell. */
  readonly command: readonly string[];
}

/** A shell that runs in a terminal of its own. */
export interface Started {
  /** Exit code of the shell. */
  readonly ended: Promise<number>;
  /** Resolves when all that was printed is passed on; what has not come after a while is given up. */
  drain(patienceMs: number): Promise<void>;
  close(): void;
}

/** Not part of node-pty's interface, for which its version is pinned: what is, reads the other side as well, and takes from the job. */
const { native } = nodePty as unknown as {
  native: { open(columns: number, rows: number): { master: number; slave: number; pty: string } };
};

const READY = 'ready';
/**
 * In a session of its own the first terminal that is opened is the one that controls it. Line ends stay as the job writes
 * them, and nothing that would be typed is shown. Whatever fails says so on descriptor 2, which is no terminal yet.
 */
const LAUNCH = `set -e
pts=$1 enter=$2
shift 2
exec 1<>"$pts"
stty -onlcr -echo <&1
[ -z "$enter" ] || echo 0 >"$enter"
umask 022
exec "$@"`;
/** As the job's user: the best shell of the host, as gitlab-runner itself looks for it; it reads the stage's script. */
const SHELL = `printf ${READY} >&2
for shell in /usr/local/bin/bash /usr/bin/bash /bin/bash; do if [ -x $shell ]; then exec $shell 2>&1; fi; done
exec sh 2>&1`;

function codeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal!] ?? 0)));
  });
}

function tryKill(group: number): void {
  try {
    process.kill(group, 'SIGKILL');
  } catch {
    // It has come to its end by itself.
  }
}

/** Opens a terminal and starts a shell in it; throws where it does not come to the shell, or is cancelled before that. */
export async function startInTerminal(
  start: Start,
  output: (chunk: Uint8Array) => Promise<void>,
  cancel: AbortSignal,
): Promise<Started> {
  // Not node-pty's own spawn: it throws away what was not read 200 ms after the end.
  const { master, slave, pty } = native.open(start.columns, start.rows);
  const reading = readTerminal(master, output);
  const close = () => {
    reading.stop();
    closeSync(slave);
  };
  let ended: Promise<number>;
  let told = '';
  try {
    // /dev/stderr and $(tty) are opened anew, by the job's user.
    if (process.getuid!() === 0) chownSync(pty, start.uid, start.gid);
    chmodSync(pty, 0o600);
    await keepToOneself();
    const args = ['-c', LAUNCH, 'holdpoint', pty, start.enter, ...start.command, 'sh', '-c', SHELL];
    const child = spawn('/bin/sh', args, {
      cwd: start.cwd,
      env: start.env,
      detached: true,
      stdio: [start.script, 'ignore', 'pipe'],
    });
    ended = codeOf(child);
    ended.catch(() => {});
    // Nothing of the job runs yet that could be asked to end.
    const stop = () => void (child.pid !== undefined && tryKill(-child.pid));
    cancel.addEventListener('abort', stop, { once: true });
    if (cancel.aborted) stop();
    try {
      for await (const chunk of child.stderr!) told += chunk;
    } finally {
      cancel.removeEventListener('abort', stop);
    }
  } catch (error) {
    close();
    throw error;
  }
  if (told.endsWith(READY)) return { ended, drain: (patienceMs) => reading.finish(slave, patienceMs), close };
  close();
  const why = await ended.then(
    (code) => told.trim().split('\n').pop()?.slice(0, 300) || `it ended with ${code}`,
    (error: Error) => error.message,
  );
  throw new ExecutorFailure(`the shell of the job cannot be started: ${why}`);
}
