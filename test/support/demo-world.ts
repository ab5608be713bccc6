import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '../../agent/src/cli/client.ts';
import { loadConfig } from '../../agent/src/config/load.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { createLog } from '../../agent/src/system/log.ts';
import { createdTokenSchema } from '../../agent/src/wire/tokens.ts';
import { startAgent } from '../../agent/src/wiring.ts';
import { type HoldWatch, watchHolds } from './demo-watch.ts';
import { type FakeGitlab, startFakeGitlab } from './fake-gitlab.ts';
import { type ScriptedRunner, startScriptedRunner } from './scripted-runner.ts';

/** Who is who: Zoë and Alice push, Maria maintains. */
const PRINCIPALS = `users:
  - { id: 9, username: zoe, name: Zoë Müller }
  - { id: 12, username: alice, name: Alice Okafor }
  - { id: 21, username: maria, name: Maria Silva }
groups: []
projects:
  - id: 4242
    path: acme/payments/api
    members:
      - { user: zoe, access_level: developer }
      - { user: alice, access_level: developer }
      - { user: maria, access_level: maintainer }
`;
const HUB_TIMEOUT_MS = 10_000;

/** Everything the demo talks to. */
export interface DemoWorld {
  readonly folder: string;
  readonly gitlab: FakeGitlab;
  readonly hub: HubClient;
  readonly tokenFile: string;
  readonly watch: HoldWatch;
  readonly guarded: ScriptedRunner;
  readonly open: ScriptedRunner;
  readonly tokens: { readonly guarded: string; readonly open: string };
}

/** Starts GitLab, the agent with its hub and two runners, in this order; what must be closed again goes to `closing`. */
export async function openDemoWorld(folder: string, closing: (() => unknown)[]): Promise<DemoWorld> {
  const gitlab = await startFakeGitlab();
  closing.push(() => gitlab.close());
  const tokens = { guarded: gitlab.runnerToken('prod-deployer-01'), open: gitlab.runnerToken('open-01') };
  const agentYml = `gitlab: { url: ${gitlab.url} }
gateway: { listen: 127.0.0.1:0 }
hub: { listen: 127.0.0.1:0 }
state_dir: ${JSON.stringify(join(folder, 'state'))}
principals: principals.yaml
runners:
  - { name: prod-deployer-01, token: ${tokens.guarded}, protected: true }
  - { name: open-01, token: ${tokens.open}, protected: false }
`;
  writeFileSync(join(folder, 'agent.yml'), agentYml, { mode: 0o600 });
  writeFileSync(join(folder, 'principals.yaml'), PRINCIPALS, { mode: 0o600 });
  const config = loadConfig({ flags: { config: join(folder, 'agent.yml') }, env: {}, cwd: folder });
  const logFile = join(folder, 'agent.log');
  const log = createLog({ level: 'info', format: 'text', write: (line) => appendFileSync(logFile, line) });
  const agent = await startAgent(config, { log, clock: createClock(), examine: false });
  closing.push(() => agent.stop());
  const maria = await mariasToken(agent.hubUrl, agent.bootstrapToken ?? '');
  const tokenFile = join(folder, 'maria.token');
  writeFileSync(tokenFile, `${maria}\n`, { mode: 0o600 });
  const watch = await watchHolds(agent.hubUrl, maria);
  closing.push(() => watch.close());
  const runner = (token: string, name: string) => {
    const base = { url: agent.gatewayUrl, version: '18.5', exec: 'pty', checkIntervalMs: 400 } as const;
    const one = startScriptedRunner({ ...base, token, name });
    closing.push(() => one.stop());
    return one;
  };
  const [guarded, open] = [runner(tokens.guarded, 'prod-deployer-01'), runner(tokens.open, 'open-01')];
  const hub = createHubClient({ url: agent.hubUrl, token: maria, timeoutMs: HUB_TIMEOUT_MS });
  return { folder, gitlab, hub, tokenFile, watch, guarded, open, tokens };
}

/** The bootstrap token makes an administrator's token, and that one a token that may approve. */
async function mariasToken(url: string, bootstrap: string): Promise<string> {
  const by = (token: string) => createHubClient({ url, token, timeoutMs: HUB_TIMEOUT_MS });
  const make = (token: string, scopes: readonly string[]) =>
    by(token).post('/api/v1/tokens', createdTokenSchema, { user: 'maria', scopes, expires_in_s: 3600 });
  const admin = await make(bootstrap, ['read', 'admin']);
  return (await make(admin.token, ['read', 'approve'])).token;
}
