import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { breakGlassSchema } from '../../agent/src/wire/break-glass.ts';
import { explanationSchema, type PolicyView, policyViewSchema } from '../../agent/src/wire/policy.ts';
import { runCli } from '../support/cli.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
const harmless = (job: Record<string, unknown>): void => {
  (job.steps as { script: string[] }[])[0]!.script = ['echo deployed'];
};
const ALWAYS =
  'freeze: [{ name: quiet night, time_zone: UTC, daily: [{ from: "00:00", to: "12:00" }, { from: "12:00", to: "00:00" }] }]\n';

let scene: Scene;
afterEach(async () => scene.close());

const open = (policy: string, more: Parameters<typeof openScene>[0] = {}) =>
  openScene({ extra: 'policy: policy.yaml', files: { 'policy.yaml': policy }, ...more });
const write = (policy: string) => writeFileSync(join(scene.folder, 'policy.yaml'), policy);
const enqueue = (runner = scene.protectedToken): number =>
  scene.gitlab.enqueue(payload, { runner, user: zoe, mutate: harmless });
const ended = (id: number, status: string) =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
const ready = async () => {
  const answer = await fetch(`${scene.agent.hubUrl}/readyz`);
  return { status: answer.status, body: (await answer.json()) as { status: string; problems: { code: string }[] } };
};

describe('the policy of a hub that runs', () => {
  it('is read again when it changes; a broken file leaves the last good one in force and says so loudly (T30)', async () => {
    scene = await open('remember: 24h\n');
    const maria = await scene.as('maria');
    const policy = async () => policyViewSchema.parse((await maria.get('policy')).body) as PolicyView;
    const before = await policy();
    expect(before).toMatchObject({ file: 'policy.yaml', problem: null });

    write('remember: 48h\ncomment: required\n');
    const changed = await policy();
    expect(changed.version).not.toBe(before.version);
    expect(changed.settings.find(({ key }) => key === 'remember')).toMatchObject({ words: '2d', line: 1 });

    write('rules: []\ncoment: required\n');
    const broken = await policy();
    expect(broken.version).toBe(changed.version);
    expect(broken.problem).toMatch(/^policy\.yaml:1: rules: /);
    expect(broken.problem).toContain('coment');
    expect(broken.problem).not.toContain(scene.folder);
    expect(await ready()).toMatchObject({ status: 200, body: { status: 'degraded', problems: [{ code: 'policy' }] } });
    expect(await (await fetch(`${scene.agent.hubUrl}/metrics`)).text()).toContain('holdpoint_hub_policy_problem 1');
    expect(scene.log.lines.some((line) => line.startsWith('error changed file is not used'))).toBe(true);
    const shown = await runCli(['policy', 'show', '--hub', scene.agent.hubUrl], {
      env: { HOLDPOINT_TOKEN: maria.token },
    });
    expect(shown.out).toContain('!! The file as it is now is NOT in force');

    // What the last good one says holds on: an approve without a word is refused.
    scene.runner();
    const id = enqueue();
    const hold = await scene.hold(id, 'waiting_for_approval');
    const wordless = await maria.post<{ code: string }>(`holds/${hold.id}/approve`, { digest: hold.digest });
    expect(wordless).toMatchObject({ status: 422, body: { code: 'comment_required' } });

    write('remember: 24h\n');
    expect((await policy()).problem).toBeNull();
    expect((await ready()).body.status).toBe('ok');
    await scene.approve(id);
    await ended(id, 'success');
    const admin = await scene.as('maria', ['read', 'admin']);
    const audit = await admin.get<{ items: { event: string; policy: string | null }[] }>('audit?limit=100');
    expect(audit.body.items.filter(({ event }) => event === 'policy_changed').length).toBeGreaterThan(0);
    // Every row has the version that was in force when it was written.
    expect(audit.body.items.filter((row) => row.policy === null)).toEqual([]);
  });

  it('T26 gates a runner that its agent lists as unprotected, once the policy wants it', async () => {
    scene = await open('remember: 24h\n');
    const runner = scene.runner({ token: scene.openToken });
    const free = enqueue(scene.openToken);
    await ended(free, 'success');
    write('runners: [{ name: "open-*", mode: enforce }]\n');
    const gated = enqueue(scene.openToken);
    await scene.approve(gated);
    await ended(gated, 'success');
    expect(runner.started.map(({ jobId }) => jobId)).toEqual([free, gated]);
    expect((await scene.hold(gated, 'success')).votes).toHaveLength(1);
  });

  it('is explained to whoever may see the project, and to nobody else (T32)', async () => {
    scene = await open(
      'configurations: [{ name: deployments, match: { environments: [prod*] }, comment: required }]\n',
    );
    const maria = await scene.as('maria');
    const answer = await maria.get('policy/explain?project=acme/payments/api&job=deploy&environment=production');
    expect(explanationSchema.parse(answer.body)).toMatchObject({
      entries: [{ name: 'deployments', line: 1, decides: ['comment'] }],
      rules: [{ words: '1 × maintainers (maintainer or higher)', people: ['jonas', 'maria'] }],
    });
    expect((await maria.get('policy/explain?project=acme/none&job=deploy')).status).toBe(404);
    const rob = await scene.as('rob');
    expect((await rob.get('policy/explain?project=4243&job=deploy')).status).toBe(404);
    const told = await runCli(
      [
        'policy',
        'explain',
        '--hub',
        scene.agent.hubUrl,
        '--project',
        '4242',
        '--job',
        'deploy',
        '--environment',
        'production',
      ],
      { env: { HOLDPOINT_TOKEN: maria.token } },
    );
    expect(told.out).toContain('deployments (line 1; environments prod*): decides comment');
  });
});

describe('a freeze, with a real runner', () => {
  it('keeps an approved job parked, says why, and hands it over by itself when the window is gone', async () => {
    const clock = turnableClock();
    scene = await open(ALWAYS, { clock });
    const runner = scene.runner();
    const id = enqueue();
    const hold = await scene.approve(id);
    const maria = await scene.as('maria');
    const frozen = (await maria.get<{ state: string; keeps: string[]; frozen_until: string }>(`holds/${hold.id}`)).body;
    expect(frozen).toMatchObject({ state: 'waiting_for_approval' });
    expect(frozen.keeps[0]).toContain('frozen by quiet night until');
    expect(Date.parse(frozen.frozen_until)).toBeGreaterThan(Date.now());
    expect(runner.started).toEqual([]);
    write('remember: 24h\n');
    clock.advance(30_000);
    await ended(id, 'success');
    expect(runner.started.map(({ jobId }) => jobId)).toEqual([id]);
  });

  it('T29 holds back what was released before it began and is handed out after', async () => {
    const clock = turnableClock();
    scene = await open('remember: 24h\n', { clock });
    const first = scene.runner();
    const id = enqueue();
    await scene.hold(id, 'waiting_for_approval');
    await first.stop();
    await scene.approve(id);
    await scene.hold(id, 'pending');
    write(ALWAYS);
    const second = scene.runner();
    await scene.hold(id, 'waiting_for_approval');
    expect(second.started).toEqual([]);
    write('remember: 24h\n');
    clock.advance(30_000);
    await ended(id, 'success');
    expect(second.started.map(({ jobId }) => jobId)).toEqual([id]);
  });
});

describe('a broken glass, with a real runner', () => {
  it('T34 lets the job run, says so in its log, on its page and to Prometheus, until somebody else has looked', async () => {
    const clock = turnableClock();
    const policy = 'break_glass: { rules: [{ name: on call, user: jonas }], review_within: 1d }\n';
    scene = await open(policy, { clock });
    scene.runner();
    const id = enqueue();
    const hold = await scene.hold(id, 'waiting_for_approval');
    const jonas = await scene.as('jonas');
    const env = { HOLDPOINT_TOKEN: jonas.token };
    const hub = ['--hub', scene.agent.hubUrl];
    const smashed = await runCli(['break-glass', String(hold.id), '--reason', 'payments are down', ...hub], { env });
    expect(smashed.err).toBe('');
    expect(smashed.out).toContain('nobody approved it');
    await ended(id, 'success');
    expect(scene.gitlab.job(id).trace).toContain('NOBODY APPROVED THIS RUN');
    expect(scene.gitlab.job(id).trace).toContain('payments are down');
    const page = await runCli(['holds', 'show', String(hold.id), ...hub], { env });
    expect(page.out).toContain('!! NOBODY APPROVED THIS RUN');

    clock.advance(25 * 3_600_000);
    expect((await ready()).body.problems).toMatchObject([{ code: 'break_glass' }]);
    const mine = await jonas.post<{ code: string }>('break-glass/1/close', { finding: 'justified', comment: 'mine' });
    expect(mine).toMatchObject({ status: 403, body: { code: 'self_approval' } });
    const maria = await scene.as('maria');
    const closed = await maria.post('break-glass/1/close', { finding: 'justified', comment: 'it was down indeed' });
    expect(breakGlassSchema.parse(closed.body)).toMatchObject({
      state: 'closed',
      closed: { by: { username: 'maria' } },
    });
    expect((await ready()).body.status).toBe('ok');
    expect((await runCli(['break-glass', 'list', ...hub], { env })).out).toContain('waits to be looked at');
  });
});
