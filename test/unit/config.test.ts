import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentConfig, loadConfig } from '../../agent/src/config/load.ts';
import { ConfigError, problemLine } from '../../agent/src/config/problems.ts';
import { expectedSecrets } from '../support/config-secrets.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const TOKEN = 'glrt-t1_AbCdEfGhIjKlMnOpQrSt';
const OTHER = 'glrt-t1_ZyXwVuTsRqPoNmLkJiHg';

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

const GOOD = `gitlab:
  url: https://gitlab.example.com/
principals: principals.yaml
state_dir: state
runners:
  - name: shell
    token: ${TOKEN}
`;

describe('agent.yml', () => {
  it('is read with ten lines, the rest being defaults', () => {
    expect(load(GOOD)).toEqual({
      file: join(folder, 'agent.yml'),
      gitlab: { url: 'https://gitlab.example.com', ca: null, tokenFile: null },
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
    });
    expect(config.hub.store).toEqual({ kind: 'sqlite', path: '/somewhere/here/hub.sqlite' });
  });

  it('reads a token from its file, and an IPv6 address, a store and a certificate', () => {
    write('token', `${TOKEN}\n`);
    write('ca.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 0o644);
    const config = load(`gitlab: {url: 'https://gitlab.example.com/sub/', ca: ca.pem}
gateway: {listen: '[::1]:0'}
hub: {store: 'sqlite:/srv/hub.db', external_url: https://hub.example.com/}
principals: principals.yaml
runners: [{name: a, token_file: token, protected: false}, {name: b, token: ${OTHER}}]
log: {level: debug, format: json}
`);
    expect(config.gitlab.url).toBe('https://gitlab.example.com/sub');
    expect(config.gitlab.ca).toContain('BEGIN CERTIFICATE');
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
const BAD: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'an empty file',
    '',
    [
      'agent.yml: gitlab.url: missing: address of GitLab; set it in agent.yml, with --gitlab-url or with HOLDPOINT_GITLAB_URL',
      'agent.yml: principals: missing: users, groups and their access levels: who may approve; beside GitLab or instead of it; set it in agent.yml, with --principals or with HOLDPOINT_PRINCIPALS, or let GitLab say it: hub.gitlab_members_token_file',
    ],
  ],
  [
    'a misspelt key',
    GOOD.replace('state_dir', 'statedir'),
    ['agent.yml:4:1: statedir: unknown key; did you mean "state_dir"?'],
  ],
  [
    'a key in the wrong place',
    `${GOOD}listen: 127.0.0.1:1\n`,
    ['agent.yml:8:1: listen: unknown key; did you mean "gateway.listen"?'],
  ],
  [
    'a misspelt key in a section',
    `${GOOD}parking:\n  max_hold: 3\n`,
    ['agent.yml:9:3: parking.max_hold: unknown key; did you mean "max_holds"?'],
  ],
  [
    'a misspelt key of a runner',
    `${GOOD}    protectd: false\n`,
    ['agent.yml:8:5: runners[0].protectd: unknown key; did you mean "protected"?'],
  ],
  ['a key like nothing', `${GOOD}frobnicate: 1\n`, ['agent.yml:8:1: frobnicate: unknown key']],
  [
    '__proto__ and constructor (T45)',
    `${GOOD}__proto__: {x: 1}\nconstructor: 2\n`,
    ['agent.yml:8:1: __proto__: unknown key', 'agent.yml:9:1: constructor: unknown key'],
  ],
  [
    'text for a number',
    `${GOOD}parking: {max_holds: "5"}\n`,
    ['agent.yml:8:22: parking.max_holds: found "5", wanted a whole number'],
  ],
  [
    'a fraction',
    `${GOOD}parking: {max_holds: 1.5}\n`,
    ['agent.yml:8:22: parking.max_holds: found 1.5, wanted a whole number'],
  ],
  [
    'a number for a time',
    `${GOOD}parking: {live: 90}\n`,
    ['agent.yml:8:17: parking.live: found 90, wanted a time like 90s, 10m, 1h or 30d'],
  ],
  [
    'a time in words',
    `${GOOD}parking: {live: 10 minutes}\n`,
    ['agent.yml:8:17: parking.live: found "10 minutes", wanted a time like 90s, 10m, 1h or 30d'],
  ],
  [
    'a time too short',
    `${GOOD}parking: {handover_confirm: 500ms}\n`,
    ['agent.yml:8:29: parking.handover_confirm: 500ms is too little; at least 1s'],
  ],
  ['a time too long', `${GOOD}parking: {live: 31d}\n`, ['agent.yml:8:17: parking.live: 31d is too much; at most 30d']],
  [
    'a word that is no level',
    `${GOOD}log: {level: loud}\n`,
    ['agent.yml:8:14: log.level: found "loud", wanted debug, info, warn, error'],
  ],
  [
    'an address without a scheme',
    GOOD.replace('https://gitlab.example.com/', 'gitlab.example.com'),
    ['agent.yml:2:8: gitlab.url: wanted an address like https://gitlab.example.com'],
  ],
  [
    'another scheme',
    GOOD.replace('https:', 'ftp:'),
    ['agent.yml:2:8: gitlab.url: wanted an address with https:// or http://'],
  ],
  [
    'a port without host',
    `${GOOD}gateway: {listen: 8093}\n`,
    ['agent.yml:8:19: gateway.listen: found 8093, wanted text; put it in quotes'],
  ],
  [
    'a port that is none',
    `${GOOD}gateway: {listen: '127.0.0.1:70000'}\n`,
    ['agent.yml:8:19: gateway.listen: wanted host:port, like 127.0.0.1:8093 or [::1]:8093'],
  ],
  [
    'gateway and hub on one address',
    `${GOOD}gateway: {listen: '127.0.0.1:8094'}\n`,
    ['agent.yml:8:19: hub.listen: gateway and hub cannot listen on the same address'],
  ],
  ['a section without keys', `${GOOD}parking:\n`, ['agent.yml:8:9: parking: wanted keys below it']],
  ['a list for a value', `${GOOD}log: {level: [info]}\n`, ['agent.yml:8:14: log.level: wanted a single value']],
  [
    'a mapping for a list',
    GOOD.replace('  - name: shell\n    token:', '  shell:'),
    ['agent.yml:6:3: runners: wanted a list ("- name: …")'],
  ],
  [
    'a runner without name',
    GOOD.replace('name: shell\n    ', ''),
    ['agent.yml:6:5: runners[0].name: missing: every runner has a name'],
  ],
  [
    'a runner without token',
    GOOD.replace(/ {4}token.*\n/, ''),
    ['agent.yml:6:5: runners[0]: no token: give token_file (a file with mode 600) or token'],
  ],
  ['protected: "no"', `${GOOD}    protected: "no"\n`, ['agent.yml:8:16: runners[0].protected: wanted true or false']],
  [
    'protected: no, which YAML 1.2 reads as text',
    `${GOOD}    protected: no\n`,
    ['agent.yml:8:16: runners[0].protected: wanted true or false'],
  ],
  [
    'two runners of one name',
    `${GOOD}  - {name: shell, token: ${OTHER}}\n`,
    ['agent.yml:8:12: runners[1].name: runners[0] is called that as well; every runner has its own name'],
  ],
  [
    'two runners of one token',
    `${GOOD}  - {name: two, token: ${TOKEN}}\n`,
    ['agent.yml:8:24: runners[1].token: is the token of runners[0] as well; name each runner once'],
  ],
  [
    'a duplicate key (T2)',
    `${GOOD}state_dir: other\n`,
    ['agent.yml:8:1: state_dir: stands twice, first at agent.yml:4:1'],
  ],
  [
    'a duplicate key deep down (T2)',
    GOOD.replace('    token', '    "name": b\n    token'),
    ['agent.yml:7:5: runners[0].name: stands twice, first at agent.yml:6:5'],
  ],
  [
    'an anchor and its alias (T2)',
    `${GOOD.replace('shell', '&a shell')}  - {name: *a, token: ${OTHER}}\n`,
    [
      'agent.yml:6:14: runners[0].name: anchors (&name) are not allowed; write the value out',
      'agent.yml:8:12: runners[1].name: aliases (*name) are not allowed; write the value out',
    ],
  ],
  [
    'a merge key (T2)',
    `${GOOD}log:\n  <<: {level: debug}\n`,
    ['agent.yml:9:3: log: merge keys (<<) are not allowed; write the keys out'],
  ],
  ['a tag', `${GOOD}log: {level: !!str info}\n`, ['agent.yml:8:20: log.level: tags (!…) are not allowed']],
  [
    'a bracket left open',
    `${GOOD}log: [\n`,
    ['agent.yml:9:1: not YAML: the indentation does not fit, or a bracket is not closed'],
  ],
  [
    'two documents',
    `${GOOD}---\na: 1\n`,
    ['agent.yml:8:1: not YAML: a second document begins here; one file has one document'],
  ],
  [
    'a hub elsewhere that would be reached in clear',
    `${GOOD}hub: {url: http://hub.example.com}\n`,
    [
      'agent.yml:8:12: hub.url: http:// would send what decides over jobs, and the key of hidden values, in clear: wanted https://; http:// is taken to this machine only, or anywhere with hub.plain_http: allow',
    ],
  ],
  [
    'an enrolment without a hub elsewhere',
    `${GOOD}hub: {enrolment_token_file: token}\n`,
    ['agent.yml:8:29: hub.enrolment_token_file: an agent enrols with a hub elsewhere: set hub.url, or take this out'],
  ],
  [
    'a policy under both of its keys',
    `${GOOD}policy: a.yaml\nhub: {policy: b.yaml}\n`,
    ['agent.yml:9:7: hub.policy: means the same as "policy", which stands there too; keep one'],
  ],
  [
    'runner modes and gateway tokens that cannot be meant',
    `${GOOD}    mode: observe\n  - {name: b, token: ${OTHER}, gateway_token: ${TOKEN}}\n  - {name: c, token: same, gateway_token: same}\n  - {name: d, token: t, protected: false, mode: monitor}\n`,
    [
      'agent.yml:8:11: runners[0].mode: wanted enforce or monitor',
      'agent.yml:10:43: runners[2].gateway_token: is the token itself; make one of your own: openssl rand -hex 24',
      'agent.yml:11:49: runners[3].mode: a runner that is not protected is not gated: nothing would be recorded; take mode out',
    ],
  ],
  [
    'a gateway token that is the token of another runner, or given twice',
    `${GOOD}  - {name: b, token: x, gateway_token: ${TOKEN}}\n  - {name: c, token: y, gateway_token: z, gateway_token_file: f}\n`,
    [
      'agent.yml:8:40: runners[1].gateway_token: is the token of runners[0] as well; name each runner once',
      'agent.yml:9:63: runners[2].gateway_token_file: both gateway_token and gateway_token_file are given; keep one',
    ],
  ],
  [
    'what later versions bring',
    `${GOOD}    divert: x\noidc: {}\nhub: {notify: {}}\non_unmatched: divert\n`,
    [
      'agent.yml:8:5: runners[0].divert: which runner takes what nobody approved stands in the policy, under on_unmatched',
      'agent.yml:10:15: hub.notify: wanted a list ("- name: …")',
      'agent.yml:9:1: oidc: not supported in this version; take it out',
      'agent.yml:11:1: on_unmatched: stands in the policy (policy.yaml), not here',
    ],
  ],
  [
    'an address of PostgreSQL without a database, which is not quoted',
    `${GOOD}hub: {store: 'postgres://u:hunter2@h'}\n`,
    ['agent.yml:8:14: hub.store: wanted postgres://user@host:5432/database'],
  ],
  [
    'a principals file that is not there',
    GOOD.replace('principals.yaml', 'nobody.yaml'),
    ['agent.yml:3:13: principals: cannot read "nobody.yaml": there is no such file'],
  ],
  [
    'a policy file that is not there',
    `${GOOD}policy: no.yaml\n`,
    ['agent.yml:8:9: policy: cannot read "no.yaml": there is no such file'],
  ],
  [
    'a certificate that is none',
    GOOD.replace('principals:', '  ca: principals.yaml\nprincipals:'),
    ['agent.yml:3:7: gitlab.ca: "principals.yaml" has no PEM certificate in it'],
  ],
  [
    'a token file that is not there',
    GOOD.replace(/token: .*/, 'token_file: nowhere/token'),
    ['agent.yml:7:17: runners[0].token_file: cannot read "nowhere/token": there is no such file'],
  ],
  [
    'several mistakes at once',
    `gitlab: {url: 5, cb: x}\nprincipals: [a]\nrunners:\n  - name: 7\n    tokn: x\nlog: {format: xml}\nwhat: 1\n`,
    [
      'agent.yml:1:15: gitlab.url: found 5, wanted text; put it in quotes',
      'agent.yml:1:18: gitlab.cb: unknown key; did you mean "ca"?',
      'agent.yml:2:13: principals: wanted a single value',
      'agent.yml:4:11: runners[0].name: wanted text; put it in quotes',
      'agent.yml:5:5: runners[0].tokn: unknown key; did you mean "token"?',
      'agent.yml:6:15: log.format: found "xml", wanted json, text',
      'agent.yml:7:1: what: unknown key',
    ],
  ],
];

describe('a configuration that is refused', () => {
  it.each(BAD)('names file, line, column and path: %s', (_, text, expected) => {
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
