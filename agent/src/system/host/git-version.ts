import { execFile } from 'node:child_process';

const CALL_MS = 5_000;

/** Version of the git that is found on these folders; null for none. */
export function gitVersion(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', 'exec git --version'], { env: { PATH: path }, timeout: CALL_MS }, (error, out) =>
      resolve(error === null ? (/(\d+\.\d+(?:\.\d+)*)/.exec(out)?.[1] ?? null) : null),
    );
  });
}
