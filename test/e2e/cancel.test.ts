import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { enqueue } from '../support/page/jobs.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
afterEach(() => scene.close());

describe('a job that somebody cancels by the command line', () => {
  it('T52 is canceled in GitLab in their own name, with their own token or none', async () => {
    scene = await openScene();
    scene.runner();
    const job = enqueue(scene, { script: ['make'] });
    const hold = await scene.hold(job, 'waiting_for_approval');
    const cancel = async (who: string, token: string | null) => {
      const file = join(scene.folder, 'gitlab.token');
      if (token !== null) writeFileSync(file, token, { mode: 0o600 });
      const env = { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: (await scene.as(who)).token };
      const option = token === null ? [] : ['--gitlab-token-file', file];
      return runCli(['holds', 'cancel', String(hold.id), ...option], { env });
    };
    const none = await cancel('maria', null);
    expect([none.exit, none.err]).toEqual([5, expect.stringContaining('canceled in your name')]);
    const jonas = scene.gitlab.personToken({ id: 22, username: 'jonas', name: 'Jonas Berg' });
    const foreign = await cancel('maria', jonas);
    expect([foreign.exit, foreign.err]).toEqual([5, expect.stringContaining("this credential is jonas's")]);
    expect(scene.gitlab.job(job).status).toBe('running');
    const own = await cancel('maria', scene.gitlab.personToken({ id: 21, username: 'maria', name: 'Maria Silva' }));
    expect([own.exit, own.out]).toEqual([0, expect.stringContaining(`GitLab cancels job ${job}`)]);
    // The agent hears of it with its next heartbeat.
    expect(scene.gitlab.job(job).status).toMatch(/^cancel(?:ing|ed)$/);
  });
});
