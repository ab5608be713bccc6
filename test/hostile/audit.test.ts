import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { rawDatabase } from '../support/raw-database.ts';
import { openScene, type Person, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');

let scene: Scene;
let auditor: Person;
beforeEach(async () => {
  scene = await openScene();
  const runner = scene.runner();
  auditor = await scene.as('rob', ['audit']);
  const job = scene.gitlab.enqueue(fixture('test-unit.run1'), { runner: scene.protectedToken });
  await scene.approve(job);
  await scene.hold(job, 'success');
  await runner.stop();
});
afterEach(async () => scene.close());

const state = (name: string): string => join(scene.folder, 'state', name);
/** What somebody does to the store while the agent is down, triggers or not. */
function edited(...statements: string[]): void {
  const raw = rawDatabase(state('hub.sqlite'));
  raw.exec(
    'drop trigger audit_no_update; drop trigger audit_no_delete; drop trigger checkpoints_no_update; drop trigger checkpoints_no_delete',
  );
  for (const statement of statements) raw.exec(statement);
  raw.close();
}
const CUT = [
  'delete from audit where seq > (select max(seq) - 4 from audit)',
  'delete from audit_people where seq > (select max(seq) from audit)',
  'update audit_head set seq = (select max(seq) from audit), hash = (select hash from audit order by seq desc limit 1)',
  'delete from audit_checkpoints where seq > (select max(seq) from audit)',
  'delete from audit_tree',
];
const saidInLog = (part: string) => scene.log.lines.some((line) => line.startsWith('error') && line.includes(part));
const audited = async (event: string) =>
  (await auditor.get<{ items: unknown[] }>(`audit?event=${event}`)).body.items.length;

describe('the audit of a hub that was worked on while it was down', () => {
  it('T28 has a key of its own that nobody else can read, and a witness beside the store', async () => {
    expect(statSync(state('hub.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(state('hub.key'))).toHaveLength(32);
    const { keyid } = (await auditor.get<{ keyid: string }>('audit/key')).body;
    expect(
      scene.log.lines.some((line) => line.includes('the audit is signed with this key') && line.includes(keyid)),
    ).toBe(true);
    await scene.restart(() => {
      expect(statSync(state('audit-head.json')).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(state('audit-head.json'), 'utf8')).signatures[0].keyid).toBe(keyid);
    });
    expect((await auditor.get<{ keyid: string }>('audit/key')).body.keyid).toBe(keyid);
    expect((await auditor.get('audit/verify')).body).toMatchObject({ ok: true });
  });

  it('T28 shows that its end was cut off, with everything in the store that told of it', async () => {
    await scene.restart(() => edited(...CUT));
    await scene.gitlab.until('an error in the log', () => saidInLog('truncated'));
    await scene.gitlab.until('a row in the audit', async () => (await audited('audit_cut')) === 1);
    // What goes on from there is sound again: said once, in the chain itself.
    await scene.restart();
    await scene.gitlab.until('the check to be over', async () => (await audited('policy_changed')) === 1);
    expect((await auditor.get('audit/verify')).body).toMatchObject({ ok: true });
    expect(await audited('audit_cut')).toBe(1);
  });

  it('T34 shows that a row was changed and all behind it hashed again with other hashes, by what it had signed', async () => {
    await scene.restart(() =>
      edited("update audit set hash = 'sha256:' || printf('%064d', 7) where seq = (select max(seq) from audit)"),
    );
    await scene.gitlab.until('an error in the log', () => saidInLog('was changed'));
    await scene.gitlab.until('a row in the audit', async () => (await audited('audit_broken')) === 1);
    expect((await auditor.get('audit/verify')).body).toMatchObject({ ok: false, fault: 'changed' });
  });

  it('T28 says that it signs with another key when the old one is gone, and goes on', async () => {
    const before = (await auditor.get<{ keyid: string }>('audit/key')).body.keyid;
    await scene.restart(() => rmSync(state('hub.key')));
    await scene.gitlab.until('a row in the audit', async () => (await audited('hub_key_changed')) === 1);
    expect((await auditor.get<{ keyid: string }>('audit/key')).body.keyid).not.toBe(before);
    expect(scene.log.lines.some((line) => line.startsWith('warn') && line.includes('another key than before'))).toBe(
      true,
    );
  });

  it('T25 does not start with a key that others can read, and starts with a witness that is no witness', async () => {
    const opened = scene.restart(() => chmodSync(state('hub.key'), 0o644));
    await expect(opened).rejects.toMatchObject({
      code: 'bad_config',
      message: expect.stringMatching(/hub key .* 644/),
    });
    chmodSync(state('hub.key'), 0o600);
    await scene.restart(() => writeFileSync(state('audit-head.json'), 'gone mad\n'));
    expect((await auditor.get('audit/verify')).body).toMatchObject({ ok: true });
  });

  it('T34 exports what verifies elsewhere, before and after a restart, the one going on from the other', async () => {
    const env = { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: auditor.token };
    const { keyid } = (await auditor.get<{ keyid: string }>('audit/key')).body;
    const exported = async (name: string, url: string) => {
      const out = join(scene.folder, name);
      expect((await runCli(['audit', 'export', '--out', out], { env: { ...env, HOLDPOINT_HUB_URL: url } })).exit).toBe(
        0,
      );
      return out;
    };
    const first = await exported('first.jsonl', scene.agent.hubUrl);
    const said = await runCli(['audit', 'verify', first, '--key', keyid, '--json']);
    expect(said.exit).toBe(0);
    const { seq, hash } = JSON.parse(said.out).head;
    await scene.restart();
    const second = await exported('second.jsonl', scene.agent.hubUrl);
    const again = await runCli(['audit', 'verify', second, '--key', keyid, '--earlier', `${seq}:${hash}`]);
    expect([again.exit, again.err]).toEqual([0, '']);
  });
});
