import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toSnake } from '../../agent/src/wire/case.ts';
import { startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { type JobSpec, requestFor } from '../support/hub-world.ts';

const job: JobSpec = {
  id: 1,
  extra: { variables: [{ key: 'HOOK', value: [{ hmac: 'ab'.repeat(32) }], public: false, masked: false }] },
};
const { digest, configuration, facts } = requestFor(job);
const revealedFrame = (request: string, value: string) => ({
  type: 'revealed',
  request,
  values: [{ name: 'HOOK', value, hidden: [] }],
  reason: null,
});

describe('a reveal over the link', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  const ask = async () => hub.call('POST', '/api/v1/holds/1/reveal', await hub.token('maria'), { digest });
  async function parked() {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send({ type: 'admit', ref: 'a1', digest, configuration, facts: toSnake(facts), policy: null });
    await link.next('verdict');
    return link;
  }

  it('asks the agent that has the job for exactly these names, and gives the answer to who asked', async () => {
    const link = await parked();
    const answer = ask();
    const frame = await link.next('reveal');
    expect(frame).toMatchObject({ hold: 1, job_id: 1, digest, names: ['HOOK'] });
    link.send(revealedFrame(frame.request, 'make notes'));
    expect(await answer).toMatchObject({
      status: 200,
      body: { hold: 1, digest, values: [{ name: 'HOOK', value: 'make notes', hidden: [] }] },
    });
  });

  it('T29 takes the answer to a question once, and none to a question that was never asked', async () => {
    const link = await parked();
    link.send(revealedFrame('1', 'too early'));
    const first = ask();
    const { request } = await link.next('reveal');
    link.send(revealedFrame(request, 'the value'));
    link.send(revealedFrame(request, 'another value'));
    expect((await first).body).toMatchObject({ values: [{ value: 'the value' }] });
    const second = ask();
    link.send(revealedFrame((await link.next('reveal')).request, 'the value'));
    expect((await second).body).toMatchObject({ values: [{ value: 'the value' }] });
  });

  it('T27 is not answered by another agent', async () => {
    const link = await parked();
    const other = await welcomed(hub.url, hub.keys.other);
    const answer = ask();
    const { request } = await link.next('reveal');
    other.send(revealedFrame(request, 'forged'));
    link.send({ type: 'revealed', request, values: null, reason: 'its job waits no more at the agent' });
    expect(await answer).toMatchObject({ status: 409, body: { code: 'cannot_reveal' } });
    expect(JSON.stringify((await answer).body)).toContain('waits no more');
  });

  it('says so when the agent is away, or goes away before it has answered', async () => {
    const link = await parked();
    const answer = ask();
    await link.next('reveal');
    link.socket.terminate();
    expect(await answer).toMatchObject({ status: 409, body: { code: 'cannot_reveal' } });
    const away = await ask();
    expect(away).toMatchObject({ status: 409, body: { code: 'cannot_reveal' } });
    expect(JSON.stringify(away.body)).toContain('try again when it is');
    const audit = await hub.call('GET', '/api/v1/audit', await hub.token('maria'));
    expect(JSON.stringify(audit.body)).not.toContain('values_revealed');
  });

  it('closes the link of an agent that answers with more than a frame may hold', async () => {
    const link = await parked();
    const answer = ask();
    const { request } = await link.next('reveal');
    link.send(revealedFrame(request, 'x'.repeat(1024 * 1024 + 1)));
    expect(await link.closed()).toBe(4400);
    expect(await answer).toMatchObject({ status: 409, body: { code: 'cannot_reveal' } });
  });
});
