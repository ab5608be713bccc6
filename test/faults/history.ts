/** What happened, as whoever stands outside saw it. Times are epoch ms of the harness, whose clock nobody turns. */

/** How often and by whom a key has to be approved, and what an approval of it is good for. */
export type JobClass =
  /** One maintainer; good until revoked. */
  | 'standing'
  /** Two maintainers. */
  | 'duo'
  /** Triggered by a maintainer, who does not count. */
  | 'self'
  /** One maintainer, for two runs. */
  | 'counted'
  /** One maintainer, for one hold. */
  | 'once';

/** A job that was put into GitLab's queue. */
export interface Queued {
  readonly job: number;
  readonly at: number;
  readonly pipeline: number;
  /** What an approval is about, made up by the harness: its class, its job's name and the variant of its script. */
  readonly key: string;
  readonly kind: JobClass;
  readonly agent: string;
}
/** How an answer came out: `taken` is an acknowledgement, `refused` says no, `unknown` is neither. */
export type Answered = 'taken' | 'refused' | 'unknown';

/** Something that a person asked for. */
export interface Asked {
  readonly what: 'approve' | 'reject' | 'deny' | 'revoke';
  readonly person: string;
  readonly key: string;
  /** The hold; of a revoke the approval. */
  readonly id: number;
  /** Job that the hold showed; null of a revoke. */
  readonly job: number | null;
  /** Hold that a revoked approval was for alone. */
  readonly alone?: number | null;
  readonly sent: number;
  readonly back: number;
  readonly answer: Answered;
  readonly status: number | null;
}
/** A script that began to run. */
export interface Started {
  readonly job: number;
  readonly at: number;
  readonly runner: string;
  readonly agent: string;
  /** Read out of the script lines that the runner was given. */
  readonly key: string | null;
}
/** A job that a runner was given, and that was over for it before its first line: somebody ended the runner. */
export type Unbegun = Omit<Started, 'key'>;
/** A time in which something was wrong with an agent, its wires or what it depends on. */
export interface Disturbed {
  /** Name of an agent, or `hub`: all of them. */
  readonly who: string;
  /** `gitlab`: an answer of GitLab could be lost on its way. */
  readonly what: 'process' | 'gitlab' | 'hub' | 'runner';
  readonly from: number;
  readonly to: number;
}

/** How GitLab has a job at the end. */
export interface InGitlab {
  readonly job: number;
  readonly status: string;
  readonly handedOutAt: number | null;
  readonly handOuts: number;
  readonly note: boolean;
}
/** A Hold at the end, as the hub tells it. */
export interface AtHub {
  readonly id: number;
  readonly state: string;
  readonly job: number;
  /** Job of the attempt that is parked or runs. */
  readonly attempt: number | null;
}
/** A row of the exported audit. */
export interface AuditLine {
  readonly seq: number;
  readonly actor: string;
  readonly event: string;
  readonly hold: number | null;
  readonly approval: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** All that is known of one storm. */
export interface History {
  readonly queued: readonly Queued[];
  readonly asked: readonly Asked[];
  readonly started: readonly Started[];
  readonly unbegun: readonly Unbegun[];
  readonly disturbed: readonly Disturbed[];
  /** Canceled by the harness in GitLab. */
  readonly canceled: readonly number[];
  readonly gitlab: readonly InGitlab[];
  readonly holds: readonly AtHub[];
  readonly audit: readonly AuditLine[];
  /** What the auditor's own check of the export says; null: it verifies. */
  readonly auditProblem: string | null;
  /** Ms from the end of the storm until nothing moved any more, less what the machine held back; null: it never came to rest. */
  readonly restMs: number | null;
  /** The same by the wall. */
  readonly restWallMs: number | null;
  /** What still moved when it did not. */
  readonly restless: readonly string[];
}
