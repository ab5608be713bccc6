import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, until } from '../support/gate.ts';
import type { GateProcessConfig } from '../support/gate-process.ts';
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

// Beside the packages, so that the compiled program finds them.
const built = join(ROOT, 'node_modules', '.cache', `holdpoint-kill-${process.pid}`);
const open: (() => Promise<unknown> | unknown)[] = [];

beforeAll(() => {
  mkdirSync(built, { recursive: true });
  const project = join(built, 'tsconfig.json');
  const compilerOptions = { noEmit: false, rootDir: ROOT, outDir: join(built, 'out'), types: ['node'] };
  const files = [join(ROOT, 'test/support/gate-process.ts')];
  writeFileSync(project, JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: [], files }));
  writeFileSync(join(built, 'package.json'), '{"type":"module"}');
  const done = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`the process to be killed did not compile:\n${done.stdout}`);
}, 60_000);
afterAll(() => rmSync(built, { recursive: true, force: true }));
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Running {
  readonly child: ChildProcess;
  /** Resolves with the signal that ended it. */
  readonly gone: Promise<NodeJS.Signals | null>;
  readonly counts: () => Promise<Record<string, number>>;
}

/** Starts the agent; resolves when it listens or is gone. */
async function start(config: GateProcessConfig): Promise<Running> {
  const child = fork(join(built, 'out/test/support/gate-process.js'), [JSON.stringify(config)], {
    execArgv: [],
    stdio: 'inherit',
  });
  const gone = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
  open.push(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  await Promise.race([gone, new Promise((resolve) => child.once('message', resolve))]);
  const counts = (): Promise<Record<string, number>> =>
    new Promise((resolve) => {
      child.once('message', (message: { counts: Record<string, number> }) => resolve(message.counts));
      child.send({ counts: true });
    });
  return { child, gone, counts };
}

/** Asks until the counts are as wanted; rejects with the last ones after 8 s. */
async function settled(one: Running, what: string, wanted: (counts: Record<string, number>) => boolean): Promise<void> {
  const end = Date.now() + 8_000;
  for (;;) {
    const counts = await one.counts();
    if (wanted(counts)) return;
    if (Date.now() > end) throw new Error(`waited for ${what}; last seen ${JSON.stringify(counts)}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Scene {
  readonly fake: FakeGitlab;
  readonly config: GateProcessConfig;
  readonly runner: ScriptedRunner;
  readonly id: number;
}

async function scene(killAt: string, passes: boolean): Promise<Scene & { first: Running }> {
  const fake = await startFakeGitlab();
  open.push(() => fake.close());
  const dir = mkdtempSync(join(tmpdir(), 'holdpoint-kill-'));
  open.push(() => rmSync(dir, { recursive: true, force: true }));
  const token = fake.runnerToken('builder');
  const config = { gitlabUrl: fake.url, token, dir, port: await freePort(), killAt, passes, handoverConfirmMs: 1_500 };
  const first = await start(config);
  const id = fake.enqueue(fixture('test-unit.run1'));
  const runner = startScriptedRunner({
    url: `http://127.0.0.1:${config.port}`,
    token,
    version: '18.5',
    exec: 'none',
    checkIntervalMs: 20,
    updateIntervalMs: 20,
  });
  open.push(() => runner.stop());
  return { fake, config, runner, id, first };
}

/** The outcome that GitLab sees, after which nothing more may happen to the job. */
async function outcome({ fake, runner, id }: Scene): Promise<{ status: string; started: number }> {
  const over = () => ['success', 'failed', 'canceled'].includes(fake.job(id).status);
  await until('the job to be over', over, () => [fake.job(id).status, fake.job(id).requests.at(-1)]);
  return { status: fake.job(id).status, started: runner.started.filter((each) => each.jobId === id).length };
}

describe('T40: kill -9', () => {
  it.each(['before anything is known', 'before received is on disk'])(
    '%s: nobody ever runs the job, and GitLab ends it by itself',
    async (killAt) => {
      const one = await scene(killAt, true);
      expect(await one.first.gone).toBe('SIGKILL');
      const again = await start({ ...one.config, killAt: null });
      await until('polls to go on', () => one.runner.polls.at(-1)?.status === 204);
      expect(await again.counts()).toEqual({});
      one.fake.clock.advance(3 * 3_600_000);
      expect(await outcome(one)).toEqual({ status: 'failed', started: 0 });
    },
    30_000,
  );

  it.each([
    'after received is on disk',
    'before the payload is read',
    'before admit',
    'after admit',
    'before handed_out is on disk',
  ])(
    '%s: an approved job runs after the restart, once',
    async (killAt) => {
      const one = await scene(killAt, true);
      expect(await one.first.gone).toBe('SIGKILL');
      await start({ ...one.config, killAt: null });
      expect(await outcome(one)).toEqual({ status: 'success', started: 1 });
    },
    30_000,
  );

  it.each(['after handed_out is on disk', 'before report handed_out', 'after report handed_out'])(
    '%s: the job has run once, or was failed because no runner showed',
    async (killAt) => {
      const one = await scene(killAt, true);
      expect(await one.first.gone).toBe('SIGKILL');
      await start({ ...one.config, killAt: null });
      const { status, started } = await outcome(one);
      expect([
        ['success', 1],
        ['failed', 0],
      ]).toContainEqual([status, started]);
    },
    30_000,
  );

  it.each(['before confirmed is on disk', 'after confirmed is on disk', 'before report confirmed'])(
    '%s: the runner goes on with the job that it has, and nobody else gets it',
    async (killAt) => {
      const one = await scene(killAt, true);
      expect(await one.first.gone).toBe('SIGKILL');
      await start({ ...one.config, killAt: null });
      expect(await outcome(one)).toEqual({ status: 'success', started: 1 });
    },
    30_000,
  );

  it.each(['before report ended', 'before the file is removed', 'after the file is removed'])(
    '%s: a job that has run is over, and leaves nothing in the lot',
    async (killAt) => {
      const one = await scene(killAt, true);
      expect(await one.first.gone).toBe('SIGKILL');
      const again = await start({ ...one.config, killAt: null });
      expect(await outcome(one)).toEqual({ status: 'success', started: 1 });
      await settled(again, 'the lot to be empty', (counts) => Object.keys(counts).length === 0);
    },
    30_000,
  );

  it.each([
    'before parked is on disk',
    'after parked is on disk',
    'before report parked',
    'after report parked',
    'before the stored bytes are read',
  ])(
    '%s: a job that waits still waits, and runs once it is approved',
    async (killAt) => {
      const one = await scene(killAt, false);
      expect(await one.first.gone).toBe('SIGKILL');
      const again = await start({ ...one.config, killAt: null });
      expect(one.fake.job(one.id).status).toBe('running');
      expect(one.runner.started).toEqual([]);
      await settled(again, 'the job to be parked', (counts) => counts.parked === 1);
      again.child.send({ release: one.id });
      expect(await outcome(one)).toEqual({ status: 'success', started: 1 });
      expect(one.fake.job(one.id).trace).toContain('waits for approval');
    },
    30_000,
  );

  it.each([
    ['before handed_out is on disk', [['success', 1]]],
    ['after handed_out is on disk', [['failed', 0]]],
    ['before report handed_out', [['failed', 0]]],
    ['after report handed_out', [['failed', 0]]],
    ['before confirmed is on disk', [['success', 1]]],
  ])(
    '%s: a job that was approved while it waited runs once, or is failed because no runner showed',
    async (killAt, outcomes) => {
      const one = await scene(killAt, false);
      await until('the note', () => one.fake.job(one.id).trace !== '');
      one.first.child.send({ release: one.id });
      expect(await one.first.gone).toBe('SIGKILL');
      await start({ ...one.config, killAt: null });
      const { status, started } = await outcome(one);
      expect(outcomes).toContainEqual([status, started]);
    },
    30_000,
  );

  it('twice in a row, at the hand-out and at the restart after it, hands nothing out twice', async () => {
    const one = await scene('after handed_out is on disk', true);
    expect(await one.first.gone).toBe('SIGKILL');
    const second = await start({ ...one.config, killAt: 'before sync' });
    expect(await second.gone).toBe('SIGKILL');
    await start({ ...one.config, killAt: null });
    const { status, started } = await outcome(one);
    expect([
      ['success', 1],
      ['failed', 0],
    ]).toContainEqual([status, started]);
  }, 30_000);
});
