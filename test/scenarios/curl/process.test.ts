import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../../support/fake-gitlab.ts';
import { curlClient } from '../../support/gitlab-clients/curl.ts';
import { PEOPLE } from '../../support/gitlab-clients/story.ts';
import { type AgentProcess, holdpoint, startAgentProcess } from '../../support/holdpoint-process.ts';
import { writeAgentFolder } from '../../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../../support/scripted-runner.ts';
import { ROOT } from '../../support/source-files.ts';

const PROJECT = 'acme/payments/api';
const MARIA = { id: 21, username: 'maria', name: 'Maria Silva' };
const payload = () => readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');

let gitlab: FakeGitlab;
let folder: string;
let agent: AgentProcess;
let runner: ScriptedRunner;
beforeEach(async () => {
  gitlab = await startFakeGitlab({});
  const token = gitlab.runnerToken('prod-deployer-01');
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod-deployer-01', token, protected: true }],
    files: { 'principals.yaml': PEOPLE },
  });
  agent = await startAgentProcess(join(folder, 'agent.yml'));
  runner = startScriptedRunner({ url: agent.gatewayUrl, token, version: '18.5', exec: 'none' });
});
afterEach(async () => {
  await runner.stop();
  await agent.kill('SIGKILL');
  await gitlab.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the built program, asked by curl with tokens of its own command line', () => {
  it('protects production, is asked about a deployment, and says who may not answer', async () => {
    const env = (token: string) => ({ HOLDPOINT_TOKEN: token, HOLDPOINT_HUB_URL: agent.hubUrl });
    const tokenOf = async (by: string, user: string): Promise<string> => {
      const scopes = ['--scope', 'read', 'approve', 'deploy', ...(by === agent.bootstrapToken ? ['admin'] : [])];
      const made = await holdpoint(['token', 'create', '--user', user, ...scopes, '--json'], env(by));
      expect(made.code, made.err).toBe(0);
      return (JSON.parse(made.out) as { token: string }).token;
    };
    const admin = await tokenOf(agent.bootstrapToken ?? '', 'olga');
    const olga = curlClient(agent.hubUrl, admin);
    const made = await olga.protectGroup('acme', {
      name: 'production',
      deployAccess: [{ group_id: 138 }],
      rules: [{ group_id: 134 }],
    });
    expect([made.status, made.text]).toEqual([201, expect.stringContaining('"access_level_description":"qa-group"')]);

    const wanted = gitlab.enqueue(payload(), { user: MARIA });
    const deadline = Date.now() + 60_000;
    let list = await olga.deployments(PROJECT, { status: 'blocked' });
    while (Object.keys(list.body).length === 0 && Date.now() < deadline)
      list = await olga.deployments(PROJECT, { status: 'blocked' });
    const [blocked] = Object.values(list.body);
    expect(blocked).toMatchObject({ status: 'blocked', deployable: { id: wanted } });

    const oscar = curlClient(agent.hubUrl, await tokenOf(admin, 'oscar'));
    const quinn = curlClient(agent.hubUrl, await tokenOf(admin, 'quinn'));
    const refused = await oscar.vote(PROJECT, Number(blocked!.id), { status: 'approved' });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("You don't have permission")]);
    expect((await quinn.vote(PROJECT, Number(blocked!.id), { status: 'approved' })).status).toBe(201);
    expect((await quinn.deployment(PROJECT, Number(blocked!.id))).body.status).toBe('created');
    expect(runner.started).toEqual([]);
  }, 300_000);
});
