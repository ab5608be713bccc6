/** What the docker driver is told; every limit is one of each container of a job. */
export interface DockerOptions {
  /** Path of the engine's unix socket. */
  readonly socket: string;
  readonly version: string;
  readonly buildsDir: string;
  readonly cacheDir: string;
  readonly graceMs: number;
  /** Image of jobs that name none; null: such a job is refused. */
  readonly image: string | null;
  /** Image with git and gitlab-runner for the stages that are not the job's own; null: they run in the job's image. */
  readonly helperImage: string | null;
  /** Whom jobs run as; null: whom the job or its image names. */
  readonly user: string | null;
  readonly pull: PullPolicy;
  /** What a job may ask for instead. */
  readonly allowedPull: readonly PullPolicy[];
  /** `job`: a network of its own; `internal`: one that leads nowhere; `none`: none at all, and no services. */
  readonly network: 'job' | 'internal' | 'none';
  readonly memoryBytes: number;
  /** Null: as many as there are. */
  readonly cpus: number | null;
  readonly pids: number;
  readonly readOnlyRoot: boolean;
  /** Size of `/tmp` where the root is read-only. */
  readonly tmpBytes: number;
  /** Null: as large as the engine's disk. Not every storage driver can. */
  readonly rootBytes: number | null;
  /** Null: as large as the engine's disk; else the working copy lies in memory. */
  readonly buildsBytes: number | null;
  readonly capabilities: readonly string[];
  readonly serviceCapabilities: readonly string[];
  readonly newPrivileges: boolean;
  /** `host:container[:ro]`. */
  readonly volumes: readonly string[];
  /** `project/path:job name` of the jobs that get the engine's socket, and with it the host. */
  readonly socketJobs: readonly string[];
  readonly cache: 'none' | 'project';
  readonly serviceWaitMs: number;
}

/** When an image is fetched. */
export type PullPolicy = 'always' | 'if-not-present' | 'never';
