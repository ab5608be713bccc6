import { sign } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { PRESENCE_BEAT_MS, PRESENCE_GRACE_MS, PRESENCE_LOOK_MS } from '../../agent/src/domain/watching.ts';
import type { HubOptions } from '../../agent/src/hub/hub.ts';
import type { Hints } from '../../agent/src/ports/hints.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openPostgresHints } from '../../agent/src/stores/postgres-hints.ts';
import type { AgentView } from '../../agent/src/wire/api.ts';
import { enrolText } from '../../agent/src/wire/link.ts';
import { countedTurns } from '../support/counted-turns.ts';
import {
  type AgentKey,
  admitFrame,
  agentKey,
  eventually,
  helloOf,
  proofOf,
  rawLink,
  startHub,
  type TestHub,
  welcomed,
} from '../support/hub-server.ts';
import { DAY, hubLog, type JobSpec, policyWith, requestFor } from '../support/hub-world.ts';
import type { TestProvider } from '../support/identity-provider.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { tokenTakingGitlab } from '../support/token-taking-gitlab.ts';
import { turnableClock } from '../support/turnable-clock.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

/** A way between hubs on which everything is lost. */
const deaf: Hints = { publish: () => {}, listen: () => {}, send: () => {}, receive: () => {}, close: async () => {} };

describe('two hubs on one store', () => {
  let url: string;
  let drop: () => Promise<void>;
  const ends: (() => Promise<void>)[] = [];
  const clocks: ReturnType<typeof turnableClock>[] = [];
  beforeEach(async () => {
    ({ url, drop } = await server.database());
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    clocks.splice(0);
    await drop();
  });

  async function hub(hints?: Hints, more: Partial<HubOptions> = {}, looks = { done: 0 }): Promise<TestHub> {
    const clock = turnableClock();
    const store = countedTurns(await openPostgresStore({ url, connections: 4 }), 'watching', looks);
    const between = hints ?? openPostgresHints({ url, clock, log: hubLog() });
    const started = await startHub({ store, hints: between, clock, ...more });
    ends.push(async () => {
      await between.close();
      await started.close();
    });
    clocks.push(clock);
    return started;
  }
  const approve = async (at: TestHub, id: number) =>
    at.call('POST', `/api/v1/holds/${id}/approve`, await at.token('maria'), { digest: requestFor({ id }).digest });

  it('a vote at one resumes the job of an agent that is at the other, at once', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    expect(await link.next('verdict')).toMatchObject({ outcome: 'hold', hold: 1 });
    expect((await approve(b, 1)).status).toBe(200);
    expect(await link.next('release')).toMatchObject({ hold: 1, job_id: 1 });
    link.socket.terminate();
  });

  it('and within seconds when the hint is lost', async () => {
    const [a, b] = [await hub(deaf), await hub(deaf)];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    await approve(b, 1);
    for (const clock of clocks) clock.advance(5_000);
    expect(await link.next('release')).toMatchObject({ hold: 1 });
    link.socket.terminate();
  });

  it('an agent that goes on at the other hub has what it had, and each push is taken once', async () => {
    const [a, b] = [await hub(), await hub()];
    const first = await welcomed(a.url, a.keys.embedded);
    first.send(admitFrame({ id: 1 }));
    await first.next('verdict');
    first.socket.terminate();
    await approve(a, 1);
    const second = await welcomed(b.url, b.keys.embedded);
    expect(await second.next('release')).toMatchObject({ seq: 1, hold: 1 });
    second.send({ type: 'ack', seq: 1 });
    await eventually(
      () => a.store.agentsToWake(),
      (agents) => agents.length === 0,
    );
    second.socket.terminate();
  });

  it('somebody who looks at one sees at once what is decided at the other', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    const seen: { type: string; id: number; state: string }[] = [];
    const viewer = new WebSocket(`${a.url.replace('http', 'ws')}/api/v1/events`, {
      headers: { authorization: `Bearer ${await a.token('jonas')}` },
    });
    viewer.on('message', (data) => seen.push(JSON.parse(String(data))));
    await new Promise((resolve) => viewer.once('open', resolve));
    await approve(b, 1);
    await eventually(
      () => seen,
      (events) => events.some(({ type, state }) => type === 'hold' && state === 'pending'),
    );
    viewer.terminate();
    link.socket.terminate();
  });

  const HIDDEN: JobSpec = {
    id: 1,
    extra: { variables: [{ key: 'HOOK', value: [{ hmac: 'ab'.repeat(32) }], public: false, masked: false }] },
  };
  /** Hubs know where an agent is as soon as they have heard each other. */
  async function linkedAt(at: TestHub, agent: string, connected = true) {
    const token = await at.token('maria', ['read', 'admin', 'audit']);
    const list = async () => (await at.call('GET', '/api/v1/agents', token)).body.items as unknown as AgentView[];
    const found = await eventually(list, (items) =>
      items.some(({ name, connected: is }) => name === agent && is === connected),
    );
    return found.find(({ name }) => name === agent)!;
  }
  async function reveal(at: TestHub) {
    return at.call('POST', '/api/v1/holds/1/reveal', await at.token('maria'), { digest: requestFor(HIDDEN).digest });
  }
  /** Everything that crosses the database between hubs, put together again. */
  async function overhear(): Promise<{
    readonly said: () => string;
    again(bytes?: (text: string) => string): Promise<void>;
  }> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    ends.push(() => client.end());
    const heard: string[] = [];
    client.on('notification', ({ payload }) => heard.push(payload ?? ''));
    await client.query('listen holdpoint_hubs; listen holdpoint');
    return {
      said: () =>
        heard
          .map((payload) => `${payload} ${Buffer.from(payload.split(' ').at(-1) ?? '', 'base64').toString('latin1')}`)
          .join('\n'),
      async again(bytes = (text) => text) {
        for (const payload of [...heard]) {
          const parts = payload.split(' ');
          // As if another process had said it.
          if (parts.length === 5)
            await client.query('select pg_notify($1, $2)', [
              'holdpoint_hubs',
              ['forger', ...parts.slice(1, 4), bytes(parts[4]!)].join(' '),
            ]);
        }
      },
    };
  }

  it('T57 hidden values of an agent at the other are shown to who asks here, and nothing between them has them in clear', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame(HIDDEN));
    await link.next('verdict');
    await linkedAt(b, 'embedded');
    const between = await overhear();
    const answer = reveal(b);
    const { request, names } = await link.next('reveal');
    expect(names).toEqual(['HOOK']);
    // More than one payload of NOTIFY can carry, and characters of every size.
    const value = `curl https://hooks.example.com/ ${'ünïcode 🔑 '.repeat(20_000)}`;
    link.send({ type: 'revealed', request, values: [{ name: 'HOOK', value, hidden: [] }], reason: null });
    expect(await answer).toMatchObject({ status: 200, body: { values: [{ name: 'HOOK', value, hidden: [] }] } });
    await eventually(between.said, (said) => said.includes('"answer"') || said.length > 100_000);
    expect(between.said()).not.toContain('hooks.example.com');
    const audit = await a.call('GET', '/api/v1/audit', await a.token('maria', ['read', 'audit']));
    expect(JSON.stringify(audit.body)).toContain('values_revealed');

    const refused = reveal(b);
    link.send({
      type: 'revealed',
      request: (await link.next('reveal')).request,
      values: null,
      reason: 'its job waits no more at the agent',
    });
    expect((await refused).body).toMatchObject({
      code: 'cannot_reveal',
      detail: 'hold 1: its job waits no more at the agent',
    });
    link.socket.terminate();
    await linkedAt(b, 'embedded', false);
    expect(JSON.stringify((await reveal(b)).body)).toContain('is not connected');
  });

  it('T27 T29 what is said between them without their key, or a second time, is not taken', async () => {
    const [a, b] = [await hub(), await hub()];
    const between = await overhear();
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame(HIDDEN));
    await link.next('verdict');
    await linkedAt(b, 'embedded');
    const answer = reveal(b);
    const { request } = await link.next('reveal');
    link.send({ type: 'revealed', request, values: [{ name: 'HOOK', value: 'true', hidden: [] }], reason: null });
    expect((await answer).status).toBe(200);
    const before = link.frames.length;
    // Everything once more: the ask too, to which no agent may be asked again.
    await between.again();
    // And everything with one bit of the signature turned.
    await between.again((text) => {
      const bytes = Buffer.from(text, 'base64');
      bytes[0] = bytes[0]! ^ 1;
      return bytes.toString('base64');
    });
    await eventually(
      () => [...a.log.lines, ...b.log.lines].map(({ message }) => message),
      (lines) => lines.some((message) => message.includes('without their key')),
    );
    link.socket.terminate();
    // The beat that says that the agent is linked was said again, too.
    expect((await linkedAt(b, 'embedded', false)).connected).toBe(false);
    await between.again();
    const second = reveal(b);
    expect(JSON.stringify((await second).body)).toContain('is not connected');
    expect(link.frames.slice(before).filter(({ type }) => type === 'reveal')).toEqual([]);
  });

  it('the log of a job at the other is followed here, sealed on its way, and only while somebody looks', async () => {
    const [a, b] = [await hub(), await hub()];
    await a.world.admit({ id: 1 });
    const link = await welcomed(a.url, a.keys.embedded);
    await linkedAt(b, 'embedded');
    const between = await overhear();
    const seen: { type: string; chunk?: string }[] = [];
    const viewer = new WebSocket(`${b.url.replace('http', 'ws')}/api/v1/events`, {
      headers: { authorization: `Bearer ${await b.token('maria')}` },
    });
    viewer.on('message', (data) => seen.push(JSON.parse(String(data))));
    await new Promise((resolve) => viewer.once('open', resolve));
    viewer.send(JSON.stringify({ type: 'watch', hold: 1, on: true }));
    expect(await link.next('watch')).toEqual({ type: 'watch', hold: 1, on: true });
    const text = `$ make deploy\n${'x'.repeat(40_000)}`;
    link.send({ type: 'log', hold: 1, job_id: 1, offset: 0, chunk: Buffer.from(text).toString('base64') });
    const pieces = () =>
      seen.filter(({ type }) => type === 'log').map(({ chunk }) => Buffer.from(chunk!, 'base64').toString());
    await eventually(pieces, (all) => all.join() === text);
    expect(between.said()).not.toContain('make deploy');
    // The agent goes on at the other hub, and what somebody looks at is asked for there.
    link.socket.terminate();
    const here = await welcomed(b.url, b.keys.embedded);
    expect(await here.next('watch')).toEqual({ type: 'watch', hold: 1, on: true });
    viewer.terminate();
    expect(await here.next('watch')).toEqual({ type: 'watch', hold: 1, on: false });
    here.socket.terminate();
  });

  it('each lists agents that are at the other, with what they have told there, and can ask one to look at its host', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await rawLink(a.url);
    link.send({ ...helloOf(a.keys.embedded), protocol: 2, oldest: 1 });
    link.send(proofOf(a.keys.embedded, (await link.next('challenge')).nonce, { protocol: 2 }));
    await link.next('welcome');
    const findings = [{ check: 'sync', status: 'fail', message: 'fsync lies', mend: 'another disk' }];
    link.send({ type: 'examined', at: new Date().toISOString(), findings });
    link.send({
      type: 'status',
      at: new Date(Date.now() + 300_000).toISOString(),
      snapshot: { seq: 7, policy: a.world.policy.version, age_ms: 1_000 },
    });
    link.send({ type: 'health', problems: [{ code: 'full', blocks: false, message: 'the lot is full' }] });
    const seen = await eventually(
      () => linkedAt(b, 'embedded'),
      ({ examined, problems }) => examined !== null && problems.length > 0,
    );
    expect(seen).toMatchObject({
      snapshot: { seq: 7, policy_in_force: true },
      problems: [{ message: 'the lot is full' }],
      examined: { fail: 1, findings: [{ message: 'fsync lies' }] },
    });
    expect(seen.clock_skew_ms).toBeGreaterThan(200_000);
    expect(seen.warnings).toEqual([expect.stringContaining('minutes ahead of')]);
    const { status } = await b.call('POST', '/api/v1/agents/embedded/examine', await b.token('maria', ['admin']), {});
    expect(status).toBe(200);
    await link.next('examine');
    // A hub that comes later is told by those that are there.
    const c = await hub();
    expect(
      (
        await eventually(
          () => linkedAt(c, 'embedded'),
          ({ examined }) => examined !== null,
        )
      ).snapshot?.seq,
    ).toBe(7);
    link.socket.terminate();
  });

  it('T24 a token that is used from the host of an agent is noticed at each, wherever the agent is linked', async () => {
    const trustedProxies = ['127.0.0.1'];
    const [a, b] = [await hub(undefined, { trustedProxies }), await hub(undefined, { trustedProxies })];
    const from = (address: string) => ({ 'x-forwarded-for': address, 'x-forwarded-proto': 'https' });
    const link = await rawLink(a.url, '/api/v1/link', from('192.0.2.7'));
    link.send(helloOf(a.keys.embedded));
    link.send(proofOf(a.keys.embedded, (await link.next('challenge')).nonce));
    await link.next('welcome');
    await linkedAt(b, 'embedded');
    const admin = await b.token('olga', ['read', 'admin']);
    const flagged = async (owner: string) => {
      const { body } = await b.call('GET', '/api/v1/tokens', admin);
      const tokens = body.items as unknown as { owner: string; flags: { kind: string; address: string }[] }[];
      return tokens.find((token) => token.owner === owner)?.flags.map(({ kind, address }) => [kind, address]);
    };
    const use = async (username: string, address: string) => {
      const authorization = `Bearer ${await b.token(username)}`;
      expect((await fetch(`${b.url}/api/v1/me`, { headers: { authorization, ...from(address) } })).status).toBe(200);
      return flagged(username);
    };
    expect(await use('jonas', '192.0.2.8')).toEqual([]);
    expect(await use('alice', '192.0.2.7')).toEqual([['agent_host', '192.0.2.7']]);
    link.socket.terminate();
  });

  it('T27 an agent that is revoked, or enrolled anew, at one hub is cut at the other, with the hint and without', async () => {
    for (const hints of [undefined, deaf]) {
      const [a, b] = [await hub(hints), await hub(hints)];
      for (const [i, how] of (['revoked', 'enrolled anew'] as const).entries()) {
        const key = agentKey(`build-${i}-${hints === undefined ? 'told' : 'deaf'}`);
        const enrol = async (as: AgentKey) => {
          const made = await a.call('POST', '/api/v1/agents', await a.token('maria', ['admin']), { name: key.name });
          const publicKey = Buffer.from(as.publicKey).toString('base64url');
          const text = Buffer.from(enrolText(String(made.body.token), publicKey));
          const signature = sign(null, text, as.privateKey).toString('base64url');
          return a.call('POST', '/api/v1/enrolments', null, {
            token: made.body.token,
            public_key: publicKey,
            signature,
          });
        };
        expect((await enrol(key)).status).toBe(201);
        const link = await welcomed(b.url, key);
        if (how === 'revoked')
          await a.call('POST', `/api/v1/agents/${key.name}/revoke`, await a.token('maria', ['admin']), {});
        else expect((await enrol(agentKey(key.name))).status).toBe(201);
        if (hints === deaf) for (const clock of clocks) clock.advance(5_000);
        expect(await link.closed()).toBe(4403);
      }
    }
  });

  it('T24 T52 a credential stays in the hub that it was lent to, which retries with it before any hub takes its bot', async () => {
    const given = new Map([
      ['glpat-of-zoe', { user: 9, scope: 'api' }],
      ['glpat-of-the-bot', { user: 99, scope: 'api' }],
    ]);
    const gitlab = tokenTakingGitlab({ given } as unknown as TestProvider);
    const ci = { api: gitlab.api, botToken: () => 'glpat-of-the-bot' };
    const a = await hub(undefined, { ci });
    const b = await hub(undefined, { ci });
    const between = await overhear();
    const credential = (at: TestHub, method: string, body?: object) =>
      at.token('zoe').then((token) => at.call(method, '/api/v1/me/gitlab-credential', token, body));
    const knownAt = (at: TestHub, lent: boolean) =>
      eventually(
        async () => (await credential(at, 'GET')).body as unknown as { lent: boolean },
        (seen) => seen.lent === lent,
      );
    expect((await credential(b, 'PUT', { token: 'glpat-of-zoe' })).body).toMatchObject({ lent: true });
    for (const clock of clocks) clock.advance(10_000);
    await knownAt(a, true);
    await a.world.admit({ id: 7, by: 'zoe' });
    await a.world.report('embedded', { hold: 1, jobId: 7, event: 'detached', detail: { reason: 'over' } });
    expect(
      (
        await a.call('POST', '/api/v1/holds/1/approve', await a.token('maria'), {
          digest: requestFor({ id: 7 }).digest,
        })
      ).status,
    ).toBe(200);
    await eventually(
      () => {
        for (const clock of clocks) clock.advance(1_000);
        return gitlab.retried;
      },
      (retried) => retried.length > 0,
    );
    expect(gitlab.retried).toEqual([{ token: 'glpat-of-zoe', user: 9, scope: 'api', job: 7 }]);
    expect(between.said()).not.toContain('glpat-of-zoe');
    // Taken back at the other hub, it is gone where it was.
    expect((await credential(a, 'DELETE')).status).toBe(200);
    await knownAt(b, false);
  });

  it('somebody watches at one, the job runs at the other: it ends when their hub is gone for longer than a page may be', async () => {
    const looks = [{ done: 0 }, { done: 0 }];
    const [a, b] = [await hub(undefined, {}, looks[0]), await hub(undefined, {}, looks[1])];
    for (const { world } of [a, b]) world.policy = policyWith({ fourEyesLive: 'required' });
    const link = await rawLink(a.url);
    link.send({ ...helloOf(a.keys.embedded), features: ['watching'] });
    link.send(proofOf(a.keys.embedded, (await link.next('challenge')).nonce as string));
    await link.next('welcome');
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    expect((await approve(b, 1)).status).toBe(200);
    expect((await a.store.hold(1))?.state).toBe('waiting_for_approval');
    const page = new WebSocket(`${b.url.replace('http', 'ws')}/api/v1/events`, {
      headers: { authorization: `Bearer ${await b.token('jonas')}` },
    });
    let isSeen = true;
    page.on('message', (data) => {
      const { type, hold, nonce } = JSON.parse(String(data));
      if (type === 'beat' && isSeen) page.send(JSON.stringify({ type: 'present', hold, nonce }));
    });
    await new Promise((resolve) => page.once('open', resolve));
    page.send(JSON.stringify({ type: 'attend', hold: 1, on: true }));
    expect(await link.next('release')).toMatchObject({ hold: 1 });
    const at = new Date().toISOString();
    for (const event of ['handed_out', 'confirmed'])
      link.send({ type: 'report', ref: event, hold: 1, job_id: 1, event, at, detail: {} });
    await eventually(
      async () => (await a.store.hold(1))?.state,
      (state) => state === 'running',
    );
    const stopped = async () => (await a.store.stopOf(1, 1))?.cause ?? null;
    // Each hub that runs looks once in this time; only whom another one keeps out has looked for nothing, and looks the next time.
    const turn = async (ms: number) => {
      const before = looks.map((hub) => hub.done);
      for (const clock of clocks) clock.advance(ms);
      await eventually(
        async () => clocks.every((_, at) => looks[at]!.done > before[at]!),
        (all) => all,
      );
    };
    const seen = async () => (await a.store.watchers(1))[0]?.seenAt ?? 0;
    for (let beats = 0; beats < 6; beats++) {
      const before = await seen();
      await turn(PRESENCE_BEAT_MS);
      await eventually(seen, (now) => now > before);
    }
    expect(await stopped()).toBeNull();
    // As when it is killed: nobody takes leave, and nobody answers.
    isSeen = false;
    const last = await seen();
    page.terminate();
    await ends.pop()!();
    clocks.pop();
    const [clock] = clocks;
    while (clock!.now() + PRESENCE_LOOK_MS < last + PRESENCE_GRACE_MS) {
      expect(await stopped()).toBeNull();
      await turn(PRESENCE_LOOK_MS);
    }
    await eventually(
      async () => {
        await turn(PRESENCE_LOOK_MS);
        return stopped();
      },
      (cause) => cause === 'unwatched',
    );
    expect(await link.next('cancel')).toMatchObject({ hold: 1, job_id: 1, stop: true });
    expect(clock!.now()).toBeLessThan(last + 3 * PRESENCE_GRACE_MS);
    link.socket.terminate();
  });

  it('what falls due ends once, whichever hub does it', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    for (const clock of clocks) clock.advance(31 * DAY);
    await eventually(
      async () => (await b.store.hold(1))?.state,
      (state) => state === 'expired',
    );
    for (const clock of clocks) clock.advance(60_000);
    await eventually(
      () => a.store.alone('time', async () => true),
      (mine) => mine === true,
    );
    const rows = await a.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 100 });
    expect(rows.filter(({ event }) => event === 'hold_expired')).toHaveLength(1);
    expect(await verifyAudit(b.store)).toMatchObject({ ok: true });
    expect([...a.log.lines, ...b.log.lines].filter(({ level }) => level === 'error')).toEqual([]);
    link.socket.terminate();
  });
});
