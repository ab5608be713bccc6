import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { runCli } from '../support/cli.ts';
import { eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { DAY, HOUR } from '../support/hub-world.ts';
import { rawDatabase } from '../support/raw-database.ts';

let hub: TestHub;
let folder: string | null = null;
afterEach(async () => {
  await hub.close();
  if (folder !== null) rmSync(folder, { recursive: true });
  folder = null;
});

/** A question that nobody let run, and that is older than what is kept of such. */
async function anOldReject(): Promise<void> {
  await hub.world.admit({ id: 1, script: ['x'.repeat(400_000)] });
  await hub.world.reject('maria', 1);
  const { policy } = hub.world;
  // What the hub removes by itself meanwhile is another test.
  hub.world.policy = { ...policy, retention: { ...policy.retention, notRunMs: null } };
  hub.world.clock.advance(366 * DAY);
  await eventually(
    () => hub.store.alone('retention', async () => 'free'),
    (state) => state === 'free',
  );
  hub.world.policy = policy;
}
const gc = async (who: string, ...flags: string[]) =>
  runCli(['gc', ...flags], {
    env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: await hub.token(who, ['read', 'admin'], HOUR) },
  });

describe('what is old', () => {
  it('is counted and then removed by "holdpoint gc", which says so in the audit with who did it', async () => {
    hub = await startHub();
    await anOldReject();
    const wouldBe = await gc('olga', '--dry-run');
    expect([wouldBe.exit, wouldBe.err]).toEqual([0, '']);
    expect(wouldBe.out).toMatch(/^Would be removed:\nfacts of holds +1\ntexts of configurations +1\n$/);
    expect(await hub.store.facts(1, 1)).not.toBeNull();
    const done = JSON.parse((await gc('olga', '--json')).out);
    expect(done).toEqual({ dry_run: false, removed: { facts: 1, configurations: 1 } });
    const rows = await hub.store.auditRows({ events: ['retention_applied'], sight: null }, { after: 0, limit: 9 });
    expect(rows.map(({ actor }) => actor)).toEqual(['user:30 olga', 'user:30 olga']);
    expect((await verifyAudit(hub.store)).ok).toBe(true);
    expect((await gc('olga')).out).toContain('Nothing is older than what the retention of the policy keeps');
  });

  it('is removed for administrators only, and a cursor that is none is refused', async () => {
    hub = await startHub();
    const asked = (token: string, body: object) => hub.call('POST', '/api/v1/retention/apply', token, body);
    expect((await asked(await hub.token('maria', ['read', 'approve', 'audit']), {})).status).toBe(403);
    const admin = await hub.token('olga', ['admin']);
    for (const cursor of ['x', 'ended:votes', 'holds:-1', 'configurations:*'])
      expect((await asked(admin, { cursor })).body).toMatchObject({ code: 'bad_input' });
  });

  it('tells whoever opens it what was removed when, with a code of its own', async () => {
    hub = await startHub();
    await anOldReject();
    await gc('olga');
    const { status, body } = await hub.call('GET', '/api/v1/holds/1', await hub.token('maria'));
    expect([status, body.code]).toEqual([410, 'removed']);
    expect(String(body.detail)).toMatch(
      /^hold 1: its configuration was removed on 2027-11-23 under the retention of policy sha256:[0-9a-f]{64}, its facts were/,
    );
    expect((await hub.call('GET', '/api/v1/holds', await hub.token('maria'))).status).toBe(200);
    const shown = await runCli(['holds', 'show', '1'], {
      env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: await hub.token('maria') },
    });
    expect([shown.exit, shown.err]).toEqual([3, expect.stringContaining('holdpoint audit timeline hold 1')]);
  });

  it('goes by itself some time after the start, and SQLite gives the space back', async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-retention-'));
    const path = join(folder, 'hub.sqlite');
    hub = await startHub({ store: await openStore({ path }) });
    await hub.world.admit({ id: 1, script: ['x'.repeat(400_000)] });
    await hub.world.reject('maria', 1);
    const raw = rawDatabase(path);
    const pages = () => [raw.value('pragma page_count'), raw.value('pragma freelist_count')].map(Number);
    const before = pages();
    hub.world.clock.advance(366 * DAY);
    await eventually(
      () => hub.world.audit(),
      (events) => events.filter((event) => event === 'retention_applied').length === 2,
    );
    const [count, free] = await eventually(
      async () => pages(),
      ([, unused]) => unused === 0,
    );
    raw.close();
    expect(free).toBe(0);
    expect(count).toBeLessThan(before[0]! - 90);
  });
});

describe('the policy says how long', () => {
  const read = (text: string) => readPolicy(text, 'policy.yaml').retention;

  it('in days or for ever, each on its own; what it does not say is as shipped', () => {
    expect(read('retention: { ran: 1095d, sightings: 30d, recordings: forever }')).toEqual({
      ranMs: 1095 * DAY,
      notRunMs: 365 * DAY,
      endedMs: 90 * DAY,
      notificationsMs: 30 * DAY,
      sightingsMs: 30 * DAY,
      recordingsMs: null,
    });
    expect(read('retention: { not_run: forever }').notRunMs).toBeNull();
    expect(read('{}').ranMs).toBeNull();
  });

  it('T34 never what an audit needs: what ran is kept for a year at the least, the rest for a month, and no typing error is "at once"', () => {
    for (const [text, words] of [
      ['ran: 364d', 'at least 365d'],
      ['ran: 12h', 'at least 365d'],
      ['not_run: 29d', 'at least 30d'],
      ['ended: forever', 'at least 30d'],
      ['ended: 0d', 'at least 30d'],
      ['audit: 1d', 'audit'],
    ])
      expect(() => read(`retention: { ${text} }`), text).toThrow(words);
  });

  it('is shown with the policy in force', async () => {
    hub = await startHub();
    const shown = await runCli(['policy', 'show'], {
      env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: await hub.token('maria') },
    });
    expect(shown.out).toMatch(/Retention\n {2}ran: forever {2}\[as shipped\]\n {2}not_run: 365d/);
  });
});
