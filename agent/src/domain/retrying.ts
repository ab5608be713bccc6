import { type Attempt, type Hold, liveAttempt } from './hold.ts';

/** In whose name a job is retried: whoever triggered it, or the bot that the operator named. Never an approver (T52). */
export type RetryCredential = 'trigger' | 'bot';

/** One retry that Holdpoint asked the CI server for. */
export interface Retry {
  readonly hold: number;
  /** The job that was retried. */
  readonly jobId: number;
  /** The job that came of it; null until the CI server has said it. */
  readonly newJobId: number | null;
  readonly credential: RetryCredential;
  /** Id of the user in whose name it runs. */
  readonly user: number;
  /** Epoch ms. */
  readonly at: number;
}

/** So often a Hold is retried without a person: a runner that takes jobs and never gets them must not cost a job a minute for ever. */
export const MAX_OWN_RETRIES = 5;

/** Status words of a CI job that matter here; `other` is one that this program does not know. */
export type CiStatusWord =
  | 'created'
  | 'pending'
  | 'running'
  | 'canceling'
  | 'canceled'
  | 'failed'
  | 'success'
  | 'manual'
  | 'other';

/** A job as the CI server's own interface for people shows it. */
export interface SeenJob {
  readonly id: number;
  readonly status: CiStatusWord;
  /** True once a runner has had it. */
  readonly started: boolean;
}

/** What a look at the pipeline of a detached Hold found. */
export type Seen =
  | { readonly found: 'job'; readonly job: SeenJob }
  /** The project is there, the pipeline or the job in it is not. */
  | { readonly found: 'gone' };

/** What is to be done for a detached Hold after that look. */
export type RetryStep =
  | { readonly do: 'retry'; readonly jobId: number }
  /** Somebody has retried it: the new job comes by itself when a runner asks. */
  | { readonly do: 'expect'; readonly jobId: number }
  /** The CI server has not ended the job yet. */
  | { readonly do: 'look_again' }
  | { readonly do: 'cancel'; readonly reason: string }
  /** Nothing that a program should repeat. */
  | { readonly do: 'leave'; readonly reason: string };

/** True for an open Hold that no job of the CI server stands for at present. */
export function isDetached(hold: Hold): boolean {
  return (hold.state === 'waiting_for_approval' || hold.state === 'pending') && liveAttempt(hold) === null;
}

/** The last job of a Hold. */
export function lastAttempt(hold: Hold): Attempt {
  const last = hold.attempts.at(-1);
  if (last === undefined) throw new Error(`hold ${hold.id} has no attempt`);
  return last;
}

/**
 * What to do for a detached Hold, by the newest job of its name in its pipeline. Retried is only what nobody has retried
 * yet: an answer that was lost, or a person who was faster, leaves a newer job behind, and a second one must not be made.
 */
export function retryStep(hold: Hold, seen: Seen, ownRetries: number): RetryStep {
  if (seen.found === 'gone') return { do: 'cancel', reason: 'its pipeline is gone in GitLab' };
  const { id, status, started } = seen.job;
  const known = hold.attempts.some((attempt) => attempt.jobId === id);
  switch (status) {
    case 'running':
    case 'canceling':
      return known ? { do: 'look_again' } : { do: 'expect', jobId: id };
    case 'created':
    case 'pending':
    case 'manual':
      return { do: 'expect', jobId: id };
    case 'canceled':
      return { do: 'cancel', reason: `job ${id} was canceled in GitLab` };
    case 'success':
      return { do: 'leave', reason: `GitLab has job ${id} as success without it having run here` };
    case 'failed':
      // One that another runner had is no job that waited: what made it fail is for people to look at.
      if (!known && started) return { do: 'leave', reason: `job ${id} failed before it reached this gate` };
      if (ownRetries >= MAX_OWN_RETRIES) return { do: 'leave', reason: `it was retried ${ownRetries} times already` };
      return { do: 'retry', jobId: id };
    case 'other':
      return { do: 'leave', reason: `GitLab has job ${id} in a state that is not known here` };
    default:
      return status satisfies never;
  }
}

/** What a commit status can say of a gate. */
export type GateStatus = 'pending' | 'success' | 'failed' | 'canceled';

/** The gate of a Hold as a commit status: it is about the approval, how the job itself ended is the CI server's to say. */
export function gateStatus(hold: Hold): GateStatus {
  switch (hold.state) {
    case 'waiting_for_approval':
    case 'pending':
      return 'pending';
    case 'running':
    case 'success':
    case 'failed':
      return 'success';
    case 'canceled':
      // A job that ran and was canceled then had passed the gate.
      return lastAttempt(hold).handedOutAt === null ? 'canceled' : 'success';
    case 'rejected':
    case 'expired':
      return 'failed';
    default:
      return hold.state satisfies never;
  }
}

/** The gate of a Hold in the few words that a commit status has room for. */
export function gateWords(hold: Hold): string {
  switch (hold.state) {
    case 'waiting_for_approval':
      return 'waits for approval';
    case 'pending':
      return 'approved, to be run again';
    case 'running':
    case 'success':
    case 'failed':
      return 'approved';
    case 'canceled':
      return gateStatus(hold) === 'success' ? 'approved' : (hold.reason ?? 'canceled');
    case 'rejected':
    case 'expired':
      return hold.state;
    default:
      return hold.state satisfies never;
  }
}

/** How far the retry of one detached Hold has come, for whoever asks. */
export type RetryProgress =
  /** Nobody has tried yet, or it is tried again soon. */
  | { readonly at: 'trying'; readonly reason: string | null }
  | { readonly at: 'queued'; readonly jobId: number }
  /** No credential that may; whoever triggered it retries it. */
  | { readonly at: 'person'; readonly reason: string };

/** What has to happen to a detached Hold, in words, with the page on which a person does it. */
export interface RetryAdvice {
  readonly by: 'nobody_yet' | 'holdpoint' | 'trigger';
  readonly words: string;
  /** Page of the job with its Retry button. */
  readonly url: string | null;
  /** Job that was made of it and waits for a runner. */
  readonly jobId: number | null;
}

/** Words and link for a detached Hold; null for any other. `alone`: Holdpoint has a credential it may use. */
export function retryAdvice(hold: Hold, progress: RetryProgress | null, alone: boolean): RetryAdvice | null {
  if (!isDetached(hold)) return null;
  const last = lastAttempt(hold);
  const who = hold.trigger.username ?? (hold.trigger.id === null ? 'whoever triggered it' : `user ${hold.trigger.id}`);
  const press = `${who} presses Retry on the page of job ${last.jobId}: the retried job joins this hold and starts at once`;
  if (hold.state === 'waiting_for_approval') {
    const then = alone ? 'Once it is approved, Holdpoint retries it' : `Once it is approved, ${press}`;
    const words = `GitLab has ended job ${last.jobId} (${last.ended ?? 'detached'}); the hold goes on waiting. ${then}.`;
    return { by: 'nobody_yet', words, url: last.url, jobId: null };
  }
  const at = progress ?? { at: 'trying', reason: null };
  switch (at.at) {
    case 'queued': {
      const words = `It is approved and was retried as job ${at.jobId}: it starts when its runner asks for it.`;
      return { by: 'holdpoint', words, url: last.url, jobId: at.jobId };
    }
    case 'trying': {
      if (!alone) return { by: 'trigger', words: `It is approved: ${press}.`, url: last.url, jobId: null };
      const why = at.reason === null ? '' : ` (${at.reason}; it is tried again)`;
      return { by: 'holdpoint', words: `It is approved: Holdpoint retries it${why}.`, url: last.url, jobId: null };
    }
    case 'person': {
      const words = `It is approved, but Holdpoint cannot retry it (${at.reason}): ${press}.`;
      return { by: 'trigger', words, url: last.url, jobId: null };
    }
    default:
      return at satisfies never;
  }
}
