import { createHmac, timingSafeEqual } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_TRIES } from '../../agent/src/domain/notify/delivery.ts';
import { runCli } from '../support/cli.ts';
import { HOUR, MINUTE } from '../support/hub-world.ts';
import { HOOK_SECRET, type NotifyWorld, notifyWorld, route, telling } from '../support/notify-world.ts';

const says = telling({ routes: [route({ channels: ['hook'], events: ['hold_parked', 'review_*'] })] });

let folder: string;
let world: NotifyWorld;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-outbox-'));
  world = await notifyWorld(folder, { storePath: join(folder, 'hub.db'), says });
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

const hub = () => world.test.world;
const ids = () => world.events().map(({ id }) => id);
const park = (id: number) => hub().admit({ id, pipeline: id, script: [`make ${id}`] });
const admin = () => world.test.token('olga', ['read', 'admin']);

describe('the outbox', () => {
  it('sends a program everything, in order, each under its own key', async () => {
    for (let id = 1; id <= 5; id++) await park(id);
    await world.until(ids, (sent) => sent.length === 10);
    expect(new Set(ids()).size).toBe(10);
    const seqs = ids().map((id) => Number(id.replace('audit-', '')));
    expect([...seqs].sort((a, b) => a - b)).toEqual(seqs);
    for (const { headers, body } of world.hook.posted) {
      const mac = createHmac('sha256', HOOK_SECRET)
        .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
        .digest();
      const said = Buffer.from(String(headers['webhook-signature']).slice(3), 'base64');
      expect(timingSafeEqual(mac, said)).toBe(true);
    }
  });

  it('lets nothing overtake what a receiver has not taken, and sends that again under the same key', async () => {
    world.hook.answer(503, 500, 429);
    await park(1);
    await world.until(ids, (sent) => sent.length >= 2);
    await park(2);
    await world.until(ids, (sent) => sent.length === 7);
    const [first, ...rest] = ids();
    expect(rest.slice(0, 3)).toEqual([first, first, first]);
    expect(new Set(rest.slice(2)).size).toBe(4);
  });

  it('does not hold up others for a receiver that is slow, or gone', async () => {
    world.test.world.policy = telling({
      routes: [route({ channels: ['hook', 'other', 'mail'], events: ['review_opened'] })],
    });
    world.hook.always(() => {});
    for (let id = 1; id <= 3; id++) await park(id);
    await world.until(
      () => world.other.posted.length,
      (count) => count === 3,
    );
    await world.until(
      () => world.subjectsOf('maria').length,
      (count) => count > 0,
    );
    expect(await world.test.store.deliveries({ channel: 'hook', states: ['sent'] }, { after: 0, limit: 10 })).toEqual(
      [],
    );
  });

  it('gives up after so many tries, says so, and tries again when it is told to', async () => {
    world.hook.always(500);
    await park(1);
    const dead = await world.until(
      () => world.test.store.deliveries({ states: ['dead'] }, { after: 0, limit: 10 }),
      (found) => found.length === 2,
      31 * MINUTE,
    );
    expect(dead.map(({ tries, lastError }) => [tries, lastError])).toEqual([
      [MAX_TRIES, 'it answered 500'],
      [MAX_TRIES, 'it answered 500'],
    ]);
    expect(world.hook.posted).toHaveLength(2 * MAX_TRIES);
    expect(world.test.log.lines.some(({ message }) => message.includes('could not be sent'))).toBe(true);
    expect(await hub().audit()).toContain('notification_failed');
    const metrics = String((await world.test.call('GET', '/metrics', null)).body);
    expect(metrics).toContain('holdpoint_hub_notifications_dead 2');
    expect(metrics).toMatch(/holdpoint_hub_notification_sends_total\{kind="webhook",outcome="dead"\} 2/);

    world.hook.always(204);
    const env = { HOLDPOINT_TOKEN: await admin(), HOLDPOINT_HUB_URL: world.test.url };
    const listed = await runCli(['notifications', 'list', '--state', 'dead'], { env });
    expect(listed.out).toMatch(/ 2 +dead .* hold_parked +hook /);
    const one = await runCli(['notifications', 'retry', String(dead[0]!.id)], { env });
    expect([one.exit, one.out]).toEqual([0, '1 notification is tried again\n']);
    await world.until(ids, (sent) => sent.length === 2 * MAX_TRIES + 1);
    expect((await runCli(['notifications', 'retry', String(dead[0]!.id)], { env })).exit).toBe(4);
    const all = await runCli(['notifications', 'retry', '--all'], { env });
    expect(all.out).toBe('1 notification is tried again\n');
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ waiting, dead: left }) => waiting + left === 0,
    );
    expect((await runCli(['notifications', 'retry'], { env })).exit).toBe(2);
  });

  it('does not try again what a receiver refuses for good', async () => {
    world.hook.answer(410);
    await park(1);
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ dead }) => dead === 1,
    );
    await world.until(ids, (sent) => sent.length === 2);
  });

  it('loses nothing when the hub is stopped between what happens and its being sent, and tells nothing twice', async () => {
    const { mail, hook } = world;
    await park(1);
    await world.until(ids, (sent) => sent.length === 2);
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ waiting }) => waiting === 0,
    );
    // Stopped: what happens now is written with nobody looking.
    await world.test.hub.close();
    await park(2);
    const before = world;
    world = await notifyWorld(folder, { storePath: join(folder, 'hub.db'), says, mail, hook });
    await before.test.store.close();
    await before.other.close();
    await world.until(ids, (sent) => sent.length === 4);
    expect(new Set(ids()).size).toBe(4);
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ waiting }) => waiting === 0,
    );
    await world.close();
    world = await notifyWorld(folder, { storePath: join(folder, 'hub.db'), says, mail, hook });
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ waiting }) => waiting === 0,
    );
    expect(ids()).toHaveLength(4);
    await mail.close();
    await hook.close();
  });

  it('tells nobody what happened longer ago than a day', async () => {
    await world.test.hub.close();
    await park(1);
    const cursor = await world.test.store.noticeCursor();
    expect(cursor).toBeLessThan((await world.test.store.auditHead()).seq);
    const { mail, hook } = world;
    const before = world;
    world = await notifyWorld(folder, { storePath: join(folder, 'hub.db'), says, sleptMs: 25 * HOUR, mail, hook });
    await before.test.store.close();
    await before.other.close();
    await world.until(
      async () => [await world.test.store.noticeCursor(), (await world.test.store.auditHead()).seq],
      ([a, b]) => a === b,
    );
    expect(world.hook.posted).toEqual([]);
    await mail.close();
    await hook.close();
  });

  it('keeps what goes to a channel that nobody has defined, says so, and sends it when there is one', async () => {
    world.test.world.policy = telling({ routes: [route({ channels: ['pager'], events: ['review_opened'] })] });
    await park(1);
    await world.until(
      () => world.test.store.outboxFigures(0),
      ({ dead }) => dead === 1,
    );
    expect(world.test.log.lines.some(({ message }) => message.includes('hub.notify has no such channel'))).toBe(true);
  });

  it('has a limit: what is beyond it for one recipient is dead at once, and seen', async () => {
    world.hook.always(() => {});
    await world.test.store.write(async (tx) => {
      for (let i = 0; i < 1_000; i++) {
        const notice = await tx.insertNotice({ ...(await anyNotice()), key: `filler-${i}` });
        await tx.insertDelivery({
          ...{ notice: notice!, channel: 'hook', target: '', person: null, cause: null, state: 'waiting' },
          ...{ createdAt: hub().clock.now(), dueAt: hub().clock.now() + 100 * HOUR, lastError: null },
        });
      }
    });
    await park(1);
    const dead = await world.until(
      () => world.test.store.deliveries({ states: ['dead'] }, { after: 0, limit: 10 }),
      (found) => found.length === 2,
    );
    expect(dead[0]!.lastError).toContain('1000 others wait');
  });
});

async function anyNotice() {
  const { noticeOf } = await import('../../agent/src/domain/notify/notice.ts');
  return noticeOf('x', 'test', 0);
}

describe('notifications through the API', () => {
  it('are for administrators alone', async () => {
    const maria = await world.test.token('maria', ['read', 'approve', 'deploy', 'audit']);
    for (const [method, path, body] of [
      ['GET', 'notifications', undefined],
      ['GET', 'notifications/channels', undefined],
      ['POST', 'notifications/1/retry', {}],
      ['POST', 'notifications/retry', {}],
      ['POST', 'notifications/test', { channel: 'hook' }],
    ] as const)
      expect((await world.test.call(method, `/api/v1/${path}`, maria, body)).status, path).toBe(403);
  });

  it('test a channel on demand: mail goes to whoever asks', async () => {
    const env = { HOLDPOINT_TOKEN: await admin(), HOLDPOINT_HUB_URL: world.test.url };
    expect((await runCli(['notifications', 'test', 'mail'], { env })).exit).toBe(0);
    await world.until(
      () => world.subjectsOf('olga'),
      (subjects) => subjects.length === 1,
    );
    expect(world.subjectsOf('olga')).toEqual(['A test of a channel']);
    await runCli(['notifications', 'test', 'hook'], { env });
    await world.until(
      () => world.events(),
      (events) => events.some(({ type }) => type === 'holdpoint.test'),
    );
    const wrong = await runCli(['notifications', 'test', 'pager'], { env });
    expect([wrong.exit, wrong.err]).toEqual([
      3,
      expect.stringContaining('hub.notify defines mail, hook, other, chat, notes'),
    ]);
    expect((await runCli(['notifications', 'channels'], { env })).out).toMatch(/chat +mattermost/);
  });
});

describe('asking for a decision', () => {
  beforeEach(() => {
    world.test.world.policy = telling({ routes: [route({ events: ['help_asked'] })] });
  });

  it('reaches those who can still help, and stands in the history of the hold with what was sent', async () => {
    const { hold } = await park(1);
    const env = { HOLDPOINT_TOKEN: await world.test.token('zoe', ['read']), HOLDPOINT_HUB_URL: world.test.url };
    const asked = await runCli(['holds', 'ping', String(hold), '--comment', 'the release waits'], { env });
    expect(asked.out).toContain('jonas, maria, olga can help and are asked by mail');
    await world.until(
      () => world.subjectsOf('maria'),
      (subjects) => subjects.length === 1,
    );
    expect(world.subjectsOf('maria')[0]).toContain('Somebody asks for a decision');
    const rows = await world.test.store.auditRows({ hold: hold!, sight: null }, { after: 0, limit: 100 });
    expect(rows.find(({ event }) => event === 'notified')?.detail).toMatchObject({
      notice: 'help_asked',
      channel: 'mail',
      people: [22, 21, 30],
    });
  });

  it('T58 is possible seldom: for one hold by anybody, and for one person at all', async () => {
    const zoe = await world.test.token('zoe', ['read']);
    const alice = await world.test.token('alice', ['read']);
    const ping = (hold: number, token: string) => world.test.call('POST', `/api/v1/holds/${hold}/ping`, token, {});
    const { hold } = await park(1);
    // Of two at the same moment one counts.
    const both = await Promise.all([ping(hold!, zoe), ping(hold!, alice)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 429]);
    expect((await ping(hold!, zoe)).body.code).toBe('rate_limited');
    hub().clock.advance(31 * MINUTE);
    expect((await ping(hold!, zoe)).status).toBe(200);
    let answers: number[] = [];
    for (let id = 2; id <= 14; id++) answers.push((await ping((await park(id)).hold!, zoe)).status);
    expect(answers.filter((status) => status === 200).length).toBeLessThanOrEqual(10);
    expect(answers.at(-1)).toBe(429);
    answers = [(await ping((await park(99)).hold!, alice)).status];
    expect(answers).toEqual([200]);
  });

  it('is for whoever sees the hold, and only while it waits', async () => {
    const { hold } = await park(1);
    const gus = await world.test.token('gus', ['read']);
    expect((await world.test.call('POST', `/api/v1/holds/${hold}/ping`, gus, {})).status).toBe(404);
    await hub().approve('maria', hold!);
    const zoe = await world.test.token('zoe', ['read']);
    const late = await world.test.call('POST', `/api/v1/holds/${hold}/ping`, zoe, {});
    expect([late.status, late.body.code]).toEqual([409, 'wrong_state']);
  });
});
