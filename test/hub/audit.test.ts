import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkAudit, checkpoint, verifyStore } from '../../agent/src/app/checkpoint.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { AUDIT_EVENTS, AUDIT_KINDS, eventsOf, eventWords } from '../../agent/src/domain/audit-events.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { runCli } from '../support/cli.ts';
import { PRODUCTION, TEAM_PEOPLE } from '../support/deployment-world.ts';
import { eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { DAY, HOUR, hubWorld } from '../support/hub-world.ts';
import { sourceFiles } from '../support/source-files.ts';

let hub: TestHub;
let auditor: string;
beforeEach(async () => {
  hub = await startHub();
  auditor = await hub.token('olga', ['audit'], 30 * DAY);
});
afterEach(async () => hub.close());

type Item = { readonly seq: number; readonly event: string; readonly actor: string; readonly client?: string };
const ask = async (query: string, token = auditor) => {
  const { status, body } = await hub.call('GET', `/api/v1/audit?${query}`, token);
  return { status, items: (body.items ?? []) as unknown as Item[], next: body.next_cursor as unknown as string | null };
};
const events = async (query: string, token = auditor): Promise<string[]> =>
  (await ask(query, token)).items.map((row) => row.event);

describe('the timeline', () => {
  beforeEach(async () => {
    await hub.world.admit({ id: 1, pipeline: 100 });
    await hub.call('GET', '/api/v1/holds/1', await hub.token('maria'));
    await hub.world.approve('maria', 1);
    await hub.world.admit({ id: 2, pipeline: 200, project: 4243, name: 'web', by: 'stranger' });
    await hub.world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
  });

  it('of a hold, a review, an approval, a project has what happened with it and nothing else', async () => {
    const ofHold = ['hold_opened', 'hold_seen', 'vote_approve', 'approval_created', 'hold_released', 'job_handed_out'];
    expect(await events('hold=1')).toEqual(ofHold);
    expect(await events('hold=2')).toEqual(['hold_opened']);
    expect(await events('approval=1')).toEqual(['approval_created', 'hold_released', 'job_handed_out']);
    expect(await events('review=2')).toEqual(['review_opened', 'hold_opened']);
    expect(await events('project=4243')).toEqual(['review_opened', 'hold_opened']);
    expect(await events('project=acme/web')).toEqual(['review_opened', 'hold_opened']);
    expect((await ask('project=acme/nothing')).status).toBe(404);
  });

  it('of a person has what they did and what names them, by id and by user name', async () => {
    const maria = ['token_used', 'hold_seen', 'vote_approve', 'approval_created', 'hold_released', 'review_closed'];
    expect(await events('person=21')).toEqual(maria);
    expect(await events('person=maria')).toEqual(maria);
    expect((await ask('person=nobody')).status).toBe(404);
    await hub.call('POST', '/api/v1/tokens', await hub.token('olga', ['admin']), { user: 'jonas' });
    expect(await events('person=jonas')).toEqual(['token_created']);
  });

  it('is narrowed by event, kind of event and time, all of them together', async () => {
    expect(await events('event=vote_approve')).toEqual(['vote_approve']);
    expect(await events('event=voted,released')).toEqual(['vote_approve', 'hold_released']);
    expect(await events('event=voted&hold=2')).toEqual([]);
    expect(await events('event=no_such_event')).toEqual([]);
    hub.world.clock.advance(2 * DAY);
    await hub.world.admit({ id: 3, pipeline: 300, name: 'late' });
    expect(await events('since=2026-11-23&event=parked')).toEqual(['review_opened', 'hold_opened']);
    expect(await events('since=2026-11-23&until=2026-11-23')).toEqual([]);
    expect(await events('until=2026-11-22&event=voted')).toEqual(['vote_approve']);
    expect(await events('since=2026-11-24T08:00:00Z&until=2026-11-24T08:00:00.001Z')).toEqual([
      'review_opened',
      'hold_opened',
    ]);
    expect((await ask('since=yesterday')).status).toBe(400);
    expect((await ask(`event=${Array(21).fill('a').join()}`)).status).toBe(400);
  });

  it('turns pages in both directions without a row twice or none', async () => {
    const all = (await ask('limit=100')).items.map((row) => row.seq);
    expect(all.length).toBeGreaterThan(8);
    for (const sort of ['asc', 'desc']) {
      const seen: number[] = [];
      let cursor: string | null = '';
      for (; cursor !== null; ) {
        const page = await ask(`sort=${sort}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
        seen.push(...page.items.map((row) => row.seq));
        cursor = page.next;
      }
      expect(seen).toEqual(sort === 'asc' ? all : [...all].reverse());
    }
  });

  it('lists an event that nobody here knows, with its name for words (T34)', async () => {
    await hub.store.write((tx) =>
      tx.audit({
        at: hub.world.clock.now(),
        actor: 'system',
        address: null,
        event: 'moon_landed',
        hold: 1,
        review: null,
        approval: null,
        deployment: 9,
        digest: null,
        policy: null,
        detail: {},
      }),
    );
    expect((await events('hold=1')).at(-1)).toBe('moon_landed');
    expect(await events('event=moon_landed')).toEqual(['moon_landed']);
    expect(await events('deployment=9')).toEqual(['moon_landed']);
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: auditor };
    const { out } = await runCli(['audit', 'timeline', 'deployment', '9'], { env });
    expect(out).toMatch(/system moon landed \(hold 1, deployment 9; row \d+\)/);
  });

  it('is told in words by the command line', async () => {
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: auditor };
    const { exit, out } = await runCli(['audit', 'timeline', 'hold', '1'], { env });
    expect(exit).toBe(0);
    const told = out.trimEnd().split('\n');
    expect(told.map((line) => /\d+ UTC {2}(?:user:\d+ )?(.*) \(/.exec(line)?.[1])).toEqual([
      'agent:embedded put the question to people',
      'agent:embedded parked a job that waits for approval',
      'maria opened the hold to decide on it',
      'maria voted to approve',
      'maria completed an approval',
      'maria released the hold',
      'maria closed the question',
      'agent:embedded handed the job to the runner',
    ]);
    expect(told[2]).toMatch(
      /^2026-11-22 08:00 UTC {2}user:21 maria opened the hold to decide on it \(hold 1, review 1; from 127\.0\.0\.1, /,
    );
    expect(told[3]).toMatch(/user:21 maria voted to approve/);
    const listed = await runCli(
      ['audit', 'list', '--event', 'voted', '--project', 'acme/payments/api', '--last', '5'],
      { env },
    );
    expect(listed.out).toMatch(/^\d+ {2}2026-11-22 08:00 UTC {2}vote_approve {2}user:21 maria/);
    expect((await runCli(['audit', 'list', '--event', 'vote'], { env })).err).toMatch(
      /no event is called vote; kinds are/,
    );
    expect((await runCli(['audit', 'timeline', 'banana', '1'], { env })).exit).toBe(2);
    expect((await runCli(['audit', 'timeline', 'hold', '99'], { env })).exit).toBe(3);
  });

  it('of a hold tells the vote that was cast on another one that waited for the same answer', async () => {
    await hub.world.admit({ id: 7, pipeline: 700, name: 'twin', script: ['twin'] });
    await hub.world.admit({ id: 8, pipeline: 800, name: 'twin', script: ['twin'] });
    await hub.world.approve('jonas', 3);
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: auditor };
    const { out } = await runCli(['audit', 'timeline', 'hold', '4'], { env });
    expect(out).toMatch(/user:22 jonas voted to approve \(hold 3, review 3/);
    expect(out).toMatch(/user:22 jonas released the hold \(hold 4/);
    expect(out).not.toMatch(/released the hold \(hold 3/);
  });

  it('T32 shows each only what they may see: their projects, own holds, own deeds; an auditor all of it', async () => {
    const of = async (who: string, query = '') => events(query, await hub.token(who, ['read']));
    expect(await of('rita', 'project=4243')).toEqual([]);
    expect(await of('rita', 'event=vote_approve')).toEqual(['vote_approve']);
    expect(await of('rita', 'person=maria')).not.toContain('token_used');
    expect(await of('gus')).toEqual(['token_used']);
    await hub.world.admit({ id: 5, pipeline: 500, name: 'mine', by: 'gus', project: 4243 });
    expect(await of('gus', 'event=parked')).toEqual(['hold_opened']);
    await hub.world.admit({ id: 6, pipeline: 600, name: 'claimed', by: 'gus', project: 4243, verified: 'unverified' });
    expect(await of('gus', 'event=parked')).toEqual(['hold_opened']);
    expect((await events('event=parked')).length).toBeGreaterThan(4);
    for (const path of ['audit', 'audit/export', 'audit/verify', 'audit/head'])
      expect((await hub.call('GET', `/api/v1/${path}`, await hub.token('rita', ['approve']))).status).toBe(403);
    expect((await hub.call('GET', '/api/v1/holds', auditor)).status).toBe(403);
  });
});

describe('what is written down', () => {
  it('that somebody who may decide has opened a hold, once, and of nobody else', async () => {
    await hub.world.admit({ id: 1 });
    for (const who of ['maria', 'maria', 'rita', 'zoe', 'jonas'])
      await hub.call('GET', '/api/v1/holds/1', await hub.token(who));
    await hub.call('GET', '/api/v1/holds/1', await hub.token('olga', ['read']));
    const seen = await ask('event=seen');
    expect(seen.items.map((row) => row.actor)).toEqual(['user:21 maria', 'user:22 jonas']);
  });

  it('that somebody who may decide has opened a deployment, once, and of nobody else', async () => {
    hub.world.people = TEAM_PEOPLE;
    hub.world.policy = readPolicy(PRODUCTION, 'policy.yaml');
    await hub.world.admit({ id: 1, environment: 'production' });
    for (const who of ['sam', 'sam', 'quinn', 'rita'])
      await hub.call('GET', '/api/v1/deployments/1', await hub.token(who, ['read', 'deploy']));
    await hub.call('GET', '/api/v1/deployments/1', await hub.token('sina', ['read']));
    expect((await ask('deployment=1&event=seen')).items.map((row) => row.actor)).toEqual([
      'user:75 sam',
      'user:73 quinn',
    ]);
    expect(await events('event=deployment_seen&person=sam')).toEqual(['deployment_seen']);
  });

  it('T24 that a token is used from another address or with another program, each once', async () => {
    const token = await hub.token('maria');
    const get = (client: string) =>
      fetch(`${hub.url}/api/v1/me`, { headers: { authorization: `Bearer ${token}`, 'user-agent': client } });
    for (const client of ['curl/8', 'curl/8', 'Firefox', 'curl/8', 'Firefox', `evil\u202e${'x'.repeat(500)}`])
      await get(encodeURI(client));
    const { items } = await ask('event=token_used&person=maria');
    expect(items.map((row) => row.client?.slice(0, 8))).toEqual(['curl/8', 'Firefox', 'evil%E2%']);
    expect(items[2]?.client?.length).toBeLessThanOrEqual(200);
    for (let i = 0; i < 250; i++) await get(`flood/${i}`);
    expect((await ask('event=token_used&person=maria&limit=100')).next).not.toBeNull();
    const all = await hub.store.auditRows(
      { events: ['token_used'], person: 21, sight: null },
      { after: 0, limit: 1_000 },
    );
    expect(all.length).toBe(200);
  });

  it('T21 that another version of the policy is in force, when it comes and when a hub starts under it', async () => {
    const changed = async () =>
      (await hub.store.auditRows({ events: ['policy_changed'], sight: null }, { after: 0, limit: 9 })).map(
        (row) => row.detail,
      );
    const { version } = DEFAULT_POLICY;
    await eventually(changed, (seen) => seen.length === 1);
    hub.world.policy = { ...DEFAULT_POLICY, version: 'two' };
    await hub.call('GET', '/api/v1/me', auditor);
    expect(await eventually(changed, (seen) => seen.length === 2)).toEqual([
      { from: null, to: version },
      { from: version, to: 'two' },
    ]);
    const again = await startHub({ store: hub.store, policy: () => ({ ...DEFAULT_POLICY, version: 'three' }) });
    expect((await eventually(changed, (seen) => seen.length === 3)).at(-1)).toEqual({ from: 'two', to: 'three' });
    await again.hub.close();
  });
});

describe('the signed end', () => {
  it('is given with the key to whoever may read all, the key to everybody', async () => {
    await hub.world.admit({ id: 1 });
    const { signer } = auditKeeper();
    const key = await hub.call('GET', '/api/v1/audit/key', null);
    expect(key.body).toEqual({
      keyid: signer.keyid,
      algorithm: 'ed25519',
      public_key: expect.stringContaining('BEGIN PUBLIC KEY'),
    });
    const head = await hub.call('GET', '/api/v1/audit/head', auditor);
    const end = await hub.store.auditHead();
    expect(head.body).toMatchObject({ seq: end.seq, hash: end.hash, root: expect.stringMatching(/^sha256:/) });
    const env = { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: auditor };
    const said = await runCli(['audit', 'key'], { env });
    expect([said.out, said.err]).toEqual([String(key.body.public_key), expect.stringContaining(signer.keyid)]);
    expect((await runCli(['audit', 'head'], { env })).out).toMatch(/^\d+:sha256:[0-9a-f]{64}\n$/);
    expect(hub.log.lines.some((line) => line.fields.keyid === signer.keyid)).toBe(true);
  });

  it('T34 is kept in the store now and then, and by the witness each time', async () => {
    // A world of its own: a running hub signs, too, as soon as an hour is over.
    const world = await hubWorld();
    const { store } = world;
    const keeper = auditKeeper();
    const look = async () => [(await store.checkpoints(0, 100)).length, keeper.kept !== null] as const;
    await world.admit({ id: 1 });
    const first = await checkpoint(world.context, keeper);
    expect(first?.seq).toBe((await store.auditHead()).seq);
    const kept = (await look())[0];
    expect(await checkpoint(world.context, keeper)).toBeNull();
    await world.admit({ id: 2, pipeline: 2, name: 'b' });
    expect((await checkpoint(world.context, keeper))?.seq).toBe((await store.auditHead()).seq);
    expect((await look())[0]).toBe(kept);
    world.clock.advance(HOUR);
    await world.admit({ id: 3, pipeline: 3, name: 'c' });
    await checkpoint(world.context, keeper);
    expect((await look())[0]).toBe(kept + 1);
    expect(await verifyStore(world.context, keeper)).toMatchObject({ ok: true });
  });

  it('T28 shows that the end was cut off in the store, and that is written down once', async () => {
    const { world, store } = hub;
    const keeper = auditKeeper();
    await world.admit({ id: 1 });
    const early = await store.auditHead();
    await world.admit({ id: 2, pipeline: 2, name: 'b' });
    await checkpoint(world.context, keeper);
    // As if the rows above `early` had been taken out and the head set back with them.
    const cut = {
      ...store,
      auditHead: async () => early,
      auditRows: async (filter: never, page: { after: number; limit: number }) =>
        (await store.auditRows(filter, page)).filter((row) => row.seq <= early.seq),
      auditHashes: async (from: number, count: number) =>
        store.auditHashes(from, Math.min(count, early.seq - from + 1)),
    };
    const context = { ...world.context, store: cut };
    expect(await verifyStore(context, keeper)).toMatchObject({ ok: false, fault: 'truncated', seq: early.seq });
    await checkAudit(context, keeper);
    await checkAudit(context, keeper);
    const rows = await store.auditRows({ events: ['audit_cut'], sight: null }, { after: 0, limit: 9 });
    expect(rows.map((row) => row.detail.seq)).toEqual([expect.any(Number)]);
  });

  it('T28 is said to be worth nothing when the hash tree was changed in the store, with the way out', async () => {
    const { world, store } = hub;
    const keeper = auditKeeper();
    for (let id = 1; id <= 150; id++) await world.admit({ id, pipeline: id, name: `job-${id}` });
    await checkpoint(world.context, keeper);
    expect(await verifyStore(world.context, keeper)).toMatchObject({ ok: true });
    const bent = { ...store, treeHash: async () => `sha256:${'0'.repeat(64)}` };
    const report = await verifyStore({ ...world.context, store: bent }, keeper);
    expect(report).toMatchObject({ ok: false, message: expect.stringMatching(/empty audit_tree/) });
  });

  it('T28 is of this hub alone: what another key has signed proves nothing, and another key is written down', async () => {
    const { world, store } = hub;
    await world.admit({ id: 1 });
    await checkpoint(world.context, auditKeeper(), true);
    const other = auditKeeper(2);
    const { formerKey } = await checkAudit(world.context, other);
    expect(formerKey).toBe(auditKeeper().signer.keyid);
    const rows = await store.auditRows({ events: ['hub_key_changed'], sight: null }, { after: 0, limit: 9 });
    expect(rows.map((row) => row.detail)).toEqual([{ from: auditKeeper().signer.keyid, to: other.signer.keyid }]);
  });
});

describe('the vocabulary', () => {
  const names = new Set(
    sourceFiles('agent/src').flatMap(({ text }) => [
      ...[...text.matchAll(/\.audit\(\s*'([a-z_]+)'/g)].map((match) => match[1]!),
      ...[...text.matchAll(/tx\.audit\(\{[^}]*event: '([a-z_]+)'/g)].map((match) => match[1]!),
      ...[...text.matchAll(/\.move\([^;]*?\},\s*'([a-z_]+)'/g)].map((match) => match[1]!),
    ]),
  );

  it('has every event that the program writes: one that is missing needs a line in domain/audit-events.ts', () => {
    expect(names.size).toBeGreaterThan(15);
    expect([...names].filter((name) => !Object.hasOwn(AUDIT_EVENTS, name))).toEqual([]);
  });

  it('finds events by their kind, and tells each in words', () => {
    expect(eventsOf('voted')).toContain('vote_approve');
    expect(eventsOf('handed-over')).toContain('job_handed_out');
    expect(eventWords('some_thing_new')).toBe('some thing new');
    expect(eventWords('constructor')).toBe('constructor');
    const used = new Set(Object.values(AUDIT_EVENTS).map(({ kind }) => kind));
    expect(AUDIT_KINDS.filter((kind) => !used.has(kind))).toEqual([]);
  });
});
