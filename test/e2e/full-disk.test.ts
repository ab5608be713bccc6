/** A disk that takes nothing, as the process meets it: the system refuses every write to a file (RLIMIT_FSIZE). */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, send } from '../support/gate.ts';
import { startAgentProcess } from '../support/holdpoint-process.ts';
import { writeAgentFolder } from '../support/scene.ts';

it('T30: a full disk: not ready because of database and parking lot, alive, and everything goes on when there is room', async () => {
  const gitlab = await startFakeGitlab({});
  const token = gitlab.runnerToken('prod-deployer-01');
  const folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod-deployer-01', token, protected: true }],
  });
  const agent = await startAgentProcess(join(folder, 'agent.yml'));
  const limit = (size: string) => execFileSync('prlimit', ['--pid', String(agent.child.pid), `--fsize=${size}`]);
  const readyz = async () => {
    const answer = await fetch(`${agent.hubUrl}/readyz`);
    return { status: answer.status, text: await answer.text() };
  };
  const until = async (fits: (answer: { status: number; text: string }) => boolean) => {
    for (const end = Date.now() + 20_000; ; ) {
      const answer = await readyz();
      if (fits(answer)) return answer;
      if (Date.now() > end) throw new Error(`last: ${JSON.stringify(answer)}\n${agent.output()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  try {
    await until(({ status }) => status === 200);
    limit('0:unlimited');
    const job = gitlab.enqueue(fixture('deploy-production.run1'), { runner: token });
    const poll = await send(Number(new URL(agent.gatewayUrl).port), 'POST', '/api/v4/jobs/request', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, info: {} }),
    });
    expect(poll.status).toBe(204);
    const { text } = await until((answer) => answer.text.includes('the database cannot be written'));
    expect(text).toContain('"status":503');
    expect(text).not.toContain(folder);
    expect((await fetch(`${agent.hubUrl}/healthz`)).status).toBe(200);
    const metrics = await (await fetch(`${agent.hubUrl}/metrics`)).text();
    expect(metrics).toMatch(/^holdpoint_hub_store_writable 0$/m);
    expect(metrics).toMatch(/^holdpoint_agent_problem\{code="disk"\} 1$/m);
    expect(gitlab.job(job).status).toBe('running');

    limit('unlimited');
    await until(({ status }) => status === 200);
    await gitlab.until('the job to be parked', () => gitlab.job(job).trace.includes('Holdpoint'), 30_000);
    expect(await agent.kill('SIGTERM')).toBe(0);
  } finally {
    await agent.kill('SIGKILL');
    await gitlab.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);
