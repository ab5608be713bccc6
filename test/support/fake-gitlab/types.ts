import type { GitRepositories } from '../git-server.ts';
/** Statuses of a GitLab job that the runner API can meet. */
export type JobStatus = 'manual' | 'pending' | 'running' | 'canceling' | 'canceled' | 'success' | 'failed';

/** Whoever a job runs for. */
export interface FakeUser {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  /** A bot of a project or group. */
  readonly bot?: boolean;
}

/** What makes a job differ from its fixture. */
export interface EnqueueOptions {
  /** Token of the one runner that may get it; default any. */
  readonly runner?: string;
  readonly user?: FakeUser;
  /** Jobs of one pipeline share id, iid, sha, source and creation time; default a new pipeline. */
  readonly pipeline?: number;
  /** Commit of a new pipeline; default one that no repository has. */
  readonly sha?: string;
  /** CI_PIPELINE_SOURCE; default the fixture's. */
  readonly source?: string;
  /** Default: what the fixture's CI_ENVIRONMENT_* variables say, null where it has none. */
  readonly environment?: { readonly name: string; readonly slug: string; readonly tier: string };
  readonly retryOf?: number;
  /** Makers of the commits that the push brought beside its last. */
  readonly commits?: readonly { readonly name: string; readonly email: string }[];
  /** Waits for {@link FakeGitlab.play} instead of being pending. */
  readonly manual?: boolean;
  /** Seconds; default the fixture's `runner_info.timeout`. */
  readonly timeoutS?: number;
  /** Changes the configuration, after the run's own values were put in, at each hand-out. */
  readonly mutate?: (payload: Record<string, unknown>) => void;
  /** Writes the answer's bytes itself, for payloads that no JSON writer would make (duplicate keys, trailing data). */
  readonly render?: (job: {
    readonly id: number;
    readonly token: string;
    readonly text: string;
  }) => string | Uint8Array;
}

/** One line of what came in. The body is text, cut at 256 KiB; of artifacts only its first bytes are kept. */
export interface LoggedRequest {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** 0 while it is not answered, or when it never was. */
  readonly status: number;
  /** Epoch milliseconds of the fake's clock. */
  readonly at: number;
}

/** What is known of an uploaded or generated archive. */
export interface FakeArtifact {
  readonly name: string;
  readonly sizeBytes: number;
  /** `sha256:<hex>`. */
  readonly hash: string;
}

/** One push of one person. */
export interface FakePush {
  readonly projectId: number;
  readonly user: FakeUser;
  /** Full ref. */
  readonly ref: string;
  readonly from: string | null;
  readonly to: string;
  readonly commits: readonly {
    readonly sha: string;
    readonly parents: readonly string[];
    readonly author: { readonly name: string; readonly email: string };
    /** Default: the author. */
    readonly committer?: { readonly name: string; readonly email: string };
  }[];
}

/** A commit status as it was set. */
export interface FakeCommitStatus {
  readonly projectId: number;
  readonly sha: string;
  readonly name: string;
  readonly state: string;
  readonly pipelineId: number | null;
  readonly by: string;
}

/** An open merge request; `sha`: the commit at its head. */
export interface FakeMergeRequest {
  readonly projectId: number;
  readonly iid: number;
  readonly sha: string;
  readonly state: 'opened' | 'merged' | 'closed';
}
/** A note of a merge request; `edits`: how often it was written anew. */
export interface FakeNote {
  readonly id: number;
  readonly projectId: number;
  readonly iid: number;
  readonly author: FakeUser;
  body: string;
  readonly system: boolean;
  edits: number;
}

/** A picture of a job at this moment. */
export interface FakeJob {
  readonly id: number;
  readonly name: string;
  readonly projectId: number;
  readonly pipelineId: number;
  /** The commit that its pipeline runs for. */
  readonly sha: string;
  readonly status: JobStatus;
  readonly trace: string;
  readonly failureReason: string | null;
  readonly exitCode: number | null;
  /** Epoch milliseconds of the first hand-out; null while nobody has it. */
  readonly handedOutAt: number | null;
  /** How often its payload was put on a wire. */
  readonly handOuts: number;
  /** Empty until it is handed out: GitLab makes it when the payload is rendered. */
  readonly token: string;
  /** Epoch milliseconds at which the token dies; null until it is handed out. */
  readonly tokenExpiresAt: number | null;
  /** Epoch milliseconds; what the reaper without updates looks at. */
  readonly updatedAt: number;
  /** The very text that was handed out last; null until then. */
  readonly payload: string | null;
  /** What the final update said of the log, as sent; null until then. */
  readonly checksum: { readonly crc32: string | null; readonly bytesize: number | null } | null;
  readonly artifacts: readonly FakeArtifact[];
  readonly retriedAs: number | null;
  readonly requests: readonly { method: string; path: string; at: number; status: number }[];
}

/**
 * Ways to fail. `status`: this status and body without doing anything. `reset`: the connection dies before anything was done.
 * `hang`: never answered. `garbage`: bytes that are no HTTP. `close-after-assign`: done, then the connection dies unanswered.
 * `truncate`: done, the connection dies in the middle of the answer's body. `cut-json`: done, a well-formed answer whose body
 * stops in the middle. `slow`: done, the answer drips over `delayMs`.
 * `delay`: done after `delayMs`. `redirect`: 3xx (default 307) to `headers.Location`, nothing done.
 * `duplicate`: the last 201 of jobs/request once more. `content-type`: done, but called text/html (or `headers`).
 * `late-read`: the request's body is not read for `delayMs` (back-pressure), then done.
 * `huge`: 201 with a JSON body of `bytes` (default 64 MiB), nothing done.
 */
export type FaultKind =
  | 'status'
  | 'reset'
  | 'hang'
  | 'garbage'
  | 'truncate'
  | 'cut-json'
  | 'slow'
  | 'delay'
  | 'redirect'
  | 'close-after-assign'
  | 'duplicate'
  | 'content-type'
  | 'late-read'
  | 'huge';

/** Which requests fail, how, and how often; rules are tried in the order in which they were made. */
export interface FaultRule {
  /** Told the path without its query. */
  readonly match: (method: string, path: string) => boolean;
  readonly how: FaultKind;
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  readonly bytes?: number;
  /** How often it strikes; default for ever. */
  readonly times?: number;
}

/** How the fake behaves from the start; everything that GitLab does only sometimes is off. */
export interface FakeGitlabOptions {
  readonly host?: string;
  /** Repositories that are served as GitLab does: to the tokens of jobs that run. */
  readonly git?: GitRepositories;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Epoch milliseconds at start; default the real time. It runs on with the real clock. */
  readonly now?: number;
  /** How long Workhorse keeps an empty poll that carries `last_update`; default 0 (GitLab's own default is 50,000). */
  readonly longPollMs?: number;
  /** X-GitLab-Trace-Update-Interval, seconds; default 3 (somebody watches the log). */
  readonly traceUpdateIntervalS?: number;
  /** Log size limit in bytes; default 100 MiB, as GitLab's. */
  readonly maxTraceBytes?: number;
  /** Requests per minute and runner token on jobs/request; default no limit (GitLab's own is 2000). */
  readonly jobsRequestPerMinute?: number;
  /** Requests per minute and job token, on PUT and artifacts together and on trace; default no limit (GitLab's is 200). */
  readonly jobEndpointsPerMinute?: number;
  /** Default `jwt`, as GitLab since 18.0. */
  readonly jobTokens?: 'jwt' | 'opaque';
  /** How often a PUT with a checksum is answered 202 before the log counts as persisted; default 0. */
  readonly unpersistedChunks?: number;
  /** Seconds told with that 202; default 1. */
  readonly unpersistedIntervalS?: number;
  /** False: answers to PUT carry no Job-Status (older servers); default true. */
  readonly jobStatusOnPut?: boolean;
  /** Whether a job's token may read jobs and pipelines of its own project (newer servers); default true. */
  readonly jobTokensReadJobs?: boolean;
  /** When a runner's token that is reset or verified ends, RFC 3339; default null: never. */
  readonly runnerTokenExpiresAt?: string | null;
}

/** What a token of a person or bot is like. */
export interface FakeTokenOptions {
  /** What GitLab lets them do beside asking who they are; default everything. */
  readonly may?: readonly ('read' | 'retry' | 'status' | 'note')[];
  /** What the token says of itself; default `api`, or `read_api` where it may only read. */
  readonly scopes?: readonly string[];
  /** `YYYY-MM-DD`, the day on whose beginning it ends; default a year from now, null: never. */
  readonly expiresAt?: string | null;
  readonly name?: string;
}
/** A token as GitLab keeps it. */
export interface FakePersonToken {
  readonly id: number;
  readonly user: FakeUser;
  readonly may: ReadonlySet<string>;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  readonly name: string;
  readonly createdAt: number;
  lastUsedAt: number | null;
}

/** A user as GitLab keeps them. */
export interface FakeUserRecord extends FakeUser {
  /** Default `active`. */
  readonly state?: string;
  readonly bot?: boolean;
}
/** A membership as GitLab keeps it. */
export interface FakeMembership {
  readonly user: number;
  readonly accessLevel: number;
  /** `YYYY-MM-DD`. */
  readonly expiresAt?: string;
  /** Invited, not accepted. */
  readonly pending?: boolean;
}
/** A group, and groups that it invited. */
export interface FakeGroup {
  readonly id: number;
  readonly path: string;
  readonly members: readonly FakeMembership[];
  readonly sharedWith?: readonly { readonly group: number; readonly accessLevel: number }[];
}
/** A project, and groups that it invited. */
export interface FakeProject extends FakeGroup {}
/** Who is who in a GitLab. */
export interface FakePeople {
  readonly users: readonly FakeUserRecord[];
  readonly groups: readonly FakeGroup[];
  readonly projects: readonly FakeProject[];
}

/** What the page of a runner says beside its name. */
export interface FakeRunnerPage {
  readonly tags?: readonly string[];
  readonly runUntagged?: boolean;
  readonly projects?: readonly number[];
  /** True: GitLab shows it to none of these tokens. */
  readonly isHidden?: boolean;
}

/** A GitLab as a test holds it: its address, its clock and its people. */
export interface FakeGitlab {
  readonly url: string;
  readonly port: number;
  /** Where downloads with direct_download=true are sent: another origin. */
  readonly objectStorageUrl: string;
  /** A token of this person or bot; `may`: what GitLab lets them do beside asking who they are, default everything. */
  personToken(user: FakeUser, options?: FakeTokenOptions): string;
  /** Who is who from now on; without it GitLab tells nobody who belongs to what. */
  setPeople(people: FakePeople): void;
  /** Takes a token away: 401 from now on. */
  revokePersonToken(token: string): void;
  /** Notes a push: GitLab lists it with its commits from now on. */
  push(push: FakePush): void;
  /** Commit statuses, in the order in which they were set. */
  readonly statuses: readonly FakeCommitStatus[];
  /** Opens a merge request. */
  mergeRequest(of: FakeMergeRequest): void;
  /** Notes of merge requests, oldest first; a test may add some of its own. */
  readonly notes: FakeNote[];
  /** Takes a pipeline with all its jobs away. */
  deletePipeline(id: number): void;
  /** Token for the API of people (`PRIVATE-TOKEN`), with every right. */
  readonly apiToken: string;
  readonly clock: { now(): number; advance(ms: number): void };
  /** Registers a runner, gives its `glrt-` token; the same name gives the same token. */
  runnerToken(name?: string): string;
  /** Tags and projects of a runner, as its page has them; answers its id. */
  describeRunner(token: string, what: FakeRunnerPage): number;
  pauseRunner(token: string, paused: boolean): void;
  /** Takes the runner away: its token is refused from now on. */
  removeRunner(token: string): void;
  enqueue(payload: string | object, options?: EnqueueOptions): number;
  job(id: number): FakeJob;
  /** Every job, oldest first. */
  jobs(): readonly FakeJob[];
  /** Cancels as a user does: graceful (`canceling`) if the runner advertised it at pickup, unless said otherwise. */
  cancel(id: number, options?: { graceful?: boolean }): void;
  /** New id and token, same configuration; the old one counts as retried. */
  retry(id: number, user?: FakeUser): number;
  /** Starts a manual job. */
  play(id: number, user?: FakeUser): number;
  /** Takes log and artifacts away; what the runner still sends is refused with 403. */
  erase(id: number): void;
  /** Gives a job an artifact archive of generated bytes, so that it can be downloaded. */
  putArtifact(id: number, sizeBytes: number, name?: string): FakeArtifact;
  /** How often a PUT with a checksum is answered 202 from now on. */
  unpersistedChunks(times: number): void;
  fail(rule: FaultRule): () => void;
  jwks(): object;
  /** An id token with these claims, RS256, signed with the fake's own key. */
  idToken(claims: object): string;
  readonly log: readonly LoggedRequest[];
  /** Resolves when the condition holds; rejects after `timeoutMs` (default 10,000) with the last state seen. */
  until<T>(what: string, look: () => T | undefined | false | null, timeoutMs?: number): Promise<T>;
  close(): Promise<void>;
}
