import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentView } from '../../agent/src/wire/api.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { eventually, helloOf, proofOf, rawLink, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { type JobSpec, requestFor } from '../support/hub-world.ts';
import { protocol1Complaint } from '../support/link-protocol-1.ts';

const job: JobSpec = {
  id: 1,
  extra: { variables: [{ key: 'HOOK', value: [{ hmac: 'ab'.repeat(32) }], public: false, masked: false }] },
};
const { digest, configuration, facts } = requestFor(job);

describe('versions of the link, at the hub', () => {
  let hub: TestHub;
  beforeEach(async () => {
    hub = await startHub();
  });
  afterEach(() => hub.close());

  const listed = async () => {
    const { body } = await hub.call('GET', '/api/v1/agents', await hub.token('maria', ['read']));
    return (body.items as unknown as AgentView[])[0]!;
  };
  const decide = async (verb: string, body: object) =>
    hub.call('POST', `/api/v1/holds/1/${verb}`, await hub.token('maria'), { digest, ...body });
  async function newest() {
    const link = await rawLink(hub.url);
    link.send({ ...helloOf(hub.keys.embedded), protocol: 2, oldest: 1 });
    const challenge = await link.next('challenge');
    expect(challenge.protocol).toBe(2);
    link.send(proofOf(hub.keys.embedded, challenge.nonce, { protocol: 2 }));
    await link.next('welcome');
    return link;
  }

  it('an agent of the version before is welcomed, and sent nothing that it would not understand', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const sent: unknown[] = [];
    link.socket.on('message', (data) => sent.push(JSON.parse(String(data))));
    const say = (frame: object) => {
      // What this agent says is what that version would have said.
      expect(protocol1Complaint('agent', frame)).toBeNull();
      link.send(frame);
    };
    say({ type: 'admit', ref: 'a1', digest, configuration, facts: toSnake(facts), policy: null });
    expect(await link.next('verdict')).toMatchObject({ outcome: 'hold', hold: 1 });
    const parked = { hold: 1, job_id: 1, digest, state: 'parked', parked_until: null };
    say({ type: 'sync', ref: 's1', holds: [parked] });
    await link.next('state');
    say({ type: 'health', problems: [] });
    say({ type: 'examined', at: '2026-11-22T08:00:00.000Z', findings: [] });
    const shown = decide('reveal', {});
    const { request } = await link.next('reveal');
    say({ type: 'revealed', request, values: [{ name: 'HOOK', value: 'true', hidden: [] }], reason: null });
    expect((await shown).status).toBe(200);
    expect((await decide('approve', {})).status).toBe(200);
    const { seq } = await link.next('release');
    say({ type: 'ack', seq });
    say({
      type: 'report',
      ref: 'r1',
      hold: 1,
      job_id: 1,
      event: 'handed_out',
      at: '2026-11-22T08:00:01.000Z',
      detail: {},
    });
    await link.next('state');
    await hub.call('POST', '/api/v1/agents/embedded/examine', await hub.token('maria', ['admin']), {});
    await link.next('examine');
    hub.world.clock.advance(31_000);
    await eventually(
      () => link.snapshots.length,
      (count) => count >= 2,
    );
    expect(new Set(sent.map((frame) => (frame as { type: string }).type)).size).toBeGreaterThan(5);
    expect(sent.map((frame) => protocol1Complaint('hub', frame)).filter((words) => words !== null)).toEqual([]);
    // It tells nothing of its clock and its snapshot: that is no fault of it.
    expect(await listed()).toMatchObject({ connected: true, snapshot: null, clock_skew_ms: null, warnings: [] });
    link.socket.terminate();
  });

  it('the newest that both know is spoken, and then the hub is told what the agent goes by', async () => {
    const link = await newest();
    const at = new Date(hub.world.clock.now() - 90_000).toISOString();
    link.send({ type: 'status', at, snapshot: { seq: 41, policy: 'sha256:other', age_ms: 20_000 } });
    const seen = await eventually(listed, ({ snapshot }) => snapshot !== null);
    expect(seen).toMatchObject({
      clock_skew_ms: -90_000,
      snapshot: { seq: 41, heard_at: new Date(hub.world.clock.now() - 20_000).toISOString(), policy_in_force: false },
      warnings: [
        expect.stringContaining("90 seconds behind this hub's"),
        expect.stringContaining('do all hubs have the same policy file'),
      ],
    });
    const metrics = String((await hub.call('GET', '/metrics', null)).body);
    expect(metrics).toContain('holdpoint_hub_agent_clock_skew_seconds 90');
    expect(metrics).toContain('holdpoint_hub_agent_snapshot_age_seconds 20');
    // Connected, and not renewed: somebody has to look.
    const { version } = hub.world.policy;
    link.send({
      type: 'status',
      at: new Date(hub.world.clock.now()).toISOString(),
      snapshot: { seq: 42, policy: version, age_ms: 600_000 },
    });
    await eventually(listed, ({ warnings }) => warnings.some((words) => words.includes('10 minutes old, although')));
    link.socket.terminate();
  });

  it('who speaks none that this hub knows is refused in words, and the list of agents says so until it comes', async () => {
    const first = await newest();
    first.socket.terminate();
    await eventually(listed, ({ connected }) => !connected);
    const link = await rawLink(hub.url);
    link.send({ ...helloOf(hub.keys.embedded), protocol: 7, oldest: 6 });
    expect(await link.closed()).toBe(4426);
    const words = 'the agent speaks protocol 6 to 7, this hub 1 to 2: upgrade the hub';
    expect(link.reason()).toBe(words);
    expect((await listed()).warnings).toEqual([
      expect.stringMatching(
        new RegExp(`^who calls itself embedded was refused at .*, and has proved nothing: ${words}$`),
      ),
    ]);
    const again = await newest();
    expect((await listed()).warnings).toEqual([]);
    again.socket.terminate();
  });
});
