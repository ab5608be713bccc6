import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './programs.ts';

/** Users that this machine has only for whom is started within. */
export interface HostUsers {
  /** What stands before a program that is to know them. */
  readonly within: readonly string[];
  close(): void;
}

/** Makes users with these commands, with numbers of the test's own, in an `/etc` that nobody else sees. */
export async function hostUsers(commands: string, [first, ...more]: readonly number[]): Promise<HostUsers> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-users-'));
  const etc = join(folder, 'etc');
  await runProgram('cp', ['-a', '/etc', etc]);
  const numbers = ['UID', 'GID'].map((of) => `SYS_${of}_MIN ${first}\nSYS_${of}_MAX ${more.at(-1) ?? first}\n`);
  appendFileSync(join(etc, 'login.defs'), `\n${numbers.join('')}`);
  // The program takes the place of the shell: its number and its parent are what they would be without it.
  const within = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc && exec "$@"', etc];
  await runProgram(within[0]!, [...within.slice(1), 'sh', '-ec', commands]);
  return { within, close: () => rmSync(folder, { recursive: true, force: true }) };
}
