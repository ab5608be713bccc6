import { afterEach } from 'vitest';
import { type FakeGitlab, type FakeGitlabOptions, startFakeGitlab } from './fake-gitlab.ts';
import { fixture, type Gate, type GateOptions, poll, type Reply, send, startGate, until } from './gate.ts';

/** A fake GitLab with one runner, and an agent with a hub in memory between them. */
export interface GateScene {
  readonly fake: FakeGitlab;
  readonly token: string;
  gate: Gate;
  /** Sends a job through the gate until it is parked; its id. */
  park(name?: string): Promise<number>;
  poll(more?: Record<string, unknown>): Promise<Reply>;
  /** What the runner does with a job it was given: PUT of a state. */
  put(id: number, body: Record<string, unknown>): Promise<Reply>;
  /** A job whose configuration is approved: it passes. */
  approved(name?: string): Promise<number>;
}

/** Makes scenes and takes them down after each test. */
export function gateScenes(): (options?: Partial<GateOptions>, fakeOptions?: FakeGitlabOptions) => Promise<GateScene> {
  const open: GateScene[] = [];
  afterEach(async () => {
    for (const scene of open.splice(0)) {
      await scene.gate.close();
      await scene.fake.close();
    }
  });
  return async (options = {}, fakeOptions = {}) => {
    const fake = await startFakeGitlab(fakeOptions);
    const token = fake.runnerToken('builder');
    const gate = await startGate({
      gitlabUrl: fake.url,
      runners: [
        { name: 'builder', token, protected: true },
        { name: 'open', token: fake.runnerToken('open'), protected: false },
      ],
      ...options,
    });
    const scene: GateScene = {
      fake,
      token,
      gate,
      async park(name = 'test-unit.run1') {
        const id = fake.enqueue(fixture(name));
        const reply = await scene.poll();
        if (reply.status !== 204) throw new Error(`the poll was answered ${reply.status}`);
        await until(`job ${id} to have a hold`, () =>
          [...scene.gate.gatekeeper.holds.values()].some((h) => h.jobId === id),
        );
        // As GitLab has it, and as the agent knows it: until then the job is not handed out.
        await until(
          'its note',
          () => scene.gate.log.lines.some((line) => line.message === 'a note was written' && line.fields.job === id),
          () => fake.job(id).trace,
        );
        return id;
      },
      poll: (more) => poll(scene.gate.port, token, more),
      put(id, body) {
        const job = fake.job(id);
        return send(scene.gate.port, 'PUT', `/api/v4/jobs/${id}`, {
          headers: { 'content-type': 'application/json', 'job-token': job.token },
          body: JSON.stringify({ token: job.token, ...body }),
        });
      },
      async approved(name = 'test-unit.run1') {
        const first = await scene.park(name);
        scene.gate.gatekeeper.approved.add(scene.gate.gatekeeper.holdOf(first).digest);
        return fake.enqueue(fixture(name));
      },
    };
    open.push(scene);
    return scene;
  };
}
