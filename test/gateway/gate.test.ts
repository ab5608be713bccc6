import { afterEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, type Gate, type GateOptions, poll, send, startGate, until } from '../support/gate.ts';

let fake: FakeGitlab;
let gate: Gate;
let token: string;

async function start(options: Partial<GateOptions> = {}, fakeOptions = {}): Promise<void> {
  fake = await startFakeGitlab(fakeOptions);
  token = fake.runnerToken('builder');
  gate = await startGate({ gitlabUrl: fake.url, runners: [{ name: 'builder', token, protected: true }], ...options });
}

/** Sends a job through the gate until it is parked. */
async function park(name = 'test-unit.run1'): Promise<number> {
  const id = fake.enqueue(fixture(name));
  const reply = await poll(gate.port, token);
  expect([reply.status, reply.headers['x-gitlab-last-update']]).toEqual([204, undefined]);
  await until(
    'the job to be parked',
    () => gate.agent.counts().parked === 1 || gate.agent.counts().released === 1,
    gate.agent.counts,
  );
  return id;
}

afterEach(async () => {
  await gate?.close();
  await fake?.close();
});

describe('the gate', () => {
  it('parks a job that nobody approved, writes a note, and hands it out byte for byte once it is released', async () => {
    await start();
    const id = await park();
    await until(
      'the note',
      () => fake.job(id).trace.includes('waits for approval'),
      () => fake.job(id).trace,
    );
    expect((await poll(gate.port, token)).status).toBe(204);
    await gate.gatekeeper.release(id);
    const reply = await poll(gate.port, token);
    expect(reply.status).toBe(201);
    expect(reply.body.toString()).toBe(fake.job(id).payload);
    expect((await poll(gate.port, token)).status).toBe(204);
  });

  it('passes an approved job at once, with the very bytes that were read', async () => {
    await start();
    const first = await park();
    gate.gatekeeper.approved.add(gate.gatekeeper.holdOf(first).digest);
    const id = fake.enqueue(fixture('test-unit.run2'));
    const reply = await poll(gate.port, token);
    expect(reply.status).toBe(201);
    expect(reply.body.toString()).toBe(fake.job(id).payload);
    const update = await send(gate.port, 'PUT', `/api/v4/jobs/${id}`, {
      headers: { 'content-type': 'application/json', 'job-token': fake.job(id).token },
      body: JSON.stringify({ token: fake.job(id).token, state: 'running' }),
    });
    expect(update.status).toBe(200);
    await until('confirmed', () => gate.gatekeeper.reports.some((r) => r.jobId === id && r.event === 'confirmed'));
  });
});
