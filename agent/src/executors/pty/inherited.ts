import { readdirSync } from 'node:fs';

const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** KEYCTL_JOIN_SESSION_KEYRING, by the number that each processor has for keyctl(2). */
const KEYCTL: Readonly<Record<string, number>> = { x64: 250, arm64: 219 };
const JOIN = 1;

/**
 * Keeps what this process has from those it starts: descriptors that gitlab-runner left open, those of the terminal's other
 * side, and the keys of the session's keyring (T25). Node has no call for either, and marks only the first few descriptors.
 */
export async function keepToOneself(): Promise<void> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const fcntl = libc.func('int fcntl(int, int, ...)') as unknown as (...args: unknown[]) => number;
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd > 2) fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
  }
  const keyctl = KEYCTL[process.arch];
  if (keyctl === undefined) return;
  // Where this is refused, the job is refused it as well: what forbids it is passed on.
  const syscall = libc.func('long syscall(long, ...)') as unknown as (...args: unknown[]) => number;
  syscall(keyctl, 'long', JOIN, 'long', 0);
}
