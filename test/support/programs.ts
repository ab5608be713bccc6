import { spawn } from 'node:child_process';

/** How a program is run. */
export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Gives what was printed whatever the exit code. */
  readonly anyway?: boolean;
}

/** Runs a program to its end and gives what it printed on both streams; rejects with that when it fails. */
export function runProgram(name: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const { cwd, env, input, anyway = false } = options;
  const child = spawn(name, [...args], {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (chunk) => (printed += chunk));
  child.stderr.on('data', (chunk) => (printed += chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 || anyway) resolve(printed);
      else reject(new Error(`${name} ${args.join(' ')} ended with ${code}:\n${printed}`));
    });
  });
}
