import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPTIONS } from '../../agent/src/config/options.ts';
import { runCli } from '../support/cli.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\ngroups: []\nprojects: []\n');
  writeFileSync(
    join(folder, 'agent.yml'),
    `gitlab: { url: https://gitlab.example.com }
principals: principals.yaml
parking: { live: 90m }
log: { level: warn }
runners:
  - { name: prod, token: glrt-secret-of-this-test-0001, gateway_token: a-gateway-token-of-this-test }
`,
    { mode: 0o600 },
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Row {
  readonly key: string;
  readonly value: string | null;
  readonly source: string;
}
const config = (args: readonly string[] = [], env: Record<string, string> = {}) =>
  runCli(['config', '--config', 'agent.yml', ...args], { cwd: folder, env });

describe('holdpoint config', () => {
  it('shows every option with its value and with what it comes from: flag, variable, file or default', async () => {
    const { exit, out, err } = await config(['--log-level', 'debug', '--json'], {
      HOLDPOINT_GATEWAY_LISTEN: '[::1]:9000',
    });
    expect([exit, err]).toEqual([0, '']);
    const { items } = JSON.parse(out) as { items: readonly Row[] };
    expect(items.slice(0, OPTIONS.length).map(({ key }) => key)).toEqual(OPTIONS.map(({ key }) => key));
    const of = (key: string): Row | undefined => items.find((row) => row.key === key);
    expect([
      of('log.level'),
      of('gateway.listen'),
      of('parking.live'),
      of('parking.live_floor'),
      of('gitlab.ca'),
    ]).toEqual([
      { key: 'log.level', value: 'debug', source: '--log-level' },
      { key: 'gateway.listen', value: '[::1]:9000', source: 'HOLDPOINT_GATEWAY_LISTEN' },
      { key: 'parking.live', value: '90m', source: 'agent.yml:3:18' },
      { key: 'parking.live_floor', value: '10m', source: 'default' },
      { key: 'gitlab.ca', value: null, source: 'not set' },
    ]);
    expect(of('runners[0].protected')).toEqual({ key: 'runners[0].protected', value: 'true', source: 'default' });
  });

  it('shows no token (T24), in the table and as JSON', async () => {
    for (const args of [[], ['--json']]) {
      const { out } = await config(args);
      expect(out).toContain('(not shown)');
      expect(out).not.toMatch(/glrt-secret|a-gateway-token/);
    }
  });

  it('ends as the agent would not start, and shows all the same what is in force', async () => {
    const { exit, out, err } = await config(['--log-level', 'loud']);
    expect([exit, err]).toEqual([
      2,
      expect.stringContaining('--log-level: log.level: found "loud", wanted debug, info'),
    ]);
    expect(out).toContain('gitlab.url');
  });
});
