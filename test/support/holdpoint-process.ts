import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './source-files.ts';

/** The built program. */
export const HOLDPOINT = join(ROOT, 'dist/agent/src/main.js');

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line of the built program to its end. */
export function holdpoint(
  args: readonly string[],
  env: Record<string, string> = {},
  timeoutMs = 60_000,
): Promise<Finished> {
  const child = spawn(process.execPath, [HOLDPOINT, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

/** `holdpoint hub` as a process of its own. */
export interface HubProcess {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly hubUrl: string;
  readonly bootstrapToken: string | null;
  /** Resolves when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}
/** `holdpoint agent` as a process of its own. */
export interface AgentProcess extends HubProcess {
  readonly gatewayUrl: string;
}

/** What a start may do differently. */
export interface StartWishes {
  /** Another build than that of this tree. */
  readonly program?: string;
  /** Told of the process before it is ready. */
  readonly spawned?: (child: ChildProcess) => void;
}

/** Starts it and waits until it says that it is ready; rejects with what it printed when it ends instead. */
export async function startAgentProcess(
  configFile: string,
  env: Record<string, string> = {},
  wishes: StartWishes = {},
): Promise<AgentProcess> {
  const { ready, ...started } = await start('agent', configFile, env, wishes);
  const gatewayUrl = /gateway (http:\/\/\S+?),/.exec(ready)?.[1];
  if (gatewayUrl === undefined) throw new Error(`no gateway in: ${ready}`);
  return { ...started, gatewayUrl };
}

/** The same for a hub alone. */
export async function startHubProcess(
  configFile: string,
  env: Record<string, string> = {},
  wishes: StartWishes = {},
): Promise<HubProcess> {
  const { ready, ...started } = await start('hub', configFile, env, wishes);
  return started;
}

function start(
  command: 'agent' | 'hub',
  configFile: string,
  env: Record<string, string>,
  { program = HOLDPOINT, spawned }: StartWishes,
): Promise<HubProcess & { readonly ready: string }> {
  const child = spawn(process.execPath, [program, command, '--config', configFile], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  spawned?.(child);
  let output = '';
  const gone = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    const look = (chunk: Buffer) => {
      output += chunk;
      const ready = /^holdpoint: ready; .*\n/m.exec(output)?.[0];
      const hub = ready === undefined ? null : /hub (https?:\/\/\S+)/.exec(ready);
      if (ready === undefined || !hub?.[1]) return;
      const token = /\bhp_[A-Za-z0-9_-]{20,}/.exec(output);
      resolve({
        child,
        output: () => output,
        ready,
        hubUrl: hub[1],
        bootstrapToken: token?.[0] ?? null,
        async kill(signal) {
          child.kill(signal);
          return gone;
        },
      });
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void gone.then((code) => reject(new Error(`holdpoint ${command} ended with ${code}:\n${output}`)));
  });
}
