import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldView } from '../../agent/src/wire/api.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import { runCli } from '../support/cli.ts';
import { rawDatabase } from '../support/raw-database.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const FIXTURE = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let scene: Scene;
afterEach(async () => scene.close());

const state = () => join(scene.folder, 'state');
const cli = (...argv: string[]) =>
  runCli([...argv, '--config', join(scene.folder, 'agent.yml')], { cwd: scene.folder, now: Date.now() });

function deploy(line: string): number {
  return scene.gitlab.enqueue(FIXTURE, {
    runner: scene.protectedToken,
    user: zoe,
    mutate: (payload) => {
      (payload.steps as { script: string[] }[])[0]!.script = [line];
    },
  });
}
const succeeded = (job: number) =>
  scene.gitlab.until(`job ${job} to succeed`, () => scene.gitlab.job(job).status === 'success');
const events = async (scopes = ['read', 'admin']) =>
  (await (await scene.as('maria', scopes)).get<{ items: AuditRow[] }>('audit?limit=100&newest=true')).body.items;

/** One job that ran with an approval, one that is parked. */
async function open() {
  scene = await openScene();
  const runner = scene.runner();
  const ran = deploy('echo one');
  await scene.approve(ran);
  await succeeded(ran);
  const parked = deploy('echo two');
  await scene.hold(parked, 'waiting_for_approval');
  return { runner, parked };
}

describe('a backup', () => {
  it('that was never made is told by /readyz as unknown, and by the gauge as old as the state', async () => {
    scene = await openScene();
    expect(await (await fetch(`${scene.agent.hubUrl}/readyz`)).json()).toMatchObject({ backup_age_seconds: null });
    const gauge = async (): Promise<number> => {
      const text = await (await fetch(`${scene.agent.hubUrl}/metrics`)).text();
      return Number(/^holdpoint_backup_age_seconds (\S+)$/m.exec(text)?.[1]);
    };
    const day = 86_400;
    const made = new Date(Date.now() - 9 * day * 1_000);
    utimesSync(join(state(), 'hub.key'), made, made);
    expect(Math.round((await gauge()) / day)).toBe(9);
    expect((await cli('backup', '--out', 'copy')).exit).toBe(0);
    expect(await gauge()).toBeLessThan(60);
  });

  it('is taken while the agent runs, verifies, is for its owner alone, and is known beside the state', async () => {
    await open();
    const { exit, out } = await cli('backup', '--out', 'copy', '--json');
    const done = JSON.parse(out);
    expect({ exit, ...done }).toMatchObject({ exit: 0, running: true, keys: true, parked: 1, fault: null });
    const copy = join(scene.folder, 'copy');
    expect(readdirSync(copy).sort()).toEqual(
      [
        ...['audit-head.json', 'backup.json', 'hub.sqlite', 'keys', 'parking'],
        ...(existsSync(join(copy, 'link-cursor')) ? ['link-cursor'] : []),
      ].sort(),
    );
    for (const name of ['', 'keys', 'keys/seal.key', 'hub.sqlite', 'backup.json'])
      expect([name, statSync(join(copy, name)).mode & 0o077]).toEqual([name, 0]);
    const last = JSON.parse(readFileSync(join(state(), 'last-backup.json'), 'utf8'));
    expect(last).toEqual({ at: done.at, out: copy, seq: done.audit.seq, keys: true });
    // Whoever watches is told as well.
    const ready = (await (await fetch(`${scene.agent.hubUrl}/readyz`)).json()) as { backup_age_seconds: number };
    expect(ready.backup_age_seconds).toBeLessThan(60);
    expect((await cli('backup', '--out', 'copy')).err).toContain('is there already');
    expect((await cli('backup', '--out', 'nowhere/copy')).err).toContain('ENOENT');
    expect((await cli('backup', '--out', 'keyless', '--without-keys')).exit).toBe(0);
    expect(existsSync(join(scene.folder, 'keyless/keys'))).toBe(false);
  });

  it('of one moment holds although jobs come and go all the time while it is made', async () => {
    await open();
    const jobs = Array.from({ length: 10 }, (_, i) => deploy(`echo many ${i}`));
    const backups = [];
    for (let i = 0; i < 4; i++) backups.push(await cli('backup', '--out', `copy-${i}`, '--json'));
    for (const { exit, out } of backups) expect([exit, JSON.parse(out).fault]).toEqual([0, null]);
    for (const job of jobs) await scene.hold(job, 'waiting_for_approval');
  }, 60_000);

  it('says so, and exits with 1, when the audit in it does not verify (T28, T34)', async () => {
    await open();
    await scene.agent.stop();
    const database = rawDatabase(join(state(), 'hub.sqlite'));
    const guards = String(database.value("select group_concat(name) from sqlite_master where type = 'trigger'"));
    for (const name of guards.split(',')) database.exec(`drop trigger ${name}`);
    database.exec("update audit set actor = 'user:1 nobody' where seq = 2");
    database.close();
    const { exit, err } = await cli('backup', '--out', 'copy');
    expect([exit, err]).toEqual([1, expect.stringContaining('does not verify')]);
  });
});

/** Loses the state, keeping only its last signed head, and puts the backup in its place. */
async function loseAndRestore(...more: string[]) {
  await scene.agent.stop();
  const lost = join(scene.folder, 'lost');
  renameSync(state(), lost);
  return cli('restore', 'copy', ...more);
}

describe('a restore', () => {
  it('brings an agent back with its approvals, holds and audit, hands out nothing that may have run, and says what is lost', async () => {
    const { runner, parked } = await open();
    await cli('backup', '--out', 'copy');
    // After the backup: the parked job is approved and runs, a token is revoked.
    await scene.approve(parked);
    await succeeded(parked);
    const started = runner.started.length;
    const { exit, out } = await loseAndRestore('--witness', join(scene.folder, 'lost', 'audit-head.json'));
    expect(exit).toBe(0);
    expect(out).toMatch(/\d+ rows of the audit that were signed since are lost/);
    expect(out).toMatch(/! \d+ tokens count\. Any that was revoked since .* counts again/);
    expect(out).toContain('1 parked jobs will not be handed out');
    expect(existsSync(join(state(), 'restored.json'))).toBe(true);
    await scene.restart();
    const again = scene.runner();
    // The approval from before the backup lets its configuration go, the one from after it is gone.
    await succeeded(deploy('echo one'));
    await scene.hold(deploy('echo two'), 'waiting_for_approval');
    expect(again.started.map(({ jobId }) => jobId)).not.toContain(parked);
    expect([runner.started.length, again.started.length]).toEqual([started, 1]);
    expect(existsSync(join(state(), 'restored.json'))).toBe(false);
    const rows = await events();
    const noted = rows.find(({ event }) => event === 'store_restored');
    expect(noted?.detail).toMatchObject({ tokens_revoked: 0, lost: { rows: expect.any(Number) } });
    expect(rows.map(({ event }) => event)).not.toContain('audit_broken');
  });

  it('of a stopped agent goes on with its parked jobs as if nothing had been', async () => {
    const { parked } = await open();
    await scene.agent.stop();
    expect((await cli('backup', '--out', 'copy', '--json')).out).toContain('"running":false');
    renameSync(state(), join(scene.folder, 'lost'));
    expect((await cli('restore', 'copy')).out).toContain('1 parked jobs go on waiting where they were');
    await scene.restart();
    scene.runner();
    await scene.approve(parked);
    await succeeded(parked);
  });

  it('T29 ends every token on demand: one that was revoked after the backup would count again', async () => {
    await open();
    const before = await scene.as('zoe');
    await cli('backup', '--out', 'copy');
    const { out } = await loseAndRestore('--revoke-all-tokens');
    expect(out).toMatch(/\d+ tokens were revoked; the next start prints a one-time token/);
    await scene.restart();
    expect((await before.get('holds')).status).toBe(401);
    expect(scene.agent.bootstrapToken).toMatch(/^hp_/);
  });

  it('refuses a backup that was changed, one of a newer schema, a folder that is in use, and keys that are missing', async () => {
    await open();
    await cli('backup', '--out', 'copy');
    await cli('backup', '--out', 'keyless', '--without-keys');
    expect((await cli('restore', 'copy')).err).toContain('is not empty');
    await scene.agent.stop();
    renameSync(state(), join(scene.folder, 'lost'));
    expect(await cli('restore', 'keyless')).toMatchObject({
      exit: 4,
      err: expect.stringContaining('the backup has none'),
    });
    const spoiled = async (how: (folder: string) => void) => {
      const folder = join(scene.folder, 'spoiled');
      rmSync(folder, { recursive: true, force: true });
      cpSync(join(scene.folder, 'copy'), folder, { recursive: true });
      how(folder);
      return (await cli('restore', 'spoiled')).err;
    };
    const manifest = (folder: string, change: (said: Record<string, unknown>) => void) => {
      const said = JSON.parse(readFileSync(join(folder, 'backup.json'), 'utf8'));
      change(said);
      writeFileSync(join(folder, 'backup.json'), JSON.stringify(said));
    };
    expect(await spoiled((folder) => writeFileSync(join(folder, 'hub.sqlite'), 'x'))).toContain(
      'is not what was written',
    );
    expect(await spoiled((folder) => rmSync(join(folder, 'keys/seal.key')))).toContain('is missing');
    expect(await spoiled((folder) => writeFileSync(join(folder, 'parking/7.job'), 'x'))).toContain(
      'is not of this backup',
    );
    expect(await spoiled((folder) => manifest(folder, (said) => (said.schema = 999)))).toMatch(
      /knows up to \d+: restore it with/,
    );
    expect(
      await spoiled((folder) =>
        manifest(folder, (said) => (said.files = [{ path: '../../x', sha256: '0'.repeat(64) }])),
      ),
    ).toContain('is damaged');
    expect(existsSync(join(state(), 'hub.sqlite'))).toBe(false);
    expect((await cli('restore', 'copy', '--witness', join(scene.folder, 'copy/backup.json'))).err).toContain(
      'is no head of this hub',
    );
    // That one had begun: the agent does not start on half a state.
    await expect(scene.restart()).rejects.toThrow('restored in part only');
    rmSync(state(), { recursive: true });
    mkdirSync(state(), { mode: 0o700 });
    expect((await cli('restore', 'copy')).exit).toBe(0);
    await scene.restart();
    const holds = await (await scene.as('maria')).get<{ items: HoldView[] }>('holds');
    expect(holds.body.items).toHaveLength(2);
  });
});
