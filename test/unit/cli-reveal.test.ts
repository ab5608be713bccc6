import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { revealed } from '../../agent/src/cli/revealed.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { runCli } from '../support/cli.ts';
import { startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { requestFor } from '../support/hub-world.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('revealed values on a terminal', () => {
  it('stand line by line, with nothing in them that acts on the terminal (T33)', () => {
    const value = 'one\u001b[2J\u202e\n\ttwo';
    const text = revealed({ hold: 7, digest, values: [{ name: 'HOOK\u001b[31m', value, hidden: ['KUBE_TOKEN'] }] });
    expect(text).toBe(
      [
        'HOOK⟨U+001B⟩[31m',
        '  one⟨U+001B⟩[2J⟨U+202E⟩',
        '   two',
        '  (stays hidden within it: KUBE_TOKEN)',
        'It is recorded that you have seen this value.',
        '',
      ].join('\n'),
    );
  });

  it('are said to be none where a hold hides none', () => {
    expect(revealed({ hold: 7, digest, values: [] })).toContain('hides no value');
  });
});

describe('holds reveal', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  async function park(id: number) {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const variables = [{ key: 'HOOK', value: [{ hmac: 'ab'.repeat(32) }], public: false, masked: false }];
    const { facts, ...request } = requestFor({ id, extra: { variables } });
    link.send({ type: 'admit', ref: 'a', ...request, facts: toSnake(facts), policy: null });
    await link.next('verdict');
    return { link, digest: request.digest };
  }
  const holdpoint = async (who: string, ...argv: readonly string[]) =>
    runCli([...argv, '--hub', hub.url], { env: { HOLDPOINT_TOKEN: await hub.token(who) } });

  it('T57 says before an approve what is to be looked at, shows it, and then the approve goes through', async () => {
    const { link, digest: shown } = await park(1);
    const page = await holdpoint('maria', 'holds', 'show', '1');
    expect(page.out).toContain('nobody has seen the value of HOOK');
    expect(page.out).toContain('holdpoint holds reveal 1');
    const blocked = await holdpoint('maria', 'approve', '1', '--digest', shown);
    expect(blocked).toMatchObject({ exit: 4, out: '' });
    expect(blocked.err).toContain('holdpoint holds reveal 1');

    const looking = holdpoint('maria', 'holds', 'reveal', '1', 'HOOK');
    const { request } = await link.next('reveal');
    const values = [{ name: 'HOOK', value: 'make notes', hidden: [] }];
    link.send({ type: 'revealed', request, values, reason: null });
    expect(await looking).toMatchObject({ exit: 0, err: '', out: expect.stringContaining('HOOK\n  make notes\n') });
    expect(await holdpoint('maria', 'approve', '1', '--digest', shown)).toMatchObject({ exit: 0 });
  });

  it('T57 ends with 5 for who may not vote, with 4 when the agent is away, with 2 for a name that hides nothing', async () => {
    const { link } = await park(1);
    expect(await holdpoint('rita', 'holds', 'reveal', '1')).toMatchObject({ exit: 5, out: '' });
    expect(await holdpoint('maria', 'holds', 'reveal', '1', 'OTHER')).toMatchObject({ exit: 2, out: '' });
    link.socket.terminate();
    await link.closed();
    expect(await holdpoint('maria', 'holds', 'reveal', '1')).toMatchObject({ exit: 4, out: '' });
  });

  it('approve takes scopes and sends them to the hub, narrowest where nothing is said', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const job = { id: 5, dependencies: [{ name: 'build', jobId: 4, samePipeline: false }] };
    const { facts, ...request } = requestFor(job);
    link.send({ type: 'admit', ref: 'a', ...request, facts: toSnake(facts), policy: null });
    await link.next('verdict');
    const page = await holdpoint('maria', 'holds', 'show', '1');
    expect(page.out).toContain('build (job 4): not of the same pipeline');
    const narrow = await holdpoint('maria', 'approve', '1', '--digest', request.digest);
    expect(narrow).toMatchObject({ exit: 4, err: expect.stringContaining('--scope inputs=any') });
    const argv = ['approve', '1', '--digest', request.digest, '--scope', 'inputs=any', '--scope', 'runners=prod'];
    expect(await holdpoint('maria', ...argv)).toMatchObject({ exit: 0 });
    expect((await hub.world.store.approval(1))?.scope).toEqual({
      ref: { kind: 'exact' },
      inputs: 'any',
      runners: ['prod'],
    });
  });
});
