/** A hub alone is looked after: its backup, its restore, its keys, on both databases. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { loadHubConfig } from '../../agent/src/config/load.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { type RunningHub, startHub } from '../../agent/src/wiring-hub.ts';
import { runCli } from '../support/cli.ts';
import { rememberingLog } from '../support/gate.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { writeHubFolder } from '../support/scene.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres({ durable: true });
});
afterAll(() => server.remove());
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A folder with a hub.yml whose store is in that database; null: in its state_dir. */
function hubFolder(store: string | null): string {
  const extra = store === null ? '' : `store: ${store}\n`;
  const folder = writeHubFolder({ gitlabUrl: 'http://127.0.0.1:9', listen: '127.0.0.1:0', extra });
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
const state = (folder: string, ...parts: string[]) => join(folder, 'state', ...parts);
async function start(folder: string, clock = createClock()): Promise<RunningHub> {
  const config = loadHubConfig({ flags: { config: join(folder, 'hub.yml') }, env: {}, cwd: folder });
  const hub = await startHub(config, { log: rememberingLog(), clock, page: null });
  const stop = hub.stop;
  let stopped: Promise<void> | null = null;
  const once = () => (stopped ??= stop());
  ends.push(once);
  return { ...hub, stop: once };
}
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no failure',
    (error: Error) => error.message,
  );
const care = (folder: string, ...argv: string[]) =>
  runCli([...argv, '--hub', '--config', join(folder, 'hub.yml')], { cwd: folder, now: Date.now() });
const token = async ({ hubUrl, bootstrapToken }: RunningHub): Promise<string> => {
  const env = { HOLDPOINT_HUB_URL: hubUrl, HOLDPOINT_TOKEN: bootstrapToken! };
  const { exit, out, err } = await runCli(
    ['token', 'create', '--user', 'maria', '--scope', 'read', 'admin', '--json'],
    { env },
  );
  expect(exit, err).toBe(0);
  return (JSON.parse(out) as { token: string }).token;
};
const me = async ({ hubUrl }: RunningHub, secret: string): Promise<number> =>
  (await fetch(`${hubUrl}/api/v1/me`, { headers: { authorization: `Bearer ${secret}` } })).status;
async function database(): Promise<string> {
  const { url, drop } = await server.database();
  ends.push(drop);
  return url;
}
function takeKeys(from: string, to: string): void {
  mkdirSync(state(to), { recursive: true, mode: 0o700 });
  for (const key of ['variable.key', 'hub.key', 'recordings.key']) copyFileSync(state(from, key), state(to, key));
}

describe.each(['SQLite', 'PostgreSQL'])('a hub alone on %s', { timeout: 90_000 }, (kind) => {
  const place = async () => (kind === 'SQLite' ? null : database());
  const openAt = (folder: string, url: string | null) =>
    url === null ? openStore({ path: state(folder, 'hub.sqlite') }) : openPostgresStore({ url });

  it('is backed up while it runs, and restored to an empty place, its audit verified before and after', async () => {
    const from = await place();
    const first = hubFolder(from);
    const hub = await start(first);
    const secret = await token(hub);
    const out = join(first, 'copy');
    const made = await care(first, 'backup', '--out', out, '--json');
    expect([made.exit, made.err]).toEqual([0, '']);
    expect(JSON.parse(made.out)).toMatchObject({ running: true, keys: true, fault: null, parked: 0 });
    expect(existsSync(join(out, 'keys', 'seal.key'))).toBe(false);
    // Lost since: what happens after the backup.
    await token({ ...hub, bootstrapToken: secret });
    await hub.stop();
    const head = join(first, 'newer-head.json');
    copyFileSync(state(first, 'audit-head.json'), head);

    const to = await place();
    const second = hubFolder(to);
    rmSync(state(second), { recursive: true, force: true });
    const restored = await care(second, 'restore', out, '--witness', head, '--json');
    expect([restored.exit, restored.err]).toEqual([0, '']);
    const said = JSON.parse(restored.out) as { audit: { seq: number }; lostRows: number; valid: number };
    expect(said.lostRows).toBeGreaterThan(0);
    expect(said.valid).toBe(1);
    const again = await start(second);
    expect(again.bootstrapToken).toBeNull();
    expect(await me(again, secret)).toBe(200);
    await again.stop();
    const store = await openAt(second, to);
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
    const rows = await store.auditRows({ events: ['store_restored'], sight: null }, { after: 0, limit: 9 });
    expect(rows).toHaveLength(1);
    await store.close();
    // Not over something that is there.
    renameSync(state(second), state(second, '..', 'away'));
    expect(await care(second, 'restore', out)).toMatchObject(
      kind === 'SQLite' ? { exit: 0 } : { exit: 4, err: expect.stringContaining('is not empty') },
    );
    expect(existsSync(state(second, 'restore.incomplete'))).toBe(false);
  });

  it('T28 refuses to start with another variable key than its store was made with, and says which it is and where to get it', async () => {
    const url = await place();
    const folder = hubFolder(url);
    await (await start(folder)).stop();
    const mine = readFileSync(state(folder, 'variable.key'));
    writeFileSync(state(folder, 'variable.key'), new Uint8Array(32).fill(1));
    const said = await failure(start(folder));
    expect(said).toMatch(
      /^the variable key .*variable\.key is [0-9a-f]{16}, but the store was written with [0-9a-f]{16}: .*from another hub or from your backup/,
    );
    expect(said).not.toContain(mine.toString('hex'));
    writeFileSync(state(folder, 'variable.key'), mine);
    await (await start(folder)).stop();
  });

  it('has its keys rotated while it is stopped, and takes no start with the old ones', async () => {
    const url = await place();
    const folder = hubFolder(url);
    const hub = await start(folder);
    expect(await care(folder, 'keys', 'rotate', 'variable')).toMatchObject({
      exit: 4,
      err: expect.stringContaining('stop it first'),
    });
    expect(await care(folder, 'keys', 'rotate', 'seal')).toMatchObject({
      exit: 4,
      err: expect.stringContaining('has no seal key'),
    });
    expect(await care(folder, 'keys', 'rotate', 'recordings')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('the key of recordings is not rotated'),
    });
    await hub.stop();
    const old = { variable: readFileSync(state(folder, 'variable.key')), hub: readFileSync(state(folder, 'hub.key')) };
    for (const key of ['variable', 'hub'] as const) {
      const { exit, err } = await care(folder, 'keys', 'rotate', key);
      expect([exit, err]).toEqual([0, '']);
      expect(readFileSync(state(folder, `${key}.key`))).not.toEqual(old[key]);
    }
    const again = await start(folder);
    await again.stop();
    writeFileSync(state(folder, 'variable.key'), old.variable);
    expect(await failure(start(folder))).toContain('but the store was written with');
    const store = await openAt(folder, url);
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
    const events = (await store.auditRows({ sight: null }, { after: 0, limit: 100 })).map(({ event }) => event);
    expect(events).toEqual(expect.arrayContaining(['variable_key_rotated', 'hub_key_rotated']));
    expect(events).not.toContain('hub_key_changed');
    await store.close();
  });
});

describe('hubs that share a PostgreSQL', { timeout: 90_000 }, () => {
  it('T27 T28 have one key: a hub with another is refused, and none is rotated while any of them runs', async () => {
    const url = await database();
    const [first, second] = [hubFolder(url), hubFolder(url)];
    const one = await start(first);
    takeKeys(first, second);
    writeFileSync(state(second, 'hub.key'), new Uint8Array(32).fill(2), { mode: 0o600 });
    expect(await failure(start(second))).toMatch(
      /^the hub key .* but the store was written with [0-9a-f]{64}: agents know the hub by it/,
    );
    takeKeys(first, second);
    writeFileSync(state(second, 'recordings.key'), new Uint8Array(32).fill(3), { mode: 0o600 });
    expect(await failure(start(second))).toMatch(
      /^the recordings key .*recordings\.key is [0-9a-f]{16}, but the store .*: no hub could read what another has recorded/,
    );
    takeKeys(first, second);
    const other = await start(second);
    await one.stop();
    const refused = await care(first, 'keys', 'rotate', 'hub');
    expect(refused).toMatchObject({
      exit: 4,
      err: expect.stringMatching(/a hub runs on this store, at 127\.0\.0\.1.*all others/),
    });
    await other.stop();
    expect((await care(first, 'keys', 'rotate', 'hub')).exit).toBe(0);
    expect(await failure(start(second))).toContain('but the store was written with');
    takeKeys(first, second);
    await (await start(second)).stop();
  });
});

it('T12, T40 a hub on PostgreSQL goes by the clock of its database, whatever that of its host says', async () => {
  const store = await database();
  const own = createClock();
  const hub = await start(hubFolder(store), { ...own, now: () => own.now() - 3_600_000 });
  await token(hub);
  await hub.stop();
  const opened = await openPostgresStore({ url: store });
  const rows = await opened.auditRows({ sight: null }, { after: 0, limit: 100 });
  await opened.close();
  expect(rows.length).toBeGreaterThan(1);
  expect(rows.filter(({ at }) => Math.abs(at - Date.now()) > 60_000)).toEqual([]);
});
