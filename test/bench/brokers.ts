import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lowPort } from './low-port.ts';
import { atEnd, start } from './processes.ts';

/** Publishes one message to all that listen. */
export interface Broker {
  readonly name: 'redis' | 'nats';
  readonly pid: number;
  readonly port: number;
  publish(text: string): void;
}

const PROGRAMS = {
  redis: ['/usr/bin/redis-server', '/usr/local/bin/redis-server'],
  nats: ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'],
} as const;
const START_MS = 10_000;

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** The server of that name as Debian has it, in memory alone; null where it is not installed. */
export async function broker(name: Broker['name']): Promise<Broker | null> {
  const program = PROGRAMS[name].find((path) => existsSync(path));
  if (program === undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-broker-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const port = await lowPort();
  const inMemory = ['--save', '', '--appendonly', 'no', '--maxclients', '19000', '--bind', '127.0.0.1'];
  const args = name === 'redis' ? ['--port', `${port}`, ...inMemory] : ['-a', '127.0.0.1', '-p', `${port}`];
  const child = start(program, args, { cwd: folder, stdio: 'ignore' });
  for (const end = Date.now() + START_MS; !(await answers(port)); await new Promise((wait) => setTimeout(wait, 50)))
    if (Date.now() > end || child.exitCode !== null) throw new Error(`${program} does not listen`);
  const socket = connect(port, '127.0.0.1');
  socket.on('data', () => {});
  if (name === 'nats') socket.write('CONNECT {"verbose":false}\r\n');
  return {
    name,
    pid: child.pid!,
    port,
    publish: (text) =>
      socket.write(
        name === 'redis'
          ? `*3\r\n$7\r\nPUBLISH\r\n$3\r\nall\r\n$${Buffer.byteLength(text)}\r\n${text}\r\n`
          : `PUB all ${Buffer.byteLength(text)}\r\n${text}\r\n`,
      ),
  };
}
