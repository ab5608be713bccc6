/** One hidden value as an approver may see it. */
export interface RevealedValue {
  /** Name of the variable, or `inputs.` and the key of a job input. */
  readonly name: string;
  /** The value; secrets within it that are not its own stand as `[hidden:NAME]`. */
  readonly value: string;
  /** Names of those secrets: a text that only looks like one is not among them (T33). */
  readonly hidden: readonly string[];
}
/** Which hidden values of a parked job are asked for. */
export interface RevealQuestion {
  readonly hold: number;
  readonly jobId: number;
  readonly digest: string;
  readonly names: readonly string[];
}

/** A piece of a running job's log as its runner sent it. */
export interface LogPiece {
  readonly hold: number;
  readonly jobId: number;
  /** In bytes of what the runner has written. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a connected agent has told of itself. */
export interface AgentStatus {
  /** How much its clock is ahead of the hub's. */
  readonly skewMs: number;
  /** The newest snapshot that it has; null for none. `heardAt` by the hub's clock. */
  readonly snapshot: { readonly seq: number; readonly policy: string; readonly heardAt: number } | null;
}

/** A part of the log of a job that is recorded: masked and decoded. */
export interface RecordPiece {
  readonly hold: number;
  readonly jobId: number;
  /** Where it begins and how long it is in bytes of the runner's own log. */
  readonly offset: number;
  readonly size: number;
  /** When it passed the gateway, epoch ms. */
  readonly at: number;
  readonly text: string;
  /** Why the recording is not whole from here on; null where it is. */
  readonly problem: string | null;
}

/** Agents as the hub asks them while they are connected. */
export interface Agents {
  /** The values, for one answer to one person and nothing else. Rejects with `cannot_reveal` when the agent is away or has the payload no more. */
  reveal(agent: string, question: RevealQuestion): Promise<readonly RevealedValue[]>;
}
