import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadHubConfig } from '../../agent/src/config/load.ts';
import { observe } from '../../agent/src/doctor.ts';
import { examine } from '../../agent/src/domain/doctor/examine.ts';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { createLog } from '../../agent/src/system/log.ts';
import { startHub } from '../../agent/src/wiring-hub.ts';
import { AGENT_UID, doctorParts } from './doctor-host.ts';
import { type FakeGitlab, startFakeGitlab } from './fake-gitlab.ts';
import { freePort } from './free-port.ts';
import { startProvider, type TestProvider } from './identity-provider.ts';
import { type MailServer, type Receiver, startMailServer, startReceiver } from './receivers.ts';
import { BOT, PRINCIPALS } from './scene.ts';

/** The user of the hub: as somebody else than root, tests are it. */
export const HUB_UID = AGENT_UID;
const OTHER_UID = 64_998;
const MAIL_PASSWORD = 'mail-pa55word';

/** A host as an operator has set it up for a hub by itself, with whom it speaks. Tests spoil it. */
export interface DoctorHubHost {
  readonly folder: string;
  readonly url: string;
  /** Everything that nobody may read in what doctor says. */
  readonly secrets: readonly string[];
  readonly provider: TestProvider;
  readonly receiver: Receiver;
  readonly mail: MailServer;
  readonly gitlab: FakeGitlab;
  /** Path of a file of it, by its place below the folder. */
  at(name: string): string;
  /** Replaces text in a file of it; throws when it is not there, so that no test plants nothing. */
  edit(name: string, from: string | RegExp, to: string): void;
  put(name: string, text: string, mode?: number): void;
  process(pid: number, uid: number, argv: readonly string[]): void;
  /** The hub itself, by its own hub.yml; what it makes belongs to its user. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Everything that doctor finds; nothing tells it that this is a hub but its files. */
  findings(options?: { readonly now?: () => number; readonly token?: string }): Promise<readonly Finding[]>;
  close(): Promise<void>;
}

export async function openDoctorHubHost(): Promise<DoctorHubHost> {
  const gitlab = await startFakeGitlab();
  const provider = await startProvider({ 1: { username: 'maria' } });
  const receiver = await startReceiver();
  const mail = await startMailServer({ user: 'holdpoint', password: MAIL_PASSWORD });
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-doctor-hub-'));
  // The user of the hub goes through it to what is its own.
  chmodSync(folder, 0o711);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  provider.register([`${url}/auth/callback`]);
  const at = (name: string) => join(folder, name);
  const own = (path: string) => process.getuid?.() === 0 && chownSync(path, HUB_UID, HUB_UID);
  const put = (name: string, text: string, mode = 0o600) => {
    mkdirSync(join(folder, name, '..'), { recursive: true, mode: 0o755 });
    writeFileSync(at(name), text, { mode });
    chmodSync(at(name), mode);
  };
  const secrets = {
    'client.secret': 'a-secret-of-the-tests',
    'mail.password': MAIL_PASSWORD,
    'pager.secret': `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    'team.url': `${receiver.url}/hooks/t0psecret`,
    'read.token': gitlab.personToken(BOT, { may: ['read'] }),
  };
  put(
    'etc/holdpoint/hub.yml',
    `gitlab: { url: ${gitlab.url}, token_file: credential:read.token }
listen: 127.0.0.1:${port}
external_url: ${url}
state_dir: ${at('state')}
principals: principals.yaml
policy: policy.yaml
oidc: { issuer: ${provider.issuer}, client_id: holdpoint, user_claim: sub, client_secret_file: credential:client.secret }
notify:
  - { name: mail, kind: email, host: 127.0.0.1, port: ${mail.port}, security: none, from: h@example.com, username: holdpoint, password_file: credential:mail.password }
  - { name: pager, kind: webhook, url: ${receiver.url}/pager, secret_file: credential:pager.secret }
  - { name: team, kind: mattermost, url_file: credential:team.url }
`,
    0o644,
  );
  put('etc/holdpoint/principals.yaml', PRINCIPALS, 0o644);
  put('etc/holdpoint/policy.yaml', 'rules:\n  - { name: maintainers, access_level: maintainer }\n', 0o644);
  put(
    'etc/holdpoint/policy.test.yaml',
    `cases:
  - name: a colleague
    job: { project: acme/payments/api, triggered_by: zoe, authors: [zoe] }
    votes: [{ by: maria }]
    expect: { outcome: approved }
`,
    0o644,
  );
  for (const [name, text] of Object.entries(secrets)) put(`etc/holdpoint/hub-credentials/${name}`, text);
  put(
    'etc/passwd',
    `root:x:0:0::/root:/bin/sh\nholdpoint-hub:x:${HUB_UID}:${HUB_UID}::${at('state')}:/usr/sbin/nologin\ngitlab-runner:x:${OTHER_UID}:${OTHER_UID}::/home/gitlab-runner:/bin/sh\n`,
    0o644,
  );
  put('etc/group', `root:x:0:\ndocker:x:990:\nholdpoint-hub:x:${HUB_UID}:\n`, 0o644);
  put('etc/sudoers', 'root ALL=(ALL:ALL) ALL\n', 0o440);
  mkdirSync(at('state'), { mode: 0o700 });
  own(at('state'));

  const sources = () => ({
    flags: { config: at('etc/holdpoint/hub.yml') },
    env: {},
    cwd: folder,
    credentials: [at('etc/holdpoint/hub-credentials')],
  });
  const giveAway = () => {
    for (const name of readdirSync(at('state'))) own(join(at('state'), name));
  };
  let hub: { stop(): Promise<void> } | null = null;
  const host: DoctorHubHost = {
    folder,
    url,
    secrets: Object.values(secrets),
    provider,
    receiver,
    mail,
    gitlab,
    at,
    put,
    edit(name, from, to) {
      const text = readFileSync(at(name), 'utf8');
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${name} has no ${from}`);
      writeFileSync(at(name), changed);
    },
    process(pid, uid, argv) {
      put(`proc/${pid}/status`, `Name:\tx\nPPid:\t1\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`, 0o644);
      put(`proc/${pid}/cmdline`, argv.map((word) => `${word}\0`).join(''), 0o644);
    },
    async start() {
      const log = createLog({ level: 'error', format: 'text', write: () => {} });
      hub = await startHub(loadHubConfig(sources()), { log, clock: createClock(), page: null });
      giveAway();
    },
    async stop() {
      await hub?.stop();
      hub = null;
      giveAway();
    },
    async findings({ now = Date.now, token } = {}) {
      const { flags: _, ...rest } = sources();
      return examine(
        await observe({
          of: { sources: { ...rest, flags: {} } },
          runnerConfigs: [],
          hub: (config) => ({
            url: `http://127.0.0.1:${config?.hub.listen.port ?? port}`,
            token: token ?? null,
          }),
          parts: doctorParts,
          now,
          roots: { proc: at('proc'), etc: at('etc'), home: at('home') },
        }),
      );
    },
    async close() {
      await host.stop();
      await Promise.all([gitlab.close(), provider.close(), receiver.close(), mail.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  host.process(1, 0, ['/sbin/init']);
  host.process(600, HUB_UID, ['/usr/bin/node', '/usr/bin/holdpoint', 'hub']);
  return host;
}
