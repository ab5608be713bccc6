import type { OwedReport } from '../domain/parked-job.ts';
import type { ReceiptRefusal } from './receipts.ts';

/** What one call to GitLab, or one request of a runner, is counted under: a word of the closed list of routes, or one of these. */
export type CallName = string;

/** What became of a receipt, or of a question for one. */
export type ReceiptOutcome = 'issued' | 'spent' | ReceiptRefusal;

/** How a job came to the poll that got it. */
export type HandOverWay = 'passed' | 'released' | 'diverted';

/**
 * What an agent counts. Every label is a word of a closed set: nothing that a pusher, a person or GitLab chooses stands in
 * one, so that no metric names a project (T32) and nobody can make series without end (T30). Never throws.
 */
export interface AgentMeter {
  /** A request of a runner has ended; `status` null: its connection went away before the answer. */
  request(route: CallName, status: number | null, seconds: number): void;
  /** GitLab has answered with this status, or (null) it could not be reached. Seconds until the head of the answer. */
  upstream(call: CallName, status: number | null, seconds: number): void;
  /** GitLab has handed out a job. */
  received(): void;
  /** The hub has answered, or (`none`) nothing came of asking. Seconds since the job came. */
  verdict(outcome: 'pass' | 'hold' | 'refuse' | 'divert' | 'none', seconds: number): void;
  /** Something became of a job: one of the events that the hub is told. */
  event(event: OwedReport['event']): void;
  /** Every byte of a job went out. Seconds since the job was free to go. */
  handOver(way: HandOverWay, seconds: number): void;
  /** GitLab was told that a parked job lives. */
  heartbeat(ok: boolean): void;
  /** A job was sealed and written, or the disk did not take it. */
  stored(ok: boolean, seconds: number): void;
  /** A file of the parking lot cannot be trusted and was set aside. */
  damaged(): void;
  /** A receipt was written or spent, or whoever asked for one was refused. */
  receipt(outcome: ReceiptOutcome): void;
  /** The hub has welcomed this agent, or the link has ended. */
  link(event: 'welcome' | 'drop'): void;
}
