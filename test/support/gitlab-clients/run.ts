import { execFile } from 'node:child_process';

/** Runs a program to its end; what it wrote, and how it ended. */
export function run(
  program: string,
  args: readonly string[],
): Promise<{ readonly exit: number; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: '/nonexistent', no_proxy: '127.0.0.1' };
    execFile(program, [...args], { env, timeout: 120_000 }, (error, out, err) => {
      const code = error?.code;
      resolve({ exit: error === null ? 0 : typeof code === 'number' ? code : 1, out, err });
    });
  });
}
