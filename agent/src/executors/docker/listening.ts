import { readFileSync } from 'node:fs';

const LISTEN = '0A';
/** As the kernel writes 127.0.0.0/8, ::1 and what of the first is mapped into IPv6, on machines whose low byte comes first. */
const LOOPBACK = /^(?:.{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F)$/;

/**
 * Ports of TCP on which somebody listens in the network of a container, not counting its loopback, where its own name
 * server is; `pid`: its first process as the engine knows it. Null where that process cannot be looked at from here.
 */
export function listeningPorts(container: string, pid: number, proc = '/proc'): ReadonlySet<number> | null {
  const read = (file: string) => readFileSync(`${proc}/${pid}/${file}`, 'latin1');
  try {
    // An engine in another pid namespace calls another process by this number.
    if (pid <= 0 || !read('cgroup').includes(container)) return null;
    const ports = new Set<number>();
    for (const file of ['net/tcp', 'net/tcp6'])
      for (const line of read(file).split('\n').slice(1)) {
        const [, local = '', , state] = line.trim().split(/\s+/);
        const [address = '', port = ''] = local.split(':');
        if (state === LISTEN && !LOOPBACK.test(address)) ports.add(Number.parseInt(port, 16));
      }
    return ports;
  } catch {
    return null;
  }
}
