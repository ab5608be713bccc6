import { describe, expect, it } from 'vitest';
import type { ParkingLot } from '../../agent/src/ports/parking-lot.ts';
import { jobIdentity, lowerTimeout, readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import type { PayloadReader } from '../../agent/src/runners/gitlab/payload-reader.ts';
import { fixture, type GateOptions, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();

/** A switch for faults: `on` makes the named step fail in this way. */
interface Faults {
  step: string | null;
  how: 'throws' | 'hangs' | 'garbage';
}

const NEVER = new Promise<never>(() => {});

function broken(faults: Faults, step: string): Promise<void> | void {
  if (faults.step !== step) return;
  if (faults.how === 'hangs') return NEVER;
  throw Object.assign(new Error(`injected at ${step}`), { code: 'ENOSPC' });
}

/** An agent each of whose steps can be made to fail. */
function breakable(faults: Faults): Partial<GateOptions> {
  const payloads: PayloadReader = {
    readPayload(bytes, options) {
      void broken(faults, 'read');
      return readPayload(bytes, options);
    },
    jobIdentity,
    lowerTimeout(bytes, timeoutS) {
      void broken(faults, 'lower the timeout');
      return lowerTimeout(bytes, timeoutS);
    },
    jwksVerifier,
  };
  const lot = (real: ParkingLot): ParkingLot => ({
    async put(record) {
      await broken(faults, `write ${record.job.state}`);
      return real.put(record);
    },
    async get(jobId) {
      await broken(faults, 'read back');
      return real.get(jobId);
    },
    remove: (jobId) => real.remove(jobId),
    load: () => real.load(),
    setAside: (jobId) => real.setAside(jobId),
    close: () => real.close(),
  });
  return { payloads, lot };
}

/** The job is where it must be: in the agent's hands, alive at GitLab, not given to anybody. */
function expectHeld(one: GateScene, id: number): void {
  const counts = one.gate.agent.counts();
  const held = (counts.received ?? 0) + (counts.parked ?? 0) + (counts.released ?? 0);
  expect(held, JSON.stringify(counts)).toBe(1);
  expect(one.fake.job(id).status).toBe('running');
  expect(one.gate.gatekeeper.reports.filter((report) => report.event === 'confirmed')).toEqual([]);
}

describe('T30: an error between receipt and hand-out ends in a hold, never in a pass', () => {
  const admission = [
    ['reading the payload', 'read'],
    ['sealing it on disk', 'write received'],
    ['marking the hand-out on disk', 'write handed_out'],
  ] as const;

  it.each(admission)('%s fails on the way to a pass', async (_what, step) => {
    const faults: Faults = { step: null, how: 'throws' };
    const one = await scene(breakable(faults));
    const id = await one.approved();
    faults.step = step;
    const parkedBefore = one.gate.agent.counts().parked ?? 0;
    const reply = await one.poll();
    expect([204, 502, 503]).toContain(reply.status);
    expect(reply.body.toString()).not.toContain('"token"');
    expect(one.fake.job(id).status).toBe('running');
    const counts = one.gate.agent.counts();
    expect((counts.received ?? 0) + (counts.released ?? 0) + (counts.parked ?? 0) - parkedBefore).toBe(1);
    // And once the fault is over it goes on by itself.
    faults.step = null;
    one.gate.clock.skip(70_000);
    await until('the job to be released', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    expect((await one.poll()).status).toBe(201);
  });

  it.each([
    ['hub away', (one: GateScene) => one.gate.gatekeeper.disconnect()],
    [
      'hub rejects',
      (one: GateScene) => {
        one.gate.gatekeeper.fault = (call) => {
          if (call === 'admit') throw new Error('injected');
        };
      },
    ],
    [
      'verdict of an outcome nobody knows',
      (one: GateScene) => {
        one.gate.gatekeeper.verdict = () => ({ outcome: 'sure' as 'pass' });
      },
    ],
    [
      'pass without a hold',
      (one: GateScene) => {
        one.gate.gatekeeper.verdict = () => ({ hold: null });
      },
    ],
    [
      'no variable key',
      (one: GateScene) => {
        one.gate.gatekeeper.key = null;
      },
    ],
    [
      'GitLab’s key set away',
      (one: GateScene) => {
        one.fake.fail({ match: (_m, path) => path.startsWith('/oauth/'), how: 'status', status: 500 });
      },
    ],
  ] as const)('%s while the verdict is asked for', async (what, breakIt) => {
    const one = await scene();
    // Approved beforehand, and carrying an id token and non-public variables: only the fault stands in its way.
    const id = one.fake.enqueue(fixture(what === 'no variable key' ? 'deploy-production.run1' : 'release.run1'));
    one.gate.gatekeeper.verdict = () => ({ outcome: 'pass', note: null });
    breakIt(one);
    const reply = await one.poll();
    expect([reply.status, reply.body.length]).toEqual([204, 0]);
    expectHeld(one, id);
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
  });

  const handOut = [
    ['reading it back', 'read back'],
    ['reading it again', 'read'],
    ['marking it on disk', 'write handed_out'],
  ] as const;

  it.each(handOut)('%s fails when it was released', async (_what, step) => {
    const faults: Faults = { step: null, how: 'throws' };
    const one = await scene(breakable(faults));
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    faults.step = step;
    const reply = await one.poll();
    expect([reply.status, reply.body.length]).toEqual([204, 0]);
    expectHeld(one, id);
    faults.step = null;
    expect((await one.poll()).status).toBe(201);
  });

  it('lowering the timeout fails when it was released', async () => {
    const faults: Faults = { step: null, how: 'throws' };
    const one = await scene(breakable(faults));
    const id = await one.park();
    one.gate.clock.skip(30_000);
    await one.gate.gatekeeper.release(id);
    faults.step = 'lower the timeout';
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
  });

  it('T29: the hub goes away between release and poll, and comes back having revoked', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    one.gate.gatekeeper.disconnect();
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
    // Not even begun: nothing has to be taken back.
    expect(one.gate.agent.counts()).toEqual({ released: 1 });
    one.gate.gatekeeper.holdOf(id).state = 'waiting_for_approval';
    one.gate.gatekeeper.connect();
    await until('the sync', () => one.gate.gatekeeper.syncs.length === 2);
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(201);
  });

  it('T29: the hub has revoked and its push has not come yet', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    one.gate.gatekeeper.holdOf(id).state = 'waiting_for_approval';
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
  });

  it('T29: the hub fails just when the hand-out is counted', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    one.gate.gatekeeper.fault = (call, detail) => {
      if (call === 'report' && (detail as { event: string }).event === 'handed_out') throw new Error('injected');
    };
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
    one.gate.gatekeeper.fault = null;
    one.gate.clock.skip(120_000);
    await until('what was owed', () => one.gate.gatekeeper.reports.some((report) => report.event === 'undelivered'));
    await until('the release again', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    expect((await one.poll()).status).toBe(201);
  });

  it.each(['report', 'sync'] as const)(
    'a release that overtakes the answer to a %s is not undone by it',
    async (call) => {
      const one = await scene();
      const { gatekeeper } = one.gate;
      const id = one.fake.enqueue(fixture('test-unit.run1'));
      const { report, sync } = gatekeeper;
      let overtaken = false;
      const overtake = async (): Promise<void> => {
        if (overtaken) return;
        overtaken = true;
        await gatekeeper.release(id);
      };
      gatekeeper.report = async (said) => {
        const answer = await report(said);
        if (call === 'report') await overtake();
        return answer;
      };
      gatekeeper.sync = async (holds) => {
        const answer = await sync(holds);
        if (call === 'sync' && holds.length > 0) await overtake();
        return answer;
      };
      expect((await one.poll()).status).toBe(204);
      await until('the parked report', () => gatekeeper.reports.length > 0);
      if (call === 'sync') gatekeeper.connect();
      await until('the release', () => overtaken);
      await until('the answer after it', () => gatekeeper.syncs.length > 1);
      await until('the release to stand', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
      await until('the note', () => one.gate.log.lines.some((line) => line.message === 'a note was written'));
      expect((await one.poll()).status).toBe(201);
    },
  );

  it('T13: a release that names another digest frees nothing', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id, `sha256:${'0'.repeat(64)}`);
    expect((await one.poll()).status).toBe(204);
    expectHeld(one, id);
  });

  it('a full disk hands nothing out, takes no more from GitLab, and keeps the job alive in memory', async () => {
    const faults: Faults = { step: 'write received', how: 'throws' };
    const one = await scene(breakable(faults));
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    const second = one.fake.enqueue(fixture('build-image.run1'));
    expect((await one.poll()).status).toBe(204);
    expect((await one.poll()).status).toBe(503);
    expect(one.fake.job(second).handOuts).toBe(0);
    expect(
      one.gate.log.lines.some(
        (line) => line.level === 'error' && line.message.includes('parking lot cannot be written'),
      ),
    ).toBe(true);
    const beats = (): number => one.fake.job(id).requests.filter((each) => each.method === 'PUT').length;
    one.gate.clock.skip(61_000);
    await until('a heartbeat', () => beats() > 0);
    faults.step = null;
    one.gate.clock.skip(61_000);
    await until('the job to be parked', () => one.gate.agent.counts().parked === 1, one.gate.agent.counts);
    expect((await one.poll()).status).toBe(204);
  });
});
