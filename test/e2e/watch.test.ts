import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CliRun, runCli } from '../support/cli.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene.close());

describe('holds watch against a hub that works', () => {
  it('tells how a job comes from waiting to its end', async () => {
    const maria = await scene.as('maria');
    const stop = new AbortController();
    let out = '';
    const onOut = (text: string) => {
      out += text;
    };
    const follow = (): Promise<CliRun> => {
      const env = { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: maria.token };
      return runCli(['holds', 'watch', '--json'], { env, stop: stop.signal, onOut });
    };
    const states = () =>
      out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { state: string }).state);
    const seen = (state: string) => vi.waitFor(() => expect(states()).toContain(state), 15_000);

    const watching = follow();
    const runner = scene.runner();
    const job = scene.gitlab.enqueue(fixture, { runner: scene.protectedToken });
    await seen('waiting_for_approval');
    await scene.approve(job);
    await seen('success');
    stop.abort();
    expect(await watching).toMatchObject({ exit: 0, err: '' });
    expect(states()[0]).toBe('waiting_for_approval');
    expect(states().at(-1)).toBe('success');
    await runner.stop();
  });
});
