/** Disks that are really full, or take no writes: a small file system of their own, which only root can make. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { runCli } from '../support/cli.ts';
import { eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';
import { canMount } from '../support/namespaces.mjs';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A disk of so many MiB. */
function disk(mebibytes: number): { readonly path: string; fill(): void; empty(): void; mount(how: string): void } {
  const path = mkdtempSync(join(tmpdir(), 'holdpoint-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'holdpoint-test', path]);
  ends.push(() => {
    execFileSync('umount', ['-l', path]);
    rmSync(path, { recursive: true });
  });
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      // To the last byte, as far as whole pages go.
      const take = (size: number): void => {
        for (let n = 0; ; n++) {
          try {
            writeFileSync(`${filler}-${size}-${n}`, new Uint8Array(size));
          } catch {
            rmSync(`${filler}-${size}-${n}`, { force: true });
            return;
          }
        }
      };
      for (const size of [262_144, 4_096]) take(size);
    },
    empty: () => execFileSync('sh', ['-c', `rm -f ${filler}-*`]),
    mount: (how) => execFileSync('mount', ['-o', `remount,${how}`, path]),
  };
}

const JOBS = 12;
/** Text that no database makes shorter, always the same for a number. */
function noise(id: number, length: number): string {
  let text = '';
  for (let n = 0; text.length < length; n++) text += createHash('sha256').update(`${id} ${n}`).digest('base64');
  return text.slice(0, length);
}
/** Enough of it for a row that no page has room for. */
const script = (id: number) => [`# ${noise(id, 60_000)}`];

/** What every store must do whose disk is full. */
async function goesThroughAFullDisk(store: Store, { fill, empty }: { fill(): void; empty(): void }): Promise<void> {
  const clock = turnableClock();
  const hub: TestHub = await startHub({ store, clock });
  ends.push(() => hub.close());
  const ready = async () => (await hub.call('GET', '/readyz', null)).status;
  const digest = (id: number) => requestFor({ id, script: script(id) }).digest;
  const maria = await hub.token('maria');
  const vote = (id: number) =>
    hub.call('POST', `/api/v1/holds/${id}/approve`, maria, { digest: digest(id), comment: noise(id, 1_500) });
  for (let id = 1; id <= JOBS; id++) await hub.world.admit({ id, pipeline: id, script: script(id) });
  expect(await ready()).toBe(200);

  fill();
  // What is new soon finds no room; what is there stays as it was.
  let refusal = '';
  for (let id = 100; refusal === '' && id < 200; id++) {
    refusal = await hub.world.admit({ id, pipeline: id, script: script(id) }).then(
      () => '',
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  }
  expect(refusal).toMatch(
    /^store_unavailable: store .* cannot be used \(\w+\): (its disk|the disk of PostgreSQL) is full/,
  );
  let refused = 0;
  let voted = 0;
  for (let id = 1; id <= JOBS; id++) {
    const { status, body } = await vote(id);
    const { state } = (await store.hold(id))!;
    if (status === 200) {
      voted += 1;
      expect(state).toBe('pending');
      continue;
    }
    refused += 1;
    expect([status, body.code, body.type]).toEqual([503, 'store_unavailable', expect.any(String)]);
    expect(state).toBe('waiting_for_approval');
    expect(await store.votes(id)).toEqual([]);
  }
  expect(refused, `${voted} votes found room in what was there`).toBeGreaterThan(0);
  await eventually(ready, (status) => status === 503, 30_000);
  const left = Array.from({ length: JOBS }, (_, n) => n + 1);
  const open = await Promise.all(left.map(async (id) => ((await store.hold(id))!.state === 'pending' ? null : id)));
  const waiting = open.find((id) => id !== null)!;
  const cli = await runCli(['approve', String(waiting), '--digest', digest(waiting), '--json'], {
    env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: maria },
  });
  expect([cli.exit, cli.err]).toEqual([1, expect.stringContaining('store_unavailable')]);
  expect(await verifyAudit(store)).toMatchObject({ ok: true });

  empty();
  await eventually(ready, (status) => status === 200, 30_000);
  expect((await vote(waiting)).status).toBe(200);
  expect(await hub.world.state(waiting)).toBe('pending');
  expect(await verifyAudit(store)).toMatchObject({ ok: true });
}

describe.skipIf(!canMount())('T30: a full disk', { timeout: 120_000 }, () => {
  it('under SQLite: votes are refused, what is parked stays, readiness says so and is well again by itself', async () => {
    const small = disk(6);
    const store = await openStore({ path: join(small.path, 'hub.sqlite') });
    ends.push(() => store.close());
    await goesThroughAFullDisk(store, small);
  });

  it('and a disk that takes no writes: the hub says so and does not start', async () => {
    const small = disk(2);
    const path = join(small.path, 'hub.sqlite');
    await (await openStore({ path })).close();
    small.mount('ro');
    await expect(openStore({ path })).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/hub\.sqlite cannot be used \((EROFS|SQLITE_READONLY\w*)\): check the disk/),
    });
    small.mount('rw');
    await (await openStore({ path })).close();
  });

  describe('under PostgreSQL', () => {
    let server: TestPostgres;
    beforeAll(async () => {
      server = await startPostgres({ durable: true });
    });
    afterAll(() => server.remove());

    it('is the same: the tables have no room, though its log has', async () => {
      const small = disk(24);
      const place = join(small.path, 'tables');
      mkdirSync(place);
      server.own(place);
      const { url: admin, drop } = await server.database();
      await server.run(admin, `create tablespace small location '${place}'`);
      const made = await server.database('tablespace small');
      ends.push(async () => {
        await made.drop();
        await server.run(admin, 'drop tablespace small');
        await drop();
      });
      const store = await openPostgresStore({ url: made.url, connections: 4 });
      ends.push(() => store.close());
      await goesThroughAFullDisk(store, small);
    });

    it('a server that takes no writes is said in words, and decisions go on when it takes them again', async () => {
      const { url, drop } = await server.database();
      ends.push(drop);
      const store = await openPostgresStore({ url, connections: 2 });
      const hub = await startHub({ store, clock: turnableClock() });
      ends.push(() => store.close());
      ends.push(() => hub.close());
      await hub.world.admit({ id: 1 });
      const readOnly = (on: boolean) =>
        server.run(
          url,
          `alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = ${on};
           select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
        );
      await readOnly(true);
      const maria = await hub.world.approve('maria', 1).then(
        () => 'voted',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      );
      expect(maria).toMatch(/^store_unavailable: .*(takes no writes|connection|57P01|cannot be used)/);
      await eventually(
        async () => (await hub.call('GET', '/readyz', null)).status,
        (status) => status === 503,
        30_000,
      );
      await expect(store.probe()).rejects.toThrow(/PostgreSQL takes no writes/);
      expect(await hub.world.state(1)).toBe('waiting_for_approval');
      const client = new URL(url);
      client.searchParams.set('options', '-c default_transaction_read_only=off');
      await server.run(
        client.href,
        `alter database ${client.pathname.slice(1)} set default_transaction_read_only = off;
         select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
      await eventually(
        async () => (await hub.call('GET', '/readyz', null)).status,
        (status) => status === 200,
        30_000,
      );
      expect((await hub.world.approve('maria', 1)).state).toBe('pending');
      expect(await verifyAudit(store)).toMatchObject({ ok: true });
    });
  });
});
