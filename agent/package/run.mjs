import { spawnSync } from 'node:child_process';

/** Ends the whole build with these words; whoever started it needs no stack. */
export class PackageError extends Error {}

/** Runs a program to its end and gives what it printed; throws a PackageError with that when it fails. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });
  if (done.error?.code === 'ENOENT') {
    throw new PackageError(`${command} is not there: on Debian, apt-get install ${DEBIAN[command] ?? command}`);
  }
  if (done.status !== 0) {
    const printed = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().split('\n').slice(-20).join('\n');
    throw new PackageError(`${command} ${args[0] ?? ''} failed:\n${printed || done.error?.message}`);
  }
  return done.stdout;
}

/** Debian packages of the programs that the build calls. */
const DEBIAN = {
  'dpkg-deb': 'dpkg',
  'dpkg-shlibdeps': 'dpkg-dev',
  strip: 'binutils',
  make: 'make',
  'g++': 'g++',
};
