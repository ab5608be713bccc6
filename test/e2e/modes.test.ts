import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldView } from '../../agent/src/wire/api.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const POLICY = `on_unmatched:
  - { project: acme/web, divert: open-01 }
  - { project: 4242, divert: open-01 }
`;
const divertScene = () => openScene({ extra: 'policy: policy.yaml', files: { 'policy.yaml': POLICY } });
/** Secrets, tokens and the like are of the fixture; only what runs is made harmless. */
const harmless = (payload: Record<string, unknown>): void => {
  (payload.steps as { script: string[] }[])[0]!.script = ['echo tested'];
};

let scene: Scene;
afterEach(async () => scene.close());

const enqueue = (name: string, options: object = {}): number =>
  scene.gitlab.enqueue(fixture(name), { runner: scene.protectedToken, user: zoe, mutate: harmless, ...options });
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
async function audit(event: string): Promise<AuditRow[]> {
  const admin = await scene.as('maria', ['read', 'admin']);
  for (const end = Date.now() + 10_000; ; ) {
    const { body } = await admin.get<{ items: AuditRow[] }>('audit?limit=100');
    const found = body.items.filter((row) => row.event === event);
    if (found.length > 0) return found;
    if (Date.now() > end) throw new Error(`no ${event} in the audit; ${body.items.map((row) => row.event).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
const holds = async () => (await (await scene.as('maria')).get<{ items: HoldView[] }>('holds')).body.items;

describe('a token of the gateway, with a real runner', () => {
  it('T54: config.toml carries it alone; a job is held, approved and run, and GitLab and the log never name it', async () => {
    const own = 'glrt-gateway-0123456789abcdef';
    scene = await openScene({ runner: `, gateway_token: ${own}` });
    const runner = scene.runner({ token: own });
    const id = enqueue('deploy-production.run1');
    await scene.approve(id);
    await ended(id, 'success');
    expect(runner.started.map((started) => started.jobId)).toEqual([id]);
    const told = JSON.stringify(scene.gitlab.log);
    expect(told).toContain(scene.protectedToken);
    expect(told).not.toContain(own);
    expect(scene.log.lines.join()).not.toMatch(new RegExp(`${own}|${scene.protectedToken}`));
  });
});

describe('a runner in mode monitor', () => {
  it('gets its jobs at once; what would have been parked stands in the audit, and nobody is asked (T30)', async () => {
    scene = await openScene({ runner: ', mode: monitor' });
    const runner = scene.runner();
    const id = enqueue('deploy-production.run1');
    await ended(id, 'success');
    expect(runner.started.map((started) => started.jobId)).toEqual([id]);
    const [row] = await audit('job_monitored');
    expect(row?.detail).toMatchObject({ job_id: id, would: 'hold', ref: 'refs/heads/main', trigger: 'zoe' });
    expect(row?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await holds()).toEqual([]);
    expect((await (await scene.as('maria')).get<{ items: unknown[] }>('reviews')).body.items).toEqual([]);
    expect(scene.gitlab.job(id).trace).not.toContain('Holdpoint');
    const agents = await (await scene.as('maria')).get<{ items: { runners: object[] }[] }>('agents');
    expect(agents.body.items[0]?.runners).toContainEqual({ name: 'prod-deployer-01', protected: false });
  });
});

describe('on_unmatched: divert', () => {
  it('gives an unapproved job of an unprotected ref to the unprotected runner, once, and asks nobody (T41, T55)', async () => {
    scene = await divertScene();
    const guarded = scene.runner();
    const id = enqueue('test-unit.run1');
    await audit('job_diverted');
    const open = scene.runner({ token: scene.openToken });
    await ended(id, 'success');
    expect([guarded.started, open.started.map((started) => started.jobId)]).toEqual([[], [id]]);
    expect(scene.gitlab.job(id).trace).toContain('diverted to the unprotected runner open-01');
    expect(await holds()).toEqual([]);
    const [row] = await audit('job_diverted');
    expect(row?.detail).toMatchObject({ job_id: id, runner: 'prod-deployer-01', to: 'open-01' });
  });

  it.each([
    ['a protected ref and an environment', 'deploy-production.run1'],
    ['a protected ref', 'build-image.run1'],
    ['secrets and an id token', 'release.run1'],
  ])('T55: holds a job with %s', async (_what, name) => {
    scene = await divertScene();
    scene.runner();
    const open = scene.runner({ token: scene.openToken });
    const id = enqueue(name);
    await scene.hold(id, 'waiting_for_approval');
    expect(open.started).toEqual([]);
    expect((await scene.hold(id, 'waiting_for_approval')).attempt?.job_id).toBe(id);
  });

  it('lets an approved configuration pass to the protected runner all the same', async () => {
    scene = await openScene({ extra: 'policy: policy.yaml', files: { 'policy.yaml': 'request_ttl: 30d\n' } });
    const guarded = scene.runner();
    const first = enqueue('test-unit.run1');
    await scene.approve(first);
    await ended(first, 'success');
    writeFileSync(join(scene.folder, 'policy.yaml'), POLICY);
    await scene.restart();
    await guarded.stop();
    const again = scene.runner();
    const second = enqueue('test-unit.run1');
    await ended(second, 'success');
    expect(again.started.map((started) => started.jobId)).toEqual([second]);
  });
});
