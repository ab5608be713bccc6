import { EXECUTOR_FILE } from './file-kinds.ts';
import { ConfigError } from './problems.ts';
import { readSettings } from './settings.ts';
import type { ConfigSources } from './sources.ts';

/** Everything `holdpoint executor` is told; paths are absolute, durations milliseconds, sizes bytes. */
export interface ExecutorConfig {
  readonly file: string | null;
  readonly driver: 'docker' | 'pty' | 'dummy';
  /** Path of the socket that is asked for receipts; null only where the file says `receipts: off`. */
  readonly receiptSocket: string | null;
  readonly receiptWaitMs: number;
  /** Null: a receipt for any runner of the host is taken. */
  readonly runner: string | null;
  readonly workDir: string;
  readonly graceMs: number;
  readonly prepareTimeoutMs: number;
  readonly docker: {
    readonly socket: string;
    readonly buildsDir: string;
    readonly cacheDir: string;
    readonly graceMs: number;
    readonly image: string | null;
    readonly helperImage: string | null;
    readonly user: string | null;
    readonly pull: PullPolicy;
    readonly allowedPull: readonly PullPolicy[];
    readonly network: 'job' | 'internal' | 'none';
    readonly memoryBytes: number;
    readonly cpus: number | null;
    readonly pids: number;
    readonly readOnlyRoot: boolean;
    readonly tmpBytes: number;
    readonly rootBytes: number | null;
    readonly buildsBytes: number | null;
    readonly capabilities: readonly string[];
    readonly serviceCapabilities: readonly string[];
    readonly newPrivileges: boolean;
    readonly volumes: readonly string[];
    readonly socketJobs: readonly string[];
    readonly cache: 'none' | 'project';
    readonly serviceWaitMs: number;
  };
  readonly pty: {
    readonly users: readonly string[];
    readonly mayBeTrusted: boolean;
    readonly term: string;
    readonly columns: number;
    readonly rows: number;
    readonly path: string;
    readonly memoryBytes: number | null;
    readonly cpus: number | null;
    readonly pids: number;
    readonly files: number;
    readonly fileBytes: number | null;
    readonly diskBytes: number | null;
    readonly newPrivileges: boolean;
    readonly limits: 'auto' | 'ulimits';
  };
}

const PULL = ['always', 'if-not-present', 'never'] as const;
type PullPolicy = (typeof PULL)[number];

/** Reads flags, environment and executor.yml; throws ConfigError (`bad_config`) with every problem at once. */
export function loadExecutorConfig(sources: ConfigSources): ExecutorConfig {
  const read = readSettings(sources, EXECUTOR_FILE);
  const { settings, text, number, path, problems, file } = read;
  const orNull = (key: string): string | null => (settings.has(key) ? text(key) : null);
  const refuse = (key: string, message: string) =>
    problems.push({ where: settings.get(key)?.where ?? '', path: key, message });
  const words = (key: string, wanted: RegExp, shape: string, between = /\s+/): readonly string[] => {
    const all = (orNull(key) ?? '')
      .split(between)
      .map((word) => word.trim())
      .filter((word) => word !== '');
    const wrong = all.find((word) => !wanted.test(word));
    if (wrong !== undefined) refuse(key, `found ${JSON.stringify(wrong)}, wanted ${shape}`);
    return all;
  };
  const inContainer = (key: string): string => {
    const place = text(key);
    if (!/^(\/[A-Za-z0-9._-]+)+$/.test(place) || place.split('/').includes('..'))
      refuse(key, 'wanted an absolute path like /builds');
    return place;
  };
  const shaped = (key: string, wanted: RegExp, shape: string): string => {
    if (!wanted.test(text(key))) refuse(key, `found ${JSON.stringify(text(key))}, wanted ${shape}`);
    return text(key);
  };
  const window = () => {
    const [, columns, rows] = /^([1-9]\d{0,3})x([1-9]\d{0,3})$/.exec(text('pty.window')) ?? [];
    if (columns === undefined) refuse('pty.window', 'wanted columns x rows, like 120x40');
    return { columns: Number(columns ?? 1), rows: Number(rows ?? 1) };
  };
  const pull = text('docker.pull') as PullPolicy;
  const allowed = words(
    'docker.allowed_pull',
    /^(always|if-not-present|never)$/,
    PULL.join(', '),
  ) as readonly PullPolicy[];
  const cpusOf = (key: string): number | null => {
    const cpus = orNull(key);
    if (cpus !== null && (!/^\d{1,4}(\.\d{1,3})?$/.test(cpus) || Number(cpus) < 0.01))
      refuse(key, 'wanted a number like 2 or 1.5, at least 0.01');
    return cpus === null ? null : Number(cpus);
  };
  const sizeOf = (key: string): number | null => (settings.has(key) ? number(key) : null);
  const capability = /^[A-Z][A-Z_]{2,40}$/;
  const config: ExecutorConfig = {
    file,
    driver: text('driver') as ExecutorConfig['driver'],
    receiptSocket: text('receipts') === 'off' ? null : path('receipt_socket'),
    receiptWaitMs: number('receipt_wait'),
    runner: orNull('runner'),
    workDir: path('work_dir'),
    graceMs: number('grace'),
    prepareTimeoutMs: number('prepare_timeout'),
    docker: {
      socket: path('docker.socket'),
      buildsDir: inContainer('builds_dir'),
      cacheDir: inContainer('cache_dir'),
      graceMs: number('grace'),
      image: orNull('docker.image'),
      helperImage: orNull('docker.helper_image'),
      user: orNull('docker.user'),
      pull,
      allowedPull: allowed.length === 0 ? [pull] : allowed,
      network: text('docker.network') as ExecutorConfig['docker']['network'],
      memoryBytes: number('docker.memory'),
      cpus: cpusOf('docker.cpus'),
      pids: number('docker.pids'),
      readOnlyRoot: text('docker.root') === 'read-only',
      tmpBytes: number('docker.tmp_size'),
      rootBytes: settings.has('docker.root_size') ? number('docker.root_size') : null,
      buildsBytes: settings.has('docker.builds_size') ? number('docker.builds_size') : null,
      capabilities: words('docker.capabilities', capability, 'names like CHOWN'),
      serviceCapabilities: words('docker.service_capabilities', capability, 'names like CHOWN'),
      newPrivileges: text('docker.new_privileges') === 'allow',
      volumes: words('docker.volumes', /^[^:\s]+:\/[^:\s]+(:(ro|rw))?$/, 'host:/container or host:/container:ro'),
      socketJobs: words('docker.socket_jobs', /^[^:]+:.+$/, 'project/path:job name', /,/),
      cache: text('docker.cache') as ExecutorConfig['docker']['cache'],
      serviceWaitMs: number('docker.service_wait'),
    },
    pty: {
      users: words('pty.users', /^([a-z_][a-zA-Z0-9._-]{0,62}\$?|\d{1,10}:\d{1,10})$/, 'names of users, or uid:gid'),
      mayBeTrusted: text('pty.trust') === 'jobs-may-do-what-that-user-may',
      term: shaped('pty.term', /^[a-zA-Z0-9._+-]{1,64}$/, 'a name like xterm-256color'),
      ...window(),
      path: shaped('pty.path', /^\/[^:\s]*(:\/[^:\s]*)*$/, 'absolute folders with colons between'),
      memoryBytes: sizeOf('pty.memory'),
      cpus: cpusOf('pty.cpus'),
      pids: number('pty.pids'),
      files: number('pty.files'),
      fileBytes: sizeOf('pty.file_size'),
      diskBytes: sizeOf('pty.disk_size'),
      newPrivileges: text('pty.new_privileges') === 'allow',
      limits: text('pty.limits') as ExecutorConfig['pty']['limits'],
    },
  };
  if (config.driver === 'pty' && config.pty.users.length === 0) read.missing('pty.users');
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
