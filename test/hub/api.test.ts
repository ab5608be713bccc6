import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyChain } from '../../agent/src/domain/audit.ts';
import { digestOf } from '../../agent/src/domain/digest.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { openDetached } from '../../agent/src/hub/detached.ts';
import { openNotifications } from '../../agent/src/hub/notifications.ts';
import { routes } from '../../agent/src/hub/routes.ts';
import { holdDetailSchema, problemSchema } from '../../agent/src/wire/api.ts';
import { approvalDetailSchema } from '../../agent/src/wire/approvals.ts';
import { auditRowSchema } from '../../agent/src/wire/audit.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { DAY, HOUR, MINUTE, requestFor } from '../support/hub-world.ts';

const digest = requestFor({ id: 1 }).digest;

describe('the HTTP API', () => {
  let hub: TestHub;
  let maria: string;
  beforeEach(async () => {
    hub = await startHub({ externalUrl: 'https://hub.example.com/' });
    maria = await hub.token('maria');
    await hub.world.admit({ id: 1 });
  });
  afterEach(() => hub.close());

  it('shows a hold whole, to be recomputed by whoever reads it, and approves it by its full digest', async () => {
    const { body } = await hub.call('GET', '/api/v1/holds/1', maria);
    const hold = holdDetailSchema.parse(body);
    expect(digestOf(hold.configuration as JsonObject)).toBe(hold.digest);
    expect(hold).toMatchObject({
      state: 'waiting_for_approval',
      url: 'https://hub.example.com/holds/1',
      may_vote: { allowed: true },
    });
    expect(hold.rules).toEqual([
      {
        name: 'maintainers',
        need: 1,
        have: 0,
        eligible: ['jonas', 'maria', 'olga'].map((username) => expect.objectContaining({ username })),
        eligible_count: 3,
        who: 'maintainer or higher',
        voted: [],
        mine: true,
        asked: 'both',
      },
    ]);
    expect(hold.may_vote).toMatchObject({ allowed: true, rule: 'maintainers', reject: true, voted: null });
    expect(hold.quorum).toMatchObject({ possible: true, rejects: { need: 1, have: 0 } });
    const approved = await hub.call('POST', '/api/v1/holds/1/approve', maria, { digest, comment: 'fine' });
    expect([approved.status, approved.body.state]).toEqual([200, 'pending']);
    const after = holdDetailSchema.parse((await hub.call('GET', '/api/v1/holds/1', maria)).body);
    expect(after.votes).toMatchObject([
      { person: { username: 'maria' }, decision: 'approve', comment: 'fine', lifetime: 'standing' },
    ]);
    expect(after.history.map((row) => row.event)).toEqual([
      'hold_opened',
      'hold_seen',
      'vote_approve',
      'approval_created',
      'hold_released',
    ]);
    const approval = approvalDetailSchema.parse((await hub.call('GET', '/api/v1/approvals/1', maria)).body);
    expect(approval).toMatchObject({
      digest,
      valid: true,
      times_used: 1,
      lifetime: 'standing',
      ref: 'refs/heads/main',
    });
  });

  it.each([
    ['an unknown hold', '/api/v1/holds/99/approve', { digest }, 404, 'not_found'],
    [
      'T36 a digest that the hold does not have',
      '/api/v1/holds/1/approve',
      { digest: `sha256:${'0'.repeat(64)}` },
      409,
      'digest_mismatch',
    ],
    ['T36 a prefix of the digest', '/api/v1/holds/1/approve', { digest: digest.slice(0, 20) }, 400, 'bad_input'],
    ['T36 a digest in capitals', '/api/v1/holds/1/approve', { digest: digest.toUpperCase() }, 400, 'bad_input'],
    ['T36 no digest', '/api/v1/holds/1/approve', {}, 400, 'bad_input'],
    ['an unknown member', '/api/v1/holds/1/approve', { digest, force: true }, 400, 'bad_input'],
    ['an unknown lifetime', '/api/v1/holds/1/approve', { digest, lifetime: 'forever' }, 400, 'bad_input'],
    [
      'a lifetime that is over',
      '/api/v1/holds/1/approve',
      { digest, lifetime: 'until:2020-01-01' },
      422,
      'lifetime_not_allowed',
    ],
    ['a reject without a comment', '/api/v1/holds/1/reject', { digest }, 400, 'bad_input'],
    ['an id that is no number', '/api/v1/holds/one/approve', { digest }, 400, 'bad_input'],
    ['T2 a body that is not JSON', '/api/v1/holds/1/approve', '{"digest":', 400, 'bad_input'],
    ['an unknown approval', '/api/v1/approvals/9/revoke', {}, 404, 'not_found'],
  ])('answers %s with its code, and nothing changes', async (_, path, body, status, code) => {
    const answer = await hub.call('POST', path, maria, body);
    expect([answer.status, problemSchema.parse(answer.body).code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
  });

  it('answers every command on an ended hold with 409 wrong_state', async () => {
    await hub.call('POST', '/api/v1/holds/1/reject', maria, { digest, comment: 'no' });
    for (const verb of ['approve', 'reject']) {
      const answer = await hub.call('POST', `/api/v1/holds/1/${verb}`, maria, { digest, comment: 'x' });
      expect([answer.status, answer.body.code]).toEqual([409, 'wrong_state']);
      expect(String(answer.body.detail)).toContain('hold 1 is rejected');
    }
  });

  it('decides a list, each by its own rules; one that fails does not touch the others', async () => {
    await hub.world.admit({ id: 2, pipeline: 2, name: 'b', by: 'maria' });
    await hub.world.admit({ id: 3, pipeline: 3, name: 'c' });
    const decisions = [
      { hold: 1, digest, decision: 'approve' },
      { hold: 2, digest, decision: 'approve' },
      { hold: 3, digest, decision: 'reject', comment: 'no' },
      { hold: 4, digest, decision: 'approve' },
    ];
    const { body } = await hub.call('POST', '/api/v1/reviews/decide', maria, { decisions });
    expect(body.items).toMatchObject([
      { hold: 1, after: { state: 'pending' }, problem: null },
      { hold: 2, after: null, problem: { code: 'self_approval' } },
      { hold: 3, after: { state: 'rejected' }, problem: null },
      { hold: 4, after: null, problem: { code: 'not_found' } },
    ]);
  });

  it('T32 shows holds to reporters and to whoever triggered them, to nobody else, and says the same as if they were not there', async () => {
    const ids = async (who: string) => {
      const { body } = await hub.call('GET', '/api/v1/holds', await hub.token(who));
      return (body.items as unknown as { id: number }[]).map((hold) => hold.id);
    };
    await hub.world.admit({ id: 2, pipeline: 2, by: 'gus' });
    expect(await ids('rita')).toEqual([1, 2]);
    expect(await ids('gus')).toEqual([2]);
    expect(await ids('stranger')).toEqual([]);
    const stranger = await hub.token('stranger');
    const [hidden, absent] = [
      await hub.call('GET', '/api/v1/holds/1', stranger),
      await hub.call('GET', '/api/v1/holds/99', stranger),
    ];
    expect([hidden.status, absent.status]).toEqual([404, 404]);
    expect(String(hidden.body.detail).replace('1', 'N')).toBe(String(absent.body.detail).replace('99', 'N'));
    expect((await hub.call('GET', '/api/v1/reviews/1', stranger)).status).toBe(404);
    // Of the audit nothing but that their own token was used.
    const rows = (await hub.call('GET', '/api/v1/audit', stranger)).body.items as unknown as { event: string }[];
    expect([...new Set(rows.map((row) => row.event))]).toEqual(['token_used']);
  });

  it('T32 shows tags of hidden values to who may vote; everybody else learns only that they changed', async () => {
    const tag = (byte: string) => ({ variables: [{ key: 'KEY', masked: true, value: [{ hmac: byte.repeat(32) }] }] });
    await hub.world.admit({ id: 5, pipeline: 5, name: 'v', extra: tag('ce') });
    await hub.world.approve('maria', 2);
    await hub.world.admit({ id: 6, pipeline: 6, name: 'v', extra: tag('df') });
    const seenBy = async (who: string, path = '/api/v1/holds/3') =>
      JSON.stringify((await hub.call('GET', path, await hub.token(who))).body);
    expect(await seenBy('maria')).toContain('df'.repeat(32));
    for (const who of ['zoe', 'rita', 'alice']) {
      const seen = await seenBy(who);
      expect(seen).not.toMatch(/cece|dfdf/);
      expect(seen).toContain('KEY');
      expect(await seenBy(who, '/api/v1/approvals/1')).not.toMatch(/cece/);
    }
  });

  it('says in words why somebody may not vote', async () => {
    const reason = async (who: string) =>
      (await hub.call('GET', '/api/v1/holds/1', await hub.token(who))).body.may_vote;
    expect(await reason('zoe')).toMatchObject({ allowed: false, reason: expect.stringContaining('developer') });
    const readOnly = await hub.token('jonas', ['read']);
    expect((await hub.call('GET', '/api/v1/holds/1', readOnly)).body.may_vote).toMatchObject({
      allowed: false,
      reason: expect.stringContaining('scope'),
    });
    await hub.world.admit({ id: 2, pipeline: 2, name: 'own', by: 'maria' });
    expect((await hub.call('GET', '/api/v1/holds/2', maria)).body.may_vote).toMatchObject({
      allowed: false,
      reason: expect.stringContaining('triggered'),
    });
  });

  it('pages lists by cursor and filters them', async () => {
    for (let id = 2; id <= 5; id++) await hub.world.admit({ id, pipeline: id, name: `job${id}` });
    const first = await hub.call('GET', '/api/v1/holds?limit=2', maria);
    const second = await hub.call('GET', `/api/v1/holds?limit=2&cursor=${String(first.body.next_cursor)}`, maria);
    const third = await hub.call('GET', `/api/v1/holds?limit=2&cursor=${String(second.body.next_cursor)}`, maria);
    const ids = [first, second, third].map((page) => (page.body.items as unknown as { id: number }[]).map((h) => h.id));
    expect(ids).toEqual([[1, 2], [3, 4], [5]]);
    expect(third.body.next_cursor).toBeNull();
    expect(
      (
        await hub.call(
          'GET',
          '/api/v1/holds?job=job3&state=waiting_for_approval,pending&project=acme/payments/api',
          maria,
        )
      ).body.items,
    ).toHaveLength(1);
    expect((await hub.call('GET', '/api/v1/holds?state=running', maria)).body.items).toEqual([]);
    expect((await hub.call('GET', '/api/v1/holds?state=approved', maria)).status).toBe(400);
    expect((await hub.call('GET', '/api/v1/holds?limit=1000', maria)).status).toBe(400);
  });

  it('T24 refuses no token, an unknown, an ended, a revoked one, one of a blocked person, and one in the URL', async () => {
    const status = async (token: string | null, path = '/api/v1/me') => {
      const { status: code, body } = await hub.call('GET', path, token);
      return `${code} ${String(body.code)}`;
    };
    expect(await status(null)).toBe('401 unauthenticated');
    expect(await status('hp_unknown')).toBe('401 unauthenticated');
    expect(await status(null, `/api/v1/me?private_token=${maria}`)).toBe('401 unauthenticated');
    const short = await hub.token('jonas', ['read'], HOUR);
    expect((await hub.call('GET', '/api/v1/me', short)).body).toMatchObject({
      person: { id: 22, username: 'jonas' },
      scopes: ['read'],
    });
    hub.world.clock.advance(HOUR);
    expect(await status(short)).toBe('401 token_expired');
    const own = (await hub.call('GET', '/api/v1/tokens', maria)).body.items as unknown as {
      id: number;
      last_used_address: string;
    }[];
    expect(own).toMatchObject([{ owner: 'maria', last_used_address: '127.0.0.1', valid: true }]);
    await hub.call('POST', `/api/v1/tokens/${own[0]!.id}/revoke`, maria, {});
    expect(await status(maria)).toBe('401 unauthenticated');
    const jonas = await hub.token('jonas');
    hub.world.people = {
      ...hub.world.people,
      users: hub.world.people.users.map((user) => ({ ...user, blocked: user.id === 22 })),
    };
    expect(await status(jonas)).toBe('401 unauthenticated');
    const named = await fetch(`${hub.url}/api/v1/me`, { headers: { 'private-token': await hub.token('olga') } });
    expect(named.status).toBe(200);
  });

  it('T24 asks each route for its scope; admin alone neither reads nor approves', async () => {
    const admin = await hub.token('maria', ['admin']);
    const reader = await hub.token('maria', ['read']);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', reader, { digest })).status).toBe(403);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', admin, { digest })).status).toBe(403);
    expect((await hub.call('GET', '/api/v1/holds', admin)).status).toBe(403);
    expect((await hub.call('GET', '/api/v1/audit/export', reader)).status).toBe(403);
    const developer = await hub.token('alice', ['read', 'approve', 'admin']);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', developer, { digest })).body.code).toBe('not_eligible');
  });

  it('T30 limits wrong tokens and votes, says when to come again, and lets the right token through meanwhile', async () => {
    let limited = await hub.call('GET', '/api/v1/me', 'hp_wrong');
    for (let i = 0; i < 40 && limited.status !== 429; i++) limited = await hub.call('GET', '/api/v1/me', 'hp_wrong');
    expect([limited.status, limited.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await hub.call('GET', '/api/v1/me', maria)).status).toBe(200);
    let vote = await hub.call('POST', '/api/v1/holds/99/approve', maria, { digest });
    for (let i = 0; i < 80 && vote.status !== 429; i++)
      vote = await hub.call('POST', '/api/v1/holds/99/approve', maria, { digest });
    expect([vote.status, Number(vote.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('jonas'), { digest })).status).toBe(200);
  });

  it('T34 exports the whole chain as lines that verify by themselves, to administrators', async () => {
    await hub.world.approve('maria', 1);
    const { body, headers } = await hub.call('GET', '/api/v1/audit/export', await hub.token('olga', ['read', 'admin']));
    expect(headers.get('content-type')).toContain('ndjson');
    const lines = String(body).trimEnd().split('\n');
    const { seq } = JSON.parse(Buffer.from(JSON.parse(lines.pop()!).signed_head.payload, 'base64').toString());
    expect(seq).toBe(lines.length);
    const rows = lines.map((line) => {
      expect(JSON.stringify(JSON.parse(line))).toBe(line);
      const row = auditRowSchema.parse(JSON.parse(line));
      return { ...row, at: Date.parse(row.at), detail: JSON.parse(line).detail };
    });
    expect(verifyChain(rows, await hub.store.auditHead())).toMatchObject({ ok: true });
    expect(rows.map((row) => row.event)).toContain('approval_created');
  });

  it('T34 says whether the chain in the store verifies, and where it breaks', async () => {
    const olga = await hub.token('olga', ['admin']);
    await hub.call('GET', '/api/v1/audit', olga);
    const head = await hub.store.auditHead();
    expect((await hub.call('GET', '/api/v1/audit/verify', olga)).body).toEqual({
      ok: true,
      ...head,
      fault: null,
      message: null,
    });
    const further = async () => {
      const end = await hub.store.auditHead();
      return { ...end, seq: end.seq + 1 };
    };
    const other = await startHub({ store: { ...hub.store, auditHead: further } });
    expect((await other.call('GET', '/api/v1/audit/verify', olga)).body).toMatchObject({
      ok: false,
      fault: 'truncated',
      seq: (await hub.store.auditHead()).seq,
    });
    await eventually(
      () => other.log.lines.map((line) => line.message).join(),
      (said) => said.includes('truncated'),
    );
    await other.hub.close();
  });

  it('T32 leads whoever opens the link of a note to the commands, and tells nothing of the hold', async () => {
    const { status, body } = await hub.call('GET', '/holds/1', null);
    expect([status, String(body)]).toEqual([200, expect.stringContaining('holdpoint holds show 1')]);
    expect(String(body)).not.toMatch(/build|acme|sha256:[0-9a-f]/);
  });

  it('T34 names every decision with the person, their address, the policy and the digest', async () => {
    await hub.call('POST', '/api/v1/holds/1/approve', maria, { digest });
    const rows = (await hub.call('GET', '/api/v1/audit?hold=1', maria)).body.items;
    expect(rows).toContainEqual(
      expect.objectContaining({
        event: 'vote_approve',
        actor: 'user:21 maria',
        address: '127.0.0.1',
        digest,
        policy: hub.world.policy.version,
      }),
    );
  });

  it('has a document that is equal to its routes, method by method', async () => {
    const { body } = await hub.call('GET', '/openapi.json', null);
    const documented = Object.entries(body.paths as unknown as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((m) => `${m.toUpperCase()} ${path}`),
    );
    const table = routes({
      hub: hub.world.context,
      reach: { reveal: async () => [], connected: () => null, examine: () => {} },
      links: { isFixed: () => false, cut: () => {}, refusal: () => null },
      connectedSince: () => null,
      awaySince: () => null,
      writable: async () => true,
      backupAge: () => null,
      problems: () => [],
      local: [],
      gitlabTokens: async () => [],
      signIn: null,
      keeper: auditKeeper(),
      retention: { apply: () => Promise.reject(new Error('not asked')) },
      detached: openDetached(hub.world.context, null, null, hub.log),
      notifications: openNotifications(
        hub.world.context,
        { channels: [], senders: [] },
        null,
        () => null,
        () => {},
        hub.log,
      ),
      metrics: async () => '',
    });
    expect(documented.sort()).toEqual(table.map((r) => `${r.method} ${r.url.replace(/:(\w+)/g, '{$1}')}`).sort());
    for (const { method, url, demand } of table) {
      // Signing in and enrolling are asked without being anybody: their own tests say what they answer.
      if (demand === null && /^\/api\/v1\/(session|enrolments)/.test(url)) continue;
      const path = url.replace(':id', '1');
      const answer = await hub.call(method, path, null, method === 'POST' || method === 'PUT' ? {} : undefined);
      expect([path, answer.status]).toEqual([path, demand === null ? 200 : 401]);
    }
    expect((await hub.call('GET', '/api/v1/nothing', maria)).body.code).toBe('not_found');
  });

  it('T23 sends headers that keep pages from framing, sniffing and caching it', async () => {
    const { headers } = await hub.call('GET', '/healthz', null);
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('T32 has metrics without names of projects, jobs or people', async () => {
    await hub.call('POST', '/api/v1/holds/1/approve', maria, { digest });
    const text = String((await hub.call('GET', '/metrics', null)).body);
    expect(text).toContain('holdpoint_hub_changes_total{type="hold",state="pending"} 1');
    expect(text).not.toMatch(/acme|build|maria/);
  });

  it('is not ready when its store is gone, and says so as a problem', async () => {
    const other = await startHub();
    await other.store.close();
    const answer = await other.call('GET', '/readyz', null);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(problemSchema.parse(answer.body).detail).not.toMatch(/at .*\.ts/);
    expect((await other.call('GET', '/healthz', null)).status).toBe(200);
    await other.hub.close();
  });

  it('ends by time what has ended, while it runs', async () => {
    hub.world.clock.advance(30 * DAY + MINUTE);
    await eventually(
      () => hub.world.state(1),
      (state) => state === 'expired',
    );
  });
});

describe('the bootstrap token', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  it('T24 is told once, makes one token, does nothing else, and then is over', async () => {
    const text = (await hub.hub.bootstrapToken())!;
    expect(text).toMatch(/^hp_[A-Za-z0-9_-]{43}$/);
    expect(await hub.hub.bootstrapToken()).toBeNull();
    for (const path of ['/api/v1/me', '/api/v1/holds', '/api/v1/tokens', '/api/v1/audit/export']) {
      expect((await hub.call('GET', path, text)).body.code).toBe('forbidden');
    }
    expect((await hub.call('POST', '/api/v1/tokens', text, {})).body.code).toBe('bad_input');
    expect((await hub.call('POST', '/api/v1/tokens', text, { user: 'nobody' })).status).toBe(404);
    const made = await hub.call('POST', '/api/v1/tokens', text, { user: 'olga', name: 'first' });
    expect([made.status, made.body.owner, made.body.scopes]).toEqual([
      201,
      'olga',
      ['read', 'approve', 'deploy', 'admin'],
    ]);
    expect((await hub.call('POST', '/api/v1/tokens', text, { user: 'olga' })).status).toBe(401);
    const forMaria = await hub.call('POST', '/api/v1/tokens', String(made.body.token), {
      user: 'maria',
      expires_in_s: 60,
    });
    expect(forMaria.body).toMatchObject({ owner: 'maria', scopes: ['read', 'approve', 'deploy'] });
    expect((await hub.call('POST', '/api/v1/tokens', String(forMaria.body.token), { user: 'olga' })).body.code).toBe(
      'forbidden',
    );
    expect((await hub.store.tokens(21, { after: 0, limit: 10 })).map((token) => token.makers)).toEqual([[30]]);
    const listed = JSON.stringify((await hub.call('GET', '/api/v1/tokens', String(made.body.token))).body);
    expect(listed).not.toContain(String(made.body.token));
    expect(JSON.stringify(await hub.store.tokens(null, { after: 0, limit: 10 }))).not.toContain(
      String(made.body.token),
    );
  });

  it('T24 ends after 15 minutes', async () => {
    const text = (await hub.hub.bootstrapToken())!;
    hub.world.clock.advance(15 * MINUTE);
    expect((await hub.call('POST', '/api/v1/tokens', text, { user: 'olga' })).body.code).toBe('token_expired');
  });

  it('is not made where a token exists, and voids the one of an earlier start', async () => {
    const first = (await hub.hub.bootstrapToken())!;
    const again = await startHub({ store: hub.store });
    const second = (await again.hub.bootstrapToken())!;
    expect((await hub.call('POST', '/api/v1/tokens', first, { user: 'olga' })).status).toBe(401);
    expect((await hub.call('POST', '/api/v1/tokens', second, { user: 'olga' })).status).toBe(201);
    await again.hub.close();
    const third = await startHub({ store: hub.store });
    expect(await third.hub.bootstrapToken()).toBeNull();
    await third.hub.close();
  });
});
