import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, type Gate, startGate, until } from '../support/gate.ts';
import { memoryGatekeeper } from '../support/memory-gatekeeper.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The same numbers for the same seed (mulberry32), so that a storm can be had again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const NAMES = ['test-unit.run1', 'build-image.run1', 'release.run1', 'deploy-production.run1'];

describe('T40, T41: in a storm of faults', () => {
  it.each([1, 2, 3])(
    'no job is lost, none runs twice, and none runs that nobody approved (seed %d)',
    async (seed) => {
      const random = numbers(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
      const fake = await startFakeGitlab();
      closing.push(() => fake.close());
      const token = fake.runnerToken('builder');
      const gatekeeper = memoryGatekeeper();
      const port = await freePort();
      const runners = [{ name: 'builder', token, protected: true }];
      let gate: Gate = await startGate({
        gitlabUrl: fake.url,
        runners,
        gatekeeper,
        port,
        limits: { handoverConfirmMs: 4_000 },
      });
      closing.push(() => gate.close());
      const machines = ['18.5', '17.0', '18.5'].map((version, n) =>
        startScriptedRunner({
          url: `http://127.0.0.1:${port}`,
          token,
          version: version as '18.5',
          exec: 'none',
          systemId: `s_${n}`,
          checkIntervalMs: 15,
          updateIntervalMs: 15,
          concurrent: 3,
        }),
      );
      for (const machine of machines) closing.push(() => machine.stop());
      const released = new Set<number>();
      const startedUnapproved: number[] = [];
      for (const machine of machines)
        machine.onStart(({ jobId }) => released.has(jobId) || startedUnapproved.push(jobId));

      const ids = Array.from({ length: 24 }, (_, n) => fake.enqueue(fixture(NAMES[n % NAMES.length]!)));
      const waiting = () => [...gatekeeper.holds.values()].filter((hold) => hold.state === 'waiting_for_approval');
      const release = async (): Promise<void> => {
        const hold = pick(waiting());
        if (hold === undefined) return;
        released.add(hold.jobId);
        await gatekeeper.release(hold.jobId);
      };
      const deeds: (() => Promise<void> | void)[] = [
        release,
        release,
        release,
        () => gatekeeper.disconnect(),
        () => gatekeeper.connect(),
        () => gatekeeper.connect(),
        () => {
          const how = pick(['reset', 'status', 'garbage', 'delay'] as const);
          const status = pick([429, 500, 502, 503]);
          const method = pick(['POST', 'PUT', 'PATCH', 'GET']);
          fake.fail({ match: (sent) => sent === method, how, status, delayMs: 30, times: 2 });
        },
        () =>
          fake.cancel(pick(ids.filter((id) => fake.job(id).status === 'running')) ?? ids[0]!, {
            graceful: random() < 0.5,
          }),
        async () => {
          gate = await gate.restart();
        },
        () => gate.clock.skip(pick([1_000, 20_000, 61_000])),
      ];
      for (let deed = 0; deed < 80; deed++) {
        await pick(deeds)();
        // Between two deeds something of the agent's own happens: a request more at GitLab, or a poll more of a runner.
        const seen = fake.log.length + machines.reduce((sum, machine) => sum + machine.polls.length, 0);
        await until(
          'something to happen',
          () => fake.log.length + machines.reduce((sum, machine) => sum + machine.polls.length, 0) > seen,
        );
      }

      // The storm is over: all that still waits is approved, and every job comes to an end.
      gatekeeper.connect();
      const over = (id: number): boolean => ['success', 'failed', 'canceled'].includes(fake.job(id).status);
      for (let round = 0; round < 2_000 && !ids.every(over); round++) {
        for (const hold of waiting()) {
          released.add(hold.jobId);
          await gatekeeper.release(hold.jobId);
        }
        gate.clock.skip(1_000);
        const seen = fake.log.length;
        await until('GitLab to be asked', () => fake.log.length > seen);
      }
      expect(ids.filter((id) => !over(id)).map((id) => [id, fake.job(id).status, fake.job(id).handOuts])).toEqual([]);
      const started = machines.flatMap((machine) => machine.started.map((each) => each.jobId)).sort();
      expect(started).toEqual([...new Set(started)]);
      expect(startedUnapproved).toEqual([]);
      for (const id of ids) if (fake.job(id).status === 'success') expect(started).toContain(id);
      await until(
        'the lot to be empty',
        () => Object.keys(gate.agent.counts()).length === 0 || void gate.clock.skip(1_000),
        gate.agent.counts,
      );
    },
    60_000,
  );
});
