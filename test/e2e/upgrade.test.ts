import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditRoot } from '../../agent/src/app/audit-tree.ts';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { SCHEMA_VERSION } from '../../agent/src/stores/migrate.ts';
import { openParkingLot } from '../../agent/src/stores/parking-lot.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import type { HoldDetail } from '../../agent/src/wire/api.ts';
import { runCli } from '../support/cli.ts';
import { rememberingLog } from '../support/gate.ts';
import { clockOf, oldState, unpack } from '../support/old-state.ts';
import { rawDatabase } from '../support/raw-database.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const FIXTURE = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const STATES = ['schema-3'] as const;

describe.each(STATES)('the state that an earlier version has left, %s', (name) => {
  const old = oldState(name);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-upgrade-'));
    unpack(old, folder);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const database = () => rawDatabase(join(folder, 'hub.sqlite'));

  it('is brought to the schema of today, forward and once, and its audit is row by row what it was (T34)', async () => {
    const before = database();
    expect(before.value('select max(version) from schema_version')).toBeLessThan(SCHEMA_VERSION);
    before.close();
    for (let times = 0; times < 2; times++) {
      const store = await openStore({ path: join(folder, 'hub.sqlite') });
      const head = { seq: old.knows.audit, hash: old.knows.head.hash };
      expect(await store.auditHead()).toEqual(head);
      expect(await verifyAudit(store, [head], (size) => auditRoot(store, size))).toMatchObject({ ok: true });
      const { waiting, rejected, revoked, digest } = old.knows;
      expect(await store.hold(waiting.hold)).toMatchObject({ state: 'waiting_for_approval', digest: waiting.digest });
      expect(await store.hold(rejected.hold)).toMatchObject({ state: 'rejected', digest: rejected.digest });
      expect((await store.approvals({ digest, revoked: false, sight: null }, { after: 0, limit: 9 })).length).toBe(1);
      expect((await store.approval(revoked))?.revoked).not.toBeNull();
      expect((await store.denials({ sight: null }, { after: 0, limit: 9 })).map((denial) => denial.digest)).toEqual([
        rejected.digest,
      ]);
      await store.close();
    }
    const after = database();
    expect(after.value('select max(version) from schema_version')).toBe(SCHEMA_VERSION);
    after.close();
  });

  it('has its parked jobs, sealed bytes and all', async () => {
    const seal = sealUnder(openKeyFile(join(folder, 'seal.key'), 'seal key', 'keys.seal'));
    const lot = await openParkingLot({ dir: join(folder, 'parking'), seal, log: rememberingLog() });
    const { records, damaged } = await lot.load();
    await lot.close();
    expect(damaged).toEqual([]);
    const parked = records.find(({ job }) => job.jobId === old.knows.waiting.job);
    expect(parked?.job).toMatchObject({
      state: 'parked',
      hold: old.knows.waiting.hold,
      digest: old.knows.waiting.digest,
    });
    expect(createHash('sha256').update(parked!.payload!).digest('hex')).toBe(parked!.job.payloadSha256);
  });
});

describe('an agent of today on that state', () => {
  const old = oldState('schema-3');
  let scene: Scene;
  beforeEach(async () => {
    const clock = clockOf(old);
    scene = await openScene({
      gitlab: { ...old.gitlab, now: clock.now() },
      clock,
      before: (folder) => unpack(old, join(folder, 'state')),
    });
    // A GitLab gives no id twice: those of then are taken.
    for (let i = 0; i < 15; i++) scene.gitlab.enqueue(FIXTURE, { manual: true });
  });
  afterEach(() => scene.close());

  const deploy = (line: string) =>
    scene.gitlab.enqueue(FIXTURE, {
      runner: scene.protectedToken,
      user: { id: 9, username: 'zoe', name: 'Zoë Müller' },
      mutate: (payload) => {
        (payload.steps as { script: string[] }[])[0]!.script = [line];
      },
    });
  const ended = (job: number, status: string) =>
    scene.gitlab.until(`job ${job} ${status}`, () => scene.gitlab.job(job).status === status);
  const ask = async <T>(path: string) => {
    const headers = { authorization: `Bearer ${old.token}` };
    return (await (await fetch(`${scene.agent.hubUrl}/api/v1/${path}`, { headers })).json()) as T;
  };

  it('lets go what was approved, refuses what was rejected, asks about what was revoked: no digest has moved (T4)', async () => {
    scene.runner();
    await ended(deploy('echo one'), 'success');
    const refused = deploy('echo two');
    await ended(refused, 'failed');
    expect(scene.gitlab.job(refused).trace).toContain('never this');
    const asked = deploy('echo four');
    const seen = await scene.gitlab.until('its hold', () => scene.gitlab.job(asked).trace.match(/holds\/(\d+)/));
    expect(await ask<HoldDetail>(`holds/${seen[1]}`)).toMatchObject({ state: 'waiting_for_approval', job_id: asked });
    // Tokens of then go on, and what waited then still waits, with all that is known of it.
    expect(await ask<HoldDetail>(`holds/${old.knows.waiting.hold}`)).toMatchObject({
      state: 'waiting_for_approval',
      digest: old.knows.waiting.digest,
    });
  });

  it('can be backed up once it is migrated, and not by a program of another schema before', async () => {
    const backup = (out: string) =>
      runCli(['backup', '--config', join(scene.folder, 'agent.yml'), '--out', join(scene.folder, out)]);
    expect((await backup('copy')).exit).toBe(0);
    await scene.agent.stop();
    rmSync(join(scene.folder, 'state'), { recursive: true });
    unpack(old, join(scene.folder, 'state'));
    expect(await backup('older')).toMatchObject({
      exit: 4,
      err: expect.stringContaining('with the program that runs'),
    });
    await expect(scene.restart()).resolves.toBeUndefined();
  });

  it('does not start on a state that a newer program has written, and says what to do', async () => {
    await scene.agent.stop();
    const database = rawDatabase(join(scene.folder, 'state', 'hub.sqlite'));
    database.exec('insert into schema_version (version) values (9999)');
    database.close();
    await expect(scene.restart()).rejects.toThrow(
      /has schema 9999, this program knows up to \d+: start the newer program that wrote it, or restore the backup from before the upgrade/,
    );
    const again = rawDatabase(join(scene.folder, 'state', 'hub.sqlite'));
    again.exec('delete from schema_version where version = 9999');
    again.close();
    await scene.restart();
  });
});
