import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DoctorHost, openDoctorHost, RUNNER_UID } from '../support/doctor-host.ts';

const toml = 'etc/gitlab-runner/config.toml';
let host: DoctorHost;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  host = await openDoctorHost();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await host.close();
});

/** The runner with `holdpoint executor` instead of its own, by the page. */
function custom(executor: string, gracefulKillS = 30): void {
  const calls = ['config', 'prepare', 'run', 'cleanup'].map(
    (verb) => `    ${verb}_exec = "/usr/bin/holdpoint"\n    ${verb}_args = ["executor", "${verb}"]\n`,
  );
  host.edit(toml, 'executor = "docker"', 'executor = "custom"');
  host.edit(
    toml,
    '  [runners.docker]',
    `  [runners.custom]\n${calls.join('')}    graceful_kill_timeout = ${gracefulKillS}\n  [runners.docker]`,
  );
  host.edit(
    'agent/agent.yml',
    'policy: policy.yaml',
    `policy: policy.yaml\nreceipts: { socket: ${host.at('receipts.sock')} }`,
  );
  host.put('etc/holdpoint/executor.yml', executor);
}
const executorFile = (more: string): string => `receipt_socket: ${host.at('receipts.sock')}\n${more}`;
/** An engine that answers, and has no image. */
async function engine(): Promise<void> {
  const server = createServer((req, res) => {
    const isPing = req.url?.endsWith('/_ping') === true;
    res.writeHead(isPing ? 200 : 404, { 'content-type': 'application/json' }).end(isPing ? 'OK' : '{"message":"none"}');
  });
  await new Promise<void>((resolve) => server.listen(host.at('engine.sock'), resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
}
const dockerFile = (more: string): string =>
  executorFile(`driver: docker\ndocker:\n  socket: ${host.at('engine.sock')}\n${more}`);

interface Fault {
  readonly what: string;
  /** What is spoilt; a promise is waited for. */
  plant(): unknown;
  readonly check: string;
  readonly status: 'fail' | 'warn';
  readonly says: RegExp;
  readonly mend: RegExp;
}

/** The driver pty with these lines, for users that this host has beside its own. */
function pty(users: string, more = '', home = '/nonexistent'): void {
  custom(executorFile(`driver: pty\npty:\n  users: ${users}\n${more}`));
  host.put('bin/getent', `#!/bin/sh\n[ "$2" = ci-job-1 ] && echo "ci-job-1:x:700009:700009::${home}:/bin/sh"\n`);
  const path = process.env.PATH;
  process.env.PATH = `${host.at('bin')}:${path}`;
  closing.push(async () => {
    process.env.PATH = path;
  });
}

const FAULTS: readonly Fault[] = [
  {
    what: 'no git, where the policy has covered_files',
    plant() {
      host.put('bin/git', '#!/bin/sh\nexit 127\n');
      host.edit('agent/policy.yaml', 'rules:', 'covered_files: [deploy.sh]\nrules:');
    },
    check: 'git',
    status: 'fail',
    says: /git is not installed on this host, and the policy has covered_files/,
    mend: /install git 2\.39/,
  },
  {
    what: 'a git that is too old for covered_files of one project',
    plant() {
      host.put('bin/git', '#!/bin/sh\necho git version 2.30.2\n');
      host.edit(
        'agent/policy.yaml',
        'rules:',
        'configurations: [{ name: a, match: { projects: [acme/*] }, covered_files: [deploy.sh] }]\nrules:',
      );
    },
    check: 'git',
    status: 'fail',
    says: /git 2\.30\.2 is too old, wanted 2\.39/,
    mend: /install git 2\.39/,
  },
  {
    what: 'T25: a graceful_kill_timeout that is shorter than what the executor takes to end a job',
    plant: () => custom(executorFile('driver: pty\npty: { users: nobody }\n'), 10),
    check: 'executor_settings',
    status: 'fail',
    says: /graceful_kill_timeout = 10 is not longer than grace of .*executor\.yml \(10 s\)/,
    mend: /set graceful_kill_timeout = 30/,
  },
  {
    what: 'an executor.yml with a mistake',
    plant: () => custom(executorFile('driver: podman\n')),
    check: 'executor_settings',
    status: 'fail',
    says: /executor\.yml:2:\d+: driver: .*so every job is refused/,
    mend: /mend .*executor\.yml/,
  },
  {
    what: 'an executor that asks for receipts elsewhere',
    plant: () => custom('driver: pty\npty: { users: nobody }\n'),
    check: 'executor_settings',
    status: 'fail',
    says: /asks at \/run\/holdpoint\/receipts\.sock, and the agent answers at .*receipts\.sock: every job is refused/,
    mend: /set receipt_socket/,
  },
  {
    what: 'T39: an executor that asks nobody',
    plant: () => custom('driver: pty\npty: { users: nobody }\nreceipts: off\n'),
    check: 'executor_settings',
    status: 'warn',
    says: /receipts are off/,
    mend: /take "receipts: off" out/,
  },
  {
    what: 'an executor for a runner of another name',
    plant: () => custom(executorFile('driver: pty\npty: { users: nobody }\nrunner: prod\n')),
    check: 'executor_settings',
    status: 'fail',
    says: /is for runner "prod", and agent\.yml calls this one "prod-deployer-01"/,
    mend: /set runner: prod-deployer-01/,
  },
  {
    what: 'no container engine',
    plant: () => custom(dockerFile('')),
    check: 'executor_settings',
    status: 'fail',
    says: /no container engine answers at docker\.socket .*engine\.sock \(ENOENT\)/,
    mend: /start the engine/,
  },
  {
    what: 'an image that is not there and may not be fetched',
    async plant() {
      await engine();
      custom(dockerFile('  pull: never\n  helper_image: gitlab/gitlab-runner:v17.11.0\n'));
    },
    check: 'executor_settings',
    status: 'fail',
    says: /gitlab\/gitlab-runner:v17\.11\.0 is not on this host, and docker\.pull is never/,
    mend: /load it into the engine/,
  },
  {
    what: 'a helper’s image that the first job waits for',
    async plant() {
      await engine();
      custom(dockerFile('  helper_image: gitlab/gitlab-runner:v17.11.0\n'));
    },
    check: 'executor_settings',
    status: 'warn',
    says: /is not on this host: the first job waits until it is fetched/,
    mend: /fetch it now/,
  },
  {
    what: 'a user of jobs that nobody has made',
    plant: () => pty('ci-job-1 ci-job-2'),
    check: 'executor_settings',
    status: 'fail',
    says: /jobs are refused: pty\.users names the user ci-job-2, which this host does not have/,
    mend: /do as it says/,
  },
  {
    what: 'T25: a user whose home the next job would find again',
    plant: () => pty('ci-job-1', '', '/tmp/ci-job-1'),
    check: 'executor_settings',
    status: 'fail',
    says: /jobs are refused: pty\.users names ci-job-1, whose home \/tmp\/ci-job-1 it can write/,
    mend: /do as it says/,
  },
  {
    what: 'a gitlab-runner that is not root, and can make jobs nobody else',
    plant() {
      pty('ci-job-1');
      host.edit('proc/500/status', /Uid:.*/, `Uid:${`\t${RUNNER_UID}`.repeat(4)}`);
    },
    check: 'executor_settings',
    status: 'fail',
    says: new RegExp(
      `names ci-job-1, and only root can run something as another user: gitlab-runner here is user ${RUNNER_UID}`,
    ),
    mend: /do as it says/,
  },
  {
    what: 'a limit that nothing holds',
    plant: () => pty('ci-job-1', '  memory: 2g\n  limits: ulimits\n'),
    check: 'executor_settings',
    status: 'fail',
    says: /jobs are refused: pty\.memory cannot be held on this host/,
    mend: /do as it says/,
  },
  {
    what: 'T25: jobs that run as root, because somebody has said so',
    plant: () => pty('0:0', '  trust: jobs-may-do-what-that-user-may\n'),
    check: 'executor_settings',
    status: 'warn',
    says: /pty\.trust lets jobs run as 0:0: they can read the keys/,
    mend: /name users that are nobody else/,
  },
];

describe('doctor, on a host whose runner has holdpoint executor', () => {
  it('finds nothing to mend where executor.yml fits agent, runner and engine, and no git where nobody needs it', async () => {
    await engine();
    custom(`runner: prod-deployer-01\n${dockerFile('')}`);
    host.put('bin/git', '#!/bin/sh\nexit 127\n');
    const found = (await host.findings()).filter(({ check }) => ['executor_settings', 'git'].includes(check));
    expect(found.map(({ status, message }) => [status, message])).toEqual([
      ['ok', expect.stringMatching(/executor\.yml fits agent and runner \(driver docker\)$/)],
      ['ok', 'git is not installed on this host; no policy here has covered_files'],
    ]);
  });

  it('finds nothing to mend with the driver pty, where its users are nobody else, and makes nothing to find that out', async () => {
    pty('ci-job-1 700010:700010');
    const found = (await host.findings()).filter(({ check }) => check === 'executor_settings');
    expect(found.map(({ status, message }) => [status, message])).toEqual([
      ['ok', expect.stringMatching(/executor\.yml fits agent and runner \(driver pty\)$/)],
    ]);
  });

  it.each(FAULTS.map((fault) => [fault.what, fault] as const))('finds %s', async (_, fault) => {
    await fault.plant();
    const found = (await host.findings()).filter(({ check }) => check === fault.check);
    const fits = found.filter(({ status, message }) => status === fault.status && fault.says.test(message));
    expect(fits, JSON.stringify(found, null, 1)).not.toEqual([]);
    expect(fits[0]?.mend).toMatch(fault.mend);
  });
});
