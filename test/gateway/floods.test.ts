import { describe, expect, it } from 'vitest';
import type { AdmitRequest } from '../../agent/src/ports/gatekeeper.ts';
import { fixture, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const alice = { id: 12, username: 'alice', name: 'Alice Okafor' };
type Payload = { job_info: { user_id?: number }; variables: { key: string; value: string }[] };

async function park(
  one: GateScene,
  user: typeof zoe,
  mutate?: (payload: Record<string, unknown>) => void,
): Promise<number> {
  const id = one.fake.enqueue(fixture('test-unit.run1'), { user, ...(mutate === undefined ? {} : { mutate }) });
  const reply = await one.poll();
  if (reply.status !== 204) throw new Error(`the poll was answered ${reply.status}`);
  return id;
}
const running = (one: GateScene, ids: readonly number[]) => ids.filter((id) => one.fake.job(id).status === 'running');

describe('T30: a flood', () => {
  it('of one person detaches that person’s own oldest jobs, with the reason in their log, and leaves the other’s alone', async () => {
    const one = await scene({ limits: { maxHoldsPerTrigger: 2 } });
    const quiet = await park(one, alice);
    const loud = [await park(one, zoe), await park(one, zoe), await park(one, zoe), await park(one, zoe)];
    await until(
      'two to be failed',
      () => running(one, loud).length === 2,
      () => running(one, loud),
    );
    expect(running(one, loud)).toEqual(loud.slice(2));
    expect(one.fake.job(quiet).status).toBe('running');
    expect(one.fake.job(loud[0]!).trace).toContain('more than 2 jobs that one person triggered wait on this host');
    await until(
      'the reports',
      () => one.gate.gatekeeper.reports.filter((each) => each.event === 'detached').length === 2,
    );
    expect(one.gate.gatekeeper.holdOf(loud[0]!).state).toBe('waiting_for_approval');
  });

  it('of one project leaves the other projects alone, and the agent’s limit the person with least', async () => {
    const one = await scene({ limits: { maxHoldsPerProject: 2, maxHolds: 3 } });
    const other = one.fake.enqueue(fixture('build-image.run1'), { user: alice });
    expect((await one.poll()).status).toBe(204);
    const loud = [await park(one, zoe), await park(one, zoe), await park(one, zoe)];
    await until(
      'one to be failed',
      () => running(one, loud).length === 2,
      () => running(one, loud),
    );
    expect(one.fake.job(loud[0]!).trace).toContain('more than 2 jobs of this project wait on this host');
    expect(one.fake.job(other).status).toBe('running');
  });

  it('T17: cannot be made to look like another person’s by a variable', async () => {
    const one = await scene({ limits: { maxHoldsPerTrigger: 2 } });
    const quiet = [await park(one, alice), await park(one, alice)];
    const forged = (payload: Record<string, unknown>): void => {
      const { job_info: info, variables } = payload as Payload;
      delete info.user_id;
      for (const variable of variables) {
        if (variable.key === 'GITLAB_USER_ID') variable.value = '12';
        if (variable.key === 'GITLAB_USER_LOGIN') variable.value = 'alice';
      }
    };
    // GitLab cannot be asked either: nothing but the variable says who it was.
    const stop = one.fake.fail({
      match: (_, path) => path.startsWith('/api/v4/job') && !path.startsWith('/api/v4/jobs'),
      how: 'status',
      status: 500,
    });
    const loud = [await park(one, zoe, forged), await park(one, zoe, forged), await park(one, zoe, forged)];
    stop();
    await until(
      'one to be failed',
      () => running(one, loud).length === 2,
      () => running(one, loud),
    );
    expect(running(one, quiet)).toEqual(quiet);
  });

  it('while the hub is away is counted all the same', async () => {
    const one = await scene({ limits: { maxHolds: 3 } });
    const quiet = await park(one, alice);
    one.gate.gatekeeper.disconnect();
    const loud = [await park(one, zoe), await park(one, zoe), await park(one, zoe)];
    await until(
      'one to be failed',
      () => running(one, loud).length === 2,
      () => running(one, loud),
    );
    expect(one.fake.job(quiet).status).toBe('running');
  });

  it('of questions after a time without the hub goes to it some at a time, and a new job is answered past them', async () => {
    const one = await scene();
    const { gatekeeper } = one.gate;
    gatekeeper.disconnect();
    const waiting: number[] = [];
    for (let n = 0; n < 50; n++) waiting.push(await park(one, n % 2 === 0 ? zoe : alice));
    let [asked, most] = [0, 0];
    let answer: () => void = () => {};
    const answers = new Promise<void>((resolve) => (answer = resolve));
    gatekeeper.fault = async (call, detail) => {
      if (call !== 'admit' || !waiting.includes((detail as AdmitRequest).facts.job.id)) return;
      asked += 1;
      most = Math.max(most, asked);
      await answers;
      asked -= 1;
    };
    gatekeeper.connect();
    await until('the questions', () => asked === 32);
    // Its poll is answered while all the others still wait for an answer of the hub.
    const fresh = await park(one, alice);
    expect(gatekeeper.holdOf(fresh).state).toBe('waiting_for_approval');
    expect(asked).toBe(32);
    answer();
    await until('all to have a hold', () => gatekeeper.holds.size === waiting.length + 1);
    expect(most).toBe(32);
  });
});
