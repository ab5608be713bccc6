import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseCast } from '../../agent/src/domain/asciicast.ts';
import { runCli } from '../support/cli.ts';
import { ended, enqueue } from '../support/page/jobs.ts';
import { openScene, type Scene } from '../support/scene.ts';

vi.setConfig({ testTimeout: 60_000 });
let scene: Scene;
afterEach(() => scene.close());

/** An agent whose policy says this. */
async function under(policy: string): Promise<void> {
  scene = await openScene({ extra: 'policy: policy.yaml', files: { 'policy.yaml': policy } });
}
const cli = async (who: string, args: readonly string[], more: object = {}) =>
  runCli([...args], {
    env: { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: (await scene.as(who)).token },
    ...more,
  });
/** A job that runs until it is told to end. */
function lasting() {
  const end = join(scene.folder, 'end');
  const job = enqueue(scene, { script: [`until test -e ${end}; do echo working; sleep 0.1; done`] });
  return { job, end: () => writeFileSync(end, '') };
}

describe('a job that runs', () => {
  it('is stopped with a command: its runner ends it, GitLab has it as failed, and its log says who and why', async () => {
    await under('comment: optional\n');
    const runner = scene.runner({ exec: 'pty' });
    const { job } = lasting();
    const { id } = await scene.approve(job);
    await scene.hold(job, 'running');
    await scene.gitlab.until('a log', () => scene.gitlab.job(job).trace.includes('working'));
    expect(await cli('zoe', ['holds', 'stop', String(id), '--comment', 'no'])).toMatchObject({ exit: 5 });
    const stopped = await cli('jonas', ['holds', 'stop', String(id), '--comment', 'the wrong database']);
    expect(stopped).toMatchObject({ exit: 0, err: '' });
    expect(stopped.out).toContain(`job ${job} is stopped (jonas,`);
    await ended(scene, job, 'failed');
    await vi.waitFor(() => expect(runner.finished.map(({ outcome }) => outcome)).toEqual(['aborted']), 15_000);
    const after = await scene.hold(job, 'failed');
    expect(after.watching?.stopped).toMatchObject({ by: 'jonas', reason: 'the wrong database', job_id: job });
    const trace = String(scene.gitlab.job(job).trace);
    expect(trace.trimEnd().split('\n').slice(-3)).toEqual([
      `Holdpoint: hold ${id} was stopped by jonas: the wrong database`,
      'The job was ended while it ran.',
      expect.stringContaining(`/holds/${id}`),
    ]);
    expect(await cli('jonas', ['holds', 'stop', String(id), '--comment', 'again'])).toMatchObject({ exit: 4 });
    await runner.stop();
  });

  it('is stopped all the same when the agent is started anew before GitLab has heard of it', async () => {
    await under('comment: optional\n');
    const runner = scene.runner({ exec: 'pty' });
    const { job } = lasting();
    const { id } = await scene.approve(job);
    await scene.hold(job, 'running');
    await scene.gitlab.until('a log', () => scene.gitlab.job(job).trace.includes('working'));
    const path = `/api/v4/jobs/${job}`;
    const mend = scene.gitlab.fail({ match: (_, asked) => asked.startsWith(path), how: 'status', status: 503 });
    expect(await cli('jonas', ['holds', 'stop', String(id), '--comment', 'not this one'])).toMatchObject({ exit: 0 });
    await vi.waitFor(() => expect(runner.finished.map(({ outcome }) => outcome)).toEqual(['aborted']), 15_000);
    await scene.restart();
    expect(scene.gitlab.job(job).status).toBe('running');
    mend();
    await ended(scene, job, 'failed');
    await scene.hold(job, 'failed');
    const trace = String(scene.gitlab.job(job).trace);
    expect(trace.split(`Holdpoint: hold ${id} was stopped by jonas: not this one`)).toHaveLength(2);
    await runner.stop();
  });

  it('T32 is recorded on its way through the gateway, without its secrets, and played from a file whose hash the audit has', async () => {
    await under('recording: required\nvariables: { opaque: [inputs.word] }\n');
    const runner = scene.runner({ exec: 'pty' });
    const job = enqueue(scene, {
      script: ['printf "\\033[32mgreen\\033[0m typed-once-%s\\n" secret', 'echo and not typed-once-secre'],
      mutate: (payload) => {
        payload.inputs = [{ key: 'word', value: { type: 'string', content: 'typed-once-secret', sensitive: true } }];
      },
    });
    const { id } = await scene.approve(job);
    await ended(scene, job, 'success');
    await scene.hold(job, 'success');
    const maria = await scene.as('maria');
    type Detail = { watching: { recordings: { state: string; sha256: string; problem: string | null }[] } };
    const recordings = async () => (await maria.get<Detail>(`holds/${id}`)).body.watching.recordings;
    await vi.waitFor(async () => expect((await recordings())[0]?.state).toBe('ended'), 15_000);
    const file = join(scene.folder, 'job.cast');
    expect(await cli('maria', ['holds', 'recording', String(id), '-o', file])).toMatchObject({ exit: 0 });
    const text = readFileSync(file, 'utf8');
    const [kept] = await recordings();
    expect(kept).toMatchObject({ problem: null, sha256: createHash('sha256').update(text).digest('hex') });
    const shown = parseCast(text)!
      .events.map((event) => event.text)
      .join('');
    expect(shown).toContain('\x1b[32mgreen\x1b[0m [MASKED]\r\n');
    expect(shown).toContain('and not typed-once-secre');
    expect(text).not.toContain('typed-once-secret');
    // What GitLab has is the same, but for what it was not told to mask.
    const trace = String(scene.gitlab.job(job).trace);
    const own = trace.slice(trace.indexOf('\x1b[32m')).replaceAll('typed-once-secret', '[MASKED]');
    expect(shown.slice(shown.indexOf('\x1b[32m')).replaceAll('\r', '')).toBe(own.replaceAll('\r', ''));
    await runner.stop();
  });

  it('waits with four eyes live until somebody watches it in a terminal, and ends when they leave', async () => {
    await under('four_eyes_live: required\n');
    const runner = scene.runner({ exec: 'pty' });
    const { job } = lasting();
    const { id } = await scene.approve(job);
    const waiting = await scene.hold(job, 'waiting_for_approval');
    expect(waiting.waits_for).toEqual(['watcher']);
    expect((await cli('jonas', ['holds', 'show', String(id)])).out).toMatch(
      /four eyes live: 0 of 1 there; who can: .*jonas.* \("holdpoint holds watch \d+ --live"\)/,
    );
    expect(await cli('zoe', ['holds', 'watch', String(id), '--live'])).toMatchObject({ exit: 5 });
    const stop = new AbortController();
    let out = '';
    const onOut = (text: string) => {
      out += text;
    };
    const watching = cli('jonas', ['holds', 'watch', String(id), '--live'], { stop: stop.signal, onOut });
    const running = await scene.hold(job, 'running');
    expect(running.watching?.watching.map(({ username }) => username)).toEqual(['jonas']);
    await vi.waitFor(() => expect(out).toContain('working'), 20_000);
    stop.abort();
    expect(await watching).toMatchObject({ exit: 0 });
    await ended(scene, job, 'failed');
    const after = await scene.hold(job, 'failed');
    expect(after.watching?.stopped).toMatchObject({ by: null, cause: 'unwatched' });
    expect(after.history.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['watch_began', 'watch_ended', 'job_stopped']),
    );
    await runner.stop();
  });
});
