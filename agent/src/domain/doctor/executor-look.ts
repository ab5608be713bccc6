/** What stands behind `holdpoint executor` of one entry of a config.toml: its own file, and the engine that the file names. */
export interface ExecutorLook {
  /** File and name of the entry, and the runner of agent.yml that it is. */
  readonly entry: { readonly file: string; readonly name: string; readonly runner: string | null };
  readonly config: string;
  /** Null: `problems` say why; with none of them this user may not read it. */
  readonly settings: {
    readonly driver: 'docker' | 'pty' | 'dummy';
    /** Null: `receipts: off`. */
    readonly receiptSocket: string | null;
    readonly runner: string | null;
    readonly graceMs: number;
    /** `docker.socket`, where the driver is docker. */
    readonly socket: string | null;
    readonly pull: 'always' | 'if-not-present' | 'never';
  } | null;
  readonly problems: readonly string[];
  /** Seconds of `graceful_kill_timeout`. */
  readonly gracefulKillS: number;
  /** Null where the driver has none. */
  readonly engine: EngineLook | null;
  /** Null where the driver is another than pty. */
  readonly pty: PtyLook | null;
}

/** What was seen of a container engine: which images of the file it does not have, or why it does not answer; `closed`: to this user. */
export type EngineLook =
  | { readonly outcome: 'answers'; readonly absent: readonly string[] }
  | { readonly outcome: 'away'; readonly why: string }
  | { readonly outcome: 'closed' };

/** What the driver pty would refuse here, and users of its jobs that are more than those; `closed`: to whoever is not root. */
export type PtyLook =
  | { readonly outcome: 'looked'; readonly refusals: readonly string[]; readonly trusted: readonly string[] }
  | { readonly outcome: 'closed' };
