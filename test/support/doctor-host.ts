import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../agent/src/config/load.ts';
import { policyParts } from '../../agent/src/directories/policy-parts.ts';
import { observe } from '../../agent/src/doctor.ts';
import { examine } from '../../agent/src/domain/doctor/examine.ts';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { createLog } from '../../agent/src/system/log.ts';
import { type RunningAgent, startAgent } from '../../agent/src/wiring.ts';
import { type FakeGitlab, startFakeGitlab } from './fake-gitlab.ts';
import { BOT, PRINCIPALS } from './scene.ts';

/** How policies and payloads are read. */
export const doctorParts = {
  policies: async () => policyParts,
  payloads: async () => ({ readPayload, jwksVerifier }),
};

/** A user for the agent that is neither root nor whoever runs gitlab-runner; as somebody else than root, tests are the agent's user. */
export const AGENT_UID = process.getuid?.() === 0 ? 64_999 : (process.getuid?.() ?? 0);
export const RUNNER_UID = 64_998;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A host as an operator has set it up well: agent, gitlab-runner and their files in a folder, GitLab beside it. Tests spoil it. */
export interface DoctorHost {
  readonly folder: string;
  readonly gitlab: FakeGitlab;
  readonly gatewayPort: number;
  readonly hubPort: number;
  /** GitLab's token of the guarded runner, and the gateway's own for it. */
  readonly realToken: string;
  readonly gatewayToken: string;
  readonly readToken: string;
  /** Path of a file of it, by its place below the folder. */
  at(name: string): string;
  /** Writes a file of it; what lies below `bin` is a program. */
  put(name: string, text: string): void;
  /** Replaces text in a file of it; throws when it is not there, so that no test plants nothing. */
  edit(name: string, from: string | RegExp, to: string): void;
  process(pid: number, what: { uid: number; argv: readonly string[]; env?: readonly string[]; parent?: number }): void;
  startAgent(): Promise<RunningAgent>;
  /** Everything that doctor finds. */
  findings(options?: {
    readonly env?: Record<string, string>;
    readonly token?: string;
    readonly now?: () => number;
  }): Promise<readonly Finding[]>;
  close(): Promise<void>;
}

/** Gives every file below a folder to the user of the agent. */
function giveAway(path: string): void {
  if (process.getuid?.() !== 0) return;
  chownSync(path, AGENT_UID, AGENT_UID);
  for (const entry of readdirSync(path, { withFileTypes: true, recursive: true }))
    chownSync(join(entry.parentPath, entry.name), AGENT_UID, AGENT_UID);
}

export async function openDoctorHost(): Promise<DoctorHost> {
  const gitlab = await startFakeGitlab();
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-doctor-'));
  // The user of the agent goes through it to what is its own.
  chmodSync(folder, 0o711);
  const [gatewayPort, hubPort] = [await freePort(), await freePort()];
  const realToken = gitlab.runnerToken('prod-deployer-01');
  const gatewayToken = `glrt-${'0a1b2c'.repeat(8)}`;
  const readToken = gitlab.personToken(BOT, { may: ['read'] });
  const id = gitlab.describeRunner(realToken, { tags: ['deploy', 'prod'], projects: [4242] });
  const at = (name: string) => join(folder, name);
  const put = (name: string, text: string, mode = 0o600) => {
    mkdirSync(join(folder, name, '..'), { recursive: true, mode: 0o700 });
    writeFileSync(at(name), text, { mode });
  };
  put(
    'agent/agent.yml',
    `gitlab: { url: ${gitlab.url}, token_file: read.token }
gateway: { listen: 127.0.0.1:${gatewayPort} }
hub: { listen: 127.0.0.1:${hubPort} }
state_dir: ${at('state')}
principals: principals.yaml
policy: policy.yaml
runners:
  - { name: prod-deployer-01, token_file: prod.token, gateway_token_file: prod.gateway, protected: true }
`,
  );
  put('agent/read.token', readToken);
  put('agent/prod.token', realToken);
  put('agent/prod.gateway', gatewayToken);
  put('agent/principals.yaml', PRINCIPALS);
  put('agent/policy.yaml', 'rules:\n  - { name: maintainers, access_level: maintainer }\n');
  put(
    'agent/policy.test.yaml',
    `cases:
  - name: a colleague
    job: { project: acme/payments/api, triggered_by: zoe, authors: [zoe] }
    votes: [{ by: maria }]
    expect: { outcome: approved }
`,
  );
  put(
    'etc/gitlab-runner/config.toml',
    `concurrent = 4
[[runners]]
  name = "prod"
  url = "http://127.0.0.1:${gatewayPort}"
  clone_url = "${gitlab.url}"
  id = ${id}
  token = "${gatewayToken}"
  executor = "docker"
  [runners.docker]
    image = "alpine"
    network_mode = "host"
    volumes = ["/cache"]
`,
  );
  put(
    'etc/passwd',
    `root:x:0:0::/root:/bin/sh
holdpoint:x:${AGENT_UID}:${AGENT_UID}::/var/lib/holdpoint:/usr/sbin/nologin
gitlab-runner:x:${RUNNER_UID}:${RUNNER_UID}::/home/gitlab-runner:/bin/sh
ada:x:1000:1000::/home/ada:/bin/sh
`,
  );
  put('etc/group', `root:x:0:\nsudo:x:27:ada\ndocker:x:990:\nholdpoint:x:${AGENT_UID}:\n`);
  put(
    'etc/sudoers',
    'Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n',
  );
  mkdirSync(at('state'), { mode: 0o700 });
  giveAway(at('agent'));
  giveAway(at('state'));

  let agent: RunningAgent | null = null;
  const host: DoctorHost = {
    folder,
    gitlab,
    gatewayPort,
    hubPort,
    realToken,
    gatewayToken,
    readToken,
    at,
    put: (name, text) => put(name, text, name.startsWith('bin/') ? 0o755 : 0o600),
    edit(name, from, to) {
      const text = readFileSync(at(name), 'utf8');
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${name} has no ${from}`);
      writeFileSync(at(name), changed);
    },
    process(pid, { uid, argv, env = [], parent = 1 }) {
      const of = join(folder, 'proc', String(pid));
      mkdirSync(of, { recursive: true });
      writeFileSync(join(of, 'status'), `Name:\tx\nPPid:\t${parent}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
      writeFileSync(join(of, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
      writeFileSync(join(of, 'environ'), env.map((line) => `${line}\0`).join(''));
      symlinkSync('/', join(of, 'root'));
      symlinkSync('/', join(of, 'cwd'));
    },
    async startAgent() {
      const config = loadConfig({ flags: { config: at('agent/agent.yml') }, env: {}, cwd: folder });
      const log = createLog({ level: 'error', format: 'text', write: () => {} });
      agent = await startAgent(config, { log, clock: createClock(), examine: false });
      giveAway(at('state'));
      return agent;
    },
    async findings({ env = {}, token, now = Date.now } = {}) {
      return examine(
        await observe({
          of: { sources: { flags: { config: at('agent/agent.yml') }, env, cwd: folder } },
          runnerConfigs: [],
          hub: () => ({ url: `http://127.0.0.1:${hubPort}`, token: token ?? null }),
          parts: doctorParts,
          now,
          roots: {
            proc: at('proc'),
            etc: at('etc'),
            home: at('home'),
            path: `${at('bin')}:/usr/local/bin:/usr/bin:/bin`,
          },
        }),
      );
    },
    async close() {
      await agent?.stop();
      await gitlab.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  host.process(1, { uid: 0, argv: ['/sbin/init'] });
  host.process(500, {
    uid: 0,
    argv: ['/usr/bin/gitlab-runner', 'run', '--config', at('etc/gitlab-runner/config.toml'), '--user', 'gitlab-runner'],
  });
  host.process(600, { uid: AGENT_UID, argv: ['/usr/bin/node', '/usr/bin/holdpoint', 'agent'] });
  return host;
}
