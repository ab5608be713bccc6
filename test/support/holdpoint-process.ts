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

/** `holdpoint agent` as a process of its own. */
export interface AgentProcess {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly gatewayUrl: string;
  readonly hubUrl: string;
  readonly bootstrapToken: string | null;
  /** Resolves when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts it and waits until it says that it is ready; rejects with what it printed when it ends instead. */
export function startAgentProcess(configFile: string, env: Record<string, string> = {}): Promise<AgentProcess> {
  const child = spawn(process.execPath, [HOLDPOINT, 'agent', '--config', configFile], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const gone = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    const look = (chunk: Buffer) => {
      output += chunk;
      const gateway = /gateway[^\n]*?(http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      const hub = /hub[^\n]*?(http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      if (!gateway?.[1] || !hub?.[1] || !/\bready\b/.test(output)) return;
      const token = /\bhp_[A-Za-z0-9_-]{20,}/.exec(output);
      resolve({
        child,
        output: () => output,
        gatewayUrl: gateway[1],
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
    void gone.then((code) => reject(new Error(`holdpoint agent ended with ${code}:\n${output}`)));
  });
}
