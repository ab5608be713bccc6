import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentConfig, loadConfig } from '../../agent/src/config/load.ts';
import { ConfigError, problemLine } from '../../agent/src/config/problems.ts';
import { BAD, GOOD, OTHER, TOKEN } from '../support/bad-configs.ts';
import { expectedSecrets } from '../support/config-secrets.ts';
import { ROOT } from '../support/source-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
  writeFileSync(join(folder, 'spoilt.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function load(text: string | null, flags: Record<string, string> = {}, env: Record<string, string> = {}): AgentConfig {
  const config = text === null ? {} : { config: write('agent.yml', text) };
  return loadConfig({ flags: { ...config, ...flags }, env, cwd: folder, defaultFile: join(folder, 'none.yml') });
}

/** The problems as lines, with the test's folder taken out. */
function problems(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.code).toBe('bad_config');
    return error.problems.map(problemLine).map((line) => line.replaceAll(`${folder}/`, ''));
  }
  throw new Error('the configuration was taken');
}

describe('agent.yml', () => {
  it('is read with ten lines, the rest being defaults', () => {
    expect(load(GOOD)).toEqual({
      file: join(folder, 'agent.yml'),
      gitlab: { url: 'https://gitlab.example.com', ca: null, tokenFile: null },
      receipts: null,
      pinSocket: null,
      remote: null,
      gateway: { listen: { host: '127.0.0.1', port: 8093 }, drainMs: 55_000 },
      metrics: null,
      trace: null,
      hub: {
        listen: { host: '127.0.0.1', port: 8094 },
        externalUrl: null,
        store: { kind: 'sqlite', path: join(folder, 'state/hub.sqlite') },
        gitlabTokenFile: null,
        gitlabMembersTokenFile: null,
        oidc: null,
        tls: null,
        trustedProxies: [],
        plainHttp: false,
        notify: [],
        offlineGrace: { protectedMs: 3_600_000, elsewhereMs: 86_400_000 },
      },
      stateDir: join(folder, 'state'),
      principals: join(folder, 'principals.yaml'),
      policy: null,
      runners: [{ name: 'shell', token: TOKEN, protected: true }],
      breakGlassFile: '/etc/holdpoint/break-glass',
      keys: {
        variable: join(folder, 'state/variable.key'),
        seal: join(folder, 'state/seal.key'),
        hub: join(folder, 'state/hub.key'),
        recordings: join(folder, 'state/recordings.key'),
      },
      parking: {
        maxHolds: 1000,
        maxHoldsPerProject: 500,
        maxHoldsPerTrigger: 200,
        liveMs: 3_600_000,
        liveFloorMs: 600_000,
        handoverConfirmMs: 90_000,
      },
      log: { level: 'info', format: 'text' },
      secretFiles: expectedSecrets(folder),
      warnings: [],
    });
  });

  it('takes each scalar from the flag before the environment before the file before the default', () => {
    const text = `${GOOD}parking:\n  live: 2h\n`;
    const live = (flags: Record<string, string>, env: Record<string, string>) => load(text, flags, env).parking.liveMs;
    expect(live({ 'parking.live': '5m' }, { HOLDPOINT_PARKING_LIVE: '6m' })).toBe(300_000);
    expect(live({}, { HOLDPOINT_PARKING_LIVE: '6m' })).toBe(360_000);
    expect(live({}, { HOLDPOINT_PARKING_LIVE: '' })).toBe(7_200_000);
    expect(load(GOOD).parking.liveMs).toBe(3_600_000);
  });

  it('can do without a file when flags and variables say what is needed', () => {
    const env = { HOLDPOINT_GITLAB_URL: 'http://127.0.0.1:1', HOLDPOINT_PRINCIPALS: 'principals.yaml' };
    const config = load(null, {}, env);
    expect([config.file, config.principals, config.runners]).toEqual([null, join(folder, 'principals.yaml'), []]);
    expect(config.warnings).toEqual([
      'no runner is listed as protected: only jobs of runners that are not listed at all are gated',
    ]);
  });

  it('resolves relative paths of the file from its folder, those of flags from the working folder', () => {
    const config = loadConfig({
      flags: { config: write('agent.yml', GOOD), 'keys.seal': 'elsewhere.key', state_dir: 'here' },
      env: {},
      cwd: '/somewhere',
    });
    expect(config.principals).toBe(join(folder, 'principals.yaml'));
    expect(config.keys).toEqual({
      seal: '/somewhere/elsewhere.key',
      variable: '/somewhere/here/variable.key',
      hub: '/somewhere/here/hub.key',
      recordings: '/somewhere/here/recordings.key',
    });
    expect(config.hub.store).toEqual({ kind: 'sqlite', path: '/somewhere/here/hub.sqlite' });
  });

  it('reads a token from its file, and an IPv6 address, a store and a certificate', () => {
    write('token', `${TOKEN}\n`);
    const own = readFileSync(join(ROOT, 'test/fixtures/tls/cert.pem'), 'utf8');
    write('ca.pem', own, 0o644);
    const config = load(`gitlab: {url: 'https://gitlab.example.com/sub/', ca: ca.pem}
gateway: {listen: '[::1]:0'}
hub: {store: 'sqlite:/srv/hub.db', external_url: https://hub.example.com/}
principals: principals.yaml
runners: [{name: a, token_file: token, protected: false}, {name: b, token: ${OTHER}}]
log: {level: debug, format: json}
`);
    expect(config.gitlab.url).toBe('https://gitlab.example.com/sub');
    // Beside what Node trusts by itself: a `ca` alone would stand in its place.
    expect(config.gitlab.ca).toContain(own);
    expect(config.gitlab.ca).toContain(rootCertificates[0]);
    expect(config.gateway.listen).toEqual({ host: '::1', port: 0 });
    expect(config.hub.store).toEqual({ kind: 'sqlite', path: '/srv/hub.db' });
    expect(config.hub.externalUrl).toBe('https://hub.example.com');
    expect(config.runners).toEqual([
      { name: 'a', token: TOKEN, protected: false },
      { name: 'b', token: OTHER, protected: true },
    ]);
  });

  it('warns of a file with tokens that everybody can read', () => {
    const path = write('agent.yml', GOOD, 0o644);
    const [warning] = loadConfig({ flags: { config: path }, env: {}, cwd: folder }).warnings;
    expect(warning).toMatch(/everybody on this machine can read it: chmod 600 it/);
  });
});

describe('what is allowed but unwise', () => {
  it('is told: tokens that would cross a network in clear', () => {
    const flags = {
      'gateway.listen': '0.0.0.0:8093',
      'hub.listen': '[::]:8094',
      'gitlab.url': 'http://gitlab.example.com',
    };
    expect(load(GOOD, flags).warnings).toEqual([
      'gateway.listen is 0.0.0.0, without TLS: tokens cross the network in clear unless a proxy is before it',
      'hub.listen is ::, without TLS: tokens cross the network in clear unless a proxy is before it',
      'gitlab.url is http://: tokens and jobs cross the network in clear; use https://',
    ]);
    const local = { 'gateway.listen': '127.0.0.2:1', 'hub.listen': '[::1]:2', 'gitlab.url': 'http://[::1]:3' };
    expect(load(GOOD, local).warnings).toEqual([]);
  });
});

/** What stands in the file, and every problem that is to be told of it. */
describe('a configuration that is refused', () => {
  it.each(BAD)('T2 names file, line, column and path: %s', (_, text, expected) => {
    expect(problems(() => load(text)).sort()).toEqual([...expected].sort());
  });

  it('names the flag or the variable that is wrong, and the unknown variable with its likely name', () => {
    const flags = { 'log.level': 'loud', 'gateway.listen': 'x' };
    const env = {
      HOLDPOINT_PARKING_MAX_HOLDS: '0',
      HOLDPOINT_GITLAB_URI: 'x',
      OTHER: 'x',
    };
    expect(problems(() => load(GOOD, flags, env))).toEqual([
      'HOLDPOINT_GITLAB_URI: unknown variable; did you mean HOLDPOINT_GITLAB_URL?',
      '--gateway-listen: gateway.listen: wanted host:port, like 127.0.0.1:8093 or [::1]:8093',
      'HOLDPOINT_PARKING_MAX_HOLDS: parking.max_holds: 0 is too little; at least 1',
      '--log-level: log.level: found "loud", wanted debug, info, warn, error',
    ]);
  });

  it('leaves alone what Kubernetes and Docker add for a service that is called holdpoint', () => {
    const env = {
      HOLDPOINT_PORT: 'tcp://10.0.0.1:8094',
      HOLDPOINT_SERVICE_HOST: '10.0.0.1',
      HOLDPOINT_PORT_8094_TCP_ADDR: 'x',
    };
    expect(load(GOOD, {}, env).runners).toHaveLength(1);
  });

  it('is one whose file cannot be read', () => {
    expect(problems(() => loadConfig({ flags: { config: 'no.yml' }, env: {}, cwd: folder }))[0]).toBe(
      'no.yml: cannot read it: there is no such file; give its place with --config',
    );
    writeFileSync(join(folder, 'latin.yml'), Buffer.from([0x61, 0x3a, 0xff]));
    expect(problems(() => loadConfig({ flags: { config: 'latin.yml' }, env: {}, cwd: folder }))[0]).toBe(
      'latin.yml: not UTF-8; save it as UTF-8',
    );
  });

  it('is one whose token file others can read or change (T24, T25)', () => {
    const text = GOOD.replace(/token: .*/, 'token_file: ./runner.token');
    for (const [mode, shown] of [
      [0o644, '0644'],
      [0o604, '0604'],
      [0o620, '0620'],
      [0o602, '0602'],
    ] as const) {
      write('runner.token', TOKEN, mode);
      expect(problems(() => load(text))).toEqual([
        `agent.yml:7:17: runners[0].token_file: "./runner.token" has mode ${shown}: others could read or change the token; chmod 600 it`,
      ]);
    }
    write('runner.token', TOKEN, 0o440);
    expect(load(text).runners[0]?.token).toBe(TOKEN);
  });

  it('is one with an empty token file, or one that holds more than a token', () => {
    const text = GOOD.replace(/token: .*/, 'token_file: ./runner.token');
    write('runner.token', '\n');
    expect(problems(() => load(text))[0]).toContain('"./runner.token" is empty; put the token in it');
    write('runner.token', 'two words');
    expect(problems(() => load(text))[0]).toContain('"./runner.token" has more than one word in it');
    write('runner.token', 'x'.repeat(5000));
    expect(problems(() => load(text))[0]).toContain('"./runner.token" is too long for a token');
  });

  it('never has a token in its messages, wherever the token stands in the file (T24, T32)', () => {
    const secret = 'Zq81XyVw29LmNo47RsTu';
    for (const token of [TOKEN, secret, `GR1348941${secret}`]) {
      write('twice', token);
      const texts = [
        GOOD.replace(/token: .*/, `token: ["${token}"]`),
        GOOD.replace(/token: .*/, `token: "${token}`),
        GOOD.replace(/token: .*/, `token: ${token}: x`),
        GOOD.replace(/token: .*/, `token: ${token}\n    token_file: twice`),
        GOOD.replace(/token: .*/, `token: "${token} x"`),
        GOOD.replace(/token: .*/, `token_file: ${token}`),
        GOOD.replace(/token: .*/, `token: ${token}\n  - {name: b, token: ${token}}`),
        GOOD.replace('https://', `https://oauth2:${token}@`),
        `${GOOD}log: {level: !<${token}> x}\n`,
      ];
      for (const text of texts) expect(problems(() => load(text)).join('\n'), text).not.toContain(token);
    }
    expect(problems(() => load(`${GOOD}${TOKEN}: 1\n`))).toEqual(['agent.yml:8:1: [redacted]: unknown key']);
  });
});
