import { type ChildProcess, execFile, execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { canMount } from './namespaces.mjs';
import { giveToPostgres, initCluster, postgresPrograms, runServer, runSql } from './postgres.ts';

/** A primary and a standby that streams from it, each on a disk of its own where the machine lets one be made. */
export interface PostgresPair {
  /** Where the primary listens at this moment. */
  port(): number;
  /** Where the standby listens; null where there is none that has all that was acknowledged. */
  standbyPort(): number | null;
  /** Address of the one database, at this port. */
  url(port?: number): string;
  /** False while the primary is down, or becomes another. */
  isUp(): boolean;
  /** Ends the primary: `fast` cuts connections, `immediate` is a crash. */
  halt(how: 'fast' | 'immediate'): Promise<void>;
  /** Starts the primary again. */
  start(): Promise<void>;
  /** Crashes the primary for good; what it answers makes the standby the primary. Null where none is ready for that. */
  lose(): (() => Promise<void>) | null;
  /** Makes a standby anew out of the primary, wherever the last one went; resolves when acknowledged writes wait for it. */
  mirror(): Promise<void>;
  /** Stops the standby; what it answers starts it again. Null where there is none. */
  dropStandby(): (() => Promise<void>) | null;
  /** Fills the disk of the primary; what it answers makes room again. Null where it has none of its own. */
  fill(): (() => Promise<void>) | null;
  /** What both have said, and what the primary is doing. */
  look(): Promise<string>;
  remove(): Promise<void>;
}

interface Side {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  server: ChildProcess | null;
}
const DISK_MIB = 192;
/** So long a server is tried to be started, and a standby to be made, while other things are wrong. */
const PATIENCE_MS = 90_000;
const AGAIN_MS = 250;
const REVIVE_TRIES = 12;
const SETTINGS = [
  'shared_buffers=32MB',
  'max_connections=100',
  'max_wal_size=32MB',
  'min_wal_size=4MB',
  'wal_keep_size=24MB',
  'wal_retrieve_retry_interval=200ms',
];
const run = promisify(execFile);

async function until(done: () => Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  let last: unknown = 'not yet';
  while (Date.now() < end) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    await pause(AGAIN_MS);
  }
  throw new Error(`${what}: ${last}`);
}

/**
 * Starts both with an empty database. `synchronous`: what was acknowledged is on both; false: the standby is behind by
 * however much it likes.
 */
export async function startPostgresPair({ synchronous = true } = {}): Promise<PostgresPair> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-postgres-'));
  giveToPostgres(folder);
  const programs = await postgresPrograms(folder);
  const hasDisks = canMount();
  const sideAt = async (name: string): Promise<Side> => {
    const at = join(folder, name);
    mkdirSync(at);
    if (hasDisks) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'holdpoint-faults', at]);
    giveToPostgres(at);
    return { name, folder: at, port: await freePort(), server: null };
  };
  let primary = await sideAt('a');
  let standby = await sideAt('b');
  /** The standby has every write that was acknowledged since. */
  let isMirror = false;
  let halted = false;
  let removed = false;
  let said = '';
  let mirroring: Promise<void> = Promise.resolve();
  const urlOf = (port: number, database = 'holdpoint') => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const begin = async (side: Side): Promise<void> => {
    const server = await runServer(programs, {
      folder: side.folder,
      data: join(side.folder, 'data'),
      port: side.port,
      settings: SETTINGS,
      say: (text) => {
        said = `${said}${text.replaceAll(/^/gm, `${side.name} `)}`.slice(-200_000);
      },
    });
    side.server = server;
    // A full disk ends it by itself.
    server.once('exit', () => {
      if (side.server === server) side.server = null;
    });
    if (removed) await end(side);
  };
  const end = async (side: Side, signal: 'SIGINT' | 'SIGQUIT' = 'SIGQUIT'): Promise<void> => {
    const { server } = side;
    if (server === null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await ended;
    side.server = null;
  };
  const startAgain = (side: Side): Promise<void> =>
    until(async () => {
      if (side.server === null && !removed) await begin(side);
      return true;
    }, 'PostgreSQL does not start');

  const answers = (side: Side): Promise<boolean> =>
    runSql(urlOf(side.port, 'postgres'), 'select 1').then(
      () => true,
      () => false,
    );
  /** A server that met a full disk in its own recovery stands there for good: it is started anew, as its operator would. */
  async function revive(side: Side): Promise<void> {
    for (let n = 0; n < REVIVE_TRIES && side.server !== null; n++) {
      if (await answers(side)) return;
      await pause(AGAIN_MS);
    }
    if (side !== primary || halted) return;
    await end(side);
    await startAgain(side);
  }

  /** The files of a running server, as `pg_basebackup` takes them. */
  async function copy(): Promise<void> {
    await end(standby);
    const data = join(standby.folder, 'data');
    await run('find', [standby.folder, '-mindepth', '1', '-delete']);
    mkdirSync(data, { mode: 0o700 });
    giveToPostgres(data);
    const client = new pg.Client({ connectionString: urlOf(primary.port, 'postgres') });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query("select pg_backup_start('standby', true)");
      const from = join(primary.folder, 'data');
      const kept = ['./postmaster.pid', './pg_wal/*', './pg_replslot/*'].map((each) => `--exclude='${each}'`).join(' ');
      await run('sh', ['-c', `tar -C '${from}' ${kept} -cf - . 2>/dev/null | tar -C '${data}' -xf -`]);
      const { rows } = await client.query('select labelfile from pg_backup_stop(false)');
      writeFileSync(join(data, 'backup_label'), rows[0].labelfile);
      writeFileSync(join(data, 'standby.signal'), '');
      const own = `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres application_name=standby'\n`;
      // Its own, once it is the primary: nobody mirrors it yet.
      appendFileSync(join(data, 'postgresql.auto.conf'), `${own}synchronous_standby_names = ''\n`);
      for (const name of ['backup_label', 'standby.signal']) giveToPostgres(join(data, name));
    } finally {
      await client.end().catch(() => {});
    }
    await begin(standby);
  }
  const streams = async (): Promise<boolean> => {
    const state = synchronous ? "sync_state = 'sync'" : "state = 'streaming'";
    const rows = await runSql(urlOf(primary.port, 'postgres'), `select 1 from pg_stat_replication where ${state}`);
    return rows.length > 0;
  };
  const pair: PostgresPair = {
    port: () => primary.port,
    standbyPort: () => (isMirror ? standby.port : null),
    url: (port = primary.port) => urlOf(port),
    isUp: () => primary.server !== null && !halted,
    async halt(how) {
      halted = true;
      await end(primary, how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    },
    async start() {
      await startAgain(primary);
      halted = false;
    },
    lose() {
      if (!isMirror || halted) return null;
      isMirror = false;
      halted = true;
      const lost = end(primary);
      return async () => {
        await lost;
        await startAgain(standby);
        [primary, standby] = [standby, primary];
        await until(async () => {
          const rows = await runSql(urlOf(primary.port, 'postgres'), 'select pg_promote(true, 30) as done');
          return rows[0]?.done === true;
        }, 'the standby does not become the primary');
        halted = false;
      };
    },
    mirror() {
      mirroring = until(async () => {
        if (removed) return true;
        if (halted) return false;
        await copy();
        if (synchronous) {
          const admin = urlOf(primary.port, 'postgres');
          await runSql(admin, "alter system set synchronous_standby_names = '*'");
          await runSql(admin, 'select pg_reload_conf()');
        }
        await until(streams, 'the standby does not follow');
        isMirror = true;
        return true;
      }, 'no standby could be made');
      return mirroring;
    },
    dropStandby() {
      if (!isMirror || standby.server === null || halted) return null;
      const [side, dropped] = [standby, end(standby)];
      return async () => {
        await dropped;
        // It may have become the primary meanwhile, and been started for that.
        await startAgain(side);
      };
    },
    fill() {
      if (!hasDisks || !pair.isUp()) return null;
      const side = primary;
      const filler = join(side.folder, 'filler');
      const written = run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']).catch(() => {});
      return async () => {
        await written;
        rmSync(filler, { force: true });
        if (side === primary && !halted) await revive(side);
      };
    },
    async look() {
      const rows = async (what: string): Promise<string> =>
        runSql(urlOf(primary.port, 'postgres'), what).then(
          (found) => found.map((row) => JSON.stringify(row)).join('\n'),
          (error: unknown) => String(error),
        );
      const activity = await rows(
        `select pid, application_name, state, wait_event, now() - state_change as since, left(query, 80) as query
         from pg_stat_activity where datname is not null order by since desc nulls last`,
      );
      const standbys = await rows('select application_name, state, sync_state from pg_stat_replication');
      return `${said}\nprimary: ${primary.name}\nstandbys:\n${standbys}\nactivity:\n${activity}\n`;
    },
    async remove() {
      removed = true;
      await mirroring.catch(() => {});
      for (const side of [primary, standby]) {
        await end(side);
        if (hasDisks) execFileSync('umount', ['-l', side.folder]);
      }
      rmSync(folder, { recursive: true });
    },
  };
  try {
    initCluster(programs, join(primary.folder, 'data'), ['--wal-segsize=1']);
    await begin(primary);
    await runSql(urlOf(primary.port, 'postgres'), 'create database holdpoint');
    await pair.mirror();
    return pair;
  } catch (error) {
    await pair.remove();
    throw error;
  }
}
