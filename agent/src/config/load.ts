import type { ConfigProblem } from './problems.ts';

/** Host and port of a listening socket; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** One `runners[]` entry. */
export interface RunnerConfig {
  readonly name: string;
  /** The runner's GitLab token, whether it came from the file or from its token file. */
  readonly token: string;
  /** Only a protected runner's jobs are gated; true unless the file says otherwise. */
  readonly protected: boolean;
}

/** Everything `holdpoint agent` is told, read and checked; paths are absolute, durations milliseconds. */
export interface AgentConfig {
  /** The file that was read, null when there is none. */
  readonly file: string | null;
  readonly gitlab: {
    /** Address of GitLab without a trailing slash; may have a path. */
    readonly url: string;
    /** Text of PEM certificates to trust beside the usual ones. */
    readonly ca: string | null;
  };
  readonly gateway: { readonly listen: ListenAddress };
  readonly hub: {
    readonly listen: ListenAddress;
    /** Null: `http://` and the address the hub really listens on. */
    readonly externalUrl: string | null;
    readonly store: { readonly kind: 'sqlite'; readonly path: string };
  };
  readonly stateDir: string;
  /** Path of principals.yaml. */
  readonly principals: string;
  readonly runners: readonly RunnerConfig[];
  /** Paths of key files; the wiring makes them, 0600, at the first start. */
  readonly keys: { readonly variable: string; readonly seal: string };
  readonly parking: {
    readonly maxHolds: number;
    readonly liveMs: number;
    readonly liveFloorMs: number;
    readonly handoverConfirmMs: number;
  };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'text' };
  /** What is allowed but unwise, one sentence each, to be logged at start. */
  readonly warnings: readonly string[];
}

/** Where settings come from; the file's place is the flag `config`, HOLDPOINT_CONFIG or the default. */
export interface ConfigSources {
  /** Values of flags by option key, plus `config`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths of flags and variables start from; those of the file start from its own folder. */
  readonly cwd: string;
}

/** Reads flags, environment and file; throws ConfigError (`bad_config`) with every problem at once. */
export function loadConfig(_sources: ConfigSources): AgentConfig {
  const problems: ConfigProblem[] = [];
  throw new Error(`being written ${problems.length}`);
}
