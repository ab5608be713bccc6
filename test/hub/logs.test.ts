import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventually, type Loose, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { PEOPLE } from '../support/hub-world.ts';

/** Somebody's page. */
interface Viewer {
  readonly told: Loose[];
  readonly closed: () => number | null;
  watch(hold: number, on: boolean): void;
  close(): void;
}

describe('the log of a running job through the hub', () => {
  let hub: TestHub;
  const viewers: Viewer[] = [];
  beforeEach(async () => {
    hub = await startHub({ heartbeatMs: 1_000 });
    await hub.world.admit({ id: 1 });
  });
  afterEach(async () => {
    for (const viewer of viewers.splice(0)) viewer.close();
    await hub.close();
  });

  async function view(who: string): Promise<Viewer> {
    const headers = { authorization: `Bearer ${await hub.token(who)}` };
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/v1/events`, { headers });
    const told: Loose[] = [];
    let code: number | null = null;
    socket.on('message', (data) => told.push(JSON.parse(data.toString())));
    socket.on('close', (closeCode) => {
      code = closeCode;
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    const viewer = {
      told,
      closed: () => code,
      watch: (hold: number, on: boolean) => socket.send(JSON.stringify({ type: 'watch', hold, on })),
      close: () => socket.close(),
    };
    viewers.push(viewer);
    return viewer;
  }
  const piece = (jobId: number, text: string, offset = 0) => ({
    type: 'log',
    hold: 1,
    job_id: jobId,
    offset,
    chunk: Buffer.from(text).toString('base64'),
  });
  const logs = (viewer: Viewer) =>
    viewer.told
      .filter(({ type }) => String(type) === 'log')
      .map(({ chunk }) => Buffer.from(String(chunk), 'base64').toString());
  const words = (viewer: Viewer) =>
    viewer.told.filter(({ type }) => String(type) === 'watching').map(({ on, reason }) => `${on} ${reason}`);

  it('is asked of the agent when the first looks, told to all who look, and no longer asked for after the last', async () => {
    const agent = await welcomed(hub.url, hub.keys.embedded);
    const [maria, zoe] = [await view('maria'), await view('zoe')];
    maria.watch(1, true);
    expect(await agent.next('watch')).toEqual({ type: 'watch', hold: 1, on: true });
    zoe.watch(1, true);
    await eventually(
      () => words(zoe),
      (said) => said.length === 1,
    );
    agent.send(piece(1, 'one'));
    await eventually(
      () => [logs(maria), logs(zoe)],
      (seen) => seen.every((each) => each.join() === 'one'),
    );
    maria.watch(1, false);
    agent.send(piece(1, 'two', 3));
    await eventually(
      () => logs(zoe),
      (seen) => seen.join() === 'one,two',
    );
    expect(logs(maria)).toEqual(['one']);
    zoe.close();
    expect(await agent.next('watch')).toEqual({ type: 'watch', hold: 1, on: false });
  });

  it('is asked for again when the agent comes back', async () => {
    const agent = await welcomed(hub.url, hub.keys.embedded);
    const maria = await view('maria');
    maria.watch(1, true);
    await agent.next('watch');
    agent.socket.close();
    const again = await welcomed(hub.url, hub.keys.embedded);
    expect(await again.next('watch')).toEqual({ type: 'watch', hold: 1, on: true });
  });

  it('T27 is taken from the agent that has the job, and of that job alone', async () => {
    const [agent, other] = [await welcomed(hub.url, hub.keys.embedded), await welcomed(hub.url, hub.keys.other)];
    const maria = await view('maria');
    maria.watch(1, true);
    await agent.next('watch');
    other.send(piece(1, 'forged'));
    agent.send(piece(2, 'of another job'));
    agent.send(piece(1, 'true'));
    await eventually(
      () => logs(maria),
      (seen) => seen.includes('true'),
    );
    // What the other agent sent came first; a round trip to it proves that it was read.
    other.send({ type: 'sync', ref: 's1', holds: [] });
    await other.next('state');
    expect(logs(maria)).toEqual(['true']);
  });

  it('T32 is refused to whoever may not see the Hold, and ends for whoever may not see it any more', async () => {
    const agent = await welcomed(hub.url, hub.keys.embedded);
    const [stranger, rita] = [await view('stranger'), await view('rita')];
    stranger.watch(1, true);
    await eventually(
      () => words(stranger),
      (said) => said.some((each) => each.startsWith('false there is no hold 1')),
    );
    rita.watch(1, true);
    await agent.next('watch');
    const projects = PEOPLE.projects.map((project) => ({
      ...project,
      members: project.members.filter(({ user }) => user !== 40),
    }));
    hub.world.people = { ...PEOPLE, projects };
    hub.world.clock.advance(1_000);
    await eventually(
      () => words(rita),
      (said) => said.includes('false you may not see it any more'),
    );
    expect(await agent.next('watch')).toEqual({ type: 'watch', hold: 1, on: false });
    agent.send(piece(1, 'after'));
    agent.send({ type: 'sync', ref: 's1', holds: [] });
    await agent.next('state');
    expect([logs(rita), logs(stranger)]).toEqual([[], []]);
  });

  it('is said to be nowhere where no job runs', async () => {
    await hub.world.reject('maria', 1);
    const maria = await view('maria');
    maria.watch(1, true);
    await eventually(
      () => words(maria),
      (said) => said.some((each) => each.startsWith('false hold 1 is rejected')),
    );
  });

  it('T30 closes a page that opens and closes logs without end, and one that says anything else', async () => {
    const maria = await view('maria');
    for (let n = 0; n < 50; n++) maria.watch(1, n % 2 === 0);
    expect(await eventually(maria.closed, (code) => code !== null)).toBe(4400);
  });
});
