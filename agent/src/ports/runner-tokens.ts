/** What is kept of a runner whose token was reset through this agent. */
export interface RunnerTokenRecord {
  /** SHA-256 (hex) of the configured token that it descends from: another one in the configuration ends this record. */
  readonly configured: string;
  /** The token that GitLab gave last; null while none was given yet. */
  readonly token: string | null;
  /** RFC 3339 as GitLab said it; null: it does not expire. */
  readonly expiresAt: string | null;
  /** True from just before GitLab is asked for a new token until the answer is stored: after a crash in between the kept one may be dead. */
  readonly asked: boolean;
}

/** Where tokens that were reset are kept. Every write is durable when its promise resolves, and whole or not there at all. */
export interface RunnerTokenKeep {
  /** Null when nothing is kept for the runner; rejects with `bad_input` when what is kept cannot be trusted. */
  load(runner: string): Promise<RunnerTokenRecord | null>;
  save(runner: string, record: RunnerTokenRecord): Promise<void>;
}
