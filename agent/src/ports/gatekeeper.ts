import type { AgentProblem } from '../domain/agent-problem.ts';
import type { Finding } from '../domain/doctor/finding.ts';
import type { Facts } from '../domain/facts.ts';
import type { HoldState } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import type { OfflineRun, OwedReport } from '../domain/parked-job.ts';
import type { SectionsWanted } from '../domain/sections.ts';
import type { SignedSnapshot } from '../domain/snapshot.ts';
import type { LogPiece, RecordPiece, RevealedValue, RevealQuestion } from './agents.ts';

export interface AdmitRequest {
  readonly digest: string;
  readonly configuration: JsonObject;
  readonly facts: Facts;
  /** The job runs already: what would have become of it is recorded, nobody is asked and nothing is kept. */
  readonly monitor?: boolean;
  /** The job runs, or ran, already: it was let through while the hub was away, and is told now. */
  readonly offline?: OfflineRun;
  /** The agent can cover what the policy wants beside the payload; absent: it is of an older version, and its jobs wait. */
  readonly covers?: boolean;
  /** Names of unprotected runners that may be given the job instead of parking it; absent where it must not be diverted. */
  readonly divert?: readonly string[];
  /** The agent can record jobs that run, and stop them; absent: the question is one of this very program. */
  readonly watches?: boolean;
  /** The runner's request that the job came with, for the hub's log. */
  readonly request?: string;
  /** W3C traceparent of the question. */
  readonly trace?: string;
}
export interface AdmitAnswer {
  /** `sections`: nothing is decided; ask again with these sections in the Configuration. */
  readonly outcome: 'pass' | 'hold' | 'refuse' | 'divert' | 'sections';
  /** With `sections`: what the policy wants covered of this job, and nothing else. */
  readonly sections?: SectionsWanted | null;
  /** With `divert` the runner that gets it: one of those offered. */
  readonly runner?: string | null;
  readonly hold: number | null;
  readonly approval: number | null;
  readonly expires: string | null;
  readonly reason: string | null;
  readonly note: string | null;
  readonly url: string | null;
  /** With `pass` and no hold: it was let through without the hub, which is to be told of it later. */
  readonly offline?: OfflineRun;
  /** With `hold`: ms that the job is kept alive at most while it waits, 0 to end it at once; null or absent: as any other. */
  readonly liveMs?: number | null;
  /** With `pass`: the job has to be recorded. */
  readonly recording?: 'record' | 'required' | undefined;
}
export interface HoldStatus {
  readonly hold: number;
  readonly jobId: number;
  readonly state: HoldState | 'unknown';
  readonly current: boolean;
  /** In answer to a hand-out: the job has to be recorded. */
  readonly recording?: 'record' | 'required' | undefined;
}
/** What an agent tells of a job: what is owed of it, or that an executor asked for it in vain. */
export interface HoldReport extends Pick<OwedReport, 'at'> {
  /** Null: the hub has none yet, or the agent was not told. */
  readonly hold: number | null;
  readonly jobId: number;
  readonly event: OwedReport['event'] | 'receipt_refused';
  readonly detail: OwedReport['detail'] & {
    /** Why a receipt was refused, in a word. */
    readonly refusal?: string;
  };
}
export interface ParkedHold {
  readonly hold: number;
  readonly jobId: number;
  readonly digest: string;
  readonly state: 'parked' | 'released' | 'handed_out' | 'confirmed' | 'ended';
  readonly parkedUntil: string | null;
}
/** What the hub tells an agent unasked. A hint: the state comes with it, and `sync` repeats it. */
export interface HubPush {
  readonly type: 'release' | 'reject' | 'expire' | 'revoke' | 'cancel';
  readonly seq: number;
  readonly hold: number;
  readonly jobId: number;
  readonly digest: string;
  readonly reason: string | null;
  readonly note: string | null;
  /** With `cancel`: a job that runs is ended as well, because somebody has stopped it. */
  readonly stop?: boolean | undefined;
}

/** The hub as the agent sees it. Every call rejects with a HoldpointError `hub_unreachable` when no hub answers in time. */
export interface Gatekeeper {
  admit(request: AdmitRequest): Promise<AdmitAnswer>;
  /** Resolves when the hub has stored it. */
  report(report: HoldReport): Promise<readonly HoldStatus[]>;
  sync(holds: readonly ParkedHold[]): Promise<readonly HoldStatus[]>;
  /** Key of the HMACs in the canonical form, 32 bytes; null until a hub has welcomed this agent once. */
  variableKey(): Uint8Array | null;
  /** Called for each push; it is acknowledged when the promise resolves, and sent again otherwise. */
  onPush(listener: (push: HubPush) => Promise<void>): void;
  /** Called when a person who may approve a job asks for hidden values of it; a rejection is told to them in its words. */
  onReveal(listener: (question: RevealQuestion) => Promise<readonly RevealedValue[]>): void;
  /** Called when somebody begins or ends to look at a running job's log; null: nobody looks at any. */
  onWatch?(listener: (hold: number | null, on: boolean) => void): void;
  /** A piece of a log that is watched; what the link cannot take at once is dropped. */
  log?(piece: LogPiece): void;
  /** Has the hub keep a part of a job's recording; the answer is up to where it has it, and why it takes no more. Rejects as `admit`. */
  record?(piece: RecordPiece): Promise<{ readonly next: number; readonly problem: string | null }>;
  /** Called with each snapshot, as the hub has signed it. */
  onSnapshot?(listener: (snapshot: SignedSnapshot) => void): void;
  /** Called after each welcome, the first and every one after a drop. */
  onConnect(listener: () => void): void;
  connected(): boolean;
  /** What people must look at on the agent's side, whole; the hub is told at once, and after each welcome again. */
  health?(problems: readonly AgentProblem[]): void;
  /** What was found on the agent's host; the hub is told at once, and after each welcome again. */
  examined?(report: Examined): void;
  /** Called when somebody wants the host looked at now. */
  onExamine?(listener: () => void): void;
  close(): Promise<void>;
}

/** An agent's look at its own host. */
export interface Examined {
  /** RFC 3339. */
  readonly at: string;
  readonly findings: readonly Finding[];
}
