import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../agent/src/config/load.ts';
import { ConfigError, problemLine } from '../../agent/src/config/problems.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
  writeFileSync(join(folder, 'secret'), 'of-the-client\n');
  chmodSync(join(folder, 'secret'), 0o600);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(hub: string, env: Record<string, string> = {}) {
  const lines = `gitlab:\n  url: https://gitlab.example.com\nprincipals: principals.yaml\nstate_dir: state\nhub:\n${hub}\n`;
  writeFileSync(join(folder, 'agent.yml'), lines);
  return loadConfig({ flags: { config: join(folder, 'agent.yml') }, env, cwd: folder });
}
function problems(hub: string): string[] {
  try {
    load(hub);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(problemLine);
  }
  return [];
}
const oidc = (more: string) => `  external_url: https://holds.example.com\n  oidc: {client_id: holdpoint, ${more}}`;

describe('hub.oidc', () => {
  it('is null where nothing of it is set', () => {
    expect(load('  listen: 127.0.0.1:0').hub.oidc).toBeNull();
  });

  it('knows the GitLab whose jobs are held, whatever slash its address ends with', () => {
    expect(load(oidc('issuer: https://gitlab.example.com/, client_secret_file: secret')).hub.oidc).toEqual({
      issuer: 'https://gitlab.example.com/',
      clientId: 'holdpoint',
      clientSecretFile: join(folder, 'secret'),
      scopes: 'openid profile',
      name: 'GitLab',
      userClaim: 'sub',
      groupsClaim: 'groups_direct',
      membership: 'directory',
      admins: [],
      isGitlab: true,
    });
  });

  it('is set by variables as well', () => {
    const env = { HOLDPOINT_HUB_OIDC_ISSUER: 'https://gitlab.example.com', HOLDPOINT_HUB_OIDC_CLIENT_ID: 'x' };
    expect(load('  listen: 127.0.0.1:0', env).hub.oidc).toMatchObject({ clientId: 'x', isGitlab: true });
  });

  it('T17 takes the users of another server for nobody until somebody says which claim has their id here', () => {
    expect(problems(oidc('issuer: https://login.example.com'))).toEqual([
      expect.stringContaining('hub.oidc.user_claim: missing: the issuer is not gitlab.url'),
    ]);
    expect(problems(oidc('issuer: https://gitlab.example.com:8443'))).toHaveLength(1);
    const named = load(oidc('issuer: https://login.example.com/realms/a, user_claim: gitlab_id')).hub.oidc;
    expect(named).toMatchObject({ userClaim: 'gitlab_id', isGitlab: false, name: 'login.example.com' });
  });

  it('T17 takes an issuer without TLS on this machine only', () => {
    expect(problems(oidc('issuer: http://gitlab.example.com, user_claim: sub'))).toEqual([
      expect.stringContaining('hub.oidc.issuer: wanted an https:// address'),
    ]);
    expect(problems(oidc('issuer: "http://127.0.0.1:8080", user_claim: sub'))).toEqual([]);
  });

  it('T19 lets no claim count where GitLab itself can be asked, nor where no group is known', () => {
    const said = 'issuer: https://gitlab.example.com, membership: claims';
    expect(load(oidc(said)).hub.oidc).toMatchObject({ membership: 'claims' });
    expect(problems(`  gitlab_members_token_file: secret\n${oidc(said)}`)).toEqual([
      expect.stringContaining('hub.oidc.membership: GitLab itself is asked who belongs to what'),
    ]);
  });

  it('T24 wants people to come back over https', () => {
    const hub = '  external_url: http://holds.example.com\n  oidc: {client_id: x, issuer: https://gitlab.example.com}';
    expect(problems(hub)).toEqual([expect.stringContaining('hub.external_url: wanted an https:// address')]);
  });

  it('T24 takes no secret that others can read, and none in the file itself', () => {
    chmodSync(join(folder, 'secret'), 0o644);
    expect(problems(oidc('issuer: https://gitlab.example.com, client_secret_file: secret'))).toEqual([
      expect.stringContaining('hub.oidc.client_secret_file: the file has mode 0644'),
    ]);
    expect(problems(oidc('issuer: https://gitlab.example.com, client_secret: hunter2'))).toEqual([
      expect.stringContaining('hub.oidc.client_secret: unknown key'),
    ]);
  });

  it('says what is missing, and what is no address', () => {
    expect(problems('  oidc: {client_id: x}')).toEqual([expect.stringContaining('hub.oidc.issuer: missing')]);
    expect(problems('  oidc: {issuer: https://gitlab.example.com}')).toEqual([
      expect.stringContaining('hub.oidc.client_id: missing'),
    ]);
    expect(problems(oidc('issuer: gitlab'))).toEqual([expect.stringContaining('wanted an address like')]);
  });
});
