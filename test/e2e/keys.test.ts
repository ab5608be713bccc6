import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { rotateKey } from '../../agent/src/care-keys.ts';
import { loadConfig } from '../../agent/src/config/load.ts';
import { pemOf } from '../../agent/src/domain/hub-key.ts';
import { openHubKey } from '../../agent/src/system/hub-key.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const FIXTURE = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let scene: Scene;
afterEach(async () => scene.close());

const state = (...names: string[]) => join(scene.folder, 'state', ...names);
const config = () => loadConfig({ flags: { config: join(scene.folder, 'agent.yml') }, env: {}, cwd: scene.folder });
const keys = (...argv: string[]): Promise<CliRun> =>
  runCli(['keys', ...argv, '--config', join(scene.folder, 'agent.yml')], { cwd: scene.folder, now: Date.now() });

type Change = (payload: { steps: { script: string[] }[]; variables: { key: string; public: boolean }[] }) => void;
function deploy(line: string, change: Change = () => {}): number {
  return scene.gitlab.enqueue(FIXTURE, {
    runner: scene.protectedToken,
    user: zoe,
    mutate: (payload) => {
      const sent = payload as unknown as Parameters<Change>[0];
      sent.steps[0]!.script = [line];
      change(sent);
    },
  });
}
const withoutSecrets: Change = (payload) => {
  payload.variables = payload.variables.filter(({ key }) => key !== 'KUBE_TOKEN');
};
const typed: Change = (payload) =>
  payload.variables.push({ key: 'TYPED', value: 'something long', public: false, masked: false } as never);

const succeeded = (job: number) =>
  scene.gitlab.until(`job ${job} to succeed`, () => scene.gitlab.job(job).status === 'success');
const events = async () => {
  const maria = await scene.as('maria', ['read', 'admin']);
  return (await maria.get<{ items: AuditRow[] }>('audit?limit=100')).body.items;
};

describe('the seal key', () => {
  it('is another one afterwards, and what was parked goes on; a rotation that dies at any step loses nothing', async () => {
    scene = await openScene();
    const jobs = [deploy('echo one'), deploy('echo two'), deploy('echo three')];
    scene.runner();
    for (const job of jobs) await scene.hold(job, 'waiting_for_approval');
    await scene.agent.stop();
    const steps: string[] = [];
    const first = readFileSync(state('seal.key'));
    const die = (at: number) => {
      let n = 0;
      return rotateKey(config(), 'seal', {
        dryRun: false,
        now: Date.now(),
        onStep: (step) => {
          if (n === at) {
            steps.push(step);
            throw new Error(`killed before ${step}`);
          }
          n += 1;
        },
      });
    };
    for (let at = 0; at < 6; at++) {
      await expect(die(at)).rejects.toThrow('killed before');
      // Whatever is there can be opened: the agent starts, finishes what was begun, and parks what it parked.
      await scene.restart();
      scene.runner();
      for (const job of jobs) await scene.hold(job, 'waiting_for_approval');
      expect(existsSync(state('seal.key.next'))).toBe(false);
      expect(existsSync(state('parking', 'damaged'))).toBe(false);
      await scene.agent.stop();
    }
    expect(steps).toEqual(['next', ...jobs.map((job) => `job ${job}`), 'audit', 'take']);
    expect(readFileSync(state('seal.key')).equals(first)).toBe(false);
    const { exit, out } = await keys('rotate', 'seal');
    expect([exit, out]).toEqual([0, expect.stringContaining('3 files are sealed with the new one')]);
    await scene.restart();
    scene.runner();
    for (const job of jobs) await scene.approve(job);
    for (const job of jobs) await succeeded(job);
    expect((await events()).map(({ event }) => event)).toContain('seal_key_rotated');
  }, 60_000);

  it('is not rotated while the agent runs; a dry run may be made', async () => {
    scene = await openScene();
    deploy('echo one');
    scene.runner();
    expect(await keys('rotate', 'seal')).toMatchObject({ exit: 4, err: expect.stringContaining('stop it first') });
    expect((await keys('rotate', 'seal', '--dry-run')).out).toContain('would be sealed with the new one');
    expect(existsSync(state('seal.key.next'))).toBe(false);
    expect(await keys('rotate', 'token')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('wanted hub, seal, variable'),
    });
    const { out } = await keys('list');
    expect(out).toContain('-----BEGIN PUBLIC KEY-----');
    for (const name of ['hub.key', 'seal.key', 'variable.key']) {
      const key = readFileSync(state(name));
      for (const form of ['hex', 'base64'] as const) expect(out).not.toContain(key.toString(form));
    }
  });
});

describe('the hub key', () => {
  const exported = async (name: string) => {
    const maria = await scene.as('maria', ['read', 'admin']);
    const response = await fetch(`${scene.agent.hubUrl}/api/v1/audit/export`, {
      headers: { authorization: `Bearer ${maria.token}` },
    });
    const path = join(scene.folder, name);
    writeFileSync(path, await response.text());
    return path;
  };
  const verify = (path: string, key: string) => runCli(['audit', 'verify', path, '--key', key], { cwd: scene.folder });

  it('hands over with both signatures: what it signed goes on verifying, and who knows the old one can follow (T28)', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo one');
    await scene.approve(job);
    await succeeded(job);
    const former = join(scene.folder, 'former.pem');
    writeFileSync(former, pemOf(openHubKey(state('hub.key')).publicKey));
    const before = await exported('before.jsonl');
    await scene.agent.stop();
    expect((await keys('rotate', 'hub')).out).toContain('What the old key has signed goes on being verified');
    await scene.restart();
    const maria = await scene.as('maria', ['read', 'admin']);
    expect((await maria.get('audit/verify')).body).toMatchObject({ ok: true });
    const rows = await events();
    expect(rows.map(({ event }) => event)).toContain('hub_key_rotated');
    expect(rows.map(({ event }) => event)).not.toContain('hub_key_changed');
    const after = await exported('after.jsonl');
    const current = join(scene.folder, 'current.pem');
    writeFileSync(current, pemOf(openHubKey(state('hub.key')).publicKey));
    expect((await verify(before, former)).exit).toBe(0);
    expect((await verify(after, current)).exit).toBe(0);
    expect((await verify(after, former)).exit).toBe(0);
    // The other way round nobody has vouched, and a foreign key is led to by none.
    expect((await verify(before, current)).exit).toBe(1);
    const foreign = join(scene.folder, 'foreign.pem');
    writeFileSync(foreign, pemOf(openHubKey(join(scene.folder, 'foreign.key')).publicKey));
    expect((await verify(after, foreign)).exit).toBe(1);
  });

  it('that was exchanged without a hand-over is said to be another (T28)', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo one');
    await scene.approve(job);
    await succeeded(job);
    await scene.agent.stop();
    openHubKey(join(scene.folder, 'foreign.key'));
    const foreign = readFileSync(join(scene.folder, 'foreign.key'));
    writeFileSync(state('hub.key'), foreign);
    await scene.restart();
    await scene.gitlab.until('the log to say so', () =>
      scene.log.lines.some((line) => line.includes('the hub signs with another key than before')),
    );
  });

  it('is one key or the other whichever step a rotation dies at, and the audit verifies', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy('echo one');
    await scene.approve(job);
    await succeeded(job);
    for (const [step, rotated] of [
      ['next', false],
      ['audit', false],
      ['head', true],
      ['take', true],
    ] as const) {
      await scene.agent.stop();
      const key = openHubKey(state('hub.key')).keyid;
      const onStep = (at: string) => {
        if (at === step) throw new Error(`killed before ${at}`);
      };
      await expect(rotateKey(config(), 'hub', { dryRun: false, now: Date.now(), onStep })).rejects.toThrow('killed');
      await scene.restart();
      expect([step, openHubKey(state('hub.key')).keyid !== key]).toEqual([step, rotated]);
      expect(readdirSync(state()).filter((name) => name.endsWith('.next'))).toEqual([]);
      const maria = await scene.as('maria', ['read', 'admin']);
      expect((await maria.get('audit/verify')).body).toMatchObject({ ok: true });
    }
    expect((await events()).map(({ event }) => event)).not.toContain('hub_key_changed');
  });
});

describe('the variable key', () => {
  it('says beforehand which approvals are kept, tolerated and lost, and then it is exactly so', async () => {
    scene = await openScene();
    scene.runner();
    const [open, masked, blind] = ['echo open', 'echo masked', 'echo typed'] as const;
    for (const [line, change] of [
      [open, withoutSecrets],
      [masked, () => {}],
      [blind, typed],
    ] as const) {
      const job = deploy(line, change as Change);
      const hold = await scene.hold(job, 'waiting_for_approval');
      if (line === blind) await (await scene.as('maria')).post(`holds/${hold.id}/reveal`, { digest: hold.digest });
      await scene.approve(job);
      await succeeded(job);
    }
    const dry = JSON.parse((await keys('rotate', 'variable', '--dry-run', '--json')).out);
    expect(dry.impact).toMatchObject({ kept: 1, denials: [], open: [] });
    expect(dry.impact.tolerated.map(({ id }: { id: number }) => id)).toEqual([2]);
    expect(dry.impact.lost).toEqual([
      {
        id: 3,
        project: 'acme/payments/api',
        job: 'deploy:production',
        ref: 'refs/heads/main',
        environment: 'production',
      },
    ]);
    const waiting = deploy('echo waits');
    const held = await scene.hold(waiting, 'waiting_for_approval');
    await scene.agent.stop();
    const refused = await keys('rotate', 'variable');
    expect(refused).toMatchObject({
      exit: 4,
      err: expect.stringContaining(`1 open holds have hidden values under the old key (${held.id})`),
    });
    expect(readdirSync(state()).filter((name) => name.endsWith('.next'))).toEqual([]);
    await scene.restart();
    await (await scene.as('maria')).post(`holds/${held.id}/reject`, { digest: held.digest, comment: 'no' });
    await scene.gitlab.until('the job to be failed', () => scene.gitlab.job(waiting).status === 'failed');
    await scene.agent.stop();
    const { exit, out } = await keys('rotate', 'variable');
    expect([exit, out]).toEqual([0, expect.stringContaining('1 approvals can match no job any more')]);
    await scene.restart();
    scene.runner();
    await succeeded(deploy(open, withoutSecrets));
    await succeeded(deploy(masked));
    const asked = await scene.hold(deploy(blind, typed), 'waiting_for_approval');
    expect(asked.diff.changes.every(({ path }) => path.startsWith('variables.'))).toBe(true);
    const noted = (await events()).find(({ event }) => event === 'variable_key_rotated');
    expect(noted?.detail).toMatchObject({ kept: 1, tolerated: [2], asked_again: [3] });
  }, 40_000);
});

describe('holdpoint keys', () => {
  it('is there in the built command', async () => {
    scene = await openScene();
    const main = join(ROOT, 'dist/agent/src/main.js');
    const argv = [main, 'keys', 'list', '--json', '--config', join(scene.folder, 'agent.yml')];
    const out = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, argv, (error, text) => (error === null ? resolve(text) : reject(error)));
    });
    expect((JSON.parse(out) as { items: { kind: string }[] }).items.map(({ kind }) => kind)).toEqual([
      'hub',
      'seal',
      'variable',
    ]);
  });
});
