import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runDeployment } from '../../agent/src/app/deployments/run.ts';
import { approveDeployment } from '../../agent/src/app/deployments/vote.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { welcomed } from '../support/hub-server.ts';
import { DAY, HOUR, MINUTE } from '../support/hub-world.ts';
import { escalation, type NotifyWorld, notifyWorld, REACHABLE, route, telling } from '../support/notify-world.ts';
import { bodyOf } from '../support/receivers.ts';

let folder: string;
let world: NotifyWorld;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-notify-'));
  world = await notifyWorld(folder);
  world.test.world.policy = telling({ routes: [route()] });
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

const hub = () => world.test.world;
const mailTo = (username: string, count: number) =>
  world.until(
    () => world.subjectsOf(username),
    (subjects) => subjects.length >= count,
  );
/** Several looks at the outbox without anything new. */
const quietFor = async (turns = 5) => {
  for (let i = 0; i < turns; i++) {
    const before = world.test.store;
    await world.until(
      async () => (await before.outboxFigures(hub().clock.now())).oldestDue,
      (due) => due === null,
    );
  }
};

describe('whoever triggered a job', () => {
  it('is told that it waits, why and who can help, and by whom it was approved', async () => {
    const { hold } = await hub().admit({ id: 1 });
    await mailTo('zoe', 1);
    expect(world.subjectsOf('zoe')).toEqual([
      'A job waits for approval: job build of acme/payments/api on refs/heads/main',
    ]);
    const text = bodyOf(world.mail.mails.find(({ to }) => to.includes('zoe@example.com'))!.raw);
    expect(text).toContain('Who can help: jonas, maria, olga');
    expect(text).toContain(`https://hub.example.com/holds/${hold}`);
    await hub().approve('maria', hold!);
    await mailTo('zoe', 2);
    expect(world.subjectsOf('zoe')[1]).toContain('A job was approved');
    expect(bodyOf(world.mail.mails.at(-1)!.raw)).toContain('By: maria');
  });

  it('is told why it was rejected, and that nobody decided', async () => {
    const first = await hub().admit({ id: 1 });
    await mailTo('zoe', 1);
    await hub().reject('jonas', first.hold!, { comment: 'not on a Friday' });
    await mailTo('zoe', 2);
    expect(world.subjectsOf('zoe')[1]).toContain('A job was rejected');
    expect(bodyOf(world.mail.mails.at(-1)!.raw)).toContain('Why: not on a Friday');
  });

  it('is told nothing where only a variable says that it was them (T17)', async () => {
    await hub().admit({ id: 1, verified: 'unverified' });
    await mailTo('maria', 1);
    await quietFor();
    expect(world.subjectsOf('zoe')).toEqual([]);
  });

  it('is told that GitLab ended the job while it waits', async () => {
    const { hold } = await hub().admit({ id: 1 });
    await mailTo('zoe', 1);
    await hub().report('embedded', { hold: hold!, jobId: 1, event: 'detached' });
    expect((await mailTo('zoe', 2))[1]).toContain('GitLab ended a job that waits');
  });
});

describe('whoever can help', () => {
  it('is asked with the very page, and nobody else is', async () => {
    const { hold } = await hub().admit({ id: 1 });
    await mailTo('maria', 1);
    await mailTo('jonas', 1);
    await mailTo('olga', 1);
    await quietFor();
    expect(world.subjectsOf('maria')).toEqual([
      'An approval is wanted: job build of acme/payments/api on refs/heads/main',
    ]);
    for (const other of ['alice', 'rita', 'gus', 'stranger']) expect(world.subjectsOf(other)).toEqual([]);
    const asked = world.mail.mails.find(({ to }) => to.includes('maria@example.com'))!;
    expect(bodyOf(asked.raw)).toContain(`https://hub.example.com/holds/${hold}`);
  });

  it('is asked to watch an approved job, with the very page, and whoever caused it is not', async () => {
    world.test.world.policy = telling(
      { routes: [route({ events: ['watcher_wanted'] })] },
      { base: { ...DEFAULT_POLICY.base, fourEyesLive: 'required' } },
    );
    const { hold } = await hub().admit({ id: 1, by: 'jonas' });
    await quietFor();
    expect(world.mail.mails).toEqual([]);
    await hub().approve('maria', hold!);
    await mailTo('maria', 1);
    await mailTo('olga', 1);
    await quietFor();
    expect(world.subjectsOf('maria')[0]).toContain('An approved job waits for somebody who watches it');
    for (const other of ['jonas', 'zoe', 'alice', 'rita']) expect(world.subjectsOf(other)).toEqual([]);
    const text = bodyOf(world.mail.mails[0]!.raw);
    expect(text).toContain(`https://hub.example.com/holds/${hold}`);
    expect(text).toContain('Who can help: maria, olga');
  });

  it('is asked again only as long as they could still fill what is missing', async () => {
    world.test.world.policy = telling(
      { routes: [route({ events: ['review_lacks'] })] },
      { base: { ...DEFAULT_POLICY.base, rules: [levelRule('maintainers', 40, 2)] } },
    );
    const { hold } = await hub().admit({ id: 1 });
    await hub().approve('maria', hold!);
    await mailTo('jonas', 1);
    expect(world.subjectsOf('jonas')[0]).toContain('One more approval is wanted');
    await mailTo('olga', 1);
    await hub().approve('jonas', hold!);
    await quietFor();
    expect(world.subjectsOf('maria')).toEqual([]);
    expect(world.mail.mails).toHaveLength(2);
  });

  it('is not asked about what was answered before anybody looked', async () => {
    const { hold } = await hub().admit({ id: 1 });
    await hub().approve('maria', hold!);
    await mailTo('zoe', 1);
    await quietFor();
    expect(world.subjectsOf('jonas')).toEqual([]);
  });

  it('turns down what is not for them alone', async () => {
    hub().people = {
      ...REACHABLE,
      users: REACHABLE.users.map((user) => (user.username === 'maria' ? { ...user, notify: 'mine' as const } : user)),
    };
    await hub().admit({ id: 1, by: 'maria' });
    await mailTo('jonas', 1);
    await mailTo('maria', 1);
    await hub().admit({ id: 2, pipeline: 101, script: ['make other'] });
    await mailTo('jonas', 2);
    await quietFor();
    expect(world.subjectsOf('maria')).toEqual([
      'A job waits for approval: job build of acme/payments/api on refs/heads/main',
    ]);
  });

  it('T23 decides by no address that they are sent: each is looked at, with every right, and nothing has moved', async () => {
    const { hold } = await hub().admit({ id: 1 });
    await mailTo('maria', 1);
    const maria = await world.test.token('maria', ['read', 'approve', 'deploy', 'admin']);
    const links = world.mail.mails.flatMap(
      ({ raw }) => bodyOf(raw).match(/https:\/\/hub\.example\.com[^\s"<]*/g) ?? [],
    );
    expect(links.length).toBeGreaterThan(0);
    const before = await world.test.store.hold(hold!);
    const votes = await world.test.store.votes(before!.review!);
    for (const link of new Set(links)) {
      for (const method of ['GET', 'HEAD'])
        await fetch(link.replace('https://hub.example.com', world.test.url), {
          method,
          headers: { authorization: `Bearer ${maria}` },
        });
    }
    expect(await world.test.store.hold(hold!)).toEqual(before);
    expect(await world.test.store.votes(before!.review!)).toEqual(votes);
    expect(await hub().state(hold!)).toBe('waiting_for_approval');
  });
});

describe('time', () => {
  it('says before a hold expires that it will, once, to those who can help and to whoever waits', async () => {
    world.test.world.policy = telling({ routes: [route({ events: ['hold_expiring'] })], expiringMs: DAY });
    await hub().admit({ id: 1 });
    hub().clock.advance(28 * DAY);
    await quietFor();
    expect(world.mail.mails).toEqual([]);
    hub().clock.advance(DAY + HOUR);
    await mailTo('maria', 1);
    await mailTo('zoe', 1);
    await quietFor();
    expect(world.subjectsOf('maria')).toHaveLength(1);
    expect(world.subjectsOf('zoe')[0]).toContain('A job expires soon');
  });

  it('tells others what has waited for too long, once', async () => {
    world.test.world.policy = telling({ routes: [], escalations: [escalation({ also: ['stranger'] })] });
    await hub().admit({ id: 1 });
    hub().clock.advance(3 * HOUR);
    await quietFor();
    expect(world.mail.mails).toEqual([]);
    hub().clock.advance(HOUR);
    await mailTo('stranger', 1);
    await mailTo('maria', 1);
    await quietFor();
    expect(world.subjectsOf('stranger')).toEqual([
      'Something waits for too long: job build of acme/payments/api on refs/heads/main',
    ]);
    expect(world.subjectsOf('zoe')).toEqual([]);
  });

  it('holds mail back over quiet hours, sends it together afterwards, and holds back nothing that is critical', async () => {
    const quietHours = {
      timeZone: 'UTC',
      when: [{ kind: 'daily', from: { hour: 8, minute: 0 }, to: { hour: 12, minute: 0 } }],
    } as const;
    world.test.world.policy = telling({
      routes: [route({ to: ['approvers'] }), route({ name: 'critical', severity: 'critical', also: ['olga'] })],
      quietHours,
    });
    await hub().admit({ id: 1 });
    await hub().admit({ id: 2, pipeline: 101, script: ['make other'] });
    await world.until(
      async () => (await world.test.store.outboxFigures(0)).waiting,
      (waiting) => waiting === 6,
    );
    await quietFor();
    expect(world.mail.mails).toEqual([]);
    await world.test.store.write((tx) =>
      tx.audit({
        ...{ at: hub().clock.now(), actor: 'system', address: null, event: 'audit_broken', hold: null },
        ...{ review: null, approval: null, digest: null, policy: null, detail: {} },
      }),
    );
    await mailTo('olga', 1);
    // What was held back goes with it for whoever is told at that moment; the others are left alone.
    expect(world.subjectsOf('maria')).toEqual([]);
    hub().clock.advance(4 * HOUR);
    expect(await mailTo('maria', 1)).toEqual(['2 notifications']);
  });

  it('collects for one recipient what comes within the time of a digest', async () => {
    world.test.world.policy = telling({ routes: [route({ digestMs: 10 * MINUTE, to: ['approvers'] })] });
    for (let id = 1; id <= 3; id++) await hub().admit({ id, pipeline: id, script: [`make ${id}`] });
    await world.until(
      async () => (await world.test.store.outboxFigures(0)).waiting,
      (waiting) => waiting === 9,
      50,
    );
    expect(world.mail.mails).toEqual([]);
    expect(await mailTo('maria', 1)).toEqual(['3 notifications']);
    expect(await mailTo('jonas', 1)).toEqual(['3 notifications']);
  });

  it('T58 sends together what one person causes beyond a few within the hour, and leaves what others cause alone', async () => {
    world.test.world.policy = telling({ routes: [route({ to: ['approvers'] })], perTrigger: 3 });
    for (let id = 1; id <= 40; id++) {
      await hub().admit({ id, pipeline: id, script: [`make ${id}`] });
      if (id === 3) await mailTo('maria', 1);
    }
    await world.until(
      async () => (await world.test.store.outboxFigures(0)).waiting,
      (waiting) => waiting === 37 * 3,
      50,
    );
    const before = world.subjectsOf('maria').length;
    expect(before).toBeLessThanOrEqual(3);
    await hub().admit({ id: 99, pipeline: 99, by: 'alice', script: ['make alice'] });
    await mailTo('maria', before + 1);
    expect(bodyOf(world.mail.mails.at(-1)!.raw)).toContain('Triggered by: alice');
    hub().clock.advance(HOUR);
    expect((await mailTo('maria', before + 2)).at(-1)).toBe('37 notifications');
  });

  it('T58 sends nobody more than so many mails within an hour: the rest goes together when it is over', async () => {
    world.test.world.policy = telling({ routes: [route({ to: ['approvers'] })], perHour: 2, perTrigger: 1_000 });
    for (let id = 1; id <= 5; id++) {
      await hub().admit({ id, pipeline: id, script: [`make ${id}`] });
      if (id <= 2) await mailTo('maria', id);
    }
    await quietFor(4);
    expect(world.subjectsOf('maria')).toHaveLength(2);
    hub().clock.advance(HOUR);
    expect((await mailTo('maria', 3)).at(-1)).toBe('3 notifications');
  });
});

describe('what goes wrong with the program itself', () => {
  it('is told: a policy that cannot be read, and an agent that is away', async () => {
    await world.close();
    let problem: string | null = null;
    world = await notifyWorld(folder, {
      // Clocks are turned faster here than a link can answer.
      heartbeatMs: 1_000 * HOUR,
      policyStatus: () => ({ file: 'policy.yaml', loadedAt: 1, problem, line: () => null }),
    });
    world.test.world.policy = telling({ routes: [route({ channels: ['hook'] })] });
    problem = 'policy.yaml:3: rules: secret-looking text of the file';
    const link = await welcomed(world.test.url, world.test.keys.embedded);
    await hub().admit({ id: 1 });
    await world.until(
      () => world.events().map(({ type }) => type),
      (types) => types.includes('holdpoint.hold_parked'),
    );
    link.socket.terminate();
    await world.until(
      () => world.events().map(({ type }) => type),
      (types) => types.includes('holdpoint.policy_broken'),
    );
    await world.until(
      () => world.events().map(({ type }) => type),
      (types) => types.includes('holdpoint.agent_away'),
    );
    await quietFor();
    expect(world.events().filter(({ type }) => /broken|away/.test(type))).toHaveLength(2);
    expect(JSON.stringify(world.events())).not.toContain('secret-looking');
  });

  it('is told: break-glass, a revoked approval, a token where none belongs', async () => {
    world.test.world.policy = telling({ routes: [route({ channels: ['hook'] })] });
    const at = hub().clock.now();
    const { hold } = await hub().admit({ id: 1 });
    await hub().approve('maria', hold!);
    await world.test.store.write(async (tx) => {
      const row = { at, actor: 'user:21 maria', address: '10.0.0.9', hold: null, review: null, approval: null };
      const about = { ...row, digest: null, policy: null };
      await tx.audit({ ...about, event: 'break_glass_used', hold: hold!, detail: { reason: 'site is down' } });
      await tx.audit({ ...about, event: 'approval_revoked', approval: 1, detail: { comment: 'wrong' } });
      await tx.audit({ ...about, event: 'token_flagged', detail: { token: 5, owner: 21, signs: [] } });
    });
    const events = await world.until(world.events, (all) => all.some(({ type }) => type === 'holdpoint.token_misused'));
    const of = (type: string) => events.find((event) => event.type === `holdpoint.${type}`)?.data;
    expect(of('break_glass_used')).toMatchObject({ severity: 'critical', by: 'maria', reason: 'site is down', hold });
    expect(of('approval_revoked')).toMatchObject({ severity: 'warning', reason: 'wrong', approval: 1 });
    expect(of('token_misused')).toMatchObject({ severity: 'critical', reason: 'token 5, from 10.0.0.9' });
  });
});

describe('a deployment', () => {
  const environments = readPolicy(
    'environments: [{ name: production, environments: [production], deploy_access_levels: [{ user: olga }], approval_rules: [{ name: m, access_level: maintainer, count: 2 }] }]',
    'policy.yaml',
  ).environments;
  beforeEach(() => {
    world.test.world.policy = telling(
      { routes: [route({ events: ['deployment_*', 'review_lacks'] })] },
      { environments },
    );
  });

  it('asks whoever may approve it, then whoever may start it, and tells the trigger what becomes of it', async () => {
    const { hold } = await hub().admit({ id: 1, environment: 'production' });
    await hub().approve('maria', hold!);
    const deployment = (await world.test.store.deploymentOfHold(hold!))!;
    await mailTo('maria', 1);
    await mailTo('jonas', 1);
    expect(world.subjectsOf('maria')[0]).toContain('A deployment waits for approval: job build of acme/payments/api');
    const vote = { deployment: deployment.id, comment: null, representedAs: null };
    await approveDeployment(hub().context, hub().caller('maria'), vote);
    expect((await mailTo('jonas', 2))[1]).toContain('One more approval is wanted');
    expect(world.subjectsOf('maria')).toHaveLength(1);
    await approveDeployment(hub().context, hub().caller('jonas'), vote);
    await world.until(
      () => world.subjectsOf('olga'),
      (subjects) => subjects.some((one) => one.includes('is approved and waits to be started')),
    );
    expect((await mailTo('zoe', 1))[0]).toContain('A deployment is approved');
    expect(world.subjectsOf('jonas')).toHaveLength(2);
    await runDeployment(hub().context, hub().caller('olga', ['read', 'deploy']), deployment.id);
    await hub().report('embedded', { hold: hold!, jobId: 1, event: 'handed_out' });
    await hub().report('embedded', { hold: hold!, jobId: 1, event: 'confirmed' });
    expect((await mailTo('zoe', 2)).at(-1)).toContain('A deployment has started');
    await hub().report('embedded', { hold: hold!, jobId: 1, event: 'ended', detail: { status: 'failed' } });
    expect((await mailTo('zoe', 3)).at(-1)).toContain('A deployment has failed');
  });
});
