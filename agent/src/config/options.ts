/** What the text of an option must look like; `kinds.ts` reads each. */
export type OptionKind = 'url' | 'listen' | 'path' | 'store' | 'duration' | 'integer' | 'size' | 'choice' | 'text';

/** One scalar of agent.yml, told once: file key, flag, environment variable, default, unit, help. */
export interface ConfigOption {
  /** Path in agent.yml, e.g. `gitlab.url`; names the option everywhere in the program. */
  readonly key: string;
  /** Path in the file of the process at hand: in hub.yml `hub.listen` is `listen`. */
  readonly written: string;
  /** Another path that means the same there; null for nearly all. */
  readonly also: string | null;
  readonly flag: string;
  readonly env: string;
  readonly kind: OptionKind;
  /** As it would be written in the file; null where there is none. `{state_dir}` and `{hub.listen}` are filled in. */
  readonly default: string | null;
  readonly required: boolean;
  /** Words that a `choice` may have. */
  readonly choices: readonly string[];
  /** Lowest and highest number: milliseconds of a duration, bytes of a size, the number of an integer. */
  readonly range: readonly [number, number];
  /** Unit or shape, for people. */
  readonly unit: string;
  readonly help: string;
  /** A secret is never a flag (it would stand in ps) and never quoted in a message. */
  readonly secret: boolean;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** An option of the table; what it does not say is as with most. */
export function option(key: string, kind: OptionKind, help: string, more: Partial<ConfigOption> = {}): ConfigOption {
  const words = key.replace(/[._]/g, '-');
  return {
    key,
    written: key,
    also: null,
    flag: `--${words}`,
    env: `HOLDPOINT_${words.toUpperCase().replace(/-/g, '_')}`,
    kind,
    default: null,
    required: false,
    choices: [],
    range: [0, Number.MAX_SAFE_INTEGER],
    unit: UNITS[kind],
    help,
    secret: false,
    ...more,
  };
}

const UNITS: Readonly<Record<OptionKind, string>> = {
  url: 'URL',
  listen: 'host:port',
  path: 'file',
  store: 'sqlite:file or postgres://…',
  duration: 'time',
  integer: 'number',
  size: 'size',
  choice: 'word',
  text: 'text',
};

/** Every scalar of agent.yml. Flag beats environment beats file beats default. */
export const OPTIONS: readonly ConfigOption[] = [
  option('gitlab.url', 'url', 'address of GitLab', { required: true }),
  option('gitlab.ca', 'path', 'certificates (PEM) to trust for GitLab beside the usual ones'),
  option(
    'gitlab.token_file',
    'path',
    "token of a GitLab user (scope read_api): asks who wrote the commits of a run, and what a job's own token may not",
  ),
  option('gateway.listen', 'listen', 'where the runner finds the gateway', { default: '127.0.0.1:8093' }),
  option('hub.url', 'url', 'address of a hub elsewhere; without it the agent has one of its own'),
  option(
    'hub.enrolment_token_file',
    'path',
    'one-time token that "holdpoint agents enroll" gave for this agent; read at its first start only',
  ),
  // A poll that GitLab keeps open lasts 50 s: what it answers to one is a job that must not be lost.
  option('gateway.drain', 'duration', 'how long a stop waits for open polls and transfers of runners', {
    default: '55s',
    range: [0, HOUR],
  }),
  option('hub.listen', 'listen', 'where people and the command line find the hub', { default: '127.0.0.1:8094' }),
  option('hub.external_url', 'url', 'address of the hub in links that people get', { default: 'http://{hub.listen}' }),
  option(
    'hub.gitlab_token_file',
    'path',
    'token of a project bot (scope api): retries approved jobs that GitLab has ended',
  ),
  option(
    'hub.gitlab_members_token_file',
    'path',
    'token of a GitLab user or bot (scope read_api): asks who belongs to which project and group; with it principals may be left out',
  ),
  option('hub.store', 'store', "the hub's database; several hubs share one of PostgreSQL", {
    default: 'sqlite:{state_dir}/hub.sqlite',
  }),
  option(
    'hub.store_password_file',
    'path',
    'password for PostgreSQL, where hub.store has none and PGPASSFILE is not set',
  ),
  option('hub.oidc.issuer', 'text', 'OpenID Connect provider that people sign in with; GitLab itself is one', {
    unit: 'URL',
  }),
  option('hub.oidc.client_id', 'text', 'what the provider calls this hub'),
  option('hub.oidc.client_secret_file', 'path', 'secret that the provider gave this hub'),
  option('hub.oidc.scopes', 'text', 'what is asked of the provider', { default: 'openid profile' }),
  option('hub.oidc.name', 'text', "the provider's name on the page; default GitLab, or its host"),
  option('hub.oidc.user_claim', 'text', 'claim that has the GitLab user id; needed where the issuer is not gitlab.url'),
  option('hub.oidc.groups_claim', 'text', 'claim that lists paths of groups', { default: 'groups_direct' }),
  option(
    'hub.oidc.admins',
    'text',
    'user ids, with blanks between, of people who administer the hub when they sign in',
  ),
  option('hub.oidc.membership', 'choice', 'whose word counts for people that the principals file does not name', {
    default: 'directory',
    choices: ['directory', 'claims'],
  }),
  option(
    'hub.trusted_proxies',
    'text',
    'addresses or networks, with blanks between, whose X-Forwarded-For is believed',
  ),
  // Nobody can revoke anything meanwhile: short where it matters most.
  option(
    'hub.offline_grace_protected',
    'duration',
    'how long agents elsewhere let run what is approved for protected refs while the hub is away',
    { default: '1h', range: [0, 7 * 24 * HOUR] },
  ),
  option('hub.offline_grace', 'duration', 'the same for all other refs', { default: '24h', range: [0, 7 * 24 * HOUR] }),
  // Over a network everybody on the way could decide over jobs, and would have the key of hidden values.
  option('hub.plain_http', 'choice', 'whether an agent and a hub on two machines may talk without TLS', {
    default: 'refuse',
    choices: ['refuse', 'allow'],
  }),
  option('tls.cert', 'path', 'certificate of the hub (PEM, with those between it and the authority)'),
  option('tls.key', 'path', 'key of that certificate (PEM, mode 600)'),
  option(
    'tls.ca',
    'path',
    'authority of the certificate of the hub that hub.url names (PEM); no other is trusted then',
  ),
  option('state_dir', 'path', 'folder for parked jobs, keys and database; only its owner may read it', {
    default: '/var/lib/holdpoint',
    unit: 'folder',
  }),
  option(
    'principals',
    'path',
    'users, groups and their access levels: who may approve; beside GitLab or instead of it',
    { also: 'hub.principals' },
  ),
  option('policy', 'path', 'rules: how many of whom must approve, and for how long it holds; without: one maintainer', {
    also: 'hub.policy',
  }),
  option('keys.variable', 'path', 'key of the hashed variable values; made at the first start', {
    default: '{state_dir}/variable.key',
  }),
  option('keys.seal', 'path', 'key that parked jobs are sealed with; made at the first start', {
    default: '{state_dir}/seal.key',
  }),
  option('keys.hub', 'path', 'key that the hub signs its audit with; made at the first start', {
    default: '{state_dir}/hub.key',
  }),
  option('keys.recordings', 'path', 'key that recordings of jobs are sealed with; made at the first start', {
    default: '{state_dir}/recordings.key',
  }),
  option(
    'break_glass_file',
    'path',
    "root's own file on this host: while it counts and a hub elsewhere is away, any job runs",
    { default: '/etc/holdpoint/break-glass' },
  ),
  // Each parked job costs a heartbeat to GitLab per minute and up to 4 MiB on disk.
  option('parking.max_holds', 'integer', 'jobs parked at the same time, at most', {
    default: '1000',
    range: [1, 100_000],
  }),
  // A flood detaches the flooder's own Holds long before it is the agent that is full.
  option('parking.max_holds_per_project', 'integer', 'jobs of one project parked at the same time, at most', {
    default: '500',
    range: [1, 100_000],
  }),
  option(
    'parking.max_holds_per_trigger',
    'integer',
    'jobs that one person triggered parked at the same time, at most',
    {
      default: '200',
      range: [1, 100_000],
    },
  ),
  // GitLab's own job timeout counts while a job is parked, and is a month at most.
  option('parking.live', 'duration', 'how long a parked job is kept running for GitLab; 0s: not at all', {
    default: '1h',
    range: [0, 30 * 24 * HOUR],
  }),
  option('parking.live_floor', 'duration', "what must be left of a job's timeout when it is handed over late", {
    default: '10m',
    range: [0, 24 * HOUR],
  }),
  // Below the runner's slowest first sign of life a job that runs would be failed; above it a lost one hangs.
  option('parking.handover_confirm', 'duration', 'how long a runner may stay silent after it was given a job', {
    default: '90s',
    range: [SECOND, HOUR],
  }),
  option(
    'receipts.socket',
    'path',
    "unix socket on which the executor of this host asks for a job's receipt; without it none are written",
    { unit: 'socket' },
  ),
  option('receipts.users', 'text', 'who may ask for receipts: users, and groups as @group, with blanks between', {
    default: 'root',
  }),
  option(
    'receipts.check_users',
    'text',
    'who may only check one, as "holdpoint receipt check" in a hook does: users that jobs run as',
  ),
  option('receipts.mode', 'choice', 'mode of the socket; whoever connects is asked about at the kernel besides', {
    default: '0660',
    choices: ['0600', '0660', '0666'],
  }),
  option('receipts.group', 'text', 'group of the socket, of which the agent is a member'),
  // From the hand-over to the first stage: seconds, or minutes where a machine is started for the job.
  option('receipts.valid', 'duration', 'how long after the hand-over a receipt can be spent', {
    default: '10m',
    range: [10 * SECOND, 24 * HOUR],
  }),
  // Whoever may use it is root on the host: for hosts that build the images they run, and for no other.
  option(
    'pin.docker_socket',
    'path',
    'container engine that says what images of this host stand for, where pin_images is on and no registry is asked; it makes the agent root',
  ),
  option(
    'metrics.listen',
    'listen',
    "where /metrics, /readyz and /healthz of the agent itself are found; without it the embedded hub's tell them",
  ),
  option(
    'trace.otlp_url',
    'url',
    'OpenTelemetry collector (OTLP over HTTP) that traces go to, e.g. http://127.0.0.1:4318',
  ),
  option('log.level', 'choice', 'least level that is logged', {
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
  }),
  option('log.format', 'choice', 'one JSON object or one plain line per entry', {
    default: 'text',
    choices: ['json', 'text'],
  }),
];

/** Keys that belong to later versions: told apart from typing mistakes, refused all the same, since they would do nothing. */
export const LATER_KEYS: readonly string[] = ['oidc'];

/** Keys that stand in another file. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  on_unmatched: 'stands in the policy (policy.yaml), not here',
  notify: 'channels stand under hub.notify, who is told what stands in the policy (policy.yaml)',
  'runners.divert': 'which runner takes what nobody approved stands in the policy, under on_unmatched',
};

/** Variables of the commands that talk to a hub; an agent does not read them, and they are no mistake. */
export const CLIENT_ENV: readonly string[] = [
  'HOLDPOINT_TOKEN',
  'HOLDPOINT_TOKEN_FILE',
  'HOLDPOINT_CONFIG',
  'HOLDPOINT_GITLAB_TOKEN',
  'HOLDPOINT_GITLAB_TOKEN_FILE',
];

/** Where the agent looks for its file when neither flag nor variable says. */
export const DEFAULT_CONFIG_FILE = '/etc/holdpoint/agent.yml';
