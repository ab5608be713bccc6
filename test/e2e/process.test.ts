import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { type AgentProcess, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';
import { writeAgentFolder } from '../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let gitlab: FakeGitlab;
let folder: string;
let agent: AgentProcess;
let runners: ScriptedRunner[];
let runnerToken: string;

beforeEach(async () => {
  gitlab = await startFakeGitlab({});
  runnerToken = gitlab.runnerToken('prod-deployer-01');
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod-deployer-01', token: runnerToken, protected: true }],
  });
  runners = [];
  agent = await startAgentProcess(join(folder, 'agent.yml'));
});
afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.stop()));
  await agent.kill('SIGKILL');
  await gitlab.close();
  rmSync(folder, { recursive: true, force: true });
});

const enqueue = () => gitlab.enqueue(fixture('deploy-production.run1'), { runner: runnerToken, user: zoe });
function poll(): ScriptedRunner {
  const runner = startScriptedRunner({ url: agent.gatewayUrl, token: runnerToken, version: '18.5', exec: 'none' });
  runners.push(runner);
  return runner;
}

/** The command line as a person with this token has it. */
async function cli<T>(token: string, ...args: string[]): Promise<{ code: number | null; err: string; json: T }> {
  const env = { HOLDPOINT_TOKEN: token, HOLDPOINT_HUB_URL: agent.hubUrl };
  const { code, out, err } = await holdpoint([...args, '--json'], env);
  return { code, err, json: (out.trim() === '' ? null : JSON.parse(out.trim().split('\n').at(-1) ?? 'null')) as T };
}
async function tokenOf(user: string, ...scopes: string[]): Promise<string> {
  const args = ['token', 'create', '--user', user, '--scope', 'read', 'approve', ...scopes];
  const made = await cli<{ token: string }>(agent.bootstrapToken ?? '', ...args);
  expect(made.code, made.err).toBe(0);
  return made.json.token;
}
interface Listed {
  items: { id: number; job_id: number; state: string; digest: string }[];
}
async function waiting(token: string, job: number): Promise<Listed['items'][number]> {
  for (let look = 0; look < 40; look++) {
    const list = await cli<Listed>(token, 'holds', 'list');
    const hold = list.json?.items.find((item) => item.job_id === job && item.state === 'waiting_for_approval');
    if (hold) return hold;
  }
  throw new Error(`job ${job} never came to waiting_for_approval:\n${agent.output()}`);
}

describe('holdpoint as an operator installs it', () => {
  it('starts from a short agent.yml, and the command line takes a job from waiting to success', async () => {
    const maria = await tokenOf('maria', 'admin');
    const runner = poll();
    const job = enqueue();
    const hold = await waiting(maria, job);

    const shown = await holdpoint(['holds', 'show', String(hold.id)], {
      HOLDPOINT_TOKEN: maria,
      HOLDPOINT_HUB_URL: agent.hubUrl,
    });
    expect(shown.code, shown.err).toBe(0);
    expect(shown.out).toContain(`holdpoint approve ${hold.id} --digest ${hold.digest}`);
    const prefix = await cli(maria, 'approve', String(hold.id), '--digest', hold.digest.slice(0, 15));
    expect(prefix.code).toBe(2);
    const other = await cli(maria, 'approve', String(hold.id), '--digest', `sha256:${'1'.repeat(64)}`);
    expect(other.code).toBe(4);
    const nothing = await cli(maria, 'approve', '424242', '--digest', hold.digest);
    expect(nothing.code).toBe(3);
    const approved = await cli(maria, 'approve', String(hold.id), '--digest', hold.digest);
    expect(approved.code, approved.err).toBe(0);
    await gitlab.until('success', () => gitlab.job(job).status === 'success');
    expect(runner.started).toHaveLength(1);
    const again = await cli(maria, 'approve', String(hold.id), '--digest', hold.digest);
    expect(again.code).toBe(4);

    const exported = await holdpoint(['audit', 'export'], { HOLDPOINT_TOKEN: maria, HOLDPOINT_HUB_URL: agent.hubUrl });
    expect(exported.code, exported.err).toBe(0);
    const file = join(folder, 'audit.jsonl');
    writeFileSync(file, exported.out);
    expect((await holdpoint(['audit', 'verify', file])).code).toBe(0);
    const rows = exported.out.trim().split('\n');
    writeFileSync(file, exported.out.replace(rows[2] ?? '', (rows[2] ?? '').replace(/"event":"/, '"event":"x')));
    expect((await holdpoint(['audit', 'verify', file])).code).toBe(1);
  });

  it('loses neither the parked job nor the vote when it is killed with -9, before and after the approval (T30, T40)', async () => {
    const maria = await tokenOf('maria');
    const first = poll();
    const job = enqueue();
    const hold = await waiting(maria, job);
    await first.stop();
    await agent.kill('SIGKILL');
    agent = await startAgentProcess(join(folder, 'agent.yml'));
    expect(agent.bootstrapToken).toBeNull();
    expect((await waiting(maria, job)).id).toBe(hold.id);
    const approved = await cli(maria, 'approve', String(hold.id), '--digest', hold.digest);
    expect(approved.code, approved.err).toBe(0);
    await agent.kill('SIGKILL');
    agent = await startAgentProcess(join(folder, 'agent.yml'));
    const second = poll();
    await gitlab.until('success', () => gitlab.job(job).status === 'success', 20_000);
    expect([...first.started, ...second.started].map((started) => started.jobId)).toEqual([job]);
  });

  it('stops cleanly on SIGTERM and says in one line why it does not start from a bad file', async () => {
    expect(await agent.kill('SIGTERM')).toBe(0);
    const bad = join(folder, 'bad.yml');
    writeFileSync(bad, 'gitlab: { url: nonsense }\nruners: []\n', { mode: 0o600 });
    const refused = await holdpoint(['agent', '--config', bad]);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('runers');
    expect(refused.err).not.toContain('    at ');
  });

  it('says with exit code 6 that the hub cannot be reached, and with 5 that a token is no good', async () => {
    const away = await holdpoint(['holds', 'list'], {
      HOLDPOINT_TOKEN: 'hp_x',
      HOLDPOINT_HUB_URL: 'http://127.0.0.1:9',
    });
    expect(away.code).toBe(6);
    const stranger = await holdpoint(['holds', 'list'], {
      HOLDPOINT_TOKEN: 'hp_nobody',
      HOLDPOINT_HUB_URL: agent.hubUrl,
    });
    expect(stranger.code).toBe(5);
  });
});

describe('holdpoint demo --auto', () => {
  it('shows a job that waits, approves it and ends with 0', async () => {
    const demo = await holdpoint(['demo', '--auto'], {}, 90_000);
    expect(demo.code, demo.out + demo.err).toBe(0);
    for (const word of ['waiting_for_approval', 'pending', 'running', 'success']) expect(demo.out).toContain(word);
  }, 100_000);
});
