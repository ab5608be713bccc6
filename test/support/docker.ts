import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runProgram } from './programs.ts';

const LOOK_MS = 200;
const START_MS = 90_000;
/** A new namespace has its loopback down. */
const LOOPBACK = `${process.env.BUSYBOX_PATH ?? '/bin/busybox'} ip link set lo up`;

/** A Docker engine of the test's own: it sees no image and no container of anybody else, and takes all of its own with it. */
export interface Docker {
  /** Path of its socket. */
  readonly socket: string;
  /** Number of its process. */
  readonly pid: number;
  /** Runs `docker …` and gives what it printed. */
  run(...args: string[]): Promise<string>;
  /** Makes an image of the files below a folder. */
  importTree(tree: string, image: string): Promise<void>;
  /** Lets the containers of a network of an engine that is not apart talk, where the machine's own rules drop what crosses a bridge. */
  open(network: string): Promise<void>;
  /** Lets an engine that is apart reach a port of this machine's loopback, at the same address. */
  reach(port: number): Promise<void>;
  /** Runs `docker-compose …` on the project in this folder. */
  compose(folder: string, env: Record<string, string>, ...args: string[]): Promise<string>;
  /** Waits until the command prints something that matches. */
  until(wanted: RegExp, ...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

function piped(one: Socket, other: Socket): void {
  for (const socket of [one, other])
    socket.on('error', () => {
      one.destroy();
      other.destroy();
    });
  one.pipe(other).pipe(one);
}

/** How an engine is started. */
export interface DockerOptions {
  /**
   * In a network namespace of its own: rules and links of the machine are neither asked nor touched, and nothing of it is
   * reached, on its loopback neither.
   */
  readonly apart?: boolean;
  readonly args?: readonly string[];
}

/** Starts an engine with everything of it in one new folder, and no bridge of its own. */
export async function startDocker({ apart = false, args = [] }: DockerOptions = {}): Promise<Docker> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-docker-'));
  const at = (name: string) => join(folder, name);
  const host = `unix://${at('engine.sock')}`;
  const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '--host', host];
  const program = process.env.DOCKERD_PATH ?? 'dockerd';
  const line = [program, ...places, '--iptables=false', '--bridge=none', ...args];
  // It stays one process: the shell becomes the engine.
  const [command = '', ...rest] = apart
    ? ['unshare', '--net', 'sh', '-c', `${LOOPBACK} && exec "$0" "$@"`, ...line]
    : line;
  const engine = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [engine.stdout, engine.stderr]) stream.on('data', (chunk) => (printed += chunk));
  const ended = new Promise<void>((resolve) => {
    engine.on('close', () => resolve());
  });
  // The plain builder: the other is a plug-in that not every client has.
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '0', DOCKER_CONFIG: at('client') };
  const run = (...args: string[]) => runProgram('docker', args, { env });
  const until: Docker['until'] = async (wanted, ...args) => {
    const end = performance.now() + START_MS;
    for (;;) {
      const last = await runProgram('docker', args, { env, anyway: true });
      if (wanted.test(last)) return last;
      if (engine.exitCode !== null) throw new Error(`dockerd ended with ${engine.exitCode}:\n${printed}`);
      if (performance.now() > end) throw new Error(`docker ${args.join(' ')} never said ${wanted}; last:\n${last}`);
      await pause(LOOK_MS);
    }
  };
  const importTree: Docker['importTree'] = async (tree, image) => {
    const file = at('tree.tar');
    await runProgram('tar', ['-C', tree, '--exclude=./proc/*', '--exclude=./sys/*', '-cf', file, '.']);
    await run('import', file, image);
    rmSync(file);
  };
  const rules: string[][] = [];
  const open: Docker['open'] = async (network) => {
    const id = await run('network', 'inspect', '--format', '{{.Id}}', network);
    const bridge = `br-${id.slice(0, 12)}`;
    const rule = ['FORWARD', '-i', bridge, '-o', bridge, '-j', 'ACCEPT'];
    await runProgram('iptables', ['-w', '-I', ...rule]);
    rules.push(rule);
  };
  const ways: { close(): void }[] = [];
  const reach: Docker['reach'] = async (port) => {
    // A socket in a folder is the same in every network namespace.
    const path = at(`port-${port}`);
    const here = createServer((socket) => piped(socket, connect(port, '127.0.0.1')));
    await new Promise<void>((resolve) => here.listen(path, resolve));
    const script = `const{createServer,connect}=require('node:net');createServer((a)=>{const b=connect(${JSON.stringify(path)});for(const s of[a,b])s.on('error',()=>{a.destroy();b.destroy()});a.pipe(b).pipe(a)}).listen(${port},'127.0.0.1',()=>console.log('open'))`;
    const there = spawn('nsenter', [`--net=/proc/${engine.pid}/ns/net`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    ways.push(here, { close: () => there.kill('SIGKILL') });
    await new Promise<void>((resolve, reject) => {
      there.stdout.once('data', () => resolve());
      there.once('close', (code) => reject(new Error(`the way to port ${port} ended with ${code}`)));
    });
  };
  const compose: Docker['compose'] = (cwd, more, ...args) =>
    runProgram(process.env.DOCKER_COMPOSE_PATH ?? 'docker-compose', args, { cwd, env: { ...env, ...more } });
  const stop = async () => {
    for (const way of ways.splice(0)) way.close();
    for (const rule of rules.splice(0)) await runProgram('iptables', ['-w', '-D', ...rule], { anyway: true });
    const all = (await runProgram('docker', ['ps', '-aq'], { env, anyway: true })).trim();
    if (/^[0-9a-f\s]+$/.test(all))
      await runProgram('docker', ['rm', '-fv', ...all.split(/\s+/)], { env, anyway: true });
    await runProgram('docker', ['network', 'prune', '-f'], { env, anyway: true });
    engine.kill('SIGTERM');
    await ended;
    // The engine leaves its network namespace mounted.
    await runProgram('umount', ['-q', at('exec/netns/default')], { anyway: true });
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(/^\d+\.\d+/, 'version', '--format', '{{.Server.Version}}');
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket: at('engine.sock'), pid: engine.pid!, run, importTree, open, reach, compose, until, stop };
}
