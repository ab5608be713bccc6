import { identified } from './commit-people.ts';
import type { CommitPerson } from './facts.ts';
import type { Person } from './principal.ts';

/** One commit with its makers and parents. */
export interface PushedCommit {
  readonly sha: string;
  readonly parents: readonly string[];
  readonly people: readonly CommitPerson[];
}
/** One push to a ref, by whom: from one commit to another. */
export interface Push {
  readonly user: number;
  /** Full ref. */
  readonly ref: string;
  readonly from: string | null;
  readonly to: string | null;
}
/** What the CI server knows of the way from one commit to another; `complete` is false where it may not be all. */
export interface PushedHistory {
  readonly commits: readonly PushedCommit[];
  readonly pushes: readonly Push[];
  /** Ids of all jobs of this name in the pipeline, retried ones included. */
  readonly jobs: readonly number[];
  readonly complete: boolean;
}
/** Where the way begins and ends. */
export interface PushedWay {
  readonly ref: string;
  /** The last commit of that ref whose run somebody approved. */
  readonly from: string;
  readonly to: string;
  readonly jobId: number;
  /** Who started the pipeline, as the CI server says. */
  readonly trigger: number;
}

/** Whether one person pushed and made all of it, or what speaks against that, in words. */
export type SolePusher =
  | { readonly sole: true; readonly pushes: number }
  | { readonly sole: false; readonly why: string };

const not = (why: string): SolePusher => ({ sole: false, why });

/**
 * True where author, committer and pusher of every commit since the last approved one are the one person who triggered the
 * pipeline. Everything must be known and fit together without a gap: pushes from commit to commit, commits whose parents are
 * there; names that could be several people's are nobody's (T17, T18, T35).
 */
export function solePusher(
  way: PushedWay,
  { commits, pushes, jobs, complete }: PushedHistory,
  people: readonly Person[],
): SolePusher {
  if (!complete) return not('GitLab did not tell all of it');
  if (jobs.length !== 1 || jobs[0] !== way.jobId) return not('the job is a retry');
  if (commits.length === 0) return not('nothing was pushed since');
  const known = new Set(commits.map(({ sha }) => sha));
  if (!known.has(way.to) || known.size !== commits.length) return not('the commits do not lead there');
  for (const { sha, parents } of commits) {
    if (parents.length === 0 || !parents.every((parent) => known.has(parent) || parent === way.from))
      return not(`commit ${sha.slice(0, 8)} does not come from the last approved one`);
  }
  for (const { sha, people: makers } of commits) {
    const roles = new Set(makers.map(({ role }) => role));
    if (!roles.has('author') || !roles.has('committer')) return not(`nobody knows who made commit ${sha.slice(0, 8)}`);
    // What a commit says of its makers is what they typed: an id in it proves nothing, only what the directory makes of it.
    const found = identified(
      makers.map((maker) => ({ ...maker, id: null })),
      people,
    );
    if (found.length !== makers.length || !found.every(({ id }) => id === way.trigger))
      return not(`commit ${sha.slice(0, 8)} is not surely of whoever pushed it`);
  }
  // What somebody else has pushed to any ref came from them, whoever merged it and whatever it says of its makers (T18).
  if (pushes.some(({ user, to }) => user !== way.trigger && to !== null && known.has(to)))
    return not('somebody else pushed one of the commits');
  return chain(way, pushes);
}

/** Pushes from the last commit back to the first, each by the same person. */
function chain({ ref, from, to, trigger }: PushedWay, pushes: readonly Push[]): SolePusher {
  const byEnd = new Map<string, Push[]>();
  for (const push of pushes) {
    if (push.ref !== ref || push.to === null) continue;
    byEnd.set(push.to, [...(byEnd.get(push.to) ?? []), push]);
  }
  let at = to;
  for (let steps = 1; steps <= pushes.length; steps++) {
    const ending = byEnd.get(at) ?? [];
    const [push] = ending;
    if (push === undefined) return not(`nobody knows who pushed commit ${at.slice(0, 8)}`);
    if (ending.length > 1) return not(`commit ${at.slice(0, 8)} was pushed more than once`);
    if (push.user !== trigger) return not('somebody else pushed as well');
    if (push.from === null) return not('the ref was made anew');
    if (push.from === from) return { sole: true, pushes: steps };
    at = push.from;
  }
  return not('the pushes do not lead back to the last approved commit');
}
