import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnTerminal } from 'node-pty';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../agent/src/config/load.ts';
import { editRunners, readRunners } from '../../agent/src/runners/gitlab/config-toml.ts';
import { runCli } from '../support/cli.ts';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { HOLDPOINT, holdpoint, startAgentProcess } from '../support/holdpoint-process.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

let folder: string;
let gitlab: FakeGitlab;
let prod: string;
let open: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-init-'));
  gitlab = await startFakeGitlab({ host: '127.0.0.1' });
  prod = gitlab.runnerToken('prod');
  open = gitlab.runnerToken('open');
  writeFileSync(join(folder, 'config.toml'), toml(), { mode: 0o640 });
});
afterEach(async () => {
  await gitlab.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As gitlab-runner writes it and people annotate it. */
const toml = (): string => `concurrent = 4   # keep this
check_interval = 0

[session_server]
  session_timeout = 1800

[[runners]]
  name = "prod deployer"   # the one with the keys
  url = "${gitlab.url}/"
  id = 31
  token = "${prod}"	# token
  token_obtained_at = 2024-10-01T00:00:00Z
  executor = 'shell'
  environment = ["DB_PASSWORD=hunter2hunter2", """
[[runners]]
  url = "no table"
"""]
  [runners.cache]
    [runners.cache.s3]
      SecretKey = "verysecretkey"

[[runners]]
  name = "open"
  url = "${gitlab.url}/"
  token = "${open}"
  executor = "docker"
  [runners.docker]
    image = "alpine"
`;
const config = (): string => readFileSync(join(folder, 'config.toml'), 'utf8');
const PEOPLE = ['--approver', 'maria:21', 'jonas:22', '--project', 'acme/payments/api:4242'];
const init = (args: readonly string[], ask?: (question: string) => Promise<string>) =>
  runCli(['init', '--dir', 'etc', '--state-dir', 'state', '--runner-config', 'config.toml', ...args], {
    cwd: folder,
    ...(ask === undefined ? {} : { ask }),
  });
const secrets = (): readonly string[] => [
  prod,
  open,
  'hunter2hunter2',
  'verysecretkey',
  ...(existsSync(join(folder, 'etc/prod-deployer.gateway'))
    ? [readFileSync(join(folder, 'etc/prod-deployer.gateway'), 'utf8').trim()]
    : []),
];

describe('holdpoint init, told everything', () => {
  const all = [
    '--runner',
    'prod deployer',
    ...PEOPLE,
    '--gateway-listen',
    '127.0.0.1:18093',
    '--hub-listen',
    '127.0.0.1:0',
  ];

  it('writes what the loader takes, changes the lines of the chosen runner alone, and keeps everything else byte for byte', async () => {
    const before = config();
    const { exit, out, err } = await init([...all, '--yes']);
    expect([exit, err]).toEqual([0, '']);
    const loaded = loadConfig({ flags: { config: join(folder, 'etc/agent.yml') }, env: {}, cwd: '/' });
    expect(loaded).toMatchObject({
      gitlab: { url: gitlab.url },
      gateway: { listen: { host: '127.0.0.1', port: 18093 } },
      stateDir: join(folder, 'state'),
      warnings: [],
      runners: [{ name: 'prod-deployer', token: prod, protected: true }],
    });
    const own = loaded.runners[0]?.gatewayToken ?? '';
    expect(own).toMatch(/^glrt-[0-9a-f]{48}$/);
    const wanted = before
      .replace(`url = "${gitlab.url}/"\n  id`, `url = "http://127.0.0.1:18093"\n  clone_url = "${gitlab.url}"\n  id`)
      .replace(prod, own);
    expect(config()).toBe(wanted);
    expect(readFileSync(join(folder, 'config.toml.before-holdpoint'), 'utf8')).toBe(before);
    expect(statSync(join(folder, 'config.toml')).mode & 0o777).toBe(0o640);
    for (const name of ['prod-deployer.token', 'prod-deployer.gateway'])
      expect(statSync(join(folder, 'etc', name)).mode & 0o777).toBe(0o600);
    // It shows the change and never a token, nor what else is secret in that file (T24).
    expect(out).toContain('-  url = "http');
    expect(out).toContain('+  url = "http://127.0.0.1:18093"');
    for (const secret of secrets()) expect(out.includes(secret), secret).toBe(false);
    expect((await runCli(['policy', 'check', 'etc/policy.yaml'], { cwd: folder })).exit).toBe(0);
    expect((await runCli(['policy', 'test', 'etc/policy.test.yaml'], { cwd: folder })).out).toContain(
      '1 case, 0 failed',
    );
  });

  it('says that there is nothing to do when it is run again, and writes nothing', async () => {
    await init([...all, '--yes']);
    const files = () =>
      readdirSync(folder, { recursive: true })
        .sort()
        .map((name) => [name, statSync(join(folder, String(name))).mtimeMs]);
    const before = files();
    expect(await init([...all, '--yes'])).toMatchObject({ exit: 0, out: 'Nothing to do.\n', err: '' });
    expect(await init(['--yes'])).toMatchObject({ exit: 0, out: 'Nothing to do.\n' });
    expect(files()).toEqual(before);
  });

  it('starts an agent whose runner gets its jobs with the gateway token, and only once they are approved', async () => {
    await init([...all.slice(0, -4), '--gateway-listen', '127.0.0.1:0', '--hub-listen', '127.0.0.1:0', '--yes']);
    const agent = await startAgentProcess(join(folder, 'etc/agent.yml'));
    const [entry] = readRunners(config(), 'config.toml');
    const runner = startScriptedRunner({
      url: agent.gatewayUrl,
      token: String(entry?.value.token),
      version: '18.5',
      exec: 'none',
    });
    try {
      const payload = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
      const job = gitlab.enqueue(payload, { runner: prod, user: { id: 9, username: 'zoe', name: 'Zoë' } });
      await gitlab.until('the note in the log', () => gitlab.job(job).trace.includes('holds/1'));
      expect(runner.started).toEqual([]);
      const hub = { HOLDPOINT_HUB_URL: agent.hubUrl };
      const made = await holdpoint(['token', 'create', '--user', 'maria', '--scope', 'read', 'approve', '--json'], {
        ...hub,
        HOLDPOINT_TOKEN: agent.bootstrapToken ?? '',
      });
      const env = { ...hub, HOLDPOINT_TOKEN: (JSON.parse(made.out) as { token: string }).token };
      const shown = JSON.parse((await holdpoint(['holds', 'show', '1', '--json'], env)).out) as { digest: string };
      expect(await holdpoint(['approve', '1', '--digest', shown.digest], env)).toMatchObject({ code: 0 });
      await gitlab.until('success', () => gitlab.job(job).status === 'success');
    } finally {
      await runner.stop();
      await agent.kill('SIGKILL');
    }
  });

  it('writes nothing where nobody can be asked and nobody said yes, and shows all the same what it would do', async () => {
    const before = config();
    const { exit, out, err } = await init(all);
    expect([exit, err]).toEqual([2, expect.stringContaining('nothing was written')]);
    expect(out).toContain('+++ ');
    expect(config()).toBe(before);
    expect(existsSync(join(folder, 'etc'))).toBe(false);
  });

  it('leaves files that are there, and says so', async () => {
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/policy.yaml'), 'rules:\n  - { name: mine, access_level: owner }\n');
    const { exit, out } = await init([...all, '--yes']);
    expect(exit).toBe(0);
    expect(out).toContain('policy.yaml is there: it is left as it is');
    expect(readFileSync(join(folder, 'etc/policy.yaml'), 'utf8')).toContain('mine');
  });

  it('touches no config.toml where a token file of another runner stands in the way', async () => {
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/prod-deployer.token'), 'glrt-another00000000000000', { mode: 0o600 });
    const before = config();
    const { exit, err } = await init([...all, '--yes']);
    expect([exit, err]).toEqual([4, expect.stringContaining('is there, with another token')]);
    expect(err).not.toContain('glrt-another');
    expect(config()).toBe(before);
  });

  it('guards a further runner once agent.yml lists it, and says what is missing before', async () => {
    await init([...all, '--yes']);
    const first = await init(['--runner', 'open', '--yes']);
    expect(first.out).toMatch(/runner "open" is in no runners\[\] entry of .*agent\.yml.*\nNothing to do\./);
    writeFileSync(join(folder, 'etc/open.token'), open, { mode: 0o600 });
    writeFileSync(join(folder, 'etc/open.gateway'), `glrt-${'ab'.repeat(24)}`, { mode: 0o600 });
    const file = join(folder, 'etc/agent.yml');
    writeFileSync(
      file,
      `${readFileSync(file, 'utf8')}  - { name: open, token_file: open.token, gateway_token_file: open.gateway }\n`,
    );
    expect((await init(['--runner', 'open', '--yes'])).exit).toBe(0);
    expect(readRunners(config(), 'c').map(({ value }) => [value.url, value.clone_url])).toEqual([
      ['http://127.0.0.1:18093', gitlab.url],
      ['http://127.0.0.1:18093', gitlab.url],
    ]);
    expect(config()).not.toContain(open);
    expect(existsSync(join(folder, 'config.toml.before-holdpoint-2'))).toBe(true);
  });

  it.each([
    [['--gitlab-url', 'gitlab'], /--gitlab-url: wanted an address/],
    [['--runner', 'nope'], /--runner: "nope" is no runner of .*; wanted of prod deployer, open, or all/],
    [['--approver', 'maria'], /--approver: "maria" is not USERNAME:ID/],
    [['--project', 'acme:1'], /--project: wanted GROUP\/PROJECT:ID/],
    [['--gateway-listen', '1'], /--gateway-listen: wanted host:port/],
    [['--runner-config', 'nowhere.toml'], /--runner-config: there is no/],
  ])('refuses %j with the way out', async (args, expected) => {
    const given = ['--runner', 'open', ...PEOPLE].filter(
      (_, i, list) => list[i] !== args[0] && list[i - 1] !== args[0],
    );
    const { exit, err } = await init([
      ...given.filter((word) => args[0] !== '--approver' || word !== 'jonas:22'),
      ...args,
      '--yes',
    ]);
    expect([exit, err]).toEqual([2, expect.stringMatching(expected)]);
  });
});

describe('holdpoint init, asked on a terminal', () => {
  it('asks what is missing, again where it does not understand, and writes after a yes', async () => {
    const answers: Record<string, string[]> = {
      'Which of them': ['7', '1'],
      'Address of GitLab': [''],
      'Where the runners': ['127.0.0.1:18094'],
      'Who may approve': ['maria', 'maria:21 jonas:22'],
      'Which project': ['acme/payments/api:4242'],
      'Write this': ['y'],
    };
    const { exit, out } = await init([], async (question) => {
      const key = Object.keys(answers).find((each) => question.startsWith(each));
      return answers[key ?? '']?.shift() ?? 'no answer for this question';
    });
    expect(exit).toBe(0);
    expect(out).toContain('"7" is no runner of');
    expect(out).toContain('"maria" is not USERNAME:ID');
    expect(config()).toContain('url = "http://127.0.0.1:18094"');
    expect(Object.values(answers).flat()).toEqual([]);
  });

  it('writes nothing after a no, on a real terminal, with the built command', async () => {
    const before = config();
    const terminal = spawnTerminal(
      process.execPath,
      [
        HOLDPOINT,
        'init',
        '--dir',
        'etc',
        '--runner-config',
        'config.toml',
        '--runner',
        '2',
        ...PEOPLE,
        '--gateway-listen',
        '127.0.0.1:18093',
        '--gitlab-url',
        gitlab.url,
      ],
      {
        cwd: folder,
        cols: 200,
        env: { PATH: process.env.PATH ?? '', TERM: 'xterm' },
      },
    );
    let out = '';
    let answered = false;
    const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
    terminal.onData((text) => {
      out += text;
      if (!answered && out.includes('Write this [no]: ')) {
        answered = true;
        terminal.write('\r');
      }
    });
    expect(await ended, out).toBe(0);
    expect(out).toContain('Nothing was written.');
    for (const secret of secrets()) expect(out.includes(secret), secret).toBe(false);
    expect(config()).toBe(before);
  });
});

describe('lines of config.toml', () => {
  it('are changed in files with CRLF, with tabs and without an end of line, and everything else stays', () => {
    const text = '[[runners]]\r\n\turl = "https://g"\r\n\ttoken = "a"';
    expect(
      editRunners(text, 'c', new Map([[0, { url: 'http://127.0.0.1:8093', clone_url: 'https://g', token: 'b' }]])),
    ).toMatch(
      /^\[\[runners\]\]\r\n\turl = "http:\/\/127\.0\.0\.1:8093"\r\n.clone_url = "https:\/\/g"\r\n\ttoken = "b"$/,
    );
    const last = '[[runners]]\n  url = "https://g"';
    expect(editRunners(last, 'c', new Map([[0, { clone_url: 'https://g' }]]))).toBe(
      '[[runners]]\n  url = "https://g"\n  clone_url = "https://g"\n',
    );
  });

  it('are refused where they are not written as [[runners]], and in what is no TOML', () => {
    const inline = 'runners = [{ url = "https://g", token = "a" }]\n';
    expect(() => editRunners(inline, 'config.toml', new Map([[0, { url: 'http://x' }]]))).toThrow(
      /not written as \[\[runners\]\]; change it by hand/,
    );
    expect(() => readRunners('[[runners]]\ntoken = "glrt-secret0000000000', 'config.toml')).toThrow(
      /^config\.toml: not TOML at line 2/,
    );
  });

  it('of a file that nobody may write are left, with the way out', async () => {
    if (process.getuid?.() === 0) return;
    chmodSync(folder, 0o500);
    const { exit, err } = await init(['--runner', 'open', ...PEOPLE, '--yes']);
    chmodSync(folder, 0o700);
    expect([exit, err]).toEqual([2, expect.stringContaining('run it as root')]);
  });
});
