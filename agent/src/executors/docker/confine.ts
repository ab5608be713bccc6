import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type Docker from 'dockerode';
import type { ExecutorJob } from '../../ports/executor.ts';
import { ExecutorFailure } from '../failure.ts';
import type { DockerOptions } from './options.ts';

/** More than a service can say of itself in a failed start; kept by the engine until the job is over. */
const SERVICE_LOG = '1m';

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Whether a folder of the host, given to a container, would give it a socket as well (T25). */
export function wouldShow(source: string, socket: string): boolean {
  const folder = real(source);
  const target = real(socket);
  return target === folder || target.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** Folders that the configuration gives to every job; refused where one of them would show `guarded` (T25). */
function binds({ volumes }: DockerOptions, guarded: readonly string[]): readonly string[] {
  for (const volume of volumes) {
    const [source = ''] = volume.split(':');
    const shown = source.startsWith('/') ? guarded.find((path) => wouldShow(source, path)) : undefined;
    if (shown !== undefined)
      throw new ExecutorFailure(
        `docker.volumes gives ${source} to every job, and with it ${shown}: take it out; a job that needs the engine is named in docker.socket_jobs`,
      );
  }
  return volumes;
}

/** True where the configuration names this very job as one that may have the engine's socket. */
export function mayHaveSocket({ socketJobs }: DockerOptions, { projectPath, name }: ExecutorJob): boolean {
  return socketJobs.includes(`${projectPath}:${name}`);
}

/** What confines every container of a job: no capability, no new privilege, its share of the host and no more. */
function confined(options: DockerOptions, capabilities: readonly string[]): Docker.HostConfig {
  return {
    Privileged: false,
    CapDrop: ['ALL'],
    CapAdd: [...capabilities],
    SecurityOpt: options.newPrivileges ? [] : ['no-new-privileges:true'],
    Memory: options.memoryBytes,
    // No more than that with swap: else the limit would be twice as high.
    MemorySwap: options.memoryBytes,
    PidsLimit: options.pids,
    ...(options.cpus === null ? {} : { NanoCpus: Math.round(options.cpus * 1e9) }),
    ...(options.rootBytes === null ? {} : { StorageOpt: { size: String(options.rootBytes) } }),
  };
}

/** Where a container's disk and sockets are. */
export interface Mounts {
  /** `volume:/path`. */
  readonly volumes: readonly string[];
  /** Container whose network this one lives in. */
  readonly inNetworkOf: string;
}

/** Host side of a container that runs stages. */
export function jobHost(
  options: DockerOptions,
  job: ExecutorJob,
  mounts: Mounts,
  guarded: readonly string[],
): Docker.HostConfig {
  const socket = mayHaveSocket(options, job) ? [`${options.socket}:/var/run/docker.sock`] : [];
  return {
    ...confined(options, options.capabilities),
    ReadonlyRootfs: options.readOnlyRoot,
    ...(options.readOnlyRoot ? { Tmpfs: { '/tmp': `rw,nosuid,nodev,size=${options.tmpBytes},mode=1777` } } : {}),
    NetworkMode: `container:${mounts.inNetworkOf}`,
    Binds: [...mounts.volumes, ...binds(options, guarded), ...socket],
    // What it prints goes to the runner alone: kept by the engine it would fill the host's disk.
    LogConfig: { Type: 'none', Config: {} },
  };
}

/** Host side of the container that keeps a session's network and volumes; it runs nothing of the job. */
export function holderHost(options: DockerOptions, volumes: readonly string[], network: string): Docker.HostConfig {
  return {
    ...confined(options, []),
    PidsLimit: Math.min(options.pids, 16),
    ReadonlyRootfs: true,
    NetworkMode: network,
    Binds: [...volumes],
    LogConfig: { Type: 'none', Config: {} },
  };
}

/** Host side of a service; none of them sees the working copy. */
export function serviceHost(options: DockerOptions, network: string): Docker.HostConfig {
  return {
    ...confined(options, options.serviceCapabilities),
    NetworkMode: network,
    LogConfig: { Type: 'json-file', Config: { 'max-size': SERVICE_LOG, 'max-file': '1' } },
  };
}

/** Sockets of the host that no container gets: the engine's, and those beside the receipts'. */
export function guardedPaths({ socket }: DockerOptions, more: readonly string[]): readonly string[] {
  return [socket, ...more, ...more.map((path) => dirname(path))];
}
