import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { freePort } from '../support/free-port.ts';
import {
  type AgentProcess,
  type HubProcess,
  holdpoint,
  startAgentProcess,
  startHubProcess,
} from '../support/holdpoint-process.ts';
import { eventually } from '../support/hub-server.ts';
import { writeAgentFolder, writeHubFolder } from '../support/scene.ts';
import { type ScriptedRunner, type ScriptedRunnerOptions, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let gitlab: FakeGitlab;
let hub: HubProcess;
let hubFolder: string;
let maria = '';
let stops: (() => unknown)[];
let runners: ScriptedRunner[];

async function cli<T>(...args: string[]): Promise<{ code: number | null; out: string; err: string; json: T }> {
  const env = { HOLDPOINT_TOKEN: maria, HOLDPOINT_HUB_URL: hub.hubUrl };
  const { code, out, err } = await holdpoint([...args, '--json'], env);
  return { code, out, err, json: (out.trim() === '' ? null : JSON.parse(out.trim().split('\n').at(-1) ?? '')) as T };
}
interface Listed {
  items: { id: number; job_id: number; state: string; digest: string; project_id: number }[];
}
async function hold(job: number, state = 'waiting_for_approval'): Promise<Listed['items'][number]> {
  const list = async () => {
    const answer = await fetch(`${hub.hubUrl}/api/v1/holds?limit=100`, {
      headers: { authorization: `Bearer ${maria}` },
    });
    return ((await answer.json()) as Listed).items;
  };
  const found = (items: Listed['items']) => items.find((item) => item.job_id === job && item.state === state);
  return found(await eventually(list, (items) => found(items) !== undefined, 30_000))!;
}
async function approve(job: number): Promise<void> {
  const { id, digest } = await hold(job);
  const approved = await cli('approve', String(id), '--digest', digest);
  expect(approved.code, approved.err).toBe(0);
}

interface Host {
  readonly name: string;
  readonly folder: string;
  readonly token: string;
  agent: AgentProcess;
  enqueue(): number;
  /** `work`: what its jobs do, until they are aborted. */
  runner(work?: ScriptedRunnerOptions['work']): ScriptedRunner;
  restart(): Promise<void>;
}
/** A host as an operator sets it up: a one-time token from the hub, `hub.url` in agent.yml, a start. */
async function host(name: string): Promise<Host> {
  const token = gitlab.runnerToken(name);
  const folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    principals: false,
    // The runner finds it again after a restart.
    gatewayPort: await freePort(),
    runners: [{ name, token, protected: true }],
    hub: `url: "${hub.hubUrl}", enrolment_token_file: enrolment.token`,
  });
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  const made = await cli('agents', 'enroll', name, '--out', join(folder, 'enrolment.token'));
  expect(made.code, made.err).toBe(0);
  const start = () => startAgentProcess(join(folder, 'agent.yml'));
  const self: Host = {
    name,
    folder,
    token,
    agent: await start(),
    enqueue: () => gitlab.enqueue(fixture('test-unit.run1'), { runner: token, user: zoe }),
    runner(work) {
      const url = self.agent.gatewayUrl;
      const runner = startScriptedRunner({ url, token, version: '18.5', exec: 'none', ...(work && { work }) });
      runners.push(runner);
      return runner;
    },
    async restart() {
      await self.agent.kill('SIGKILL');
      self.agent = await start();
    },
  };
  stops.push(() => self.agent.kill('SIGKILL'));
  return self;
}

beforeEach(async () => {
  runners = [];
  stops = [];
  gitlab = await startFakeGitlab({});
  hubFolder = writeHubFolder({ gitlabUrl: gitlab.url, listen: '127.0.0.1:0' });
  hub = await startHubProcess(join(hubFolder, 'hub.yml'));
  maria = hub.bootstrapToken ?? '';
  // The next start has to be found where agents look for it.
  const yml = join(hubFolder, 'hub.yml');
  writeFileSync(yml, readFileSync(yml, 'utf8').replace('127.0.0.1:0', new URL(hub.hubUrl).host));
  const made = await cli<{ token: string }>(
    'token',
    'create',
    '--user',
    'maria',
    '--scope',
    'read',
    'approve',
    'admin',
  );
  expect(made.code, made.err).toBe(0);
  maria = made.json.token;
});
afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.stop()));
  for (const stop of stops.reverse()) await stop();
  await hub.kill('SIGKILL');
  await gitlab.close();
  rmSync(hubFolder, { recursive: true, force: true });
});

// Every command line is a process of its own, and so are the hub and its agents: on a busy machine that takes its time.
describe('a hub apart, with agents on other hosts', { timeout: 90_000 }, () => {
  it('has one inbox for two hosts, and an approval lets the job go on each', async () => {
    const ready = await fetch(`${hub.hubUrl}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok', problems: [] }]);
    const [first, second] = [await host('build-1'), await host('build-2')];
    for (const each of [first, second]) each.runner();
    const jobs = [first.enqueue(), second.enqueue()];
    for (const job of jobs) await hold(job);
    await approve(jobs[0]!);
    await gitlab.until('both', () => jobs.every((job) => gitlab.job(job).status === 'success'), 60_000);
    const { json } = await cli<{ items: { name: string; connected: boolean; runners: { name: string }[] }[] }>(
      'agents',
    );
    expect(json.items.map(({ name, connected, runners: list }) => [name, connected, list[0]?.name])).toEqual([
      ['build-1', true, 'build-1'],
      ['build-2', true, 'build-2'],
    ]);
  });

  it('loses nothing when it is killed and started again under an agent with a parked job (T30, T40)', async () => {
    const one = await host('build-1');
    one.runner();
    const job = one.enqueue();
    const { id } = await hold(job);
    await hub.kill('SIGKILL');
    hub = await startHubProcess(join(hubFolder, 'hub.yml'));
    expect((await hold(job)).id).toBe(id);
    await approve(job);
    await gitlab.until('success', () => gitlab.job(job).status === 'success', 60_000);
  });

  it('T29, T30 goes on for a while with what is approved while the hub is away, and tells it afterwards', async () => {
    const one = await host('build-1');
    one.runner();
    const first = one.enqueue();
    await approve(first);
    await gitlab.until('success', () => gitlab.job(first).status === 'success', 60_000);
    // A first approval is in the next snapshot, some seconds later; a start brings one at once.
    await one.restart();
    one.runner();
    await expect.poll(() => one.agent.output().split('in step with the hub').length, { timeout: 30_000 }).toBe(2);
    await hub.kill('SIGKILL');
    const second = one.enqueue();
    await gitlab.until('success', () => gitlab.job(second).status === 'success', 60_000);
    const unknown = gitlab.enqueue(fixture('build-image.run1'), { runner: one.token, user: zoe });
    await expect.poll(() => one.agent.output(), { timeout: 30_000 }).toContain('the hub is away, and');
    expect(gitlab.job(unknown).status).toBe('running');
    hub = await startHubProcess(join(hubFolder, 'hub.yml'));
    await hold(second, 'success');
    await hold(unknown);
  });

  it('T29, T40 stops a job whose agent was killed once it is back, and nothing that its hub was not there to be asked', async () => {
    const one = await host('build-1');
    const runner = one.runner(({ stopped }) => once(stopped, 'abort'));
    const job = one.enqueue();
    await approve(job);
    const { id } = await hold(job, 'running');
    const stop = (why: string) => cli('holds', 'stop', String(id), '--comment', why);

    await hub.kill('SIGKILL');
    const unheard = await stop('asked in vain');
    expect([unheard.code, unheard.out, unheard.err]).toEqual([6, '', expect.stringContaining('hub')]);
    hub = await startHubProcess(join(hubFolder, 'hub.yml'));
    await expect.poll(() => one.agent.output().split('in step with the hub').length, { timeout: 40_000 }).toBe(3);
    expect([(await hold(job, 'running')).id, gitlab.job(job).status]).toEqual([id, 'running']);

    await one.agent.kill('SIGKILL');
    expect((await stop('the wrong database')).code).toBe(0);
    expect([(await hold(job, 'running')).id, gitlab.job(job).status]).toEqual([id, 'running']);
    await one.restart();
    await gitlab.until('the job to be stopped', () => gitlab.job(job).status === 'failed', 60_000);
    await hold(job, 'failed');
    await expect.poll(() => runner.finished.map(({ outcome }) => outcome), { timeout: 30_000 }).toEqual(['aborted']);
    const trace = String(gitlab.job(job).trace);
    expect(trace.split(`hold ${id} was stopped by maria: the wrong database`)).toHaveLength(2);
    expect(trace).not.toContain('asked in vain');
  });

  it('T27 enrols a host once: its key is good after a restart without any token, and no longer when it is revoked', async () => {
    const one = await host('build-1');
    rmSync(join(one.folder, 'enrolment.token'));
    await one.restart();
    one.runner();
    await hold(one.enqueue());
    const revoked = await cli<{ connected: boolean }>('agents', 'revoke', 'build-1', '--reason', 'sold');
    expect([revoked.code, revoked.json.connected]).toEqual([0, false]);
    await expect.poll(() => one.agent.output(), { timeout: 10_000 }).toContain('closed with 4403');
    await expect.poll(() => one.agent.output(), { timeout: 20_000 }).toContain('closed with 4401');
  });

  it('says what to do to a host that was never enrolled, and to one whose token is no good', async () => {
    const folder = writeAgentFolder({
      gitlabUrl: gitlab.url,
      principals: false,
      runners: [{ name: 'x', token: gitlab.runnerToken('x'), protected: true }],
      hub: `url: "${hub.hubUrl}"`,
    });
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
    const never = await holdpoint(['agent', '--config', join(folder, 'agent.yml')]);
    expect([never.code, never.err]).toEqual([2, expect.stringContaining('holdpoint agents enroll NAME')]);
    writeFileSync(join(folder, 'token'), 'hpe_old\n', { mode: 0o600 });
    const env = { HOLDPOINT_HUB_ENROLMENT_TOKEN_FILE: join(folder, 'token') };
    const bad = await holdpoint(['agent', '--config', join(folder, 'agent.yml')], env);
    expect([bad.code, bad.err]).toEqual([5, expect.stringContaining('no enrolment token that the hub knows')]);
    const away = await holdpoint(['agent', '--config', join(folder, 'agent.yml')], {
      ...env,
      HOLDPOINT_HUB_URL: 'http://127.0.0.1:9',
    });
    expect(away.code).toBe(6);
  });

  it('stops in order when it is asked to', async () => {
    expect(await hub.kill('SIGTERM')).toBe(0);
  });
});
