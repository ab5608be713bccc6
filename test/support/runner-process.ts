import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './source-files.ts';

/** A program that gitlab-runner would start. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What is told of one that runs: its number, what it prints in base64, how it ended. */
export interface Told {
  readonly pid?: number;
  readonly out?: string;
  readonly err?: string;
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

/** A process that stands for gitlab-runner: whose children its programs are, each in a process group of its own. */
export interface RunnerProcess {
  start(program: Program, tell: (what: Told) => void): void;
  /** As if gitlab-runner had been killed: what it has started goes on. */
  kill(): Promise<void>;
}

/** Starts one; what stands in `within` is put before it, such as another user or mounts of its own. */
export function startRunnerProcess(within: readonly string[] = []): RunnerProcess {
  const script = join(ROOT, 'test/support/custom-runner-process.mjs');
  const [command = '', ...args] = [...within, process.execPath, script];
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const listening = new Map<number, (what: Told) => void>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const { call, ...what } = JSON.parse(line) as Told & { call: number };
    listening.get(call)?.(what);
  });
  let last = 0;
  return {
    start(program, tell) {
      const call = ++last;
      listening.set(call, tell);
      child.stdin!.write(`${JSON.stringify({ call, ...program })}\n`);
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
