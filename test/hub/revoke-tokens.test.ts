import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueBootstrapToken } from '../../agent/src/app/issue-token.ts';
import { ALL_REVOKED } from '../../agent/src/domain/token.ts';
import { runCli } from '../support/cli.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';

describe('many tokens at once', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  const works = async (token: string) => (await hub.call('GET', '/api/v1/me', token)).status === 200;
  const revoke = (token: string, body: object) => hub.call('POST', '/api/v1/tokens/revoke', token, body);

  it('T24 end on one request of an administrator: everybody but the one who asks, and it is in the audit', async () => {
    const admin = await hub.token('maria', ['read', 'admin']);
    const others = [await hub.token('zoe'), await hub.token('jonas'), await hub.token('maria')];
    expect(await revoke(admin, { everybody: true, reason: 'a laptop was stolen' })).toMatchObject({
      body: { revoked: 3 },
    });
    expect(await Promise.all(others.map(works))).toEqual([false, false, false]);
    expect(await works(admin)).toBe(true);
    const rows = await hub.store.auditRows({ events: ['tokens_revoked'], sight: null }, { after: 0, limit: 10 });
    expect(rows.map(({ detail }) => detail)).toEqual([
      { owner: null, tokens: 3, this_too: false, reason: 'a laptop was stolen' },
    ]);
  });

  it('end for one person by an administrator, and for oneself by anybody; others are left alone', async () => {
    const admin = await hub.token('maria', ['read', 'admin']);
    const [zoe, second, jonas] = [await hub.token('zoe'), await hub.token('zoe'), await hub.token('jonas')];
    expect(await revoke(zoe, {})).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect([await works(zoe), await works(second), await works(jonas)]).toEqual([true, false, true]);
    expect(await revoke(zoe, { user: 'jonas' })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await revoke(zoe, { everybody: true })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await revoke(admin, { user: 'nobody' })).toMatchObject({ status: 404 });
    expect(await revoke(admin, { user: 'zoe', everybody: true })).toMatchObject({ status: 400 });
    expect(await revoke(admin, { user: 'zoe' })).toMatchObject({ body: { revoked: 1 } });
    expect([await works(zoe), await works(jonas)]).toEqual([false, true]);
  });

  it('leave nobody locked out: after all of them the next start makes a first token again', async () => {
    const admin = await hub.token('maria', ['read', 'admin']);
    await hub.token('zoe');
    expect(await issueBootstrapToken(hub.world.context)).toBeNull();
    expect(await revoke(admin, { everybody: true, this_too: true })).toMatchObject({ body: { revoked: 2 } });
    expect(await works(admin)).toBe(false);
    expect((await issueBootstrapToken(hub.world.context))?.text).toMatch(/^hp_/);
  });

  it('T24 are all looked at: one made after a thousand that ended keeps a start from giving out a first token', async () => {
    const ended = { revokedAt: hub.world.clock.now(), revokedBy: 'maria', revokedReason: ALL_REVOKED };
    await hub.token('zoe', ['read']);
    const [one] = await hub.store.tokens(null, { after: 0, limit: 1 });
    await hub.store.write(async (tx) => {
      await tx.updateToken({ ...one!, ...ended });
      for (let n = 0; n < 1_000; n++) {
        const { id, ...token } = one!;
        await tx.updateToken({ ...(await tx.insertToken({ ...token, hash: `${n}`.padStart(64, '0') })), ...ended });
      }
    });
    for (let start = 1; start <= 2; start++) expect(await issueBootstrapToken(hub.world.context)).not.toBeNull();
    // The one of the start before is void, however many tokens stand before it.
    const late = await hub.store.tokens(null, { after: 1_001, limit: 9 });
    expect(late.map(({ owner, revokedReason }) => [owner, revokedReason])).toEqual([
      [null, 'a newer start'],
      [null, null],
    ]);
    await hub.token('maria', ['read', 'admin']);
    expect(await issueBootstrapToken(hub.world.context)).toBeNull();
  });

  it('are ended by the command line as by the API, which asks for one of an id and --all', async () => {
    const admin = await hub.token('maria', ['read', 'admin']);
    await hub.token('zoe');
    const cli = (...argv: string[]) =>
      runCli(['token', 'revoke', ...argv, '--hub', hub.url], { env: { HOLDPOINT_TOKEN: admin } });
    expect(await cli('--all', '--everybody')).toMatchObject({ exit: 0, out: "1 tokens ended, everybody's\n" });
    expect(await cli()).toMatchObject({ exit: 2, err: expect.stringContaining('or --all') });
    expect(await cli('3', '--all')).toMatchObject({ exit: 2, err: expect.stringContaining('give one of the two') });
    expect(await cli('3', '--everybody')).toMatchObject({ exit: 2, err: expect.stringContaining('go with --all') });
  });
});
