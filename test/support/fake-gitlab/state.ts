import type { Signer } from './tokens.ts';
import type {
  EnqueueOptions,
  FakeCommitStatus,
  FakeGitlabOptions,
  FakeMergeRequest,
  FakeNote,
  FakePeople,
  FakePersonToken,
  FakePush,
  FakeUser,
  JobStatus,
  LoggedRequest,
} from './types.ts';

/** A registered runner. */
export interface Runner {
  readonly id: number;
  readonly name: string;
  token: string;
  paused: boolean;
  removed: boolean;
  /** Value of X-GitLab-Last-Update; changes whenever a job becomes pending that this runner may get. */
  queue: string;
  /** The last 201, for a duplicate answer. */
  lastAnswer: Uint8Array | null;
  tags: readonly string[];
  runUntagged: boolean;
  projects: readonly number[];
  /** Whoever has the token does not look after it. */
  isHidden: boolean;
}

/** What the jobs of one pipeline share. */
export interface Pipeline {
  readonly id: number;
  readonly iid: number;
  readonly projectId: number;
  readonly sha: string;
  readonly beforeSha: string;
  readonly ref: string;
  readonly tag: boolean;
  readonly source: string;
  readonly commit: { readonly title: string; readonly authorName: string; readonly authorEmail: string };
  readonly createdAt: number;
}

/** An archive of a job. */
export interface Artifact {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly hash: string;
  /** Small uploads are kept; a number is the seed of a generated one; null: only size and hash are known. */
  readonly content: Uint8Array | number | null;
}

/** A job with all that GitLab keeps of it; times are epoch milliseconds of the fake's clock. */
export interface Job {
  readonly id: number;
  readonly name: string;
  readonly stage: string;
  readonly projectId: number;
  readonly projectPath: string;
  readonly webUrl: string;
  readonly pipeline: Pipeline;
  user: FakeUser;
  /** Text of the fixture that each hand-out is rendered from; null for a job that only stands in the pipeline. */
  readonly template: string | null;
  readonly options: EnqueueOptions;
  readonly environment: { readonly name: string; readonly slug: string; readonly tier: string } | null;
  readonly timeoutS: number;
  /** The one runner that may get it; `nobody` if there was none with the token it was meant for. */
  readonly onlyFor: Runner | 'nobody' | null;
  status: JobStatus;
  readonly createdAt: number;
  queuedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  updatedAt: number;
  erasedAt: number | null;
  runner: Runner | null;
  systemId: string | null;
  cancelGracefully: boolean;
  token: string;
  tokenExpiresAt: number | null;
  handedOutAt: number | null;
  handOuts: number;
  payload: string | null;
  trace: Buffer;
  failureReason: string | null;
  exitCode: number | null;
  checksum: { crc32: string | null; bytesize: number | null } | null;
  /** When the first final update with a checksum came; GitLab accepts 202 loops for 5 minutes only. */
  checksumSince: number | null;
  artifacts: Artifact[];
  retriedAs: number | null;
  requests: { method: string; path: string; at: number; status: number }[];
}

/** All that the fake knows; the modules beside this one act on it. */
export interface World {
  readonly options: Required<Omit<FakeGitlabOptions, 'now' | 'host' | 'port' | 'git'>>;
  readonly signer: Signer;
  readonly now: () => number;
  readonly runners: Runner[];
  readonly jobs: Map<number, Job>;
  readonly pipelines: Map<number, Pipeline>;
  readonly log: LoggedRequest[];
  /** Requests of the last minute by kind and token. */
  readonly recent: Map<string, number[]>;
  readonly apiToken: string;
  readonly personTokens: Map<string, FakePersonToken>;
  readonly statuses: FakeCommitStatus[];
  readonly mergeRequests: FakeMergeRequest[];
  readonly notes: FakeNote[];
  readonly pushes: FakePush[];
  people: FakePeople;
  unpersistedChunks: number;
  objectStorageUrl: string;
  /** Told when a job became pending: long polls listen. */
  readonly queueWatchers: Set<(runner: Runner) => void>;
}

/** What a route answers; a body that is a stream is piped. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** A JSON answer as Grape writes it. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** GitLab's usual refusal: `{"message":"403 Forbidden - why"}`. */
export function refuse(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return json(status, { message }, headers);
}
