import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { type DoctorHost, openDoctorHost } from '../support/doctor-host.ts';
import { type AgentProcess, HOLDPOINT, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';

let host: DoctorHost;
let agent: AgentProcess | null;
beforeEach(async () => {
  host = await openDoctorHost();
  agent = null;
});
afterEach(async () => {
  await agent?.kill('SIGKILL');
  await host.close();
});

const doctor = (args: readonly string[] = [], env: Record<string, string> = {}) =>
  holdpoint(
    [
      'doctor',
      '--config',
      host.at('agent/agent.yml'),
      '--runner-config',
      host.at('etc/gitlab-runner/config.toml'),
      ...args,
    ],
    env,
  );

interface Told {
  readonly ok: boolean;
  readonly tally: Record<string, number>;
  readonly findings: readonly (Finding & { title: string })[];
}

describe('holdpoint doctor, the built command', () => {
  it('beside an agent that runs: sees gateway, hub and version, and the list of agents with a token', async () => {
    agent = await startAgentProcess(host.at('agent/agent.yml'));
    const token = await holdpoint(
      ['token', 'create', '--hub', agent.hubUrl, '--user', 'maria', '--scope', 'read', '--json'],
      {
        HOLDPOINT_TOKEN: agent.bootstrapToken ?? '',
      },
    );
    const env = {
      HOLDPOINT_TOKEN: (JSON.parse(token.out) as { token: string }).token,
      HOLDPOINT_HUB_URL: agent.hubUrl,
    };
    const { out, err } = await doctor(['--json'], env);
    expect(err).toBe('');
    const told = JSON.parse(out) as Told;
    const well = (check: string): string | undefined => told.findings.find((one) => one.check === check)?.status;
    expect(
      [
        'configuration',
        'gitlab',
        'gateway',
        'runner_address',
        'runner_token',
        'clone_url',
        'same_tags',
        'hub',
        'policy',
        'policy_tests',
        'version',
        'clock',
      ].map(well),
    ).toEqual(Array(12).fill('ok'));
    for (const secret of [host.realToken, host.gatewayToken, host.readToken, env.HOLDPOINT_TOKEN])
      expect(out).not.toContain(secret);
  });

  it('ends with 1 when something is to be mended, and says what, line for line', async () => {
    chmodSync(host.at('agent/prod.token'), 0o644);
    const { code, out, err } = await doctor();
    expect([code, err]).toEqual([1, '']);
    expect(out).toMatch(/^MEND {4}Secrets and rules: token of runner prod-deployer-01 .* has mode 0644/m);
    expect(out).toMatch(/^ {8}mend: chmod 600 /m);
    expect(out.trim().split('\n').at(-1)).toMatch(/^\d+ ok, \d+ to look at, [1-9]\d* to mend, \d+ not seen$/);
    const json = JSON.parse((await doctor(['--json'])).out) as Told;
    expect(json.ok).toBe(false);
    expect(json.tally.fail).toBe(json.findings.filter(({ status }) => status === 'fail').length);
  });

  it('says what a user who may read nothing would have to do, and fails nothing for it', async () => {
    if (process.getuid?.() !== 0) chmodSync(host.at('agent'), 0o000);
    const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    chmodSync(host.folder, 0o700);
    const { code, out } = await holdpointAs(nobody, ['doctor', '--config', host.at('agent/agent.yml'), '--json']);
    const told = JSON.parse(out) as Told;
    expect(told.findings.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(code).toBe(0);
    expect(told.findings.find(({ check }) => check === 'configuration')).toMatchObject({
      status: 'skipped',
      message: expect.stringContaining('this user may not read it'),
      mend: expect.stringContaining('as root'),
    });
    chmodSync(host.at('agent'), 0o700);
  });
});

/** The built command as another user of this host. */
function holdpointAs(
  who: { readonly uid?: number },
  args: readonly string[],
): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, [HOLDPOINT, ...args], {
    ...who,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out })));
}
