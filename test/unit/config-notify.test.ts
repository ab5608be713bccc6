import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, loadHubConfig } from '../../agent/src/config/load.ts';
import { ConfigError, problemLine } from '../../agent/src/config/problems.ts';

const GOOD = `gitlab:
  url: https://gitlab.example.com/
principals: principals.yaml
state_dir: state
runners:
  - name: shell
    token: glrt-t1_AbCdEfGhIjKlMnOpQrSt
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
}
const sources = (name: string, text: string) => ({
  flags: { config: write(name, text) },
  env: {},
  cwd: folder,
});
/** The problems as lines, with the test's folder taken out. */
function problems(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(problemLine).map((line) => line.replaceAll(`${folder}/`, ''));
  }
  throw new Error('the configuration was taken');
}

const BAD: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'channels that cannot be, or whose secrets cannot be read',
    `${GOOD}hub:
  notify:
    - { name: a, kind: pigeon }
    - { name: b, kind: webhook, url: "http://hooks.example.com/x", secret_file: s }
    - { name: b, kind: webhook, url: "https://u:p@hooks.example.com/x", secret_file: s }
    - { name: c, kind: email, host: mail.example.com, security: none, from: nobody, username: x }
`,
    [
      'agent.yml:10:24: hub.notify[0].kind: wanted kind: webhook, email, slack, mattermost or gitlab',
      'agent.yml:11:38: hub.notify[1].url: wanted an https:// address without user and password; http:// is taken on this machine only',
      'agent.yml:12:38: hub.notify[2].url: wanted an https:// address without user and password; http:// is taken on this machine only',
      'agent.yml:13:77: hub.notify[3].from: wanted a mail address like holdpoint@example.com',
    ],
  ],
  [
    'channels that do not fit together, or whose files are not there',
    `${GOOD}hub:
  notify:
    - { name: b, kind: webhook, url: "https://hooks.example.com/x", secret_file: nowhere }
    - { name: c, kind: email, host: 127.0.0.1, security: none, from: a@example.com }
    - { name: d, kind: gitlab }
`,
    [
      'agent.yml:10:82: hub.notify[0].secret_file: cannot read the file: there is no such file',
      'agent.yml: hub.gitlab_token_file: missing: channel d writes notes of merge requests with that token',
    ],
  ],
  [
    'channels of one name, mail in clear, half a sign-in',
    `${GOOD}hub:
  notify:
    - { name: b, kind: gitlab }
    - { name: b, kind: email, host: mail.example.com, security: none, from: a@example.com, username: x }
`,
    [
      'agent.yml:11:15: hub.notify[1].name: b stands twice',
      'agent.yml:11:65: hub.notify[1].security: none is taken on this machine only: mail would cross the network in clear',
      'agent.yml:11:102: hub.notify[1].username: username and password_file stand together',
    ],
  ],
];

describe('channels in the configuration', () => {
  it.each(BAD)('are refused with file, line, column and path: %s', (_, text, expected) => {
    expect(problems(() => loadConfig(sources('agent.yml', text))).sort()).toEqual([...expected].sort());
  });

  it('stand under hub in agent.yml, and by themselves in hub.yml', () => {
    const secret = write('hook.secret', 'a-secret-that-nobody-guesses-0005');
    const list =
      'notify: [{ name: hook, kind: webhook, url: "https://hooks.example.com/in", secret_file: hook.secret }]';
    const wanted = { name: 'hook', kind: 'webhook', url: 'https://hooks.example.com/in', secretFile: secret, ca: null };
    expect(loadConfig(sources('agent.yml', `${GOOD}hub:\n  ${list}\n`)).hub.notify).toEqual([wanted]);
    const own = `gitlab: { url: https://gitlab.example.com }\nprincipals: principals.yaml\nstate_dir: state\n`;
    expect(loadHubConfig(sources('hub.yml', `${own}${list}\n`)).hub.notify).toEqual([wanted]);
    expect(problems(() => loadHubConfig(sources('hub.yml', `${own}notify: [{ name: hook, kind: gitlab }]\n`)))).toEqual(
      ['hub.yml: gitlab_token_file: missing: channel hook writes notes of merge requests with that token'],
    );
  });
});
