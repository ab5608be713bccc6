import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enrolAgent } from '../../agent/src/link/enrol.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import { hubKeyOf } from '../../agent/src/system/hub-key.ts';
import { proofText } from '../../agent/src/wire/link.ts';
import {
  admitFrame,
  eventually,
  HUB_KEYID,
  helloOf,
  rawLink,
  startHub,
  type TestHub,
  welcomed,
} from '../support/hub-server.ts';
import { HOUR, requestFor } from '../support/hub-world.ts';
import { testStore } from '../support/test-store.ts';

const MINUTE = HOUR / 60;
const keyOf = (seed: number) => hubKeyOf(new Uint8Array(32).fill(seed));

describe('an agent of another host', () => {
  let hub: TestHub;
  let admin = '';
  beforeEach(async () => {
    hub = await startHub();
    admin = await hub.token('maria', ['admin']);
  });
  afterEach(() => hub.close());

  const invite = async (name: string, token = admin) =>
    (await hub.call('POST', '/api/v1/agents', token, { name })) as unknown as {
      status: number;
      body: { token: string; expires_at: string; code: string };
    };
  const enrol = async (token: string, seed = 5) => enrolAgent({ url: hub.url, token, key: keyOf(seed) });
  const connect = async (name: string, seed = 5) => {
    const link = await rawLink(hub.url);
    link.send({ ...helloOf(hub.keys.embedded), agent: name });
    const { nonce } = await link.next('challenge');
    const text = Buffer.from(proofText(nonce, name, HUB_KEYID, 1));
    link.send({ type: 'prove', signature: Buffer.from(keyOf(seed).sign(text)).toString('base64url') });
    return link;
  };
  const events = async () =>
    (await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 }))
      .filter(({ event }) => event.startsWith('agent_'))
      .map(({ event, actor, detail }) => ({ event, actor, detail }));

  it('enrols once with the token that an administrator made, and is then let in by its own key', async () => {
    const { status, body } = await invite('build-1');
    expect([status, Date.parse(body.expires_at) - hub.world.clock.now()]).toEqual([201, 10 * MINUTE]);
    expect(await enrol(body.token)).toEqual({
      name: 'build-1',
      hubKey: hubKeyOf(new Uint8Array(32).fill(1)).publicKey,
    });
    const link = await connect('build-1');
    expect(await link.next('welcome')).toMatchObject({ variable_key: Buffer.alloc(32, 7).toString('base64url') });
    const listed = (await hub.call('GET', '/api/v1/agents', await hub.token('maria', ['read']))).body;
    expect(listed.items).toMatchObject([
      { name: 'build-1', connected: true, enrolled_at: expect.any(String), revoked_at: null },
    ]);
    expect(await events()).toMatchObject([
      { event: 'agent_invited', actor: expect.stringContaining('maria') },
      { event: 'agent_enrolled', actor: 'agent:build-1', detail: { keyid: keyOf(5).keyid, replaces: null } },
    ]);
    const stored = JSON.stringify([await events(), await hub.store.agents()]);
    expect(stored).not.toContain(body.token);
  });

  it('T27 a token is good once, for ten minutes, until a newer one is made, and for nobody without the key', async () => {
    const used = (await invite('build-1')).body.token;
    await enrol(used);
    await expect(enrol(used, 6)).rejects.toMatchObject({ code: 'unauthenticated' });
    const late = (await invite('build-2')).body.token;
    hub.world.clock.advance(10 * MINUTE);
    await expect(enrol(late)).rejects.toThrow('it is good for 10 minutes');
    const older = (await invite('build-3')).body.token;
    const newer = (await invite('build-3')).body.token;
    await expect(enrol(older)).rejects.toMatchObject({ code: 'unauthenticated' });
    const [mine, theirs] = [keyOf(5), keyOf(6)];
    const thief = { ...theirs, publicKey: mine.publicKey };
    await expect(enrolAgent({ url: hub.url, token: newer, key: thief })).rejects.toThrow('the key was not proved');
    await expect(enrol('hpe_guessed')).rejects.toThrow('no enrolment token');
    expect((await enrol(newer)).name).toBe('build-3');
  });

  it('T27 of two hosts with one token at the same moment one enrols', async () => {
    const { token } = (await invite('build-1')).body;
    const both = await Promise.allSettled([enrol(token, 5), enrol(token, 6)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('T27 only an administrator, or a token that can do nothing else, invites and revokes', async () => {
    for (const [scopes, status] of [
      [['read', 'approve', 'deploy', 'audit'], 403],
      [['agent'], 201],
    ] as const)
      expect((await invite('build-1', await hub.token('maria', scopes))).status).toBe(status);
    const revoke = (token: string) => hub.call('POST', '/api/v1/agents/build-1/revoke', token, {});
    expect((await revoke(await hub.token('maria', ['agent']))).status).toBe(403);
    expect((await revoke(admin)).status).toBe(404);
    expect((await invite('embedded')).status).toBe(409);
    expect((await hub.call('POST', '/api/v1/agents/embedded/revoke', admin, {})).status).toBe(409);
    expect((await invite('no/name')).status).toBe(400);
  });

  it('T27 is cut off at once when it is revoked, and refused from then on', async () => {
    await enrol((await invite('build-1')).body.token);
    const link = await connect('build-1');
    await link.next('welcome');
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    const { status, body } = await hub.call('POST', '/api/v1/agents/build-1/revoke', admin, { reason: 'stolen' });
    expect([status, body.connected]).toEqual([200, false]);
    expect(await link.closed()).toBe(4403);
    expect(await (await connect('build-1')).closed()).toBe(4401);
    expect((await hub.call('POST', '/api/v1/agents/build-1/revoke', admin, {})).status).toBe(409);
    expect((await events()).at(-1)).toMatchObject({ event: 'agent_revoked', detail: { reason: 'stolen' } });
    // Its Hold stays: people may still look at it, and another key of that name takes it over.
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
    await enrol((await invite('build-1')).body.token, 6);
    expect(await (await connect('build-1', 5)).closed()).toBe(4401);
    expect(await (await connect('build-1', 6)).next('welcome')).toBeDefined();
  });

  it('T27 a new enrolment of a name cuts off whoever had it', async () => {
    await enrol((await invite('build-1')).body.token);
    const older = await connect('build-1');
    await older.next('welcome');
    await enrol((await invite('build-1')).body.token, 6);
    expect(await older.closed()).toBe(4403);
  });

  it('T27 a key that was replaced between its proof and its welcome is not welcomed', async () => {
    await hub.close();
    const store = await testStore();
    let meanwhile: (() => Promise<unknown>) | null = null;
    const enrolled: Store['enrolled'] = async (agent) => {
      const found = await store.enrolled(agent);
      const work = meanwhile;
      meanwhile = null;
      await work?.();
      return found;
    };
    hub = await startHub({ store: { ...store, enrolled } });
    admin = await hub.token('maria', ['admin']);
    await enrol((await invite('build-1')).body.token);
    const { body } = await invite('build-1');
    // Its key was looked up, and then another host was faster: nothing was connected yet that could have been cut.
    meanwhile = () => enrol(body.token, 6);
    const older = await connect('build-1');
    expect(await older.closed()).toBe(4403);
    expect(older.frames.map(({ type }) => type)).toEqual([]);
    expect((await (await connect('build-1', 6)).next('welcome')).type).toBe('welcome');
  });

  it('T27 sees and moves its own Holds only', async () => {
    for (const [name, seed] of [
      ['build-1', 5],
      ['build-2', 6],
    ] as const)
      await enrol((await invite(name)).body.token, seed);
    const [first, second] = [await connect('build-1', 5), await connect('build-2', 6)];
    await Promise.all([first.next('welcome'), second.next('welcome')]);
    first.send(admitFrame({ id: 1 }));
    const { hold } = await first.next('verdict');
    second.send(admitFrame({ id: 1 }));
    expect(await second.next('error')).toMatchObject({ code: 'forbidden' });
    const parked = { hold, job_id: 1, digest: requestFor({ id: 1 }).digest, state: 'parked', parked_until: null };
    second.send({ type: 'sync', ref: 's', holds: [parked] });
    expect((await second.next('state')).holds).toMatchObject([{ state: 'unknown' }]);
    const report = { hold, job_id: 1, event: 'handed_out', at: '2026-11-22T08:00:01.000Z', detail: {} };
    second.send({ type: 'report', ref: 'r', ...report });
    const [refused] = (await second.next('state')).holds;
    expect(refused).toMatchObject({ state: 'unknown' });
    await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), {
      digest: requestFor({ id: 1 }).digest,
    });
    await first.next('release');
    expect(second.frames).toEqual([]);
    expect(await hub.world.state(1)).toBe('pending');
  });

  it('says since when an agent is away', async () => {
    const link = await welcomed(hub.url, hub.keys.other);
    hub.world.clock.advance(HOUR);
    link.socket.terminate();
    const gone = await eventually(
      async () => (await hub.call('GET', '/api/v1/agents', await hub.token('maria', ['read']))).body.items?.[0],
      (agent) => (agent?.connected as unknown) === false && Date.parse(String(agent?.since)) === hub.world.clock.now(),
    );
    expect(gone).toMatchObject({ name: 'other', enrolled_at: null });
  });
});
