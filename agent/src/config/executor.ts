import { EXECUTOR_FILE } from './file-kinds.ts';
import { ConfigError } from './problems.ts';
import { readSettings } from './settings.ts';
import type { ConfigSources } from './sources.ts';

/** Everything `holdpoint executor` is told; paths are absolute, durations milliseconds, sizes bytes. */
export interface ExecutorConfig {
  readonly file: string | null;
  readonly driver: 'docker' | 'dummy';
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
  const pull = text('docker.pull') as PullPolicy;
  const allowed = words(
    'docker.allowed_pull',
    /^(always|if-not-present|never)$/,
    PULL.join(', '),
  ) as readonly PullPolicy[];
  const cpus = orNull('docker.cpus');
  if (cpus !== null && (!/^\d{1,4}(\.\d{1,3})?$/.test(cpus) || Number(cpus) < 0.01))
    refuse('docker.cpus', 'wanted a number like 2 or 1.5, at least 0.01');
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
      cpus: cpus === null ? null : Number(cpus),
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
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
