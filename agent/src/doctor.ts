/** Composition root of `doctor`: gathers what can be seen of this host, GitLab and the hub; the checks themselves are pure. */
import { statSync } from 'node:fs';
import { request } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { type HubToAsk, lookAtHub } from './cli/hub-look.ts';
import type { Parts } from './cli/parts.ts';
import { lookAtPolicy } from './cli/policy-look.ts';
import { AGENT_FILE, HUB_FILE } from './config/file-kinds.ts';
import { type AgentConfig, type HubConfig, loadConfig, loadHubConfig } from './config/load.ts';
import type { ConfigSources } from './config/sources.ts';
import { type Lenient, ownerOf, readLeniently, tokenIn, wantedFiles } from './doctor-config.ts';
import { lookAtExecutors } from './doctor-executor.ts';
import { HUB_ELSEWHERE, lookAtHubParts, NO_HUB_PARTS, observeHub } from './doctor-hub.ts';
import { type Observation, type RunnerFileLook, type Seen, seen, unseen } from './domain/doctor/observation.ts';
import { isGuarded } from './domain/doctor/words.ts';
import { lookAtGitlab } from './runners/gitlab/doctor/gitlab-look.ts';
import { lookAtRunnerFile } from './runners/gitlab/doctor/runner-files.ts';
import { lookAtSameTags } from './runners/gitlab/doctor/same-tags.ts';
import { lookAtAccounts } from './system/host/accounts.ts';
import { lookAtBackup } from './system/host/backup.ts';
import { lookAtDisk, lookAtStateDir, lookAtSync } from './system/host/disk.ts';
import { lookAtFiles } from './system/host/files.ts';
import { gitVersion } from './system/host/git-version.ts';
import { lookAtProcesses } from './system/host/processes.ts';
import { lookAtSocket } from './system/host/socket.ts';
import { VERSION } from './version.ts';

/** What is to be looked at, and by whom. */
export interface DoctorOptions {
  /** The configuration of an agent that runs, or where to read it. */
  readonly of: { readonly config: AgentConfig } | { readonly sources: ConfigSources };
  /** Files of gitlab-runner; empty: where it keeps them, and those of the runners that run. */
  readonly runnerConfigs: readonly string[];
  /** hub.yml of a hub by itself that is to be looked at; null: the agent, unless this host has a hub.yml alone. */
  readonly hubConfig?: string | null;
  /** Null: there is no hub to ask, since the agent itself looks. */
  readonly hub: ((config: HubConfig | null) => HubToAsk) | null;
  readonly parts: Pick<Parts, 'policies' | 'payloads'>;
  readonly now: () => number;
  /** Where the host shows itself; others in tests only. */
  readonly roots?: { readonly proc: string; readonly etc: string; readonly home: string; readonly path?: string };
}

const GATEWAY_MS = 5_000;
/** Where git is looked for when files are read. */
const GIT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** False for what is not there; what may not be seen is. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** Nobody has named a file, there is none of an agent, and there is one of a hub. */
function isHubAlone({ flags, env }: ConfigSources, hubFile: string): boolean {
  const isNamed = flags.config !== undefined || (env.HOLDPOINT_CONFIG ?? '') !== '';
  return !isNamed && isThere(hubFile) && !isThere(join(dirname(hubFile), basename(AGENT_FILE.defaultFile)));
}

/** What answers where the gateway should. */
function lookAtGateway({ host, port }: AgentConfig['gateway']['listen']): Promise<Observation['gateway']> {
  const to = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const ask = (path: string): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const asking = request({ host: to, port, path, agent: false, timeout: GATEWAY_MS }, (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          body = (body + part).slice(0, 10_000);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.on('error', reject);
      });
      asking.on('timeout', () => asking.destroy(new Error('no answer')));
      asking.on('error', reject);
      asking.end();
    });
  // It alone refuses the job router and knows nothing at the root of GitLab.
  return Promise.all([ask('/api/v4/runners/router/discovery'), ask('/')]).then(
    ([router, root]) => seen(router.status === 501 && root.status === 404 && /404/.test(root.body) ? 'ours' : 'other'),
    (error: NodeJS.ErrnoException) => seen(error.code === 'ECONNREFUSED' ? 'away' : 'other'),
  );
}

function settingsOf({ config, faults, isClosed: hidden }: Lenient<AgentConfig>): Observation['settings'] {
  if (config === null) return { ok: false, problems: faults, hidden };
  const { file, gitlab, gateway, stateDir, runners, receipts, warnings } = config;
  return {
    ok: true,
    value: {
      file,
      gitlabUrl: gitlab.url,
      gateway: gateway.listen,
      stateDir,
      runners: runners.map((runner) => ({
        name: runner.name,
        guarded: runner.protected && runner.mode !== 'monitor',
        ownToken: runner.gatewayToken !== undefined,
      })),
      receipts: receipts === null ? null : { socket: receipts.socket, found: lookAtSocket(receipts.socket) },
      faults,
      warnings,
    },
  };
}

/** Gathers everything that the checks look at. Changes nothing but a small file in state_dir, which it removes. */
export async function observe(options: DoctorOptions): Promise<Observation> {
  const { of, parts, now } = options;
  const home = ('sources' in of ? of.sources.env.HOME : undefined) ?? '/root';
  const roots = options.roots ?? { proc: '/proc', etc: '/etc', home };
  const hubFile = join(roots.etc, 'holdpoint', basename(HUB_FILE.defaultFile));
  const hubConfig = options.hubConfig ?? ('sources' in of && isHubAlone(of.sources, hubFile) ? hubFile : null);
  if (hubConfig !== null && 'sources' in of && options.hub !== null) {
    const sources = { ...of.sources, flags: { ...of.sources.flags, config: hubConfig } };
    return observeHub({ lenient: readLeniently(sources, loadHubConfig), hub: options.hub, parts, now, roots });
  }
  const lenient: Lenient<AgentConfig> =
    'config' in of
      ? { config: of.config, hidden: [], faults: [], isClosed: false }
      : readLeniently(of.sources, loadConfig);
  const { config } = lenient;
  const base = {
    of: 'agent' as const,
    hubBeside: options.hub !== null && isThere(hubFile) ? hubFile : null,
    now: now(),
    version: VERSION,
    settings: settingsOf(lenient),
  };
  const accounts = lookAtAccounts(roots.etc);
  const agentUid = config === null ? null : ownerOf(config.stateDir);
  const processes = lookAtProcesses({ proc: roots.proc, agentUid, except: process.pid, homes: accounts.homes });
  const without = <T>(): Seen<T> =>
    unseen('the configuration of the agent is not known', 'mend what "configuration" says');

  const paths =
    options.runnerConfigs.length > 0
      ? options.runnerConfigs
      : [
          ...[join(roots.etc, 'gitlab-runner/config.toml'), join(roots.home, '.gitlab-runner/config.toml')].filter(
            isThere,
          ),
          ...(processes.seen ? processes.value.runners.map((runner) => runner.config) : []),
        ];
  const known = { runners: config?.runners ?? [], whole: config !== null && lenient.hidden.length === 0 };
  const vouches = async (pem: string): Promise<boolean | null> => {
    if (config === null || !config.gitlab.url.startsWith('https:')) return null;
    const look = await lookAtGitlab({ url: config.gitlab.url, ca: pem, token: null, now });
    return look.outcome === 'answered' ? true : look.outcome === 'tls' ? false : null;
  };
  const runnerFiles: RunnerFileLook[] = [];
  for (const path of new Set(paths)) runnerFiles.push(await lookAtRunnerFile(path, known, vouches));

  if (config === null) {
    return {
      ...base,
      agentUid,
      processes,
      accounts: accounts.look,
      runnerFiles: without(),
      executors: without(),
      git: without(),
      gitlab: without(),
      files: without(),
      stateDir: without(),
      disk: without(),
      sync: without(),
      backup: without(),
      gateway: without(),
      policy: without(),
      sameTags: without(),
      store: without(),
      certificates: without(),
      signIn: without(),
      channels: without(),
      hub: options.hub === null ? without() : await lookAtHub(options.hub(null), now),
    };
  }
  const { url, ca } = config.gitlab;
  const server = { url, ...(ca === null ? {} : { ca }), token: tokenIn(config.gitlab.tokenFile) };
  const entries = runnerFiles.flatMap((file) => file.entries);
  const guarded = entries.filter((entry) => isGuarded(entry, { settings: base.settings }));
  const [gitlab, sameTags, gateway, hub, policy] = await Promise.all([
    lookAtGitlab({ ...server, now }),
    lookAtSameTags({ ...server, guarded }),
    options.hub === null ? without<'away' | 'ours' | 'other'>() : lookAtGateway(config.gateway.listen),
    options.hub === null ? without<never>() : lookAtHub(options.hub(config), now),
    config.remote === null
      ? lookAtPolicy({ policy: config.policy, principals: config.principals }, base.now, parts)
      : unseen('the policy is with the hub elsewhere', 'run "holdpoint policy check" and "policy test" there'),
  ]);
  return {
    ...base,
    agentUid,
    processes,
    accounts: accounts.look,
    runnerFiles: seen(runnerFiles),
    executors: seen(await lookAtExecutors(guarded, roots.etc, processes.seen ? processes.value.runners : [])),
    git: seen(await gitVersion(('path' in roots ? roots.path : undefined) ?? GIT_PATH)),
    gitlab: seen(gitlab),
    files: seen(lookAtFiles(wantedFiles(config, runnerFiles))),
    stateDir: lookAtStateDir(config.stateDir),
    disk: lookAtDisk(config.stateDir),
    sync: await lookAtSync(config.stateDir, process.pid),
    backup: lookAtBackup(config.stateDir, base.now),
    gateway,
    hub,
    policy,
    sameTags,
    ...(config.remote !== null ? HUB_ELSEWHERE : options.hub === null ? NO_HUB_PARTS : await lookAtHubParts(config)),
  };
}
