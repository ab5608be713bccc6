/** The process is told to stop while runners have transfers open and jobs are parked. */
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture, send } from '../support/gate.ts';
import { type AgentProcess, startAgentProcess } from '../support/holdpoint-process.ts';
import { writeAgentFolder } from '../support/scene.ts';

let gitlab: FakeGitlab;
let folder: string;
let agent: AgentProcess;
let tokens: { guarded: string; open: string };

beforeEach(async () => {
  gitlab = await startFakeGitlab({});
  tokens = { guarded: gitlab.runnerToken('prod-deployer-01'), open: gitlab.runnerToken('open-01') };
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [
      { name: 'prod-deployer-01', token: tokens.guarded, protected: true },
      { name: 'open-01', token: tokens.open, protected: false },
    ],
    extra: 'metrics: { listen: 127.0.0.1:0 }\nlog: { format: json }',
  });
});
afterEach(async () => {
  await agent.kill('SIGKILL');
  await gitlab.close();
  rmSync(folder, { recursive: true, force: true });
});

const port = (): number => Number(new URL(agent.gatewayUrl).port);
const start = async (env: Record<string, string> = {}): Promise<void> => {
  agent = await startAgentProcess(join(folder, 'agent.yml'), env);
};
const poll = (token: string) =>
  send(port(), 'POST', '/api/v4/jobs/request', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, info: {} }),
  });
/** Parks one job and gives another one to the runner that is not gated. */
async function jobs(): Promise<{ parked: number; running: number }> {
  const parked = gitlab.enqueue(fixture('deploy-production.run1'), { runner: tokens.guarded });
  expect((await poll(tokens.guarded)).status).toBe(204);
  await gitlab.until('the note of the parked job', () => gitlab.job(parked).trace !== '');
  const running = gitlab.enqueue(fixture('test-unit.run1'), { runner: tokens.open });
  expect((await poll(tokens.open)).status).toBe(201);
  return { parked, running };
}
/** Begins to send artifacts of a job; the rest is the caller's to send. */
async function beginUpload(job: number): Promise<{ req: ClientRequest; status: Promise<number> }> {
  const req = request({
    port: port(),
    method: 'POST',
    path: `/api/v4/jobs/${job}/artifacts?artifact_format=zip&artifact_type=archive`,
    headers: { 'job-token': gitlab.job(job).token, 'content-type': 'multipart/form-data; boundary=xyz' },
  });
  const status = new Promise<number>((resolve) => {
    req.on('response', (res) => res.resume().on('end', () => resolve(res.statusCode ?? 0)));
    req.on('error', () => resolve(0));
  });
  const head = '--xyz\r\nContent-Disposition: form-data; name="file"; filename="artifacts.zip"\r\n\r\n';
  await new Promise<void>((resolve) => req.write(`${head}first half, `, () => resolve()));
  await gitlab.until('the upload at GitLab', () =>
    gitlab.log.some((line) => line.method === 'POST' && line.path.includes(`/jobs/${job}/artifacts`)),
  );
  return { req, status };
}
const finish = (req: ClientRequest): void => void req.end('second half\r\n--xyz--\r\n');
const refused = (): Promise<boolean> =>
  send(port(), 'GET', '/').then(
    () => false,
    () => true,
  );
/** Waits for a state of the process, which says what it wrote when that never comes. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !(await holds()); ) {
    if (Date.now() > end) throw new Error(`no ${what}:\n${agent.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a stop', () => {
  it('takes no more polls, finishes an open upload, says what stays parked, and the next start takes that up', async () => {
    await start();
    const { parked, running } = await jobs();
    const { req, status } = await beginUpload(running);
    const gone = once(agent.child, 'close');
    const own = /metrics (http:\/\/127\.0\.0\.1:\d+)/.exec(agent.output())?.[1];
    agent.child.kill('SIGTERM');
    await until('closed gateway', refused);
    const readyz = await fetch(`${own}/readyz`);
    expect([readyz.status, (await fetch(`${own}/healthz`)).status]).toEqual([503, 200]);
    expect(agent.output()).toMatch(/"requests":\{"artifacts":1\},"polls":0,"parked":1,"drainMs":55000/);
    expect(agent.child.exitCode).toBeNull();
    finish(req);
    expect(await status).toBe(201);
    expect((await gone)[0]).toBe(0);
    expect(gitlab.job(running).artifacts).toMatchObject([{ sizeBytes: 'first half, second half'.length }]);

    const beats = (): number => gitlab.job(parked).requests.filter(({ method }) => method === 'PUT').length;
    const before = beats();
    await start();
    await until('heartbeat of the parked job', () => beats() > before);
    expect(gitlab.job(parked).status).toBe('running');
    expect(await agent.kill('SIGTERM')).toBe(0);
  }, 60_000);

  it('waits no longer than gateway.drain, says what it cuts off, and asks systemd for that time', async () => {
    // systemd-notify as the agent calls it; what it would say is written down.
    const bin = join(folder, 'bin');
    const said = join(folder, 'said');
    mkdirSync(bin);
    writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${said}\n`);
    chmodSync(join(bin, 'systemd-notify'), 0o755);
    await start({
      HOLDPOINT_GATEWAY_DRAIN: '500ms',
      NOTIFY_SOCKET: '/run/systemd/notify',
      PATH: `${bin}:${process.env.PATH}`,
    });
    const { running } = await jobs();
    const { status } = await beginUpload(running);
    const gone = once(agent.child, 'close');
    agent.child.kill('SIGTERM');
    expect(await status).toBe(0);
    expect((await gone)[0]).toBe(0);
    expect(agent.output()).toMatch(/"requests":\{"artifacts":1\}.*cut off/);
    await until('words to systemd', () => existsSync(said) && readFileSync(said, 'utf8').includes('STOPPING'));
    expect(readFileSync(said, 'utf8')).toMatch(
      /^STOPPING=1 STATUS=stopping; 1 request is finished first, 1 parked job stays for the next start EXTEND_TIMEOUT_USEC=20500000$/m,
    );
  }, 60_000);
});
