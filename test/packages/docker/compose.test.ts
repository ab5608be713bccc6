import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Docker, startDocker } from '../../support/docker.ts';
import { type FakeGitlab, startFakeGitlab } from '../../support/fake-gitlab.ts';
import { freePort } from '../../support/free-port.ts';
import { holdpointImage } from '../../support/holdpoint-image.ts';
import { postgresTree } from '../../support/packages.ts';
import { postgresImage } from '../../support/postgres-image.ts';
import { PRINCIPALS } from '../../support/scene.ts';
import { type ScriptedRunner, startScriptedRunner } from '../../support/scripted-runner.ts';
import { ROOT } from '../../support/source-files.ts';

interface Service {
  readonly image: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly command?: readonly string[];
}

it('compose.yaml confines each service as the image is tested, opens nothing to the network, and names only what it declares', () => {
  const compose = parse(readFileSync(join(ROOT, 'compose.yaml'), 'utf8'));
  const { agent, hub, postgres } = compose.services as Record<string, Service>;
  const services = [agent, hub].filter((service) => service !== undefined);
  expect(services).toHaveLength(2);
  expect(Object.keys(compose.services)).toHaveLength(3);
  // Reached by the hub alone.
  expect(postgres?.ports).toBeUndefined();
  for (const { secrets } of Object.values(compose.services as Record<string, { secrets: string[] }>))
    for (const name of secrets) expect(Object.keys(compose.secrets)).toContain(name);
  for (const service of services) {
    expect(service).toMatchObject({ image: 'holdpoint', read_only: true, cap_drop: ['ALL'] });
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    for (const volume of service.volumes) {
      const [from = ''] = volume.split(':');
      expect(from.startsWith('./') || from in compose.volumes, volume).toBe(true);
    }
  }
  expect(compose.services.hub.command[0]).toBe('hub');
  expect(existsSync(join(ROOT, 'Dockerfile'))).toBe(true);
});

const MINUTE = 60_000;
/** The image's user, whatever names the base has. */
const USER = 8093;
const PAGE = readFileSync(join(ROOT, 'agent/docs/installation.md'), 'utf8');
/** A file as the page has it. */
function written(name: string): string {
  const text = PAGE.split('```yaml\n').find((block) => block.startsWith(`# ${name}\n`));
  if (text === undefined) throw new Error(`agent/docs/installation.md has no ${name}`);
  return text.split('```')[0]!;
}
/** This machine as containers see it. */
const address = () =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find((each) => each.family === 'IPv4' && !each.internal)!.address;

interface Hold {
  readonly id: number;
  readonly job_id: number;
  readonly state: string;
  readonly digest: string;
}

describe('hub, PostgreSQL and agent, brought up as the installation page says', { timeout: 5 * MINUTE }, () => {
  const project = 'holdpoint';
  let folder: string;
  let docker: Docker;
  let gitlab: FakeGitlab;
  let runner: ScriptedRunner | null = null;
  let runnerToken: string;
  let maria: string;
  let hold: Hold | undefined;
  const compose = (...args: string[]) =>
    docker.compose(
      folder,
      { COMPOSE_PROJECT_NAME: project, POSTGRES: 'postgres:test', HUB_PORT: ports[0], AGENT_PORT: ports[1] },
      '--profile',
      'hub',
      ...args,
    );
  let ports: [string, string];
  const hub = (token: string, ...args: string[]) =>
    compose('exec', '-T', '-e', `HOLDPOINT_TOKEN=${token}`, 'hub', 'holdpoint', ...args);
  const container = async (service: string) => (await compose('ps', '-q', service)).trim();
  const healthy = async (service: string) => {
    const status = ['inspect', '--format', '{{.State.Health.Status}}', await container(service)];
    await docker.until(/^healthy/, ...status).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await compose('logs', '--no-color', service)}`);
    });
  };
  const put = (name: string, text: string, mode = 0o644) => {
    writeFileSync(join(folder, name), text, { mode });
    chownSync(join(folder, name), USER, USER);
  };
  const onGitlab = (text: string) => text.replace('https://gitlab.example.com', gitlab.url);
  const holds = async () => (JSON.parse(await hub(maria, 'holds', 'list', '--json')) as { items: Hold[] }).items;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-compose-'));
    docker = await startDocker();
    await holdpointImage(docker, folder, 'holdpoint');
    await postgresImage(docker, await postgresTree(), folder);
    gitlab = await startFakeGitlab({ host: address() });
    runnerToken = gitlab.runnerToken('prod-deployer-01');
    ports = [String(await freePort()), String(await freePort())];

    copyFileSync(join(ROOT, 'compose.yaml'), join(folder, 'compose.yaml'));
    mkdirSync(join(folder, 'holdpoint'));
    mkdirSync(join(folder, 'holdpoint-secrets'), { mode: 0o700 });
    put('holdpoint-secrets/postgres_password', 'f00dcafe-of-this-test\n', 0o400);
    put('holdpoint-secrets/runner_token', `${runnerToken}\n`, 0o400);
    put('holdpoint/principals.yaml', PRINCIPALS);
    put('holdpoint/hub.yml', onGitlab(written('holdpoint/hub.yml')));
    put('holdpoint/agent.yml', onGitlab(written('holdpoint/agent.yml')));
    const [line] = /AGENT_HEALTH_URL=\S+/.exec(PAGE) ?? [''];
    put('.env', `${line}\n`);
    await compose('up', '--no-start');
    for (const network of ['default', 'runner']) await docker.open(`${project}_${network}`);
  }, 10 * MINUTE);
  afterAll(async () => {
    // Whatever went wrong before: an engine that is left behind goes on for ever.
    await runner?.stop().catch(() => {});
    if (docker !== undefined && ports !== undefined) await compose('down', '-v', '-t', '20').catch(() => {});
    await docker?.stop();
    await gitlab?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }, 4 * MINUTE);

  it('the hub makes its tables in PostgreSQL, and its first token makes an administrator and enrols the agent', async () => {
    await compose('up', '-d', 'hub');
    await healthy('hub');
    const first = /HOLDPOINT_TOKEN=(hp_[A-Za-z0-9_-]+)/.exec(await compose('logs', '--no-color', 'hub'))?.[1] ?? '';
    const scopes = ['--scope', 'read', 'approve', 'admin'];
    maria = JSON.parse(await hub(first, 'token', 'create', '--user', 'maria', ...scopes, '--json')).token;
    // Standard output alone, which ">" takes; what is said beside it comes first.
    const enrolment = (await hub(maria, 'agents', 'enroll', 'build-1')).trim().split('\n').at(-1) ?? '';
    put('holdpoint/build-1.enrolment', `${enrolment}\n`, 0o400);
    await compose('up', '-d');
    await healthy('agent');
    expect(await hub(maria, 'agents')).toMatch(/build-1 .*connected/);
  });

  it('a job is parked there and runs when it is approved', async () => {
    const format = `{{(index .NetworkSettings.Networks "${project}_runner").IPAddress}}`;
    const ip = (await docker.run('inspect', '--format', format, await container('agent'))).trim();
    runner = startScriptedRunner({ url: `http://${ip}:8093`, token: runnerToken, version: '18.5', exec: 'none' });
    const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
    const job = gitlab.enqueue(payload, { runner: runnerToken, user: { id: 9, username: 'zoe', name: 'Zoë Müller' } });
    await gitlab.until('the hold', () => gitlab.job(job).trace.includes('/holds/'), MINUTE);
    for (let look = 0; look < 20 && hold === undefined; look++)
      hold = (await holds()).find((each) => each.job_id === job && each.state === 'waiting_for_approval');
    expect(hold).toBeDefined();
    expect(runner.started).toEqual([]);
    await hub(maria, 'approve', String(hold!.id), '--digest', hold!.digest);
    await gitlab.until('success', () => gitlab.job(job).status === 'success', MINUTE);
  });

  it('what was decided is there when all containers are made anew', async () => {
    const before = await container('hub');
    await compose('down', '-t', '60');
    rmSync(join(folder, 'holdpoint/build-1.enrolment'));
    await compose('up', '--no-start');
    for (const network of ['default', 'runner']) await docker.open(`${project}_${network}`);
    await compose('up', '-d');
    await Promise.all([healthy('hub'), healthy('agent')]);
    expect(await container('hub')).not.toBe(before);
    expect(JSON.parse(await hub(maria, 'holds', 'show', String(hold!.id), '--json')).state).toBe('success');
    expect(await hub(maria, 'agents')).toMatch(/build-1 .*connected/);
  });
});
