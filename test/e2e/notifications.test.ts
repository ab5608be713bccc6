import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { type AgentProcess, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';
import { bodyOf, type MailServer, type Receiver, startMailServer, startReceiver } from '../support/receivers.ts';
import { PRINCIPALS, writeAgentFolder } from '../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const POLICY = `notify:
  routes:
    - { name: everything, channels: [hook] }
    - { name: people, channels: [mail], events: [review_*, hold_*] }
`;

let gitlab: FakeGitlab;
let hook: Receiver;
let mail: MailServer;
let folder: string;
let agent: AgentProcess;
let runner: ScriptedRunner;
let runnerToken: string;
beforeEach(async () => {
  gitlab = await startFakeGitlab({});
  hook = await startReceiver();
  mail = await startMailServer();
  runnerToken = gitlab.runnerToken('prod-deployer-01');
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod-deployer-01', token: runnerToken, protected: true }],
    moreOfHub: [
      'external_url: https://holdpoint.example.com',
      `notify: [{ name: hook, kind: webhook, url: "${hook.url}/in", secret_file: hook.secret }, { name: mail, kind: email, host: 127.0.0.1, port: ${mail.port}, security: none, from: holdpoint@example.com }]`,
    ],
    extra: 'policy: policy.yaml',
    files: {
      'policy.yaml': POLICY,
      'hook.secret': 'a-secret-that-nobody-guesses-0002',
      'principals.yaml': PRINCIPALS.replace(/username: (\w+),/g, 'username: $1, emails: [$1@example.com],'),
    },
  });
  agent = await startAgentProcess(join(folder, 'agent.yml'));
  runner = startScriptedRunner({ url: agent.gatewayUrl, token: runnerToken, version: '18.5', exec: 'none' });
});
afterEach(async () => {
  await runner.stop();
  await agent.kill('SIGKILL');
  await Promise.all([gitlab.close(), hook.close(), mail.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const events = () => hook.posted.map(({ body }) => JSON.parse(body) as { id: string; type: string });
const types = () => events().map(({ type }) => type.replace('holdpoint.', ''));

describe('notifications of the program as it is installed', () => {
  // What was on its way when the process ended is sent again once no send could still be under way.
  it('are sent again under the same key after the process was killed while it sent, and none is lost', {
    timeout: 150_000,
  }, async () => {
    // Nobody answers: whatever is sent now is on its way when the process ends.
    hook.always(() => {});
    gitlab.enqueue(fixture('deploy-production.run1'), { runner: runnerToken, user: zoe });
    await gitlab.until('a first try', () => hook.posted.length > 0);
    await runner.stop();
    await agent.kill('SIGKILL');
    const first = events()[0]!;
    hook.always(204);
    agent = await startAgentProcess(join(folder, 'agent.yml'));
    await gitlab.until(
      'all of them',
      () => types().includes('hold_parked') && types().includes('review_opened'),
      90_000,
    );
    expect(events().filter(({ id }) => id === first.id)).toHaveLength(2);
    const rest = events().slice(1);
    expect(new Set(rest.map(({ id }) => id)).size).toBe(rest.length);
  });

  it('go to people by mail, with the page on which they decide; channels are tested by a command', async () => {
    gitlab.enqueue(fixture('deploy-production.run1'), { runner: runnerToken, user: zoe });
    await gitlab.until('mail to maria', () => mail.mails.some(({ to }) => to.includes('maria@example.com')), 30_000);
    const { raw } = mail.mails.find(({ to }) => to.includes('maria@example.com'))!;
    expect(bodyOf(raw)).toContain('https://holdpoint.example.com/holds/1');
    const env = { HOLDPOINT_HUB_URL: agent.hubUrl, HOLDPOINT_TOKEN: agent.bootstrapToken ?? '' };
    const made = await holdpoint(['token', 'create', '--user', 'jonas', '--scope', 'read', 'admin', '--json'], env);
    const admin = { ...env, HOLDPOINT_TOKEN: (JSON.parse(made.out) as { token: string }).token };
    const tested = await holdpoint(['notifications', 'test', 'hook'], admin);
    expect(tested.code, tested.err).toBe(0);
    await gitlab.until('the test', () => types().includes('test'), 30_000);
    const listed = await holdpoint(['notifications', 'list', '--channel', 'hook', '--json'], admin);
    const items = (JSON.parse(listed.out) as { items: { event: string; state: string }[] }).items;
    expect(items.map(({ event }) => event)).toEqual(expect.arrayContaining(['hold_parked', 'review_opened', 'test']));
    const explained = await holdpoint(
      ['policy', 'explain', '--policy', join(folder, 'policy.yaml'), '--project', '4242', '--job', 'deploy'],
      {},
    );
    expect(explained.out).toContain('everything: everything, by hook, to approvers, trigger, owner (line 3)');
  });
});
