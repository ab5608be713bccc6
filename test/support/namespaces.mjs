// What of the system's own doors is open here: containers and kernels differ, so it is tried out. Plain JavaScript, since the
// test command asks too, before anything is built.
import { spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;

/** How `unshare` makes a network, mounts and processes of one's own; whoever is not root becomes it in a namespace of users. */
export const OUTER = [
  ...(isRoot ? [] : ['--user', '--map-root-user']),
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
];

const works = (args) => spawnSync('unshare', args, { stdio: 'ignore' }).status === 0;

/** Whether one can make hosts here, with what a test of several needs of them. */
export function canMakeNamespaces() {
  const tries = 'mount -t tmpfs tmpfs /run && ip netns add a && ip link add hp0 type bridge && ip netns exec a true';
  return works([...OUTER, 'sh', '-c', tries]);
}

/** Whether a file system can be mounted that other processes of this machine see: in another's namespace they would not. */
export function canMount() {
  return isRoot && works(['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
}
