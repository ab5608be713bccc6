/** What the driver pty is told. */
export interface PtyOptions {
  readonly version: string;
  /** Folder in which each session has one, and in which it is noted who has which user. */
  readonly workDir: string;
  readonly graceMs: number;
  /** Users that jobs run as: names, or `uid:gid`. */
  readonly users: readonly string[];
  /** True where the configuration says in words that jobs may run as root, as the runner or as the agent. */
  readonly mayBeTrusted: boolean;
  /** Path of the socket of receipts, whose owner no job may be; null where there is none. */
  readonly receiptSocket: string | null;
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
  readonly path: string;
  /** Null: as much as there is. Only a control group can hold a job to it. */
  readonly memoryBytes: number | null;
  readonly cpus: number | null;
  readonly pids: number;
  readonly files: number;
  /** Largest file of a job; null: any. */
  readonly fileBytes: number | null;
  /** Size of all folders of a job, which then lie in memory; null: as large as the disk. */
  readonly diskBytes: number | null;
  readonly newPrivileges: boolean;
  /** `ulimits`: make no control group, even where it could be. */
  readonly limits: 'auto' | 'ulimits';
}
