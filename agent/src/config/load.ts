import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import type { ChannelConfig } from '../domain/notify/channel.ts';
import { AGENT_FILE, type FileKind, HUB_FILE, inWordsOf, isOfHub } from './file-kinds.ts';
import type { ListenAddress } from './kinds.ts';
import { notifyChannels, secretsOf } from './notify.ts';
import { type OidcConfig, oidcConfig } from './oidc.ts';
import { OPTIONS } from './options.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { type ReceiptsConfig, receiptsConfig } from './receipts.ts';
import { type LoadedRunners, loadRunners, type RunnerConfig } from './runners.ts';
import { quotablePath, readSecretFile } from './secret-file.ts';
import { readSettings, type Settings } from './settings.ts';
import type { ConfigSources, Setting } from './sources.ts';
import { systemErrorWords } from './system-error.ts';
import { besideUsual, type CaConfig, certificates, type TlsConfig, tlsConfig } from './tls.ts';
import { withUnitCredentials } from './unit-credentials.ts';

/** Where the hub's store is. */
export type StoreConfig =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** The address may have a password in it; `passwordFile`: path of the file that has it instead. */
  | { readonly kind: 'postgres'; readonly url: string; readonly passwordFile: string | null };

/** Everything `holdpoint hub` is told, read and checked; paths are absolute, durations milliseconds. */
export interface HubConfig {
  /** The file that was read, null when there is none. */
  readonly file: string | null;
  readonly gitlab: {
    /** Address of GitLab without a trailing slash; may have a path. */
    readonly url: string;
    /** The authorities to trust for GitLab, the usual ones among them, PEM; null where those alone will do. */
    readonly ca: string | null;
    /** Path of the file with a token that may read; its mode was checked, and it is read again at each use. */
    readonly tokenFile: string | null;
  };
  readonly hub: {
    readonly listen: ListenAddress;
    /** Null: `http://` and the address the hub really listens on. */
    readonly externalUrl: string | null;
    readonly store: StoreConfig;
    /** Path of the file with the bot's token, null for none; its mode was checked, and it is read again at each use. */
    readonly gitlabTokenFile: string | null;
    /** Path of the file with the token that asks who belongs to what, null for none; as above. */
    readonly gitlabMembersTokenFile: string | null;
    /** Null: people sign in with tokens only. */
    readonly oidc: OidcConfig | null;
    /** Null: plain HTTP. */
    readonly tls: TlsConfig | null;
    /** Addresses and networks of proxies. */
    readonly trustedProxies: readonly string[];
    /** Agents of other machines are served without TLS, too. */
    readonly plainHttp: boolean;
    /** Channels that people and programs are told things through. */
    readonly notify: readonly ChannelConfig[];
    /** How long agents may do without it, on protected refs and elsewhere. */
    readonly offlineGrace: { readonly protectedMs: number; readonly elsewhereMs: number };
  };
  readonly stateDir: string;
  /** Path of principals.yaml; null: GitLab alone says who is who. */
  readonly principals: string | null;
  /** Path of policy.yaml; null: the policy as shipped. */
  readonly policy: string | null;
  /** Paths of key files; the wiring makes them, 0600, at the first start. */
  readonly keys: { readonly variable: string; readonly hub: string; readonly recordings: string };
  /** Null: nothing is traced. */
  readonly trace: { readonly url: string } | null;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'text' };
  /** Files with secrets in them, the keys among them, by what they hold. */
  readonly secretFiles: readonly { readonly path: string; readonly what: string }[];
  /** What is allowed but unwise, one sentence each, to be logged at start. */
  readonly warnings: readonly string[];
}

/** Everything `holdpoint agent` is told; what is of a hub is used only where `remote` is null. */
export interface AgentConfig extends HubConfig {
  readonly gateway: { readonly listen: ListenAddress; readonly drainMs: number };
  /** Null: nobody on this host asks for receipts, and none are written. */
  readonly receipts: ReceiptsConfig | null;
  /** Socket of the engine that is asked for images which no registry is; null: none. */
  readonly pinSocket: string | null;
  /** Null: the agent has no address of its own for whoever watches it. */
  readonly metrics: { readonly listen: ListenAddress } | null;
  /** The hub elsewhere; null: the agent has one of its own. */
  readonly remote: {
    readonly url: string;
    /** PEM of the one authority that is trusted for it; null: those that the system knows. */
    readonly ca: CaConfig | null;
    /** Path of the file with a one-time token; its content is looked at only by an agent that is not enrolled. */
    readonly enrolmentTokenFile: string | null;
  } | null;
  readonly runners: readonly RunnerConfig[];
  /** Path of the host's break-glass file, which need not be there. */
  readonly breakGlassFile: string;
  readonly keys: HubConfig['keys'] & { readonly seal: string };
  readonly parking: {
    readonly maxHolds: number;
    readonly maxHoldsPerProject: number;
    readonly maxHoldsPerTrigger: number;
    readonly liveMs: number;
    readonly liveFloorMs: number;
    readonly handoverConfirmMs: number;
  };
}

function storeConfig({ settings, text, path }: Settings, inState: Readonly<Record<string, string>>): StoreConfig {
  if (!/^postgres(ql)?:/.test(text('hub.store', inState))) return { kind: 'sqlite', path: path('hub.store', inState) };
  const passwordFile = settings.has('hub.store_password_file') ? path('hub.store_password_file') : null;
  return { kind: 'postgres', url: text('hub.store'), passwordFile };
}

/** What both files say, and how to go on reading; the caller throws what was gathered in `problems`. */
function readShared(
  read: Settings,
  kind: FileKind,
  isApart: boolean,
  readSecret: typeof readSecretFile = readSecretFile,
): Omit<HubConfig, 'warnings'> {
  const { settings, text, number, path, listen, problems, file } = read;
  const asksGitlab = settings.has('hub.gitlab_members_token_file');
  if (!isApart && !asksGitlab && !settings.has('principals') && !read.wasBlamed('principals'))
    read.missing('principals', 'or let GitLab say it: hub.gitlab_members_token_file');
  const stateDir = path('state_dir');
  const inState = { state_dir: stateDir };
  const principals = settings.has('principals') ? path('principals') : null;
  const policy = settings.has('policy') ? path('policy') : null;
  // What another process decides by may lie on its host alone.
  for (const [key, named] of isApart ? [] : [['principals', principals] as const, ['policy', policy] as const]) {
    const from = settings.get(key);
    const unreadable = from && named !== null ? whyUnreadable(named) : null;
    if (from && unreadable) problems.push({ where: from.where, path: key, message: unreadable });
  }
  const tokenFiles: { path: string; what: string }[] = [];
  const secrets = [
    'hub.store_password_file',
    'hub.gitlab_token_file',
    'hub.gitlab_members_token_file',
    'hub.oidc.client_secret_file',
  ];
  for (const key of ['gitlab.token_file', ...(isApart ? [] : secrets)]) {
    const named = settings.get(key);
    if (named === undefined) continue;
    tokenFiles.push({ path: path(key), what: key });
    const reading = readSecret(path(key), String(named.value));
    if (!reading.ok) problems.push({ where: named.where, path: key, message: reading.message });
  }
  const oidc = isApart ? null : oidcConfig({ settings, text, path }, problems);
  const notify = isApart
    ? []
    : notifyChannels(read.yaml, kind, file === null ? '.' : dirname(file), read.env, problems, readSecret);
  const noted = notify.find((channel) => channel.kind === 'gitlab');
  if (noted !== undefined && !settings.has('hub.gitlab_token_file')) {
    const message = `missing: channel ${noted.name} writes notes of merge requests with that token`;
    problems.push({ where: file ?? kind.defaultFile, path: 'hub.gitlab_token_file', message });
  }
  const gitlabCa = certificates(read, 'gitlab.ca')?.text ?? null;
  return {
    file,
    gitlab: {
      url: text('gitlab.url'),
      ca: gitlabCa === null ? null : besideUsual(gitlabCa),
      tokenFile: settings.has('gitlab.token_file') ? path('gitlab.token_file') : null,
    },
    hub: {
      listen: listen('hub.listen'),
      externalUrl: settings.has('hub.external_url') ? text('hub.external_url') : null,
      store: storeConfig(read, inState),
      gitlabTokenFile: settings.has('hub.gitlab_token_file') ? path('hub.gitlab_token_file') : null,
      gitlabMembersTokenFile: asksGitlab ? path('hub.gitlab_members_token_file') : null,
      oidc,
      tls: isApart ? null : tlsConfig(read),
      trustedProxies: proxies(read),
      plainHttp: text('hub.plain_http') === 'allow',
      notify,
      offlineGrace: {
        protectedMs: number('hub.offline_grace_protected'),
        elsewhereMs: number('hub.offline_grace'),
      },
    },
    stateDir,
    principals,
    policy,
    keys: {
      variable: path('keys.variable', inState),
      hub: path('keys.hub', inState),
      recordings: path('keys.recordings', inState),
    },
    trace: settings.has('trace.otlp_url') ? { url: text('trace.otlp_url') } : null,
    log: {
      level: text('log.level') as HubConfig['log']['level'],
      format: text('log.format') as HubConfig['log']['format'],
    },
    secretFiles: [
      ...tokenFiles,
      ...notify.flatMap((channel) =>
        secretsOf(channel).map((file) => ({ path: file, what: `secret of channel ${channel.name}` })),
      ),
      { path: path('keys.variable', inState), what: 'keys.variable' },
      { path: path('keys.hub', inState), what: 'keys.hub' },
      { path: path('keys.recordings', inState), what: 'keys.recordings' },
      ...(!isApart && settings.has('tls.key') ? [{ path: path('tls.key'), what: 'tls.key' }] : []),
    ],
  };
}

/** Reads flags, environment and agent.yml; throws ConfigError (`bad_config`) with every problem at once. */
export function loadConfig(given: ConfigSources): AgentConfig {
  const sources = withUnitCredentials(given, AGENT_FILE);
  const read = readSettings(sources, AGENT_FILE);
  const { settings, text, number, path, listen, problems, file, yaml } = read;
  const remote = remoteHub(read);
  const shared = readShared(read, AGENT_FILE, remote !== null, sources.readSecret);
  const runners: LoadedRunners = loadRunners(
    yaml,
    file === null ? sources.cwd : dirname(file),
    sources.env,
    problems,
    sources.readSecret,
  );
  const gateway = listen('gateway.listen');
  const hub = shared.hub.listen;
  if (remote === null && gateway.host === hub.host && gateway.port === hub.port && gateway.port !== 0) {
    const where = settings.get('hub.listen')?.where ?? settings.get('gateway.listen')?.where ?? '';
    problems.push({ where, path: 'hub.listen', message: 'gateway and hub cannot listen on the same address' });
  }
  const hubInClear = remote === null && shared.hub.tls === null;
  const listening = { 'gateway.listen': gateway, ...(hubInClear ? { 'hub.listen': hub } : {}) };
  const receipts = receiptsConfig(read);
  throwThem(problems, AGENT_FILE);
  return {
    ...shared,
    gateway: { listen: gateway, drainMs: number('gateway.drain') },
    receipts,
    pinSocket: settings.has('pin.docker_socket') ? path('pin.docker_socket') : null,
    metrics: settings.has('metrics.listen') ? { listen: listen('metrics.listen') } : null,
    remote,
    runners: runners.runners,
    breakGlassFile: path('break_glass_file'),
    keys: { ...shared.keys, seal: path('keys.seal', { state_dir: shared.stateDir }) },
    secretFiles: [
      ...runners.files,
      ...shared.secretFiles,
      { path: path('keys.seal', { state_dir: shared.stateDir }), what: 'keys.seal' },
      ...(remote?.enrolmentTokenFile == null
        ? []
        : [{ path: remote.enrolmentTokenFile, what: 'hub.enrolment_token_file' }]),
      ...(runners.inline && file !== null ? [{ path: file, what: 'configuration with tokens' }] : []),
    ],
    parking: {
      maxHolds: number('parking.max_holds'),
      maxHoldsPerProject: number('parking.max_holds_per_project'),
      maxHoldsPerTrigger: number('parking.max_holds_per_trigger'),
      liveMs: number('parking.live'),
      liveFloorMs: number('parking.live_floor'),
      handoverConfirmMs: number('parking.handover_confirm'),
    },
    warnings: [
      ...runners.warnings,
      ...(file === null ? [] : inlineTokenWarning(file, runners)),
      ...openPortWarnings(listening),
      ...clearTextWarning(text('gitlab.url')),
      ...(remote === null ? [] : idleWarnings(settings)),
      ...plainWarning(shared.hub.plainHttp),
      ...(settings.has('pin.docker_socket')
        ? ['pin.docker_socket makes the agent worth root on this host: take it out unless images are built here']
        : []),
    ],
  };
}

/** Reads flags, environment and hub.yml; throws ConfigError (`bad_config`) with every problem at once. */
export function loadHubConfig(given: ConfigSources): HubConfig {
  const sources = withUnitCredentials(given, HUB_FILE);
  const read = readSettings(sources, HUB_FILE);
  const shared = readShared(read, HUB_FILE, false, sources.readSecret);
  throwThem(read.problems, HUB_FILE);
  return {
    ...shared,
    warnings: [
      ...(shared.hub.tls === null ? openPortWarnings({ listen: shared.hub.listen }) : []),
      ...clearTextWarning(shared.gitlab.url),
      ...plainWarning(shared.hub.plainHttp),
    ],
  };
}

function throwThem(problems: readonly ConfigProblem[], kind: FileKind): void {
  if (problems.length === 0) return;
  throw new ConfigError(
    problems.map(({ where, path, message }) => ({
      where,
      path: inWordsOf(kind, path),
      message: inWordsOf(kind, message),
    })),
  );
}

function remoteHub(read: Settings): AgentConfig['remote'] {
  const { settings, text, path, problems } = read;
  const token = settings.get('hub.enrolment_token_file');
  if (!settings.has('hub.url')) {
    if (token !== undefined) {
      const message = 'an agent enrols with a hub elsewhere: set hub.url, or take this out';
      problems.push({ where: token.where, path: 'hub.enrolment_token_file', message });
    }
    return null;
  }
  const url = new URL(text('hub.url'));
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && text('hub.plain_http') !== 'allow') {
    const message =
      'http:// would send what decides over jobs, and the key of hidden values, in clear: wanted https://; http:// is taken to this machine only, or anywhere with hub.plain_http: allow';
    problems.push({ where: settings.get('hub.url')!.where, path: 'hub.url', message });
  }
  const enrolmentTokenFile = token === undefined ? null : path('hub.enrolment_token_file');
  return { url: text('hub.url'), ca: certificates(read, 'tls.ca'), enrolmentTokenFile };
}

/** Proxies that are believed, each an address or a network. */
function proxies({ settings, text, problems }: Settings): readonly string[] {
  const setting = settings.get('hub.trusted_proxies');
  if (setting === undefined) return [];
  const words = text('hub.trusted_proxies').trim().split(/\s+/);
  const wrong = words.find((word) => {
    const [address = '', bits, more] = word.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    return (
      isIP(address) === 0 || more !== undefined || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && +bits <= most))
    );
  });
  if (wrong !== undefined) {
    const message = `"${wrong}" is no address and no network: wanted words like 10.0.0.7 or 10.0.0.0/24`;
    problems.push({ where: setting.where, path: 'hub.trusted_proxies', message });
    return [];
  }
  return words;
}

/** Keys that mean something to a hub alone: whoever edits them here and not there would wait for nothing. */
function idleWarnings(settings: ReadonlyMap<string, Setting>): readonly string[] {
  const agents = [
    'hub.plain_http',
    'gitlab.url',
    'gitlab.ca',
    'gitlab.token_file',
    'state_dir',
    'trace.otlp_url',
    'log.level',
    'log.format',
  ];
  const idle = OPTIONS.filter((option) => isOfHub(option) && !agents.includes(option.key) && settings.has(option.key));
  return idle.map(
    ({ key }) => `${key} means nothing here: hub.url is set, and what the hub is told stands in its hub.yml`,
  );
}

function whyUnreadable(path: string): string | null {
  try {
    readFileSync(path);
    return null;
  } catch (error) {
    return `cannot read ${quotablePath(path)}: ${systemErrorWords(error)}`;
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function openPortWarnings(listening: Readonly<Record<string, ListenAddress>>): readonly string[] {
  return Object.entries(listening)
    .filter(([, address]) => !isLoopback(address.host))
    .map(
      ([key, { host }]) =>
        `${key} is ${host}, without TLS: tokens cross the network in clear unless a proxy is before it`,
    );
}

function plainWarning(plainHttp: boolean): readonly string[] {
  return plainHttp
    ? [
        'plain_http is allow: whoever is on the way between an agent and its hub can let any job run, and reads the key of hidden values',
      ]
    : [];
}

function clearTextWarning(gitlab: string): readonly string[] {
  const { protocol, hostname } = new URL(gitlab);
  return protocol === 'http:' && !isLoopback(hostname)
    ? ['gitlab.url is http://: tokens and jobs cross the network in clear; use https://']
    : [];
}

function inlineTokenWarning(file: string, runners: LoadedRunners): readonly string[] {
  const readable = (statSync(file).mode & 0o004) !== 0;
  return runners.inline && readable
    ? [`${file} holds runner tokens and everybody on this machine can read it: chmod 600 it, or use token_file`]
    : [];
}
