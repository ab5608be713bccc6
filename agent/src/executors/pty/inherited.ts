import { readdirSync } from 'node:fs';
import { leaveKeyring } from './keys.ts';

const F_SETFD = 2;
const FD_CLOEXEC = 1;
/**
 * Keeps what this process has from those it starts: descriptors that gitlab-runner left open, those of the terminal's other
 * side, and the keys of the session's keyring (T25). Node marks only the first few descriptors.
 */
export async function keepToOneself(): Promise<void> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const fcntl = libc.func('int fcntl(int, int, ...)') as unknown as (...args: unknown[]) => number;
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd > 2) fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
  }
  await leaveKeyring();
}
