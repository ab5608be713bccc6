import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { endIdleTokens } from '../../agent/src/app/end-idle-tokens.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { tokenHash } from '../../agent/src/domain/token.ts';
import { JOB_HEADER } from '../../agent/src/wire/token-use.ts';
import type { CreatedToken, TokenView } from '../../agent/src/wire/tokens.ts';
import { runCli } from '../support/cli.ts';
import { eventually, helloOf, proofOf, rawLink, startHub, type TestHub } from '../support/hub-server.ts';
import { DAY, HOUR, MINUTE } from '../support/hub-world.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await startHub();
});
afterEach(() => hub.close());

/** A request with headers of the test's own. */
async function ask(
  method: string,
  path: string,
  token: string,
  more: { readonly headers?: Record<string, string>; readonly body?: unknown; readonly url?: string } = {},
): Promise<{ status: number; code: string | null; detail: string }> {
  const response = await fetch(`${more.url ?? hub.url}/api/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(more.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...more.headers,
    },
    ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
  });
  const body = (await response.json()) as { code?: string; detail?: string };
  return { status: response.status, code: body.code ?? null, detail: body.detail ?? '' };
}
const listed = async (by: string): Promise<readonly TokenView[]> =>
  (await hub.call('GET', '/api/v1/tokens', by)).body.items as unknown as TokenView[];
const created = async (by: string, body: object): Promise<CreatedToken> =>
  (await hub.call('POST', '/api/v1/tokens', by, body)).body as unknown as CreatedToken;
const me = async (token: string): Promise<string> => {
  const { status, code } = await ask('GET', 'me', token);
  return code === null ? String(status) : `${status} ${code}`;
};

describe('tokens: a list that says everything but the text', () => {
  it('T24 shows owner, scopes, created, expires, last used with time, address and client, and whether it is valid', async () => {
    const maria = await hub.token('maria');
    await ask('GET', 'me', maria, { headers: { 'user-agent': 'curl/8.5.0' } });
    const other = await hub.token('olga', ['read', 'admin']);
    expect((await listed(other))[0]).toMatchObject({
      owner: 'maria',
      owner_id: 21,
      scopes: ['read', 'approve'],
      created_at: '2026-11-22T08:00:00.000Z',
      expires_at: '2026-11-22T16:00:00.000Z',
      idle_ends_at: '2026-11-29T08:00:00.000Z',
      last_used_at: '2026-11-22T08:00:00.000Z',
      last_used_address: '127.0.0.1',
      last_used_client: 'curl/8.5.0',
      valid: true,
      state: 'valid',
      flags: [],
    });
    await ask('GET', 'me', maria, { headers: { 'user-agent': `long ${'x'.repeat(500)}` } });
    expect((await hub.store.token(1))?.lastUsedClient).toHaveLength(200);
  });

  it('T24 keeps only a verifier: the text is in the answer that made it and nowhere else', async () => {
    const admin = await hub.token('olga', ['read', 'admin']);
    const made = await created(admin, { user: 'maria' });
    const rotated = (await hub.call('POST', `/api/v1/tokens/${made.id}/rotate`, made.token, {}))
      .body as unknown as CreatedToken;
    for (const text of [made.token, rotated.token]) {
      expect(text).toMatch(/^hp_[A-Za-z0-9_-]{43}$/);
      const kept = JSON.stringify([
        await hub.store.tokens(null, { after: 0, limit: 100 }),
        await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 }),
        await listed(admin),
        hub.log.lines,
      ]);
      expect(kept).not.toContain(text);
      expect(kept).not.toContain(text.slice(8));
      expect(kept).toContain(tokenHash(text));
    }
  });

  it('T19 T24 ends with its owner: blocked or gone, it is refused at once and listed as such', async () => {
    const admin = await hub.token('olga', ['read', 'admin']);
    const jonas = await hub.token('jonas');
    const maria = await hub.token('maria');
    expect(await me(jonas)).toBe('200');
    const { users, ...rest } = hub.world.people;
    hub.world.people = {
      ...rest,
      users: users
        .filter((user) => user.username !== 'maria')
        .map((user) => (user.username === 'jonas' ? { ...user, blocked: true } : user)),
    };
    expect(await me(jonas)).toBe('401 unauthenticated');
    expect(await me(maria)).toBe('401 unauthenticated');
    const states = Object.fromEntries((await listed(admin)).map((token) => [token.owner, [token.state, token.valid]]));
    expect(states).toEqual({ olga: ['valid', true], jonas: ['owner_blocked', false], maria: ['owner_gone', false] });
  });

  it('gives scope admin, audit and agent to nobody who does not ask, and passes on none that the maker lacks', async () => {
    const admin = await hub.token('olga', ['read', 'admin']);
    expect((await created(admin, { user: 'maria' })).scopes).toEqual(['read', 'approve', 'deploy']);
    expect((await created(admin, { user: 'maria', scopes: ['deploy'] })).scopes).toEqual(['deploy']);
    const maria = await hub.token('maria');
    for (const scope of ['deploy', 'agent', 'admin'])
      expect((await ask('POST', 'tokens', maria, { body: { scopes: [scope] } })).code).toBe('forbidden');
    const agent = await hub.token('maria', ['agent']);
    expect((await ask('GET', 'holds', agent)).code).toBe('forbidden');
  });

  it('T30 stops somebody at a hundred usable tokens', async () => {
    const olga = { id: 30, username: 'olga' };
    const admin = await hub.token('olga', ['read', 'admin'], 20 * DAY);
    for (let i = 0; i < 99; i++) await hub.token('olga', ['read'], DAY);
    expect(await hub.store.usableTokens(olga.id, hub.world.clock.now())).toBe(100);
    expect((await ask('POST', 'tokens', admin, { body: {} })).code).toBe('wrong_state');
    hub.world.clock.advance(DAY);
    expect((await ask('POST', 'tokens', admin, { body: {} })).status).toBe(201);
  });
});

describe('tokens: what nobody uses ends', () => {
  it('T24 after the days that the policy says, counted from the last use, and for good', async () => {
    const admin = await hub.token('olga', ['read', 'admin'], 30 * DAY);
    const used = await hub.token('maria', ['read'], 30 * DAY);
    const left = await hub.token('jonas', ['read'], 30 * DAY);
    for (let day = 0; day < 7; day++) {
      expect(await me(used)).toBe('200');
      expect(await me(admin)).toBe('200');
      hub.world.clock.advance(DAY);
    }
    expect(await me(left)).toBe('401 token_expired');
    await endIdleTokens(hub.world.context);
    expect((await listed(admin)).find((token) => token.owner === 'jonas')).toMatchObject({
      state: 'idle',
      valid: false,
      revoked_by: 'system',
      revoked_reason: 'unused',
    });
    // A milder policy brings nothing back that has ended.
    hub.world.policy = { ...DEFAULT_POLICY, tokens: { idleMs: 30 * DAY, inJobs: 'flag' } };
    expect(await me(left)).toBe('401 token_expired');
    expect(await me(used)).toBe('200');
    expect(await hub.world.audit()).toContain('token_idle');
  });

  it('the hub ends it by itself', async () => {
    await hub.token('jonas', ['read'], 30 * DAY);
    hub.world.clock.advance(8 * DAY);
    await eventually(
      () => {
        // Whatever it is at when the days pass, it looks again half a minute after.
        hub.world.clock.advance(30_000);
        return hub.world.audit();
      },
      (events) => events.includes('token_idle'),
    );
  });
});

describe('tokens: rotate', () => {
  it('T24 gives a new text with the same scopes and no later end, and the old one is over at once', async () => {
    const maria = await hub.token('maria', ['read', 'approve'], 2 * HOUR);
    hub.world.clock.advance(HOUR);
    const { status, body } = await hub.call('POST', '/api/v1/tokens/1/rotate', maria, {});
    const fresh = body as unknown as CreatedToken;
    expect(status).toBe(201);
    expect(fresh).toMatchObject({
      owner: 'maria',
      scopes: ['read', 'approve'],
      expires_at: '2026-11-22T10:00:00.000Z',
    });
    expect(await me(maria)).toBe('401 unauthenticated');
    expect(await me(fresh.token)).toBe('200');
    const [old] = await listed(fresh.token);
    expect(old).toMatchObject({ state: 'replaced', replaced_by: fresh.id, revoked_reason: 'rotated' });
    const row = (await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 })).find(
      (one) => one.event === 'token_rotated',
    );
    expect(row?.detail).toMatchObject({ token: 1, new_token: fresh.id, owner: 21 });
  });

  it('lets the old one go on for a short overlap, an hour at most', async () => {
    const maria = await hub.token('maria');
    expect((await ask('POST', 'tokens/1/rotate', maria, { body: { overlap_s: 3_601 } })).status).toBe(400);
    const { body } = await hub.call('POST', '/api/v1/tokens/1/rotate', maria, { overlap_s: 600 });
    expect(await me(maria)).toBe('200');
    hub.world.clock.advance(10 * MINUTE);
    expect(await me(maria)).toBe('401 unauthenticated');
    expect(await me(String(body.token))).toBe('200');
  });

  it('T24 gives one new text for one old one, however many ask at the same moment, and none for a rotated one', async () => {
    const maria = await hub.token('maria');
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map(() => ask('POST', 'tokens/1/rotate', maria, { body: { overlap_s: 600 } })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect((await ask('POST', 'tokens/1/rotate', maria, { body: {} })).code).toBe('wrong_state');
  });

  it('T24 is no way to more: not for a token with fewer scopes, not for a longer life, not for anybody else', async () => {
    await hub.token('maria', ['read', 'approve', 'admin']);
    const reader = await hub.token('maria', ['read']);
    expect((await ask('POST', 'tokens/1/rotate', reader, { body: {} })).code).toBe('forbidden');
    expect((await ask('POST', 'tokens/2/rotate', reader, { body: { expires_in_s: 20 * 86_400 } })).code).toBe(
      'forbidden',
    );
    const jonas = await hub.token('jonas');
    expect((await ask('POST', 'tokens/2/rotate', jonas, { body: {} })).code).toBe('not_found');
  });

  it('T18 an administrator who rotates the token of somebody else stands in it', async () => {
    const admin = await hub.token('olga', ['read', 'admin']);
    await hub.token('maria');
    await hub.call('POST', '/api/v1/tokens/2/rotate', admin, { expires_in_s: 86_400 });
    expect((await listed(admin)).at(-1)).toMatchObject({ owner: 'maria', made_by: [30], valid: true });
  });
});

describe('tokens: used inside a job', () => {
  const flagsOf = async (by: string, owner: string) =>
    (await listed(by)).find((token) => token.owner === owner)?.flags.map(({ kind }) => kind);

  it('T24 is noted and audited once when our own command line says so, when the client is a CI system, and on a laptop not', async () => {
    const admin = await hub.token('olga', ['read', 'admin']);
    const maria = await hub.token('maria');
    const env = { HOLDPOINT_TOKEN: maria, HOLDPOINT_HUB_URL: hub.url };
    expect((await runCli(['holds'], { env })).exit).toBe(0);
    expect(await flagsOf(admin, 'maria')).toEqual([]);
    for (let i = 0; i < 3; i++) expect((await runCli(['holds'], { env: { ...env, CI_JOB_ID: '77' } })).exit).toBe(0);
    expect(await flagsOf(admin, 'maria')).toEqual(['in_job']);
    await ask('GET', 'me', maria, { headers: { 'user-agent': 'gitlab-runner 18.5.0' } });
    await ask('GET', 'me', maria, { headers: { 'job-token': 'x' } });
    expect(await flagsOf(admin, 'maria')).toEqual(['in_job', 'ci_client']);
    const rows = (await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 })).filter(
      (row) => row.event === 'token_flagged',
    );
    expect(rows.map((row) => [row.actor, row.detail.token, row.detail.signs])).toEqual([
      ['user:21 maria', 2, ['in_job']],
      ['user:21 maria', 2, ['ci_client']],
    ]);
    const shown = await runCli(['token', 'list'], { env: { HOLDPOINT_TOKEN: admin, HOLDPOINT_HUB_URL: hub.url } });
    expect(shown.out).toMatch(/! token 2 was used by a CI system, inside a job .*revoke it/);
  });

  it("T24 is noted from the address of an agent's link; loopback beside an embedded hub is no sign", async () => {
    await hub.close();
    hub = await startHub();
    const admin = await hub.token('olga', ['read', 'admin']);
    const maria = await hub.token('maria');
    const link = await rawLink(hub.url);
    link.send(helloOf(hub.keys.embedded));
    link.send(proofOf(hub.keys.embedded, (await link.next('challenge')).nonce));
    await link.next('welcome');
    expect(await me(maria)).toBe('200');
    expect(await flagsOf(admin, 'maria')).toEqual([]);
    // The same verbs where the agent came from another machine.
    const { authenticate } = await import('../../agent/src/app/authenticate.ts');
    const { useFrom } = await import('../../agent/src/domain/token-use.ts');
    const context = { ...hub.world.context, agentHosts: () => new Set(['192.0.2.7']) };
    await authenticate(context, maria, useFrom('192.0.2.7'));
    expect(await flagsOf(admin, 'maria')).toEqual(['agent_host']);
    link.socket.terminate();
  });

  it.each([
    ['flag', 200, 200],
    ['read_only', 200, 403],
    ['refuse', 403, 403],
  ] as const)(
    'T24 the policy in_jobs: %s answers a look with %d and a change with %d',
    async (inJobs, look, change) => {
      await hub.world.admit({ id: 1 });
      const digest = (await hub.store.hold(1))!.digest;
      const maria = await hub.token('maria');
      hub.world.policy = { ...DEFAULT_POLICY, tokens: { ...DEFAULT_POLICY.tokens, inJobs } };
      const headers = { [JOB_HEADER]: '1' };
      expect((await ask('GET', 'holds/1', maria, { headers })).status).toBe(look);
      const voted = await ask('POST', 'holds/1/approve', maria, { headers, body: { digest } });
      expect(voted.status).toBe(change);
      if (change === 403) expect(voted.detail).toContain('inside a job');
      expect(await hub.world.state(1)).toBe(change === 200 ? 'pending' : 'waiting_for_approval');
      expect(await hub.world.audit()).toContain('token_flagged');
      // Out of the job nothing stands in its way.
      if (change === 403) expect((await ask('POST', 'holds/1/approve', maria, { body: { digest } })).status).toBe(200);
    },
  );
});

describe('tokens: limits', () => {
  it('T30 votes are counted per person, however many tokens they make, and the answer says when to come again', async () => {
    await hub.world.admit({ id: 1 });
    const tokens = [await hub.token('alice'), await hub.token('alice')];
    const digest = (await hub.store.hold(1))!.digest;
    let limited: Awaited<ReturnType<TestHub['call']>> | null = null;
    for (let i = 0; i < 61; i++) {
      const answer = await hub.call('POST', '/api/v1/holds/1/approve', tokens[i % 2]!, { digest });
      if (i < 60) expect(answer.body.code).toBe('not_eligible');
      else limited = answer;
    }
    expect(limited?.status).toBe(429);
    expect(Number(limited?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), { digest })).status).toBe(200);
  });
});

describe('tokens at the websocket of viewers', () => {
  it('T24 T30 wrong ones are limited there too, with Retry-After, and a right one is let in meanwhile', async () => {
    const upgrade = (token: string) =>
      new Promise<{ status: number; retryAfter: string | null }>((resolve) => {
        const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/v1/events`, {
          headers: { authorization: `Bearer ${token}` },
        });
        socket.on('error', () => {});
        socket.on('open', () => {
          socket.terminate();
          resolve({ status: 101, retryAfter: null });
        });
        socket.on('unexpected-response', (_, response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] ?? null });
        });
      });
    for (let i = 0; i < 30; i++) expect((await upgrade(`hp_wrong${i}`)).status).toBe(401);
    const over = await upgrade('hp_wrong');
    expect(over.status).toBe(429);
    expect(Number(over.retryAfter)).toBeGreaterThan(0);
    expect((await upgrade(await hub.token('maria'))).status).toBe(101);
    hub.world.clock.advance(MINUTE);
    expect((await upgrade('hp_wrong')).status).toBe(401);
  });
});
