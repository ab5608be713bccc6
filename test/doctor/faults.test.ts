import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHECKS } from '../../agent/src/domain/doctor/examine.ts';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { AGENT_UID, type DoctorHost, openDoctorHost, RUNNER_UID } from '../support/doctor-host.ts';
import { ROOT } from '../support/source-files.ts';

const pem = (name: string): string => readFileSync(join(ROOT, 'test/fixtures/tls', `${name}.pem`), 'utf8');

let host: DoctorHost;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  host = await openDoctorHost();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await host.close();
});

/** Depends on the machine that the tests run on; tried with made-up figures in test/unit/doctor.test.ts. */
const OF_THIS_MACHINE = ['disk', 'sync'];
const bad = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ check, status }) => (status === 'warn' || status === 'fail') && !OF_THIS_MACHINE.includes(check));

/** A server in GitLab's place; its port. */
async function instead(server: ReturnType<typeof createHttpServer>, address = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
const toml = 'etc/gitlab-runner/config.toml';
/** GitLab's address in agent.yml and in config.toml, changed. */
function moveGitlab(url: string): void {
  host.edit('agent/agent.yml', host.gitlab.url, url);
  host.edit(toml, host.gitlab.url, url);
}
const tls = async (cert: string, address = '127.0.0.1'): Promise<void> => {
  const port = await instead(
    createTlsServer({ cert, key: pem('key') }, (_, res) => res.writeHead(401).end('{"message":"401"}')),
    address,
  );
  moveGitlab(`https://${address}:${port}`);
};
const secondRunner = (more: string): string => `\n[[runners]]\n  name = "second"\n${more}`;

interface Fault {
  readonly what: string;
  /** What is spoilt; a promise is waited for. */
  plant(): unknown;
  readonly check: string;
  readonly status: 'fail' | 'warn';
  readonly says: RegExp;
  readonly mend: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'T26: a runner that asks GitLab itself',
    plant: () => host.edit(toml, /url = "http:\/\/127[^"]*"/, `url = "${host.gitlab.url}"`),
    check: 'runner_address',
    status: 'fail',
    says: /runner "prod" in .* past the gateway: its jobs run unapproved/,
    mend: /set url = "http:\/\/127\.0\.0\.1:\d+"/,
  },
  {
    what: 'T39: a gitlab-runner that was started for GitLab itself',
    plant: () =>
      host.process(501, { uid: RUNNER_UID, argv: ['gitlab-runner', 'run-single', '--url', host.gitlab.url] }),
    check: 'runner_process',
    status: 'fail',
    says: /process 501, was started for .* past the gateway/,
    mend: /stop it/,
  },
  {
    what: 'T26: a second gitlab-runner with another file',
    plant() {
      writeFileSync(
        host.at('other.toml'),
        `[[runners]]\n  name = "stray"\n  url = "${host.gitlab.url}"\n  token = "glrt-strayt0ken9999999999"\n  executor = "docker"\n`,
        { mode: 0o600 },
      );
      host.process(501, {
        uid: 0,
        argv: ['gitlab-runner', 'run', `--config=${host.at('other.toml')}`, '--user=gitlab-runner'],
      });
    },
    check: 'runner_address',
    status: 'fail',
    says: /runner "stray" in .*other\.toml asks .* past the gateway/,
    mend: /set url/,
  },
  {
    what: 'T39: the job router switched on in config.toml',
    plant: () =>
      host.edit(toml, 'executor = "docker"', 'executor = "docker"\n  environment = ["FF_USE_JOB_ROUTER=true"]'),
    check: 'job_router',
    status: 'warn',
    says: /runner "prod" .* has FF_USE_JOB_ROUTER on/,
    mend: /take FF_USE_JOB_ROUTER out/,
  },
  {
    what: 'T39: the job router switched on in the environment of the runner',
    plant: () =>
      host.process(502, {
        uid: 0,
        argv: ['gitlab-runner', 'run', '--config', host.at(toml), '--user', 'gitlab-runner'],
        env: ['PATH=/bin', 'FF_USE_JOB_ROUTER=1'],
      }),
    check: 'job_router',
    status: 'warn',
    says: /process 502, has FF_USE_JOB_ROUTER/,
    mend: /unit of gitlab-runner/,
  },
  {
    what: 'T25: the real token in config.toml, though the runner has one of this gateway',
    plant: () => host.edit(toml, host.gatewayToken, host.realToken),
    check: 'runner_token',
    status: 'fail',
    says: /the gateway refuses it/,
    mend: /token of gateway_token_file/,
  },
  {
    what: 'T25: a copy of config.toml with the real token',
    plant: () =>
      writeFileSync(host.at(`${toml}.before-holdpoint`), `[[runners]]\n  token = "${host.realToken}"\n`, {
        mode: 0o600,
      }),
    check: 'runner_token',
    status: 'warn',
    says: /before-holdpoint is a copy of config.toml with a real token/,
    mend: /delete it/,
  },
  {
    what: 'T26: another runner of the project with the same tags',
    plant() {
      const other = host.gitlab.runnerToken('open-07');
      host.gitlab.describeRunner(other, { tags: ['prod', 'deploy', 'linux'], projects: [4242] });
    },
    check: 'same_tags',
    status: 'fail',
    says: /jobs for "prod" can run on open-07 \(\d+\) as well/,
    mend: /put a gateway before them/,
  },
  {
    what: 'T26: another runner that shares one tag',
    plant() {
      const other = host.gitlab.runnerToken('open-07');
      host.gitlab.describeRunner(other, { tags: ['deploy'], projects: [4242] });
    },
    check: 'same_tags',
    status: 'warn',
    says: /"prod" shares tags with open-07/,
    mend: /a tag that no other has/,
  },
  {
    what: 'T26: another runner whose tags GitLab does not show',
    plant() {
      const other = host.gitlab.runnerToken('open-07');
      host.gitlab.describeRunner(other, { tags: ['deploy'], projects: [4242], isHidden: true });
    },
    check: 'same_tags',
    status: 'warn',
    says: /1 runners .* do not show their tags/,
    mend: /maintainer/,
  },
  {
    what: 'clone_url that is the gateway',
    plant: () => host.edit(toml, /clone_url = "[^"]*"/, `clone_url = "http://127.0.0.1:${host.gatewayPort}"`),
    check: 'clone_url',
    status: 'fail',
    says: /serves no git/,
    mend: /set clone_url = "http/,
  },
  {
    what: 'no clone_url',
    plant: () => host.edit(toml, /\n.*clone_url = "[^"]*"/, ''),
    check: 'clone_url',
    status: 'warn',
    says: /no clone_url/,
    mend: /set clone_url/,
  },
  {
    what: 'containers that are told 127.0.0.1',
    plant: () => host.edit(toml, 'network_mode = "host"', 'network_mode = "bridge"'),
    check: 'job_network',
    status: 'fail',
    says: /its containers are told 127\.0\.0\.1, which is the container itself/,
    mend: /host-gateway/,
  },
  {
    what: 'jobs in a cluster that are told 127.0.0.1',
    plant: () => host.edit(toml, 'executor = "docker"', 'executor = "kubernetes"'),
    check: 'job_network',
    status: 'fail',
    says: /executor "kubernetes" run elsewhere/,
    mend: /over TLS/,
  },
  {
    what: 'T25: privileged containers',
    plant: () => host.edit(toml, 'image = "alpine"', 'image = "alpine"\n    privileged = true'),
    check: 'executors',
    status: 'fail',
    says: /privileged containers are root/,
    mend: /privileged = false/,
  },
  {
    what: 'T25: the docker socket in containers',
    plant: () => host.edit(toml, '"/cache"', '"/cache", "/var/run/docker.sock:/var/run/docker.sock"'),
    check: 'executors',
    status: 'fail',
    says: /its containers see \/var\/run\/docker\.sock/,
    mend: /out of volumes/,
  },
  {
    what: 'T25: the state of the agent in containers',
    plant: () => host.edit(toml, '"/cache"', `"/cache", "${host.folder}:/all:ro"`),
    check: 'executors',
    status: 'fail',
    says: /its containers see .*holdpoint-doctor-/,
    mend: /out of volumes/,
  },
  {
    what: 'T25: a shell executor of root',
    plant() {
      host.edit(toml, 'executor = "docker"', 'executor = "shell"');
      host.process(503, { uid: 0, argv: ['gitlab-runner', 'run', '-c', host.at(toml)] });
    },
    check: 'executors',
    status: 'fail',
    says: /gitlab-runner runs as root and without --user/,
    mend: /--user gitlab-runner/,
  },
  {
    what: 'T25: a runner that is not gated beside the agent',
    plant() {
      writeFileSync(host.at('agent/open.token'), 'glrt-openrunner0000000000', { mode: 0o600 });
      host.edit('agent/agent.yml', /$/, '  - { name: open-01, token_file: open.token, protected: false }\n');
      host.edit(
        toml,
        /$/,
        secondRunner(`  url = "${host.gitlab.url}"\n  token = "glrt-openrunner0000000000"\n  executor = "docker"\n`),
      );
    },
    check: 'executors',
    status: 'warn',
    says: /runner "second" .* is not gated, and runs beside the agent/,
    mend: /another host/,
  },
  {
    what: "T25: gitlab-runner as the agent's user",
    plant: () => host.process(504, { uid: AGENT_UID, argv: ['gitlab-runner', 'run', '--config', host.at(toml)] }),
    check: 'same_user',
    status: 'fail',
    says: /process 504, runs as holdpoint, the user of the agent/,
    mend: /a user of its own/,
  },
  {
    what: "T25: jobs as the agent's user",
    plant: () =>
      host.process(505, { uid: 0, argv: ['gitlab-runner', 'run', '--config', host.at(toml), '--user', 'holdpoint'] }),
    check: 'same_user',
    status: 'fail',
    says: /runs jobs as holdpoint/,
    mend: /a user of its own/,
  },
  {
    what: "T25: another program as the agent's user",
    plant: () => host.process(700, { uid: AGENT_UID, argv: ['/usr/bin/python3', 'x.py'] }),
    check: 'same_user',
    status: 'warn',
    says: /other processes run as holdpoint: python3 \(700\)/,
    mend: /run as somebody else/,
  },
  {
    what: 'T25: the user of the jobs in the group docker',
    plant: () => host.edit('etc/group', 'docker:x:990:', 'docker:x:990:gitlab-runner'),
    check: 'root_ways',
    status: 'fail',
    says: /gitlab-runner, whom jobs run as, is in the group docker/,
    mend: /gpasswd -d gitlab-runner docker/,
  },
  {
    what: 'T25: sudo for the user of the jobs, through an alias',
    plant: () =>
      host.edit(
        'etc/sudoers',
        /$/,
        'User_Alias CI = gitlab-runner, \\\n  deployer\nCI ALL=(root) NOPASSWD: /usr/bin/systemctl\n',
      ),
    check: 'root_ways',
    status: 'fail',
    says: /gitlab-runner, whom jobs run as, may use sudo/,
    mend: /sudoers/,
  },
  {
    what: 'T25: a token file that others can read',
    plant: () => chmodSync(host.at('agent/prod.token'), 0o644),
    check: 'secret_files',
    status: 'fail',
    says: /token of runner prod-deployer-01 .* has mode 0644/,
    mend: /chmod 600/,
  },
  {
    what: 'T20: a list of people that others can change',
    plant: () => chmodSync(host.at('agent/principals.yaml'), 0o666),
    check: 'secret_files',
    status: 'fail',
    says: /the list of people .* others on this host can change it/,
    mend: /chmod go-w/,
  },
  {
    what: 'T20: a folder in which others can exchange the policy',
    plant: () => chmodSync(host.at('agent'), 0o777),
    check: 'secret_files',
    status: 'fail',
    says: /others can exchange .*policy\.yaml/,
    mend: /chmod go-w/,
  },
  {
    what: 'T25: a state folder that others can look into',
    plant: () => chmodSync(host.at('state'), 0o755),
    check: 'state_dir',
    status: 'fail',
    says: /mode 0755/,
    mend: /chmod 700/,
  },
  {
    what: 'a clock that is off',
    plant: () => host.gitlab.clock.advance(5 * 60_000),
    check: 'clock',
    status: 'fail',
    says: /GitLab is (299|300|301) s ahead of this host/,
    mend: /chrony/,
  },
  {
    what: 'a GitLab that is away',
    plant: () => moveGitlab('http://127.0.0.1:9'),
    check: 'gitlab',
    status: 'fail',
    says: /cannot be reached \(ECONNREFUSED\)/,
    mend: /gitlab\.url/,
  },
  {
    what: 'a certificate of an unknown authority',
    plant: () => tls(pem('cert')),
    check: 'gitlab',
    status: 'fail',
    says: /an authority that this host does not know/,
    mend: /gitlab\.ca/,
  },
  {
    what: 'a certificate for another name',
    async plant() {
      writeFileSync(host.at('agent/ca.pem'), pem('cert'));
      host.edit('agent/agent.yml', 'gitlab: { ', 'gitlab: { ca: ca.pem, ');
      await tls(pem('cert'), '127.0.0.2');
    },
    check: 'gitlab',
    status: 'fail',
    says: /its certificate is for another name/,
    mend: /a name that stands in the certificate/,
  },
  {
    what: 'a certificate that has expired',
    async plant() {
      writeFileSync(host.at('agent/ca.pem'), pem('expired'));
      host.edit('agent/agent.yml', 'gitlab: { ', 'gitlab: { ca: ca.pem, ');
      await tls(pem('expired'));
    },
    check: 'gitlab',
    status: 'fail',
    says: /has expired/,
    mend: /renew/,
  },
  {
    what: 'T47: an address that sends elsewhere',
    async plant() {
      const port = await instead(
        createHttpServer((req, res) => res.writeHead(301, { Location: `https://gitlab.example.com${req.url}` }).end()),
      );
      moveGitlab(`http://127.0.0.1:${port}`);
    },
    check: 'gitlab',
    status: 'fail',
    says: /sends elsewhere, to https:\/\/gitlab\.example\.com: a runner that followed would hand its token/,
    mend: /the address that GitLab itself has/,
  },
  {
    what: 'a token that GitLab does not take',
    plant: () => host.gitlab.revokePersonToken(host.readToken),
    check: 'gitlab',
    status: 'warn',
    says: /does not take the token of gitlab\.token_file/,
    mend: /scope read_api/,
  },
  {
    what: 'a policy with a mistake',
    plant: () => host.edit('agent/policy.yaml', 'access_level: maintainer', 'access_level: boss'),
    check: 'policy',
    status: 'fail',
    says: /policy\.yaml/,
    mend: /policy check/,
  },
  {
    what: 'a policy that does not do what its cases want',
    plant: () => host.edit('agent/policy.test.yaml', 'outcome: approved', 'outcome: waiting'),
    check: 'policy_tests',
    status: 'fail',
    says: /not as wanted: a colleague/,
    mend: /policy test/,
  },
  {
    what: 'an agent.yml with a mistake',
    plant: () => host.edit('agent/agent.yml', 'state_dir:', 'stat_dir:'),
    check: 'configuration',
    status: 'fail',
    says: /stat_dir: unknown key; did you mean "state_dir"/,
    mend: /holdpoint config/,
  },
];

describe('doctor, on a host where all is well', () => {
  it('finds nothing to mend and nothing to look at, and leaves no check out', async () => {
    const agent = await host.startAgent();
    const findings = await host.findings();
    expect(bad(findings)).toEqual([]);
    expect(new Set(findings.map(({ check }) => check))).toEqual(new Set(CHECKS.map(({ id }) => id)));
    expect(findings.filter(({ status, check }) => status === 'skipped' && check !== 'hub')).toEqual([]);
    // The list of agents is for whoever has a token, and is said to be.
    expect(findings.find(({ check, status }) => check === 'hub' && status === 'skipped')?.message).toMatch(
      /needs a token/,
    );
    const { bootstrapToken } = agent;
    expect(bootstrapToken).not.toBeNull();
  });

  it('says where it sees nothing, why, and how to let it', async () => {
    const skipped = (await host.findings()).filter(({ status }) => status === 'skipped');
    expect(skipped.map(({ check }) => check).sort()).toEqual(['hub', 'version']);
    for (const { message, mend } of skipped)
      expect([message, mend].join(' ')).toMatch(/nothing answers as a hub at .* start the agent/);
  });
});

describe('doctor finds what is planted', () => {
  it.each(FAULTS.map((fault) => [fault.what, fault] as const))('%s', async (_, fault) => {
    await fault.plant();
    const found = (await host.findings()).filter(({ check }) => check === fault.check);
    const fits = found.filter(({ status, message }) => status === fault.status && fault.says.test(message));
    expect(fits, JSON.stringify(found, null, 1)).not.toEqual([]);
    expect(fits[0]?.mend).toMatch(fault.mend);
  });

  it('a clean host has none of it, so that each was found because it was planted', async () => {
    await host.startAgent();
    const findings = await host.findings();
    for (const { check, status, says } of FAULTS)
      expect(findings.filter((one) => one.check === check && one.status === status && says.test(one.message))).toEqual(
        [],
      );
  });

  it('and writes no token and no password of any file into what it says (T24)', async () => {
    host.edit(toml, 'executor = "docker"', 'executor = "docker"\n  environment = ["DB_PASSWORD=hunter2hunter2"]');
    host.edit(toml, /url = "http:\/\/127[^"]*"/, 'url = "https://user:pa55word@gitlab.example.com"');
    host.edit(toml, /clone_url = "[^"]*"/, 'clone_url = "https://user:pa55word@other.example.com"');
    host.edit(toml, host.gatewayToken, host.realToken);
    const text = JSON.stringify(await host.findings());
    for (const secret of [host.realToken, host.gatewayToken, host.readToken, 'hunter2hunter2', 'pa55word'])
      expect(text.includes(secret), secret).toBe(false);
    expect(text).toContain('gitlab.example.com');
  });
});

describe('doctor, with the agent away or in disguise', () => {
  it('says that the gateway does not answer', async () => {
    const [gateway] = (await host.findings()).filter(({ check }) => check === 'gateway');
    expect(gateway).toMatchObject({ status: 'warn', message: expect.stringContaining('the agent does not run') });
  });

  it('tells something else on its port from the gateway', async () => {
    const other = createHttpServer((_, res) => res.writeHead(200).end('hello'));
    await new Promise<void>((resolve) => other.listen(host.gatewayPort, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => other.close(resolve)));
    const [gateway] = (await host.findings()).filter(({ check }) => check === 'gateway');
    expect(gateway).toMatchObject({ status: 'fail', message: expect.stringContaining('something else') });
  });
});
