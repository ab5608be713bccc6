import type { GitlabTokenOwner, GitlabTokenRecord } from '../domain/gitlab-token.ts';
import type { PushedHistory } from '../domain/pushed.ts';
import type { GateStatus, Seen } from '../domain/retrying.ts';

/** What the CI server said; `refused` is for good as far as this credential goes (401, 403, 404 and the like). */
export type CiAnswer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly status: number };

/** A user as the CI server names the owner of a credential. */
export interface CiUser {
  readonly id: number;
  readonly username: string;
}

/** Where a detached Hold's job is. */
export interface CiPlace {
  readonly projectId: number;
  /** Null where the payload did not say; the job knows it. */
  readonly pipelineId: number | null;
  readonly jobId: number;
  readonly job: string;
}

/** A commit status to be set. */
export interface CiCommitStatus {
  readonly projectId: number;
  readonly sha: string;
  readonly pipelineId: number | null;
  readonly name: string;
  readonly state: GateStatus;
  readonly description: string;
  readonly url: string;
}

/** A note of a merge request. */
export interface CiNote {
  readonly id: number;
  /** Id of the user. */
  readonly author: number;
  readonly body: string;
}
/** A note that is to be written; `note`: the one that it takes the place of. */
export interface CiNewNote {
  readonly projectId: number;
  readonly iid: number;
  readonly note: number | null;
  readonly body: string;
}

/** Which way is asked for, and of which job. */
export interface CiHistoryQuestion {
  readonly projectId: number;
  readonly pipelineId: number;
  readonly job: string;
  readonly from: string;
  readonly to: string;
  /** Epoch ms: pushes before are of no interest. */
  readonly since: number;
}

/**
 * The CI server as people use it, each call in the name of whoever's credential it carries. Calls reject when the server
 * could not be asked or failed itself (network, 429, 5xx): those are worth another try. All are bounded in time and size.
 */
export interface CiApi {
  whoIs(credential: string): Promise<CiAnswer<CiUser>>;
  /** What the server knows of the credential itself, and of its owner; refused for what is no token of that kind. */
  tokenOf(credential: string): Promise<CiAnswer<GitlabTokenRecord>>;
  ownerOf(credential: string): Promise<CiAnswer<GitlabTokenOwner>>;
  /** The newest job of that name in the pipeline; `gone` only where the project itself could be seen. */
  look(credential: string, place: CiPlace): Promise<CiAnswer<Seen>>;
  /** Retries a job; the answer is the id of the new one. */
  retry(credential: string, projectId: number, jobId: number): Promise<CiAnswer<number>>;
  /** Cancels a job that has not ended. */
  cancel(credential: string, projectId: number, jobId: number): Promise<CiAnswer<null>>;
  setStatus(credential: string, status: CiCommitStatus): Promise<CiAnswer<null>>;
  /** Iids of the open merge requests of this project that the commit is in, oldest first. */
  mergeRequestsOf(credential: string, projectId: number, sha: string): Promise<CiAnswer<readonly number[]>>;
  /** Notes of a merge request that people and bots wrote, oldest first. */
  notesOf(credential: string, projectId: number, iid: number): Promise<CiAnswer<readonly CiNote[]>>;
  /** Writes a note, or (with an id) writes it anew. */
  putNote(credential: string, note: CiNewNote): Promise<CiAnswer<null>>;
  /** Who pushed and made what lies between two commits of a ref, and the jobs of that name in the pipeline. */
  history(credential: string, question: CiHistoryQuestion): Promise<CiAnswer<PushedHistory>>;
  close(): Promise<void>;
}
