import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const LOT = 'state/parking';

let scene: Scene;
afterEach(async () => scene.close());

const deploy = (): number =>
  scene.gitlab.enqueue(fixture('deploy-production.run1'), { runner: scene.protectedToken, user: zoe });
interface Ready {
  readonly status: string | number;
  readonly detail?: string;
  readonly problems?: readonly { readonly code: string }[];
}
const readyz = async (): Promise<{ status: number; body: Ready }> => {
  const answer = await fetch(`${scene.agent.hubUrl}/readyz`);
  return { status: answer.status, body: (await answer.json()) as Ready };
};
/** Asks until the state is as wanted, and says the last one otherwise. */
async function ready(fits: (answer: { status: number; body: Ready }) => boolean): Promise<Ready> {
  for (const end = Date.now() + 15_000; ; ) {
    const answer = await readyz();
    if (fits(answer)) return answer.body;
    if (Date.now() > end) throw new Error(`last readyz: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const problems = async () => {
  const { body } = await (await scene.as('maria')).get<{ items: { problems: { code: string; message: string }[] }[] }>(
    'agents',
  );
  return body.items.flatMap((agent) => agent.problems);
};

describe('the state of an agent that something is wrong with', () => {
  it('T30: a disk that takes nothing: not ready, named in the list of agents and the log; nothing is lost, nothing runs', async () => {
    scene = await openScene();
    await ready(({ status }) => status === 200);
    const lot = join(scene.folder, LOT);
    renameSync(lot, `${lot}.away`);
    const runner = scene.runner();
    const first = deploy();
    const second = deploy();
    const body = await ready(({ status }) => status === 503);
    expect([body.detail, JSON.stringify(body)]).toEqual([
      expect.stringContaining('the parking lot cannot be written'),
      expect.not.stringContaining(scene.folder),
    ]);
    expect(await problems()).toMatchObject([{ code: 'disk' }]);
    expect(scene.log.lines.join('\n')).toContain('parking lot cannot be written');
    expect(scene.gitlab.job(second).handOuts).toBe(0);

    renameSync(`${lot}.away`, lot);
    await scene.hold(first, 'waiting_for_approval', 20_000);
    await ready(({ status }) => status === 200);
    await scene.hold(second, 'waiting_for_approval', 20_000);
    expect(await problems()).toEqual([]);
    expect(runner.started).toEqual([]);
  }, 60_000);

  it('T30: as many jobs parked as may be: ready, but said; the next one detaches, and no poll is refused', async () => {
    scene = await openScene({ extra: 'parking: { max_holds: 1 }' });
    scene.runner();
    const first = deploy();
    await scene.hold(first, 'waiting_for_approval');
    const body = await ready(({ body: { status } }) => status === 'degraded');
    expect(body.problems?.map(({ code }) => code)).toEqual(['full']);
    expect(await problems()).toMatchObject([{ code: 'full', message: expect.stringContaining('parking.max_holds') }]);
    const second = deploy();
    await scene.hold(second, 'waiting_for_approval');
    await scene.gitlab.until('the first to be failed', () => scene.gitlab.job(first).status === 'failed');
    expect(scene.gitlab.job(first).trace).toContain('more than 1 jobs wait on this host');
  }, 30_000);

  it('T54: a runner whose token GitLab refuses: ready, but said, without its name to whoever has no token', async () => {
    scene = await openScene();
    scene.gitlab.removeRunner(scene.protectedToken);
    scene.runner();
    const body = await ready(({ body: { status } }) => status === 'degraded');
    expect(JSON.stringify(body)).not.toContain('prod-deployer-01');
    expect(await problems()).toMatchObject([
      { code: 'runner_token', message: expect.stringContaining('prod-deployer-01') },
    ]);
  });

  it.each(['seal', 'variable'])(
    'T25: the %s key is gone: the agent does not start with a new one, and all that was kept is there when it is back',
    async (name) => {
      scene = await openScene();
      const before = scene.runner();
      const id = deploy();
      const hold = await scene.hold(id, 'waiting_for_approval');
      await before.stop();
      await scene.agent.stop();
      const key = join(scene.folder, `state/${name}.key`);
      renameSync(key, `${key}.away`);
      await expect(scene.restart()).rejects.toThrow(/is gone, but .* was written with it: put the key back/);
      expect(existsSync(key)).toBe(false);
      renameSync(`${key}.away`, key);
      await scene.restart();
      scene.runner();
      await scene.approve(id);
      await scene.gitlab.until('the job to be handed out', () => scene.gitlab.job(id).status !== 'running', 20_000);
      expect((await scene.hold(id, 'success')).id).toBe(hold.id);
    },
    40_000,
  );
});
