import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type ListenAddress, readKind } from './kinds.ts';
import { type OidcConfig, oidcConfig } from './oidc.ts';
import { type ConfigOption, DEFAULT_CONFIG_FILE, OPTIONS } from './options.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { type LoadedRunners, loadRunners, type RunnerConfig } from './runners.ts';
import { quotablePath, readSecretFile } from './secret-file.ts';
import { shapeProblems } from './shape.ts';
import { type ConfigSources, openConfigFile, type Setting, settingOf, unknownVariables } from './sources.ts';
import { systemErrorWords } from './system-error.ts';

/** Everything `holdpoint agent` is told, read and checked; paths are absolute, durations milliseconds. */
export interface AgentConfig {
  /** The file that was read, null when there is none. */
  readonly file: string | null;
  readonly gitlab: {
    /** Address of GitLab without a trailing slash; may have a path. */
    readonly url: string;
    /** Text of PEM certificates to trust beside the usual ones. */
    readonly ca: string | null;
    /** Path of the file with a token that may read; its mode was checked, and it is read again at each use. */
    readonly tokenFile: string | null;
  };
  readonly gateway: { readonly listen: ListenAddress };
  readonly hub: {
    readonly listen: ListenAddress;
    /** Null: `http://` and the address the hub really listens on. */
    readonly externalUrl: string | null;
    readonly store: { readonly kind: 'sqlite'; readonly path: string };
    /** Path of the file with the bot's token, null for none; its mode was checked, and it is read again at each use. */
    readonly gitlabTokenFile: string | null;
    /** Path of the file with the token that asks who belongs to what, null for none; as above. */
    readonly gitlabMembersTokenFile: string | null;
    /** Null: people sign in with tokens only. */
    readonly oidc: OidcConfig | null;
  };
  readonly stateDir: string;
  /** Path of principals.yaml; null: GitLab alone says who is who. */
  readonly principals: string | null;
  readonly runners: readonly RunnerConfig[];
  /** Path of policy.yaml; null: the policy as shipped. */
  readonly policy: string | null;
  /** Paths of key files; the wiring makes them, 0600, at the first start. */
  readonly keys: { readonly variable: string; readonly seal: string; readonly hub: string };
  readonly parking: {
    readonly maxHolds: number;
    readonly maxHoldsPerProject: number;
    readonly maxHoldsPerTrigger: number;
    readonly liveMs: number;
    readonly liveFloorMs: number;
    readonly handoverConfirmMs: number;
  };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'text' };
  /** What is allowed but unwise, one sentence each, to be logged at start. */
  readonly warnings: readonly string[];
}

function pemText(setting: Setting | undefined, path: string, problems: ConfigProblem[]): string | null {
  if (setting === undefined) return null;
  const refuse = (message: string): null => {
    problems.push({ where: setting.where, path: 'gitlab.ca', message });
    return null;
  };
  try {
    const text = readFileSync(path, 'utf8');
    return text.includes('-----BEGIN CERTIFICATE-----')
      ? text
      : refuse(`${quotablePath(path)} has no PEM certificate in it`);
  } catch (error) {
    return refuse(`cannot read ${quotablePath(path)}: ${systemErrorWords(error)}`);
  }
}

/** Reads flags, environment and file; throws ConfigError (`bad_config`) with every problem at once. */
export function loadConfig(sources: ConfigSources): AgentConfig {
  const problems: ConfigProblem[] = [];
  const { file, yaml } = openConfigFile(sources, problems);
  problems.push(...yaml.problems);
  // A value that YAML itself made unreadable is blamed once.
  const blamed = new Set(yaml.problems.map((problem) => problem.where));
  if (yaml.tree !== null) problems.push(...shapeProblems(yaml).filter((problem) => !blamed.has(problem.where)));
  problems.push(...unknownVariables(sources.env));

  const settings = new Map<string, Setting>();
  for (const option of OPTIONS) {
    const before = problems.length;
    const setting = settingOf(option, sources, file, yaml, problems);
    if (setting) settings.set(option.key, setting);
    else if (option.required && problems.length === before && !wasBlamed(problems, option)) {
      const path = option.key;
      const ways = `set it in agent.yml, with ${option.flag} or with ${option.env}`;
      problems.push({ where: file ?? DEFAULT_CONFIG_FILE, path, message: `missing: ${option.help}; ${ways}` });
    }
  }

  const asksGitlab = settings.has('hub.gitlab_members_token_file');
  const who = OPTIONS.find(({ key }) => key === 'principals')!;
  if (!asksGitlab && !settings.has(who.key) && !wasBlamed(problems, who)) {
    const ways = `set it in agent.yml, with ${who.flag} or with ${who.env}, or let GitLab say it: hub.gitlab_members_token_file`;
    problems.push({ where: file ?? DEFAULT_CONFIG_FILE, path: who.key, message: `missing: ${who.help}; ${ways}` });
  }

  const filled = (text: string, keys: Readonly<Record<string, string>>) =>
    text.replace(/\{([a-z_.]+)\}/g, (_, key: string) => keys[key] ?? '');
  const text = (key: string, keys: Readonly<Record<string, string>> = {}): string => {
    const found = settings.get(key)?.value;
    return typeof found === 'string' ? found : filled(defaultOf(key), keys);
  };
  const number = (key: string): number => {
    const option = OPTIONS.find((candidate) => candidate.key === key)!;
    const reading = readKind(option, option.kind === 'integer' ? Number(option.default) : defaultOf(key), true);
    const found = settings.get(key)?.value ?? (reading.ok ? reading.value : Number.NaN);
    return typeof found === 'number' ? found : Number.NaN;
  };
  const listen = (key: string): ListenAddress => {
    const found = settings.get(key)?.value;
    if (typeof found === 'object') return found;
    const colon = defaultOf(key).lastIndexOf(':');
    return { host: defaultOf(key).slice(0, colon), port: Number(defaultOf(key).slice(colon + 1)) };
  };
  const path = (key: string, keys: Readonly<Record<string, string>> = {}): string => {
    const value = text(key, keys).replace(/^sqlite:/, '');
    return isAbsolute(value) ? value : join(settings.get(key)?.folder ?? sources.cwd, value);
  };

  const stateDir = path('state_dir');
  const inState = { state_dir: stateDir };
  const runners: LoadedRunners = loadRunners(yaml, file === null ? sources.cwd : dirname(file), problems);
  const principals = settings.has('principals') ? path('principals') : null;
  const policy = settings.has('policy') ? path('policy') : null;
  for (const [key, named] of [['principals', principals] as const, ['policy', policy] as const]) {
    const from = settings.get(key);
    const unreadable = from && named !== null ? whyUnreadable(named) : null;
    if (from && unreadable) problems.push({ where: from.where, path: key, message: unreadable });
  }
  const gateway = listen('gateway.listen');
  const hub = listen('hub.listen');
  if (gateway.host === hub.host && gateway.port === hub.port && gateway.port !== 0) {
    const where = settings.get('hub.listen')?.where ?? settings.get('gateway.listen')?.where ?? '';
    problems.push({ where, path: 'hub.listen', message: 'gateway and hub cannot listen on the same address' });
  }
  for (const key of [
    'hub.gitlab_token_file',
    'hub.gitlab_members_token_file',
    'gitlab.token_file',
    'hub.oidc.client_secret_file',
  ]) {
    const named = settings.get(key);
    if (named === undefined) continue;
    const reading = readSecretFile(path(key), String(named.value));
    if (!reading.ok) problems.push({ where: named.where, path: key, message: reading.message });
  }
  const oidc = oidcConfig({ settings, text, path }, problems);
  const ca = pemText(settings.get('gitlab.ca'), path('gitlab.ca'), problems);
  if (problems.length > 0) throw new ConfigError(problems);

  return {
    file,
    gitlab: {
      url: text('gitlab.url'),
      ca,
      tokenFile: settings.has('gitlab.token_file') ? path('gitlab.token_file') : null,
    },
    gateway: { listen: gateway },
    hub: {
      listen: hub,
      externalUrl: settings.has('hub.external_url') ? text('hub.external_url') : null,
      store: { kind: 'sqlite', path: path('hub.store', inState) },
      gitlabTokenFile: settings.has('hub.gitlab_token_file') ? path('hub.gitlab_token_file') : null,
      gitlabMembersTokenFile: asksGitlab ? path('hub.gitlab_members_token_file') : null,
      oidc,
    },
    stateDir,
    principals,
    policy,
    runners: runners.runners,
    keys: {
      variable: path('keys.variable', inState),
      seal: path('keys.seal', inState),
      hub: path('keys.hub', inState),
    },
    parking: {
      maxHolds: number('parking.max_holds'),
      maxHoldsPerProject: number('parking.max_holds_per_project'),
      maxHoldsPerTrigger: number('parking.max_holds_per_trigger'),
      liveMs: number('parking.live'),
      liveFloorMs: number('parking.live_floor'),
      handoverConfirmMs: number('parking.handover_confirm'),
    },
    log: {
      level: text('log.level') as AgentConfig['log']['level'],
      format: text('log.format') as AgentConfig['log']['format'],
    },
    warnings: [
      ...runners.warnings,
      ...(file === null ? [] : inlineTokenWarning(file, runners)),
      ...openPortWarnings({ 'gateway.listen': gateway, 'hub.listen': hub }),
      ...clearTextWarning(text('gitlab.url')),
    ],
  };
}

function defaultOf(key: string): string {
  return OPTIONS.find((option) => option.key === key)?.default ?? '';
}

/** A required key is not called missing where its value, or the whole file, has been refused already. */
function wasBlamed(problems: readonly ConfigProblem[], option: ConfigOption): boolean {
  return problems.some((problem) => problem.path === option.key || problem.message.startsWith('not YAML'));
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
