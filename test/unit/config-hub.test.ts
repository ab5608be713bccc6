import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, loadHubConfig } from '../../agent/src/config/load.ts';
import { ConfigError, problemLine } from '../../agent/src/config/problems.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  for (const name of ['principals.yaml', 'policy.yaml']) writeFileSync(join(folder, name), '{}\n');
  writeFileSync(join(folder, 'secret'), 'word\n');
  chmodSync(join(folder, 'secret'), 0o600);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sources(name: string, text: string, env: Record<string, string> = {}) {
  writeFileSync(join(folder, name), text);
  return { flags: { config: join(folder, name) }, env, cwd: folder };
}
const hub = (text: string, env: Record<string, string> = {}) => loadHubConfig(sources('hub.yml', text, env));
function problems(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(problemLine).map((line) => line.replaceAll(`${folder}/`, ''));
  }
  return [];
}

const GOOD = 'gitlab: {url: https://gitlab.example.com}\nprincipals: principals.yaml\nstate_dir: state\n';

describe('hub.yml', () => {
  it('has what stands under hub: of agent.yml without that word, and what both need', () => {
    const config = hub(
      `${GOOD}listen: 127.0.0.1:9000\nstore: sqlite:h.db\nexternal_url: https://h.example.com\npolicy: policy.yaml\noidc: {issuer: https://gitlab.example.com, client_id: x}\n`,
    );
    expect(config).toMatchObject({
      hub: {
        listen: { host: '127.0.0.1', port: 9000 },
        store: { kind: 'sqlite', path: join(folder, 'h.db') },
        externalUrl: 'https://h.example.com',
        oidc: { clientId: 'x', isGitlab: true },
      },
      policy: join(folder, 'policy.yaml'),
      keys: {
        variable: join(folder, 'state/variable.key'),
        hub: join(folder, 'state/hub.key'),
        recordings: join(folder, 'state/recordings.key'),
      },
    });
  });

  it('takes the variables that agent.yml takes, and says in its own words what is missing', () => {
    expect(hub(GOOD, { HOLDPOINT_HUB_LISTEN: '127.0.0.1:9001' }).hub.listen.port).toBe(9001);
    expect(problems(() => hub('state_dir: state\n'))).toEqual([
      'hub.yml: gitlab.url: missing: address of GitLab; set it in hub.yml, with --gitlab-url or with HOLDPOINT_GITLAB_URL',
      'hub.yml: principals: missing: users, groups and their access levels: who may approve; beside GitLab or instead of it; set it in hub.yml, with --principals or with HOLDPOINT_PRINCIPALS, or let GitLab say it: gitlab_members_token_file',
    ]);
    expect(problems(() => hub(`${GOOD}oidc: {client_id: x}\n`))).toEqual([
      'hub.yml:4:19: oidc.issuer: missing: without it nobody can sign in with OpenID Connect; set it, or take oidc out',
    ]);
  });

  it("says of a key that is the agent's, or stands elsewhere, where it belongs", () => {
    const text = `${GOOD}runners: []\ngateway: {listen: 127.0.0.1:1}\nhub: {listen: 127.0.0.1:1}\nlisen: x\nstore: postgres://h\n`;
    expect(problems(() => hub(text))).toEqual([
      'hub.yml:8:8: store: wanted postgres://user@host:5432/database',
      "hub.yml:4:1: runners: is the agent's: it stands in agent.yml",
      "hub.yml:5:1: gateway: is the agent's: it stands in agent.yml",
      'hub.yml:6:1: hub: what stands under "hub:" in agent.yml stands in hub.yml without it',
      'hub.yml:7:1: lisen: unknown key; did you mean "listen"?',
    ]);
  });
});

describe('TLS of the hub', () => {
  const tls = (more: string) => hub(`${GOOD}tls: {${more}}\n`);
  const fixture = (name: string) => new URL(`../fixtures/tls/${name}.pem`, import.meta.url).pathname;
  const own = (mode: number) => {
    copyFileSync(fixture('key'), join(folder, 'key.pem'));
    chmodSync(join(folder, 'key.pem'), mode);
    return `cert: ${fixture('cert')}, key: key.pem`;
  };

  it('is a certificate with its key, and nothing is warned of then', () => {
    const config = hub(`${GOOD}listen: 0.0.0.0:8094\ntls: {${own(0o600)}}\n`);
    expect(config.hub.tls?.key).toContain('PRIVATE KEY');
    expect(config.warnings).toEqual([]);
    expect(hub(`${GOOD}listen: 0.0.0.0:8094\n`).warnings).toHaveLength(1);
  });

  it('T25 is refused with a key that others can read, that is another one, or that is missing', () => {
    expect(problems(() => tls(own(0o644)))).toEqual([expect.stringContaining('tls.key: "key.pem" has mode 0644')]);
    own(0o600);
    writeFileSync(
      join(folder, 'key.pem'),
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
    );
    expect(problems(() => tls(`cert: ${fixture('cert')}, key: key.pem`))).toEqual([
      expect.stringContaining('is not the key of tls.cert'),
    ]);
    expect(problems(() => tls(`cert: ${fixture('cert')}`))).toEqual([
      expect.stringContaining('tls.cert: is of no use without tls.key'),
    ]);
    expect(problems(() => tls(`cert: ${fixture('cert')}, key: secret`))).toEqual([
      expect.stringContaining('is no PEM key'),
    ]);
  });

  it('reads who is trusted as a proxy, and says loudly what is open', () => {
    expect(hub(`${GOOD}trusted_proxies: 10.0.0.7 10.1.0.0/16 fd00::/8\n`).hub.trustedProxies).toHaveLength(3);
    expect(problems(() => hub(`${GOOD}trusted_proxies: proxy.example.com\n`))).toEqual([
      expect.stringContaining('"proxy.example.com" is no address and no network'),
    ]);
    expect(hub(`${GOOD}plain_http: allow\n`).warnings).toEqual([expect.stringContaining('can let any job run')]);
  });
});

describe('agent.yml with a hub elsewhere', () => {
  const agent = (text: string) => loadConfig(sources('agent.yml', text));

  it('needs nothing that a hub needs, and says which keys mean nothing any more', () => {
    const text = 'gitlab: {url: https://gitlab.example.com}\nstate_dir: state\nhub: {url: https://h.example.com}\n';
    expect(agent(text)).toMatchObject({ remote: { url: 'https://h.example.com', enrolmentTokenFile: null } });
    const left = agent(
      `${text}principals: gone.yaml\nkeys: {variable: v.key}\nhub_listen: x`.replace('hub_listen: x', ''),
    );
    expect(left.warnings.filter((warning) => warning.includes('means nothing here'))).toEqual([
      'principals means nothing here: hub.url is set, and what the hub is told stands in its hub.yml',
      'keys.variable means nothing here: hub.url is set, and what the hub is told stands in its hub.yml',
    ]);
  });

  it('takes a policy under hub: as well, where its hub is its own', () => {
    expect(agent(`${GOOD}hub: {policy: policy.yaml}\n`).policy).toBe(join(folder, 'policy.yaml'));
  });
});
