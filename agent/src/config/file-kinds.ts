import { EXECUTOR_OPTIONS } from './executor-options.ts';
import { type ConfigOption, DEFAULT_CONFIG_FILE, OPTIONS } from './options.ts';

/** A configuration file of one process: its name, where it is looked for, and what may stand in it. */
export interface FileKind {
  readonly name: 'agent.yml' | 'hub.yml' | 'executor.yml';
  readonly defaultFile: string;
  readonly options: readonly ConfigOption[];
  /** True where `runners[]` stands in it. */
  readonly runners: boolean;
  /** Where the credentials of our unit are, the likeliest first: those of a unit that runs, and those that it is given. Empty without a unit. */
  readonly credentials: readonly string[];
  /** True where its options are none of agent.yml's. */
  readonly ownTable: boolean;
}

/** Options under `hub:` that are about an agent's way to a hub, and none of the hub's own. */
const OF_THE_AGENT: readonly string[] = ['hub.url', 'hub.enrolment_token_file'];
/** What both processes need, under the same key in both files. */
const OF_BOTH: readonly string[] = [
  'gitlab.url',
  'gitlab.ca',
  'gitlab.token_file',
  'state_dir',
  'principals',
  'policy',
  'keys.variable',
  'keys.hub',
  'keys.recordings',
  'tls.cert',
  'tls.key',
  'trace.otlp_url',
  'log.level',
  'log.format',
];

/** A hub by itself runs as a user of its own, who cannot look into the state of an agent on the same host. */
const HUB_STATE_DIR = '/var/lib/holdpoint-hub';

function hubOption(option: ConfigOption): ConfigOption {
  if (option.key === 'state_dir') return { ...option, default: HUB_STATE_DIR };
  if (!option.key.startsWith('hub.')) return { ...option, also: null };
  const written = option.key.slice('hub.'.length);
  const filled = option.default?.replaceAll('{hub.', '{') ?? null;
  return { ...option, written, also: null, default: filled };
}

/** True for an option that a hub apart has as well. */
export function isOfHub({ key }: ConfigOption): boolean {
  return OF_BOTH.includes(key) || (key.startsWith('hub.') && !OF_THE_AGENT.includes(key));
}

/** What `holdpoint agent` reads. */
export const AGENT_FILE: FileKind = {
  name: 'agent.yml',
  defaultFile: DEFAULT_CONFIG_FILE,
  options: OPTIONS,
  runners: true,
  credentials: ['/run/credentials/holdpoint-agent.service', '/etc/holdpoint/credentials'],
  ownTable: false,
};

/** What `holdpoint hub` reads: everything under `hub:` of agent.yml without that word, and what both need. */
export const HUB_FILE: FileKind = {
  name: 'hub.yml',
  defaultFile: '/etc/holdpoint/hub.yml',
  options: OPTIONS.filter(isOfHub).map(hubOption),
  runners: false,
  credentials: ['/run/credentials/holdpoint-hub.service', '/etc/holdpoint/hub-credentials'],
  ownTable: false,
};

/** What `holdpoint executor` reads: a file of its own, since the runner's user must read it and must not read the agent's. */
export const EXECUTOR_FILE: FileKind = {
  name: 'executor.yml',
  defaultFile: '/etc/holdpoint/executor.yml',
  options: EXECUTOR_OPTIONS,
  runners: false,
  credentials: [],
  ownTable: true,
};

/** A sentence about keys of agent.yml in the words of another file. */
export function inWordsOf(kind: FileKind, text: string): string {
  if (kind.name !== 'hub.yml') return text;
  return kind.options
    .filter(({ key, written }) => key !== written)
    .reduce((words, { key, written }) => words.replaceAll(key, written), text)
    .replaceAll('hub.oidc', 'oidc');
}
