import type { EnrolledAgent, Enrolment } from '../domain/enrolment.ts';

/** Reads of agents that have enrolled, and of tokens that enrol one. */
export interface AgentReads {
  /** Null for an agent that never enrolled. */
  enrolled(agent: string): Promise<EnrolledAgent | null>;
  /** Those of these names that ever enrolled, in one question. */
  enrolledAmong(agents: readonly string[]): Promise<readonly EnrolledAgent[]>;
  /** Ids of the projects whose jobs each of these agents has brought, in one question; nothing for one that has brought none. */
  projectsOfAgents(agents: readonly string[]): Promise<ReadonlyMap<string, readonly number[]>>;
  enrolmentOfHash(hash: string): Promise<Enrolment | null>;
}
/** An agent that gets a snapshot, and the number of the newest that it has. */
export interface AskedSnapshot {
  readonly agent: string;
  readonly has: number;
}
/** An agent that is linked again. */
export interface ArrivedAgent {
  readonly name: string;
  readonly version: string;
  readonly runners: readonly { readonly name: string; readonly protected: boolean }[];
  /** Number of the newest push that it has acted on. */
  readonly cursor: number;
}
/** Writes of the same. */
export interface AgentWrites {
  /** Keeps a token; older ones for the same agent are void from here on. */
  insertEnrolment(enrolment: Enrolment): Promise<void>;
  /** Marks it as used. Rejects with `hold_conflict` when it was already: of two at one moment one counts. */
  useEnrolment(hash: string, at: number): Promise<void>;
  /** The key that the agent proves from here on; one that was there before proves nothing any more. */
  putEnrolled(agent: EnrolledAgent): Promise<void>;
  /** The next number of a snapshot for each of these agents, above every one that was given and above its `has`. */
  nextSnapshots(asked: readonly AskedSnapshot[]): Promise<readonly number[]>;
  /**
   * Notes of each, all of different names, that it is there, as `putAgent` and `acknowledge` do for one. Answers those that have
   * acted on more than was ever given (T29).
   */
  putArrived(agents: readonly ArrivedAgent[], at: number): Promise<readonly string[]>;
  /** Notes that an agent was there at this time. */
  seenAgent(agent: string, at: number): Promise<void>;
}
