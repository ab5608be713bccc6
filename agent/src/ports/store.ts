import type { Approval } from '../domain/approval.ts';
import type { AuditEntry, AuditHead, AuditRow } from '../domain/audit.ts';
import type { BreakGlass } from '../domain/break-glass.ts';
import type { Facts } from '../domain/facts.ts';
import type { Hold, HoldState } from '../domain/hold.ts';
import type { GateStatus, Retry } from '../domain/retrying.ts';
import type { Denial, Review, ReviewState } from '../domain/review.ts';
import type { Claimed, Session } from '../domain/session.ts';
import type { Sighting } from '../domain/sighting.ts';
import type { Subject } from '../domain/subject.ts';
import type { Token } from '../domain/token.ts';
import type { Vote } from '../domain/vote.ts';
import type { AgentReads, AgentWrites } from './agent-store.ts';
import type { DeploymentReads, DeploymentWrites } from './deployment-store.ts';
import type { HubPush } from './gatekeeper.ts';
import type { OrderedPage, Page, Sight } from './listing.ts';
import type { NoticeReads, NoticeWrites } from './notice-store.ts';
import type { PasskeyReads, PasskeyWrites } from './passkey-store.ts';
import type { RetentionReads, RetentionWrites } from './retention-store.ts';
import type { WatchReads, WatchWrites } from './watch-store.ts';

export type { OrderedPage, Page, Sight };

/** One principal that a rule names; `group_inherited`: members of groups above it count too; `admin`: all administrators, principal 0. */
export interface NamedRow {
  readonly kind: 'user' | 'group' | 'group_inherited' | 'admin';
  readonly principal: number;
}
/** Which Holds to list; all conditions must fit. */
export interface HoldFilter {
  readonly id?: number;
  readonly states?: readonly HoldState[];
  /** Id or full path. */
  readonly project?: number | string;
  readonly job?: string;
  readonly ref?: string;
  readonly sight: Sight | null;
}
/** Which Reviews to list; all conditions must fit. */
export interface ReviewFilter {
  readonly states?: readonly ReviewState[];
  /** Id, or full path whatever its letter case. */
  readonly project?: number | string;
  readonly environment?: string;
  /** May stand in project, job, ref, environment or the name of who triggered it: what stands in none of them is left out as far as is known. */
  readonly text?: string;
  /** The person who triggered what opened it. */
  readonly openedBy?: number;
  readonly sight: Sight | null;
}
/** Which Approvals to list; all conditions must fit. */
export interface ApprovalFilter {
  readonly id?: number;
  /** Id or full path. */
  readonly project?: number | string;
  readonly job?: string;
  readonly digest?: string;
  /** A part of job, project, ref, environment or digest, whatever its letter case. */
  readonly text?: string;
  /** False: only those that nobody has revoked. */
  readonly revoked?: false;
  /** Only those whose end is later than this (epoch ms) or that have none. */
  readonly endsAfter?: number;
  /** Only those that nothing has used since then (epoch ms), nor were they given since. */
  readonly unusedSince?: number;
  readonly sight: Sight | null;
}
/** What makes a Hold the same as one that is open. */
export interface HoldKey {
  readonly subject: Subject;
  /** Null: the pipeline is not known, and the Hold is of this one job. */
  readonly pipelineId: number | null;
  readonly jobId: number;
  readonly digest: string;
}
/** What the hub knows of an agent. */
export interface AgentRecord {
  readonly name: string;
  readonly version: string | null;
  readonly runners: readonly { readonly name: string; readonly protected: boolean }[];
  /** Epoch ms. */
  readonly seenAt: number | null;
  /** Null for one that is in the hub's own process. */
  readonly enrolledAt: number | null;
  readonly revokedAt: number | null;
  readonly parked: number;
}
/** A push as it is put into an outbox; its `seq` is given there. */
export type NewPush = Omit<HubPush, 'seq'>;

/** Which rows of the audit; all conditions must be met. */
export interface AuditFilter {
  readonly hold?: number;
  readonly review?: number;
  readonly deployment?: number;
  readonly approval?: number;
  readonly project?: number;
  /** Rows of what this person did and of what names them. */
  readonly person?: number;
  /** Any of these. */
  readonly events?: readonly string[];
  /** Epoch ms; `until` is the first that is left out. */
  readonly since?: number;
  readonly until?: number;
  readonly sight: Sight | null;
}
/** A head of the chain that the hub has signed. */
export interface Checkpoint {
  readonly seq: number;
  /** Epoch ms. */
  readonly at: number;
  readonly keyid: string;
  /** The envelope as JSON. */
  readonly envelope: string;
}

/** How much of everything is open. */
export interface Census {
  /** Open Holds by state: those that a job at GitLab stands for, and those that wait without one. */
  readonly holds: readonly { readonly state: string; readonly live: number; readonly detached: number }[];
  /** Epoch ms at which the oldest Hold that waits for approval was opened; null while none waits. */
  readonly oldestWaitingAt: number | null;
  readonly openReviews: number;
  /** Digests that are denied now. */
  readonly denials: number;
  /** Pushes that agents have not acknowledged. */
  readonly unacknowledged: number;
  readonly blockedDeployments: number;
}

/** Reads. Absent things are null, never an error. All of it rejects with `store_unavailable` when the database does. */
export interface StoreReader
  extends DeploymentReads,
    PasskeyReads,
    AgentReads,
    NoticeReads,
    RetentionReads,
    WatchReads {
  hold(id: number): Promise<Hold | null>;
  holdOfJob(instance: string, projectId: number, jobId: number): Promise<Hold | null>;
  openHold(key: HoldKey): Promise<Hold | null>;
  /** The Hold whose job, not ended yet, this agent has. */
  liveHoldOf(agent: string, jobId: number): Promise<Hold | null>;
  holds(filter: HoldFilter, page: OrderedPage): Promise<readonly Hold[]>;
  /** Those of these Holds that there are, in no order. */
  holdsWithIds(ids: readonly number[]): Promise<readonly Hold[]>;
  /** Waiting Holds of a Review, in ascending pipeline id: the order in which they are released. */
  waitingOn(review: number): Promise<readonly Hold[]>;
  /** Waiting Holds of any of these Reviews, newest first; at most `limit` where there is one. */
  waitingOnAny(reviews: readonly number[], limit: number | null): Promise<readonly Hold[]>;
  /** Ids of all Holds of a Review. */
  holdIdsOf(review: number): Promise<readonly number[]>;
  /** Pending and running Holds that passed with this Approval. */
  passedWith(approval: number): Promise<readonly Hold[]>;
  /** Released Holds with this configuration that no runner has yet. */
  pendingOf(subject: Subject, digest: string): Promise<readonly Hold[]>;
  /** Open Holds, running ones excepted, whose time was over at `now`, at most `limit`. */
  dueHolds(now: number, limit: number): Promise<readonly Hold[]>;
  /** Waiting and pending Holds whose live job was to stay parked only until `before` and of which nothing was heard since. */
  overdueHolds(before: number, limit: number): Promise<readonly Hold[]>;
  /** Open Holds in this state that no job stands for, in ascending pipeline id, at most `limit`. */
  detachedHolds(state: 'waiting_for_approval' | 'pending', limit: number): Promise<readonly Hold[]>;
  /** Waiting Holds that a freeze kept back although something covered them. */
  frozenHolds(page: Page): Promise<readonly Hold[]>;
  /**
   * True when a newer pipeline of the same project, ref and job name has been handed over; for a job with an environment: of
   * the same environment, since this Hold was opened.
   */
  overtaken(hold: Hold): Promise<boolean>;
  /** The newest Hold of the Subject on this very ref that an Approval let pass and that was handed over, of earlier pipelines. */
  lastApproved(hold: Hold): Promise<Hold | null>;
  /** All Holds of one pipeline, oldest first. */
  holdsOfPipeline(instance: string, projectId: number, pipelineId: number): Promise<readonly Hold[]>;
  /** Retries of a Hold that the hub asked for, oldest first. */
  retriesOf(hold: number): Promise<readonly Retry[]>;
  /** True for a user in whose name the hub has retried as a bot. */
  isRetryBot(user: number): Promise<boolean>;
  /** Holds whose gate the CI server has not been told of as it is now: detached ones, and those that have ended since; at most `limit`. */
  untoldHolds(limit: number): Promise<readonly Hold[]>;
  /** The newest Hold of a Subject with a lower id that has run. */
  lastRun(subject: Subject, before: number): Promise<Hold | null>;
  /** Facts of jobs of a project that were handed out, of Holds with a lower id, newest first, at most `limit`. */
  ranFacts(instance: string, projectId: number, before: number, limit: number): Promise<readonly Facts[]>;
  /** Facts of the attempt, null when the Hold has no such attempt. */
  facts(hold: number, jobId: number): Promise<Facts | null>;
  /** Facts of the newest attempt of each of these Holds. */
  newestFacts(
    holds: readonly number[],
  ): Promise<ReadonlyMap<number, { readonly jobId: number; readonly facts: Facts }>>;
  /** The versions of a Hold and of a Review as they are stored; null for what is not there. */
  versionsOf(hold: number, review: number): Promise<{ readonly hold: number | null; readonly review: number | null }>;

  review(id: number): Promise<Review | null>;
  /** Open Reviews of the Subject and one Digest or (null) all, whatever their Place. */
  openReviews(subject: Subject, digest: string | null): Promise<readonly Review[]>;
  reviews(filter: ReviewFilter, page: Page): Promise<readonly Review[]>;
  /** How many Reviews are open, counted up to `most`, and when the oldest of those was opened (epoch ms). */
  openQuestions(
    sight: Sight | null,
    most: number,
  ): Promise<{ readonly open: number; readonly oldestAt: number | null }>;
  votes(review: number): Promise<readonly Vote[]>;
  /** The denial of this Digest that is in force at `now`, if any. */
  denial(subject: Subject, digest: string, now: number): Promise<Denial | null>;
  /** Those of these Digests that a denial is in force for at `now`. */
  deniedAmong(subject: Subject, digests: readonly string[], now: number): Promise<ReadonlySet<string>>;
  /** Those of these projects with an Approval or a denial that is in force at `now`. */
  decidedProjects(projects: readonly number[], now: number): Promise<ReadonlySet<number>>;

  approval(id: number): Promise<Approval | null>;
  /** Approvals of the Subject that are not revoked, newest first, of one Digest or (null) of all; at most `limit`. */
  approvalsOf(subject: Subject, digest: string | null, limit: number): Promise<readonly Approval[]>;
  /** A text that is another one after any Approval of the Subject was given, used, revoked, removed, or has ended by `now`. */
  approvalsMark(subject: Subject, now: number): Promise<string>;
  /** When which configurations of the Subject were approved, of Approvals that are not revoked, newest first; at most `limit`. */
  givenTo(subject: Subject, limit: number): Promise<readonly Pick<Approval, 'createdAt' | 'digest'>[]>;
  /** Approvals of the Subject that somebody has revoked, newest first: to show what was, never to let anything pass. */
  revokedOf(subject: Subject, limit: number): Promise<readonly Approval[]>;
  approvals(filter: ApprovalFilter, page: OrderedPage): Promise<readonly Approval[]>;
  /** Those of these Approvals that there are, in no order. */
  approvalsWithIds(ids: readonly number[]): Promise<readonly Approval[]>;
  /** Names of runners that jobs were handed to under these Approvals. */
  runnersOf(approvals: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>>;
  /** Approvals with a date as their end, after `from` and up to `to` (epoch ms), that no other goes on from. */
  endingApprovals(
    when: { readonly from: number; readonly to: number; readonly sight: Sight | null },
    page: Page,
  ): Promise<readonly Approval[]>;
  /** Ids of Approvals that go on from this one. */
  renewalsOf(approval: number): Promise<readonly number[]>;
  /** Open Reviews that ask whether one of these Approvals shall go on. */
  asksAbout(approvals: readonly number[]): Promise<readonly Review[]>;
  /** Open Reviews that no job waits on and that were opened at or before `before`, at most `limit`. */
  dueAsks(before: number, limit: number): Promise<readonly Review[]>;
  /** How many of them a person has put. */
  openAsksOf(person: number): Promise<number>;
  /** Denials, lifted ones and those that are over too. */
  denials(filter: { readonly project?: number; readonly sight: Sight | null }, page: Page): Promise<readonly Denial[]>;
  denialWithId(id: number): Promise<Denial | null>;
  /** Approvals with an end in time (`until`, `standing`) that are not revoked and whose end is at or before `now`. */
  dueApprovals(now: number, limit: number): Promise<readonly Approval[]>;

  breakGlass(id: number): Promise<BreakGlass | null>;
  /** Of these projects (null: all), `open` only, or only those that nobody has closed and that were due by then. */
  breakGlasses(
    filter: {
      readonly projects: readonly number[] | null;
      readonly open?: boolean;
      readonly dueBefore?: number;
    },
    page: Page,
  ): Promise<readonly BreakGlass[]>;
  breakGlassOf(hold: number): Promise<readonly BreakGlass[]>;
  /** Whom the rules of a Hold and of its Review name. */
  namedFor(of: { readonly hold: number | null; readonly review: number | null }): Promise<readonly NamedRow[]>;
  /** Ids of all groups that rules of Reviews and Holds name. */
  namedGroups(): Promise<readonly number[]>;
  /** Ids of the projects that there is a Hold or an Approval of. */
  knownProjects(): Promise<readonly number[]>;
  /** Those of these jobs of a project that were handed out under an Approval. */
  admittedJobs(instance: string, projectId: number, jobs: readonly number[]): Promise<ReadonlySet<number>>;
  /** Hidden values of this Digest that somebody has seen, by name. */
  reveals(subject: Subject, digest: string): Promise<readonly { readonly name: string; readonly person: number }[]>;

  /** What ran unapproved on runners that only watch, of these projects (null: of all), the newest first. */
  sightings(
    filter: { readonly since: number; readonly projects: readonly number[] | null },
    limit: number,
  ): Promise<readonly Sighting[]>;
  /** Canonical text of a Configuration. */
  configuration(digest: string): Promise<string | null>;
  /** Canonical texts of these Configurations by digest, without those of more than so many characters. */
  configurationsOf(digests: readonly string[], maxChars: number): Promise<ReadonlyMap<string, string>>;
  agents(): Promise<readonly AgentRecord[]>;
  census(now: number): Promise<Census>;
  /** Pushes that the agent has not acknowledged, `seq` above `after`. */
  outbox(agent: string, after: number, limit: number): Promise<readonly HubPush[]>;
  token(id: number): Promise<Token | null>;
  tokenOfHash(hash: string): Promise<Token | null>;
  /** What is kept of a session beside its token, null for a token that is none's. */
  session(token: number): Promise<Session | null>;
  /** Tokens of a person's sessions that are neither revoked nor over, newest first. */
  liveSessions(owner: number, now: number): Promise<readonly Token[]>;
  /** What was claimed at the sign-in of sessions that are neither revoked nor over, oldest first. */
  claimedSessions(now: number): Promise<readonly { readonly token: Token; readonly claimed: Claimed }[]>;
  /** Tokens of a person, or (null) of everybody. */
  tokens(owner: number | null, page: Page): Promise<readonly Token[]>;
  /** How many tokens of a person are neither revoked nor over. */
  usableTokens(owner: number, now: number): Promise<number>;
  /** Tokens of people that are neither revoked nor over and that nobody has used since `before`, at most `limit`. */
  idleTokens(before: number, now: number, limit: number): Promise<readonly Token[]>;
  /** Rows that meet all of the filter; with `sight` those of its projects, of own Holds, and own deeds about no project. */
  auditRows(filter: AuditFilter, page: OrderedPage): Promise<readonly AuditRow[]>;
  /** Rows that gave, revoked or broke the glass for these Approvals, oldest first. */
  auditOfApprovals(approvals: readonly number[]): Promise<readonly AuditRow[]>;
  auditHead(): Promise<AuditHead>;
  /** What tells the key of this kind that the store was written with from another; null before the first hub that says so. */
  keyCheck(kind: KeyOfStore): Promise<string | null>;
  /** Hashes of the rows `from` to `from + count - 1`, as far as there are any. */
  auditHashes(from: number, count: number): Promise<readonly string[]>;
  /** Hash of a complete subtree over the rows (`sha256:…`), null where it was not computed yet. */
  treeHash(level: number, position: number): Promise<string | null>;
  /** Signed heads above `after`, oldest first. */
  checkpoints(after: number, limit: number): Promise<readonly Checkpoint[]>;
  lastCheckpoint(): Promise<Checkpoint | null>;
  /** Ids of projects that had this full path when one of their Holds was opened; at most 10. */
  projectsNamed(path: string): Promise<readonly number[]>;
}

/**
 * Writes of one transaction. `update…` writes only where the stored version is one below the given one, and rejects with
 * `hold_conflict` otherwise; so does an insert of what may exist once only. Then nothing of the transaction stays.
 */
export interface StoreWriter
  extends StoreReader,
    DeploymentWrites,
    PasskeyWrites,
    AgentWrites,
    NoticeWrites,
    RetentionWrites,
    WatchWrites {
  insertHold(hold: Omit<Hold, 'id'>, facts: Facts): Promise<Hold>;
  /** Writes a Hold; `facts` are those of its newest attempt when that is new. */
  updateHold(hold: Hold, facts?: Facts): Promise<void>;
  insertReview(review: Omit<Review, 'id'>): Promise<Review>;
  updateReview(review: Review): Promise<void>;
  /** Replaces what the same person had said. */
  putVote(vote: Vote): Promise<void>;
  /** Notes whom the rules of a Review or a Hold name, for `Sight`; the same again changes nothing. */
  putNamed(about: 'review' | 'hold', id: number, named: readonly NamedRow[]): Promise<void>;
  /** Forgets whom the rules of a Review or a Hold name. */
  dropNamed(about: 'review' | 'hold', id: number): Promise<void>;
  /** Takes back what the person had said; nothing changes where they had said nothing. */
  removeVote(review: number, person: number): Promise<void>;
  insertApproval(approval: Omit<Approval, 'id'>): Promise<Approval>;
  updateApproval(approval: Approval): Promise<void>;
  /** Notes that a person has seen these hidden values; the same again changes nothing. */
  putReveal(reveal: {
    readonly subject: Subject;
    readonly digest: string;
    readonly names: readonly string[];
    readonly person: number;
    readonly hold: number;
    readonly at: number;
  }): Promise<void>;
  insertBreakGlass(glass: Omit<BreakGlass, 'id'>): Promise<BreakGlass>;
  updateBreakGlass(glass: BreakGlass): Promise<void>;
  insertDenial(denial: Omit<Denial, 'id' | 'lifted'>): Promise<void>;
  /** Ends a denial before its time; `hold_conflict` where somebody has. */
  liftDenial(id: number, lifted: NonNullable<Denial['lifted']>): Promise<void>;
  putConfiguration(digest: string, canonical: string): Promise<void>;
  /** Counts a run to what was seen of the same configuration at the same place. */
  putSighting(sighting: Sighting): Promise<void>;
  /** Forgets what was last seen before then. */
  dropSightings(before: number): Promise<void>;
  /** Notes a report of an agent; false when the very same one was noted before. */
  noteReport(report: {
    readonly hold: number;
    readonly jobId: number;
    readonly event: string;
    readonly at: string;
  }): Promise<boolean>;
  /**
   * Puts a push into the outbox; one that waits there for the same Hold and job is replaced, so it stays bounded. Answers its
   * number: the one after the last that the agent was given.
   */
  push(agent: string, push: NewPush): Promise<number>;
  /**
   * Forgets what the agent has acted on. A `seq` above all that were given moves the counter up, never down, and the answer
   * is true: this store is older than what the agent knows (T29).
   */
  acknowledge(agent: string, seq: number): Promise<boolean>;
  /** Forgets this one push: the agent has acted on it. */
  acknowledgeOne(agent: string, seq: number): Promise<void>;
  putAgent(agent: Pick<AgentRecord, 'name' | 'version' | 'runners' | 'seenAt'>): Promise<void>;
  /** Notes a retry; the same job once more replaces what was noted. */
  putRetry(retry: Retry): Promise<void>;
  /** Notes what the CI server was told of a Hold's gate. */
  putCiStatus(hold: number, state: GateStatus | 'refused', at: number): Promise<void>;
  insertToken(token: Omit<Token, 'id'>): Promise<Token>;
  insertSession(session: Session): Promise<void>;
  updateToken(token: Token): Promise<void>;
  /** Appends to the chain. */
  audit(entry: AuditEntry): Promise<AuditRow>;
  putKeyCheck(kind: KeyOfStore, fingerprint: string): Promise<void>;
  putTreeHash(level: number, position: number, hash: string): Promise<void>;
  putCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** Notes where a token is used from; true for a place and a client that it was not used from before. */
  noteTokenPlace(place: {
    readonly token: number;
    readonly address: string | null;
    readonly client: string | null;
    readonly at: number;
  }): Promise<boolean>;
}

/** Keys that all hubs of a store must have alike. */
export type KeyOfStore = 'variable' | 'hub' | 'recordings';

/** The place where decisions are kept. */
export interface Store extends StoreReader {
  /** Runs all of `work` or nothing of it, as if alone. It must touch nothing but the writer: it may be run again. */
  write<T>(work: (tx: StoreWriter) => Promise<T>): Promise<T>;
  /**
   * Runs work that one hub does at a time, such as what falls due by time; null, and nothing done, while another one is at work of
   * this name. It keeps hubs from doing everything twice, and is no promise: what must be done once is claimed in a write.
   */
  alone<T>(name: string, work: () => Promise<T>): Promise<T | null>;
  /** Agents that have pushes to take: what a hub asks now and then, since hints may be lost. */
  agentsToWake(): Promise<readonly string[]>;
  /** Where hubs run at this moment that use this store, as far as the database tells; a file of SQLite is used by one, which has a lock. */
  others(): Promise<readonly string[]>;
  /** Gives space that nothing uses any more back to the disk, in small steps; what a database does by itself it is not asked for. */
  giveBack(): Promise<void>;
  /** Epoch ms by the clock of the server that several hubs have this store on; absent for a file, which is this machine's. */
  serverTime?(): Promise<number>;
  /** Writes something of no consequence to the disk; rejects with `store_unavailable` when that does not go. */
  probe(): Promise<void>;
  close(): Promise<void>;
}
