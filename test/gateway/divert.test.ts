import { describe, expect, it } from 'vitest';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { fixture, poll, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scenes = gateScenes();

/** A hub that diverts whatever is offered to be. */
async function scene(options: Parameters<typeof scenes>[0] = {}): Promise<GateScene & { readonly open: string }> {
  const one = await scenes(options);
  one.gate.gatekeeper.verdict = ({ divert }) =>
    divert?.includes('open') === true ? { outcome: 'divert', hold: null, note: null, url: null, runner: 'open' } : null;
  return Object.assign(one, { open: one.fake.runnerToken('open') });
}
async function divert(one: GateScene): Promise<number> {
  const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: one.token });
  expect((await one.poll()).status).toBe(204);
  await until('the note', () => one.gate.log.lines.some((line) => line.message === 'a note was written'));
  expect(one.fake.job(id).trace).toContain('diverted to the unprotected runner open');
  return id;
}
const LEGS = [
  [
    'a protected ref',
    (p: Payload) => {
      p.git_info.protected = true;
    },
  ],
  [
    'a ref of which nothing is known',
    (p: Payload) => {
      p.git_info.protected = null;
    },
  ],
  [
    'an environment',
    (p: Payload) => {
      p.variables.push(variable('CI_ENVIRONMENT_NAME', 'prod'));
    },
  ],
  [
    'an environment in other letters',
    (p: Payload) => {
      p.variables.push(variable('ci_environment_slug', 'prod'));
    },
  ],
  [
    'secrets',
    (p: Payload) => {
      p.secrets = { KEY: { vault: { path: 'x' } } };
    },
  ],
  [
    'suspend options',
    (p: Payload) => {
      p.suspend_options = { suspend_on_success: false };
    },
  ],
  [
    'an id token',
    (p: Payload) => {
      p.variables.push({ ...variable('TOKEN', JWT), public: false, masked: true });
    },
  ],
  [
    'an id token within a value',
    (p: Payload) => {
      p.variables.push(variable('NETRC', `machine x password ${JWT}`));
    },
  ],
  [
    'an id token in a script',
    (p: Payload) => {
      p.steps[0]!.script.push(`curl -H "Auth: ${JWT}"`);
    },
  ],
] as const;
const JWT = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${Buffer.from('{"sub":"project"}').toString('base64url')}.c2lnbmF0dXJlLW9m`;
const variable = (key: string, value: string) => ({ key, value, public: true, masked: false });
interface Payload {
  token: string;
  git_info: { protected: boolean | null };
  variables: { key: string; value: string; public: boolean; masked: boolean }[];
  secrets?: unknown;
  suspend_options?: unknown;
  steps: { script: string[] }[];
}

describe('T55: what may go to an unprotected runner', () => {
  const read = (payload: Payload) =>
    readPayload(Buffer.from(JSON.stringify(payload)), {
      instance: 'https://gitlab.example.com',
      runner: 'builder',
      variableKey: new Uint8Array(32),
      verifyIdToken: () => null,
    });
  const base = (): Payload => JSON.parse(fixture('test-unit.run1')) as Payload;

  it('is a job of an unprotected ref that carries nothing but its own token', () => {
    const reading = read(base());
    expect(reading.ok && reading.divertible()).toBe(true);
    const withJwt = base();
    const text = JSON.stringify(withJwt).replaceAll(withJwt.token, `glcbt-${JWT}`);
    const own = read(JSON.parse(text) as Payload);
    expect(own.ok && own.divertible()).toBe(true);
  });

  it.each(LEGS)('is no job with %s', (_what, change) => {
    const payload = base();
    change(payload);
    const reading = read(payload);
    expect(reading.ok ? reading.divertible() : reading.reason).toBe(false);
  });
});

describe('a diverted job', () => {
  it('goes to the next poll of the unprotected runner, byte for byte, and to nobody twice (T41)', async () => {
    const one = await scene();
    const id = await divert(one);
    expect((await one.poll()).status).toBe(204);
    const replies = await Promise.all([poll(one.gate.port, one.open), poll(one.gate.port, one.open)]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([201, 204]);
    expect(replies.find((reply) => reply.status === 201)?.body.toString()).toBe(one.fake.job(id).payload);
    expect((await one.put(id, { state: 'running' })).status).toBe(200);
    expect((await one.put(id, { state: 'success' })).status).toBe(200);
    await until('its end', () => Object.keys(one.gate.agent.counts()).length === 0, one.gate.agent.counts);
    expect(one.gate.gatekeeper.reports).toEqual([]);
  });

  it('that no runner shows for after the hand-out is failed, as any other (T40)', async () => {
    const one = await scene();
    const id = await divert(one);
    expect((await poll(one.gate.port, one.open)).status).toBe(201);
    one.gate.clock.skip(91_000);
    await until(
      'its end',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
  });

  it('that no poll takes is failed at the end of its time, with words that say why', async () => {
    const one = await scene({ limits: { liveMs: 0 } });
    const id = await divert(one);
    one.gate.clock.skip(11 * 60_000);
    await until(
      'its end',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id),
    );
    expect(one.fake.job(id).trace).toContain('no poll of the unprotected runner open took it');
  });

  it('is asked for again after a restart, and held when the policy has changed', async () => {
    const one = await scene();
    const id = await divert(one);
    one.gate.gatekeeper.verdict = null;
    one.gate = await one.gate.restart();
    await until('the hold', () => one.gate.agent.counts().parked === 1, one.gate.agent.counts);
    expect((await poll(one.gate.port, one.open)).status).toBe(204);
    await one.gate.gatekeeper.release(id);
    await until('the release', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    await until('the note', () => one.fake.job(id).trace.includes('waits for approval'));
    expect((await one.poll()).status).toBe(201);
  });

  it('T30: is not handed out while the hub is away, nor where the stored bytes were altered', async () => {
    const one = await scene();
    await divert(one);
    one.gate.gatekeeper.disconnect();
    expect((await poll(one.gate.port, one.open)).status).toBe(204);
    one.gate.gatekeeper.connect();
    await until('the sync', () => one.gate.gatekeeper.syncs.length === 2);
    expect((await poll(one.gate.port, one.open)).status).toBe(201);
  });

  it.each([null, 'builder', 'another'])('T55: a hub that names %s as the runner diverts nothing', async (runner) => {
    const one = await scene();
    one.gate.gatekeeper.verdict = () => ({ outcome: 'divert', hold: null, runner });
    one.fake.enqueue(fixture('test-unit.run1'), { runner: one.token });
    expect((await one.poll()).status).toBe(204);
    expect(one.gate.agent.counts()).toEqual({ received: 1 });
  });

  it('T55: a hub that diverts what was not offered diverts nothing; a runner of no entry is offered none (T26)', async () => {
    const one = await scene();
    one.gate.gatekeeper.verdict = () => ({ outcome: 'divert', hold: null, runner: 'open' });
    one.fake.enqueue(fixture('build-image.run1'), { runner: one.token });
    expect((await one.poll()).status).toBe(204);
    const stranger = one.fake.runnerToken('stranger');
    one.fake.enqueue(fixture('test-unit.run1'), { runner: stranger });
    expect((await poll(one.gate.port, stranger)).status).toBe(204);
    expect(one.gate.agent.counts()).toEqual({ received: 2 });
    expect(one.gate.gatekeeper.admitted.map((request) => request.divert)).toEqual([undefined, undefined]);
  });
});

describe('T30: mode monitor passes on error', () => {
  const monitor = async () => {
    const one = await scenes();
    const { url } = one.fake;
    await one.gate.close();
    const { startGate } = await import('../support/gate.ts');
    one.gate = await startGate({
      gitlabUrl: url,
      runners: [{ name: 'builder', token: one.token, protected: true, mode: 'monitor' }],
    });
    return one;
  };

  it('when the hub is away: the job runs, and is recorded when the hub is back', async () => {
    const one = await monitor();
    one.gate.gatekeeper.disconnect();
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    const reply = await one.poll();
    expect([reply.status, reply.body.toString()]).toEqual([201, one.fake.job(id).payload]);
    one.gate.gatekeeper.connect();
    await until('the record', () => {
      one.gate.clock.skip(16_000);
      return one.gate.gatekeeper.admitted.length === 1;
    });
    expect(one.gate.gatekeeper.admitted[0]?.monitor).toBe(true);
    expect(one.gate.agent.counts()).toEqual({});
  });

  it('when the payload has no Configuration: the job runs, and the log says that it would have been refused', async () => {
    const one = await monitor();
    one.fake.enqueue(fixture('test-unit.run1'), { render: ({ text }) => `${text.slice(0, -1)},"id":1}` });
    expect((await one.poll()).status).toBe(201);
    await until('the line', () => one.gate.log.lines.some((line) => line.message.includes('would be refused')));
  });
});
