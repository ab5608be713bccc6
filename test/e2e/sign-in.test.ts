import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../agent/src/config/load.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { type RunningAgent, startAgent } from '../../agent/src/wiring.ts';
import { browserClient } from '../support/browser-client.ts';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { CLIENT, signInThrough, startProvider, type TestProvider } from '../support/identity-provider.ts';
import { keepingLog, writeAgentFolder } from '../support/scene.ts';

const ACCOUNTS = {
  21: { username: 'maria' },
  77: { username: 'nina', claims: { groups: ['acme'] } },
};
const PRINCIPALS = `users:
  - { id: 21, username: maria }
groups:
  - { id: 5, path: acme }
projects:
  - { id: 4242, path: acme/payments/api }
`;

let gitlab: FakeGitlab;
let provider: TestProvider;
let folder: string;
let agent: RunningAgent;
let log: ReturnType<typeof keepingLog>;
beforeEach(async () => {
  gitlab = await startFakeGitlab();
  provider = await startProvider(ACCOUNTS);
  folder = writeAgentFolder({
    gitlabUrl: gitlab.url,
    runners: [{ name: 'prod', token: gitlab.runnerToken('prod'), protected: true }],
    files: { 'principals.yaml': PRINCIPALS },
  });
  log = keepingLog();
  agent = await start();
});
afterEach(async () => {
  await agent.stop();
  await provider.close();
  await gitlab.close();
  rmSync(folder, { recursive: true });
});

/** The agent of that folder, whose people sign in at the provider; everything of it stands in variables. */
async function start(port = 0): Promise<RunningAgent> {
  const env = {
    HOLDPOINT_HUB_LISTEN: `127.0.0.1:${port}`,
    HOLDPOINT_HUB_OIDC_ISSUER: provider.issuer,
    HOLDPOINT_HUB_OIDC_CLIENT_ID: CLIENT.id,
    HOLDPOINT_HUB_OIDC_CLIENT_SECRET_FILE: secretFile(),
    HOLDPOINT_HUB_OIDC_NAME: 'Login',
    HOLDPOINT_HUB_OIDC_USER_CLAIM: 'sub',
    HOLDPOINT_HUB_OIDC_GROUPS_CLAIM: 'groups',
    HOLDPOINT_HUB_OIDC_MEMBERSHIP: 'claims',
    HOLDPOINT_HUB_OIDC_ADMINS: '21',
  };
  const config = loadConfig({ flags: { config: join(folder, 'agent.yml') }, env, cwd: folder });
  const started = await startAgent(config, { log, clock: createClock(), examine: false });
  provider.register([`${started.hubUrl}/api/v1/session/oidc/callback`]);
  return started;
}
function secretFile(): string {
  const path = join(folder, 'oidc-secret');
  writeFileSync(path, `${CLIENT.secret}\n`, { mode: 0o600 });
  return path;
}

async function enter(who: number) {
  const page = browserClient({ url: agent.hubUrl });
  provider.who = who;
  const ended = await signInThrough(page);
  return { page, ended, session: (await page.fetch('GET', '/api/v1/session')).body };
}

describe('an agent whose people sign in with OpenID Connect', () => {
  it('knows whom principals.yaml names, and administrators by their id', async () => {
    expect((await enter(21)).session).toMatchObject({
      person: { username: 'maria' },
      scopes: ['read', 'approve', 'deploy', 'audit', 'admin'],
    });
  });

  it('T19 knows members of its groups by what the provider claims, over a restart, and no longer than their session', async () => {
    const { page, session } = await enter(77);
    expect(session).toMatchObject({ person: { id: 77, username: 'nina' }, scopes: ['read', 'approve', 'deploy'] });
    const port = Number(new URL(agent.hubUrl).port);
    await agent.stop();
    agent = await start(port);
    expect((await page.fetch('GET', '/api/v1/me')).body).toMatchObject({ person: { username: 'nina' } });
    expect((await page.fetch('DELETE', '/api/v1/session')).status).toBe(200);
    expect((await page.fetch('GET', '/api/v1/me')).status).toBe(401);
  });

  it('T24 offers the first link until there is an administrator, and writes no secret down', async () => {
    expect(agent.firstLink).toBe(`${agent.hubUrl}/sign-in#first=${agent.bootstrapToken}`);
    const { page } = await enter(77);
    const port = Number(new URL(agent.hubUrl).port);
    await agent.stop();
    agent = await start(port);
    expect(agent.firstLink).not.toBeNull();
    const first = browserClient({ url: agent.hubUrl });
    expect((await first.signIn(String(agent.bootstrapToken), 'maria')).status).toBe(201);
    await agent.stop();
    agent = await start(port);
    expect(agent.firstLink).toBeNull();

    const kept = readFileSync(join(folder, 'state/hub.sqlite'), 'latin1') + log.lines.join('\n');
    for (const secret of [CLIENT.secret, page.cookies.get('holdpoint')!, first.cookies.get('holdpoint')!])
      expect(kept).not.toContain(secret);
  });
});
